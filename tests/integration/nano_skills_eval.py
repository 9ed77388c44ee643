#!/usr/bin/env python3
"""How well nano does its tasks in the real loop: the program, its sandbox, its document index, real tool servers.

    python3 tests/integration/nano_skills_eval.py --n 40                         760 tasks, temperature 0
    python3 tests/integration/nano_skills_eval.py --n 40 --temperature 1 --constrain off
    python3 tests/integration/nano_skills_eval.py --n 20 --only functions --model build/nano/weights --show-wrong 5

Each task is one `toccata task run`; chats of two turns go through `toccata serve`. Skills: compute; answer by a schema; call a
function with the right arguments, two after each other, one and then python, in two turns of a chat, report one field of a
long result; say that there is no such tool; look up a fact and cite its line; look up and compute; say that nothing was
found, that the page does not say it, that there is no browser; run pasted code and mend it after its traceback. Every
function, document, name, number and program is drawn anew from the seed. Right = the calls and the whole answer equal the
expected ones.

Below the skills stand what they add up to; "invented" are answers to what can't be answered that do not say so, and
"calls refused" those whose arguments did not satisfy the tool's schema, by the ledger. Standard library only.
"""

import argparse
import collections
import concurrent.futures
import json
import os
import pathlib
import random
import sqlite3
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import nano_function_cases as function_cases  # noqa: E402
from live_server import Server  # noqa: E402
from program import ROOT, TOCCATA, Program  # noqa: E402

sys.path.insert(0, str(ROOT / "examples/nano"))
sys.dont_write_bytecode = True
import functions  # noqa: E402
import lookup  # noqa: E402
import repair  # noqa: E402
import skills  # noqa: E402
import tasks  # noqa: E402

TASK_FILE = """name: ask
params: {question: string}
steps:
  - {id: answer, prompt: "{{ params.question }}", timeout: 60s, output_schema: SCHEMA}
"""
COMPUTED = 5  # computations for each task of another skill: they have twenty kinds
SUMS = {
    "computation": ["compute"], "answers by a schema": ["by_schema"], "function calls": ["call", "two_calls", "call_field", "call_turns"], "search, open, cite": ["cite"],
    "two tools": ["two_tool", "call_compute"], "run and mend code": ["run_code", "repair"], "no answer to be had": ["nothing", "lacking", "no_browser", "no_such_tool"],
}
CANNOT = ("I found nothing about ", "I have no ", "I can't ", "The page about ")


def computing_cases(rng: random.Random, n: int, wording: str) -> list[dict]:
    drawn = [tasks.draw_task(rng, tasks.draw_kind(rng), wording) for _ in range(n)]
    return [{"skill": "compute", "question": t.question, "expected": t.answer, "options": []} for t in drawn]


def schema_cases(rng: random.Random, n: int, wording: str, folder: pathlib.Path) -> list[dict]:
    """A computation each whose answer is JSON; its task file holds the schema."""
    out = []
    for i in range(n):
        task, schema, answer = skills.computed_by_schema(rng, wording)
        out.append({"skill": "by_schema", "question": task.question, "expected": answer, "options": [], "file": task_file(folder / f"schema{i}.yaml", schema)})
    return out


def task_file(path: pathlib.Path, schema: dict | None = None) -> str:
    path.write_text(TASK_FILE.replace(", output_schema: SCHEMA", f", output_schema: {json.dumps(schema)}" if schema else ""))
    return str(path)


def lookup_cases(program: Program, rng: random.Random, n: int, wording: str, folder: pathlib.Path) -> list[dict]:
    """Up to n tasks a skill over one index a corpus."""
    out: dict[str, list[dict]] = collections.defaultdict(list)
    for i in range(40 * n):
        if all(len(out[skill]) >= n for skill in ("cite", "nothing", "lacking", "two_tool", "no_browser")):
            break
        documents = folder / f"docs{i}"
        documents.mkdir()
        records = lookup.recorded(TOCCATA, rng, rng.randint(3, 9), 8, documents)
        index = folder / f"index{i}.db"
        program.run("index", "add", "--index", str(index), str(documents))
        for r in records:
            case = {"fact": "cite"}.get(r["case"], r["case"])
            if case == "cite" and rng.random() < 0.15:
                case = "no_browser"
            if case == "cite" and lookup.is_numeric(r) and rng.random() < 0.5:
                case = "two_tool"
            if len(out[case]) >= n:
                continue
            question, answer = lookup.question_text(rng, r, wording), lookup.answer_text(r, 1)
            if case == "two_tool":
                question, expression = lookup.two_tool_text(rng, r, wording)
                answer = f"{expression} = {tasks.execute(f'print({expression})')} 【1†L{r['line']}】"
            if case == "no_browser":
                answer = skills.NO_BROWSER
            tools = "python" if case == "no_browser" else "python,browser"
            out[case].append({"skill": case, "question": question, "expected": answer, "options": ["--tools", tools, "--index", str(index)]})
    return [task for tasks_of in out.values() for task in tasks_of]


def repair_cases(rng: random.Random, n: int, wording: str) -> list[dict]:
    out: dict[str, list[dict]] = {"run_code": [], "repair": []}
    while any(len(cases) < n for cases in out.values()):
        r = repair.draw(rng, 1, wording)
        skill = "repair" if len(r.runs) > 1 else "run_code"
        if len(out[skill]) < n:
            out[skill].append({"skill": skill, "question": r.question, "expected": r.answer, "options": []})
    return out["run_code"] + out["repair"]


