#!/usr/bin/env python3
"""How many held-out tasks nano gets right in the real loop with the real sandbox.

    python3 tests/integration/nano_eval.py --n 100 --wording seen --need 0.90
    python3 tests/integration/nano_eval.py --n 100 --wording unseen --need 0.70

Every task is one `toccata run` of the built program at temperature 0: the model writes Python, the sandbox runs it, the
model answers. Right = the whole answer equals the expected one; tasks that need Python count only if it was called.
Operands are drawn anew from the seed; the "unseen" wordings never occur in training.
"""

import argparse
import collections
import concurrent.futures
import json
import os
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from program import ROOT, Program, events  # noqa: E402


def tasks(n: int, wording: str, seed: int) -> list[dict]:
    command = [sys.executable, str(ROOT / "examples/nano/tasks.py"), "--n", str(n), "--wording", wording, "--seed", str(seed)]
    listed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return [json.loads(line) for line in listed.splitlines()]


def attempt(program: Program, args: argparse.Namespace, task: dict) -> dict:
    command = ["run", "-m", args.model, "--precision", args.precision, "--json", "--temperature", "0", "--seed", "1", "--timeout", "60"]
    done = program.run(*command, task["question"])
    seen = events(done)
    items = [e["item"] for e in seen if e["type"] == "item.completed"]
    answer = "".join(i["text"] for i in items if i["type"] == "agent_message")
    calls = sum(1 for i in items if i["type"] not in ("agent_message", "reasoning", "error"))
    return {**task, "answer": answer, "calls": calls, "exit_code": done.returncode, "right": answer == task["expected_final"]}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, default=100)
    parser.add_argument("--wording", choices=["seen", "dev", "unseen"], default="seen", help="dev: for tuning; unseen: for the figure alone")
    parser.add_argument("--model", default="nano", help="or a folder, such as export.py writes")
    parser.add_argument("--precision", default="auto", help="as of `toccata run`")
    parser.add_argument("--seed", type=int, default=2026)
    parser.add_argument("--need", type=float, default=0.0, help="exit 1 below this share")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--show-wrong", type=int, default=10)
    args = parser.parse_args()

    with Program() as program, concurrent.futures.ThreadPoolExecutor(args.jobs) as pool:
        results = list(pool.map(lambda t: attempt(program, args, t), tasks(args.n, args.wording, args.seed)))
    if not results:
        print("no tasks")
        return 1
    by_kind = collections.defaultdict(list)
    for r in results:
        by_kind[r["kind"]].append(r["right"])
    for kind, rights in sorted(by_kind.items()):
        print(f"  {kind:24s} {sum(rights):3d} / {len(rights)}")
    for r in [r for r in results if not r["right"]][: args.show_wrong]:
        print(f"  wrong: {r['question']!r}\n     got {r['answer']!r} (exit {r['exit_code']}), expected {r['expected_final']!r}")
    share = sum(r["right"] for r in results) / len(results)
    print(f"{args.wording}: {sum(r['right'] for r in results)} of {len(results)} right ({share:.0%}), {args.need:.0%} needed")
    return 0 if share >= args.need else 1


if __name__ == "__main__":
    sys.exit(main())
