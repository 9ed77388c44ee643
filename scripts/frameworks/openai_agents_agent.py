"""One agent run of the OpenAI Agents SDK: argv[1] = URL of the endpoint, argv[2] = steps."""
import sys

from agents import Agent, OpenAIChatCompletionsModel, Runner, function_tool, set_tracing_disabled
from openai import AsyncOpenAI

url, n = sys.argv[1], int(sys.argv[2])
set_tracing_disabled(True)


@function_tool
def now() -> str:
    "The time."
    return "noon"


model = OpenAIChatCompletionsModel(model=f"scripted-{n}", openai_client=AsyncOpenAI(base_url=url, api_key="none"))
out = Runner.run_sync(Agent(name="a", model=model, tools=[now]), "go", max_turns=n + 5)
assert out.final_output == "done"
assert sum(item.type == "tool_call_output_item" for item in out.new_items) == n
