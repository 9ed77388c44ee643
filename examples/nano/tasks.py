"""The task kinds of nano: questions, the code that answers them, and the one final wording.

Standard library only. `python3 tasks.py --n 100 --wording seen --seed 7` writes held-out
evaluation tasks as JSON lines.
"""

import argparse
import json
import random
from dataclasses import dataclass

from kind_table import KINDS
from kinds import Kind
from pyrun import run_cell
from wording import ask


@dataclass
class Task:
    """One question with its true answer."""

    kind: str
    question: str
    code: str
    output: str
    final: str


def make_task(rng: random.Random, kind: Kind, unseen: bool = False, cell: int = 1) -> Task:
    """Draw a task of a kind; its code is executed, so the result is true."""
    drawn = kind.draw(rng)
    extra = drawn.get("cores", {})
    template = ask(rng, extra.get("nouns", kind.nouns), extra.get("sentences", kind.sentences),
                   kind.held_nouns if not extra.get("only") else [],
                   kind.held_sentences if not extra.get("only") else [], unseen, kind.shout)
    question = template
    for name, value in drawn["slots"].items():
        question = question.replace("{" + name + "}", str(value))
    output = run_cell(drawn["code"], cell, {})
    final = drawn["final"](output) if callable(drawn["final"]) else drawn["final"]
    return Task(kind.name, question, drawn["code"], output, final)


def draw_kind(rng: random.Random, weights: dict[str, float] | None = None) -> Kind:
    """A kind by weight; `weights` multiplies the defaults."""
    factors = [k.weight * (weights or {}).get(k.name, 1.0) for k in KINDS]
    return rng.choices(KINDS, factors)[0]


def held_out(n: int, wording: str, seed: int) -> list[dict]:
    """`n` evaluation tasks, the kinds in turn, from a random stream training never uses."""
    rng = random.Random(f"nano-eval-{wording}-{seed}")
    rows = []
    for i in range(n):
        kind = KINDS[i % len(KINDS)] if n >= len(KINDS) else draw_kind(rng)
        task = make_task(rng, kind, wording == "unseen")
        rows.append({"id": f"{wording}-{seed}-{i:04d}", "kind": task.kind, "wording": wording,
                     "question": task.question, "expected_final": task.final})
    return rows


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=100)
    parser.add_argument("--wording", choices=["seen", "unseen"], default="seen")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    for row in held_out(args.n, args.wording, args.seed):
        print(json.dumps(row, ensure_ascii=False))


if __name__ == "__main__":
    main()
