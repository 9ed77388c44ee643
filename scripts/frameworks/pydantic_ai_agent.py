"""One agent run of pydantic-ai: argv[1] = URL of the endpoint, argv[2] = steps."""
import sys

from pydantic_ai import Agent, UsageLimits
from pydantic_ai.messages import ToolReturnPart
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider

url, n = sys.argv[1], int(sys.argv[2])


def now() -> str:
    "The time."
    return "noon"


model = OpenAIChatModel(f"scripted-{n}", provider=OpenAIProvider(base_url=url, api_key="none"))
out = Agent(model, tools=[now]).run_sync("go", usage_limits=UsageLimits(request_limit=n + 5))
assert out.output == "done"
assert sum(isinstance(part, ToolReturnPart) for message in out.all_messages() for part in message.parts) == n