def function_tasks(rng: random.Random, n: int, wording: str, folder: pathlib.Path) -> list[dict]:
    """Those of one turn get an MCP server each; nothing else is given to about half of them."""
    out = function_cases.cases(rng, n, wording)
    for i, task in enumerate(out):
        if len(task["turns"]) > 1:
            continue
        (folder / f"mcp{i}").mkdir()
        config = function_cases.mcp_config(folder / f"mcp{i}", rng.choice(skills.SPACES), task["functions"], task["turns"][0]["calls"])
        tools = "python" if task["skill"] == "call_compute" or rng.random() < 0.5 else "none"
        task["options"] = ["--tools", tools, "--mcp", str(config)]
    return out


def through_task(program: Program, args: argparse.Namespace, file: str, task: dict, seed: int) -> dict:
    settings = ["-m", args.model, "--temperature", str(args.temperature), "--constrain", args.constrain, "--seed", str(seed), "--approve", "always"]
    done = program.run("task", "run", task.get("file", file), *settings, *task["options"], "-p", "question=" + task["question"])
    answer = done.stdout.removesuffix("\n")
    right = answer == task["expected"] or "file" in task and as_json(answer) == json.loads(task["expected"])
    return {**task, "answer": answer, "exit_code": done.returncode, "right": right}


def as_json(text: str):
    try:
        return json.loads(text)
    except ValueError:
        return None


def refused_calls(program: Program) -> tuple[int, int]:
    """(calls of the runs, those that were not made because of their arguments)"""
    with sqlite3.connect(program.ledger) as ledger:
        return ledger.execute("SELECT count(*), coalesce(sum(status = 'malformed'), 0) FROM calls").fetchone()


def print_skills(results: list[dict], show_wrong: int) -> float:
    """The lowest share of a skill."""
    worst = 1.0
    for skill in dict.fromkeys(r["skill"] for r in results):
        of = [r for r in results if r["skill"] == skill]
        wrong = [r for r in of if not r["right"]]
        worst = min(worst, 1 - len(wrong) / len(of))
        print(f"  {skill:20s} {len(of) - len(wrong):3d} / {len(of)}")
        for r in wrong[:show_wrong]:
            print(f"    wrong: {r['question']!r}\n       got {r['answer'][:300]!r} (exit {r['exit_code']}), expected {r['expected']!r}")
    return worst


def print_sums(results: list[dict], calls: tuple[int, int]) -> None:
    for name, members in SUMS.items():
        of = [r for r in results if r["skill"] in members]
        if of:
            print(f"  {name:20s} {sum(r['right'] for r in of) / len(of):6.1%} of {len(of)}")
    unanswerable = [r for r in results if r["skill"] in SUMS["no answer to be had"]]
    invented = [r for r in unanswerable if r["exit_code"] == 0 and r["answer"] and not r["answer"].startswith(CANNOT)]
    if unanswerable:
        print(f"  invented             {len(invented) / len(unanswerable):6.1%} of {len(unanswerable)}")
    if calls[0]:
        print(f"  calls refused        {calls[1] / calls[0]:6.1%} of {calls[0]}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    groups = ["computing", "functions", "lookups", "repair", "schemas"]
    parser.add_argument("--n", type=int, default=20, help=f"tasks a skill; {COMPUTED} times as many computations")
    parser.add_argument("--wording", choices=["seen", "unseen"], default="seen")
    parser.add_argument("--seed", type=int, default=2026)
    parser.add_argument("--only", choices=groups, action="append", help="this group of skills; may be repeated")
    parser.add_argument("--temperature", type=float, default=0.0)
    parser.add_argument("--constrain", choices=["auto", "off"], default="auto", help="off: nothing keeps the model inside the format and the schemas")
    parser.add_argument("--model", default="nano", help="or a folder, such as export.py writes")
    parser.add_argument("--need", type=float, default=0.0, help="exit 1 when a skill is below this share")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--show-wrong", type=int, default=2, help="failures shown a skill")
    parser.add_argument("--out", type=pathlib.Path, help="every task and answer as JSON Lines")
    args = parser.parse_args()

    wanted = args.only or groups
    rng = {group: random.Random(f"held-out {group} {args.seed}") for group in groups}
    with tempfile.TemporaryDirectory() as folder, Program() as program, concurrent.futures.ThreadPoolExecutor(args.jobs) as pool:
        folder = pathlib.Path(folder)
        file = task_file(folder / "ask.yaml")
        cases = computing_cases(rng["computing"], COMPUTED * args.n, args.wording) if "computing" in wanted else []
        cases += function_tasks(rng["functions"], args.n, args.wording, folder) if "functions" in wanted else []
        cases += lookup_cases(program, rng["lookups"], args.n, args.wording, folder) if "lookups" in wanted else []
        cases += repair_cases(rng["repair"], args.n, args.wording) if "repair" in wanted else []
        cases += schema_cases(rng["schemas"], args.n, args.wording, folder) if "schemas" in wanted else []
        server = Server(program, "-m", args.model, "--constrain", args.constrain)

        def attempt(numbered: tuple[int, dict]) -> dict:
            seed, task = numbered
            if "options" in task:
                return through_task(program, args, file, task, seed)
            return function_cases.through_chat(server, task, temperature=args.temperature, seed=seed)

        try:
            results = list(pool.map(attempt, enumerate(cases)))
        finally:
            server.close()
        calls = refused_calls(program)
    if args.out:
        named = [{**r, "functions": [f.name if isinstance(f, functions.Function) else f for f in r.get("functions", [])]} for r in results]
        args.out.write_text("".join(json.dumps(r, ensure_ascii=False) + "\n" for r in named))
    worst = print_skills(results, args.show_wrong)
    print_sums(results, calls)
    print(f"{args.wording}: {sum(r['right'] for r in results)} of {len(results)} right; lowest skill {worst:.0%}, {args.need:.0%} needed")
    return 0 if results and worst >= args.need else 1


if __name__ == "__main__":
    sys.exit(main())
