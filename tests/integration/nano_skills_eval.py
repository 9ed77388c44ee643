#!/usr/bin/env python3
"""How well nano does what needs more than one tool call, in the real loop: the program, its sandbox, its document index.

    python3 tests/integration/nano_skills_eval.py --n 20 --wording seen --model build/nano/weights

Skills: call a function with the right arguments, two after each other, one and then python, in two turns of a chat; say
that there is no such tool; look up a fact and cite its line; look up and compute; say that nothing was found, or that the
page does not say it; say that there is no browser; run pasted code and mend it after its traceback. Every function,
document, name, number and program is drawn anew from the seed. Right = the calls and the whole answer equal the expected
ones. Standard library only.
"""

import argparse
import collections
import concurrent.futures
import json
import os
import pathlib
import random
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import nano_function_cases as function_cases  # noqa: E402
from live_server import Server  # noqa: E402
from program import ROOT, TOCCATA, Program, events  # noqa: E402

sys.path.insert(0, str(ROOT / "examples/nano"))
sys.dont_write_bytecode = True
import lookup  # noqa: E402
import repair  # noqa: E402
import skills  # noqa: E402
import tasks  # noqa: E402


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


def attempt(program: Program, model: str, task: dict) -> dict:
    done = program.run("run", "-m", model, "--json", "--temperature", "0", "--seed", "1", "--timeout", "60", *task["options"], "--", task["question"])
    items = [e["item"] for e in events(done) if e["type"] == "item.completed"]
    answer = "".join(i["text"] for i in items if i["type"] == "agent_message")
    return {**task, "answer": answer, "exit_code": done.returncode, "right": answer == task["expected"]}


def function_results(program: Program, args: argparse.Namespace, cases: list[dict], folder: pathlib.Path, pool) -> list[dict]:
    server = Server(program, "-m", args.model)
    try:
        def one(numbered):
            i, task = numbered
            if task["way"] == "run":
                return function_cases.through_run(program, args.model, task, folder / f"mcp{i}")
            return function_cases.through_chat(server, task, temperature=args.temperature, seed=i)

        return list(pool.map(one, enumerate(cases)))
    finally:
        server.close()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, default=20, help="tasks a skill")
    parser.add_argument("--wording", choices=["seen", "unseen"], default="seen")
    parser.add_argument("--seed", type=int, default=2026)
    parser.add_argument("--only", choices=["functions", "lookups", "repair"], action="append", help="this group of skills; may be repeated")
    parser.add_argument("--temperature", type=float, default=0.0, help="of the function calls that go through the server")
    parser.add_argument("--model", default="nano", help="or a folder, such as export.py writes")
    parser.add_argument("--need", type=float, default=0.0, help="exit 1 when a skill is below this share")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--show-wrong", type=int, default=2, help="failures shown a skill")
    parser.add_argument("--out", type=pathlib.Path, help="every task and answer as JSON Lines")
    args = parser.parse_args()

    rng = random.Random(f"held-out skills {args.seed}")
    groups = args.only or ["functions", "lookups", "repair"]
    results = []
    with tempfile.TemporaryDirectory() as folder, Program() as program, concurrent.futures.ThreadPoolExecutor(args.jobs) as pool:
        folder = pathlib.Path(folder)
        if "functions" in groups:
            results += function_results(program, args, function_cases.cases(rng, args.n, args.wording), folder, pool)
        cases = lookup_cases(program, rng, args.n, args.wording, folder) if "lookups" in groups else []
        cases += repair_cases(rng, args.n, args.wording) if "repair" in groups else []
        results += pool.map(lambda t: attempt(program, args.model, t), cases)
    if args.out:
        args.out.write_text("".join(json.dumps(r, ensure_ascii=False) + "\n" for r in results))
    worst = 1.0
    for skill in dict.fromkeys(r["skill"] for r in results):
        of = [r for r in results if r["skill"] == skill]
        wrong = [r for r in of if not r["right"]]
        worst = min(worst, 1 - len(wrong) / len(of))
        print(f"  {skill:12s} {len(of) - len(wrong):3d} / {len(of)}")
        for r in wrong[: args.show_wrong]:
            print(f"    wrong: {r['question']!r}\n       got {r['answer']!r} (exit {r['exit_code']}), expected {r['expected']!r}")
    print(f"{args.wording}: {sum(r['right'] for r in results)} of {len(results)} right; lowest skill {worst:.0%}, {args.need:.0%} needed")
    return 0 if results and worst >= args.need else 1


if __name__ == "__main__":
    sys.exit(main())
