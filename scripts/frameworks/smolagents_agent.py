"""One agent run of smolagents' tool calling agent: argv[1] = URL of the endpoint, argv[2] = steps."""
import sys

from smolagents import ActionStep, LogLevel, OpenAIServerModel, ToolCallingAgent, tool

url, n = sys.argv[1], int(sys.argv[2])


@tool
def now() -> str:
    "The time."
    return "noon"


model = OpenAIServerModel(model_id=f"scripted-{n}", api_base=url, api_key="none")
agent = ToolCallingAgent(tools=[now], model=model, max_steps=n + 5, verbosity_level=LogLevel.OFF)
answer = agent.run("go")
assert answer == "done", answer
assert sum(isinstance(step, ActionStep) for step in agent.memory.steps) == n + 1  # the answer is a step too
