"""One run of the agent that LangGraph recommends, langchain's create_agent: argv[1] = URL of the endpoint, argv[2] = steps."""
import sys

from langchain.agents import create_agent
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI

url, n = sys.argv[1], int(sys.argv[2])


@tool
def now() -> str:
    "The time."
    return "noon"


model = ChatOpenAI(model=f"scripted-{n}", base_url=url, api_key="none", use_responses_api=False)
out = create_agent(model, [now]).invoke({"messages": [("user", "go")]}, {"recursion_limit": 2 * n + 20})
assert out["messages"][-1].content == "done"
assert sum(m.type == "tool" for m in out["messages"]) == n
