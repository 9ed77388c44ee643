"""gpt-oss models as working agents.

    import toccata

    @toccata.tool
    def get_weather(city: str, days: int = 1) -> str:
        \"\"\"The forecast for a city.\"\"\"
        return f"{city}: sunny for {days} days"

    agent = toccata.Agent("nano", tools=["python", get_weather])
    print(agent.run("What is 48213 * 977 + 5?").final)

    for event in agent.stream("And 12 * 12?"):
        print(event["type"])

Everything runs in this process: the engine, the loop, the sandbox and the ledger are those of the program `toccata`, and
`toccata runs list` shows what an agent did.
"""

from . import harmony
from ._agent import Agent, Event, Result, RunFailed
from ._grammar import Grammar, Matcher
from ._sandbox import Outcome, Sandbox
from ._toccata import Tokenizer, __version__
from ._tool import Tool, tool

__all__ = [
    "Agent", "Event", "Grammar", "Matcher", "Outcome", "Result", "RunFailed", "Sandbox", "Tokenizer", "Tool", "__version__",
    "harmony", "tool",
]
