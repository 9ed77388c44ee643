"""Held-out questions to function tools and how they are put to the program; shared by nano's tests.

By the Chat Completions API of `toccata serve` the functions are the client's: this file plays the client. In a run they are
those of an MCP server that answers from a file.
"""

import json
import os
import pathlib
import random
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from program import ROOT  # noqa: E402

sys.path.insert(0, str(ROOT / "examples/nano"))
sys.dont_write_bytecode = True
import functions  # noqa: E402
import skills  # noqa: E402
import tasks  # noqa: E402

CALLS_MAX = 4
SKILLS = {"call": "one", "two_calls": "two", "call_compute": "compute", "no_such_tool": "missing", "call_turns": "one", "call_field": "field"}  # skill -> case of an errand


def errand_of(rng: random.Random, case: str, wording: str) -> tuple[skills.Errand, list[functions.Function]]:
    """A question and the toolbox it is asked with."""
    while True:
        e = skills.errand(rng, True, wording, case)
        named = [r.function for r in e.requests]
        missing = case == "missing"
        box = functions.toolbox(rng, [] if missing else named, rng.choice([1, 2, 3]), wording, named if missing else [])
        if not (missing and any(f.name in e.question for f in box)):
            return e, box


def task_of(rng: random.Random, skill: str, made: list[tuple[skills.Errand, list[functions.Function]]], wording: str) -> dict:
    """A task: the functions of one conversation and its turns, each with what is asked and what must come."""
    turns = [{
        "question": tasks.dressed(rng, e.question, wording), "expected": e.answer,
        "calls": [] if e.case == "missing" else [{"name": r.function.name, "arguments": r.arguments, "result": r.result} for r in e.requests],
    } for e, _ in made]
    box = {f.name: f for _, of in made for f in of}
    return {"skill": skill, "functions": list(box.values()), "turns": turns, "question": turns[-1]["question"], "expected": turns[-1]["expected"]}


def cases(rng: random.Random, n: int, wording: str) -> list[dict]:
    """n tasks a skill."""
    out = []
    for skill, case in SKILLS.items():
        for _ in range(n):
            made = [errand_of(rng, case, wording)]
            if skill == "call_turns":
                first = {name for f in made[0][1] for name in functions.family(f.name)}
                made.append(errand_of(rng, case, wording))
                while first & {f.name for f in made[1][1]}:
                    made[1] = errand_of(rng, case, wording)
            out.append(task_of(rng, skill, made, wording))
    return out


def result_for(turn: dict, name: str, arguments) -> str:
    for call in turn["calls"]:
        if (call["name"], call["arguments"]) == (name, arguments):
            return call["result"]
    return json.dumps({"error": "unexpected arguments"})


def arguments_of(call: dict):
    """The arguments; where the model was cut off in them, what there is of them."""
    text = call["function"]["arguments"]
    try:
        return json.loads(text)
    except ValueError:
        return text


def through_chat(server, task: dict, **sampling) -> dict:
    """Every turn must make exactly its calls and give exactly its answer."""
    messages, right, answer, made = [], True, "", []
    for turn in task["turns"]:
        messages.append({"role": "user", "content": turn["question"]})
        made = []
        while len(made) <= CALLS_MAX:
            choice = server.chat(messages, tools=[f.tool() for f in task["functions"]], max_tokens=300, **sampling)["choices"][0]
            message = choice["message"]
            messages.append(message)
            calls = message.get("tool_calls") or []
            if not calls:
                break
            for call in calls:
                name, arguments = call["function"]["name"], arguments_of(call)
                made.append({"name": name, "arguments": arguments})
                messages.append({"role": "tool", "tool_call_id": call["id"], "content": result_for(turn, name, arguments)})
            if choice["finish_reason"] == "length":
                break
        answer = message.get("content") or ""
        wanted = [{"name": c["name"], "arguments": c["arguments"]} for c in turn["calls"]]
        right = right and made == wanted and answer == turn["expected"]
    return {**task, "answer": f"{answer} after {json.dumps(made)}", "exit_code": 0, "right": right, "functions": [f.name for f in task["functions"]]}


def mcp_config(folder: pathlib.Path, space: str, box: list[functions.Function], calls: list[dict]) -> pathlib.Path:
    """A configuration file whose one server has these functions and gives these answers."""
    said = {
        "tools": [{"name": f.name, "description": f.description, "inputSchema": f.schema()} for f in box],
        "answers": {c["name"]: c["result"] for c in calls}, "arguments": {c["name"]: c["arguments"] for c in calls},
    }
    (folder / "said.json").write_text(json.dumps(said))
    server = {"command": sys.executable, "args": [str(ROOT / "tests/tools/mcp/canned_server.py"), str(folder / "said.json")]}
    path = folder / "mcp.json"
    path.write_text(json.dumps({"mcpServers": {space: server}}))
    return path
