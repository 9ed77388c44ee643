"""An agent with a Python function as a tool, its events as they come, and an answer that is JSON by a schema.

    PYTHONPATH=build/cpu/agent/python python3 examples/python/functions.py [MODEL]
"""

import sys
import tempfile

import toccata


@toccata.tool(pure=True)
def days_between(first: str, second: str) -> int:
    """Days from one date to another.

    Args:
        first: as 2026-11-26
        second: the same
    """
    from datetime import date

    return (date.fromisoformat(second) - date.fromisoformat(first)).days


def main() -> int:
    model = sys.argv[1] if len(sys.argv) > 1 else "nano"
    with tempfile.TemporaryDirectory() as folder:
        agent = toccata.Agent(model, tools=["python", days_between], ledger=f"{folder}/runs.db", temperature=0)
        stream = agent.stream("What is 48213 * 977 + 5?")
        for event in stream:
            if event["type"] == "item.completed":
                print(event["item"]["type"], "|", str(event["item"])[:100], file=sys.stderr)
        print(stream.result.check())

        schema = {"type": "object", "properties": {"result": {"type": "integer"}}, "required": ["result"], "additionalProperties": False}
        typed = toccata.Agent(model, output_schema=schema, ledger=f"{folder}/runs.db", temperature=0)
        print(typed.run("What is 7 * 6?").check().json())
    return 0


if __name__ == "__main__":
    sys.exit(main())
