#!/usr/bin/env python3
"""How sure nano is of its function calls: the probabilities of the right tokens, without sampling and without the program.

    python3 tests/integration/nano_likelihood.py build/nano/net.pt --n 150

Every conversation of nano_function_cases.py is read as it should be; the product of what the model gives to the tokens it
would write is how often it is right at temperature 1 without masks, and whether each is the likeliest tells temperature 0.
Below stand the parts where most is lost. One number of 1,000 conversations in a minute is steadier than runs of the program,
which show the rest: masks, tools, what comes after a mistake. Needs torch.
"""

import argparse
import collections
import json
import math
import pathlib
import random
import sys

import nano_function_cases as function_cases
from program import ROOT

sys.path.insert(0, str(ROOT / "examples/nano"))
sys.dont_write_bytecode = True
import torch  # noqa: E402

import checkpoint  # noqa: E402
import functions  # noqa: E402
import skills  # noqa: E402
import tasks  # noqa: E402

CALLS = ("call", "two_calls", "call_field", "call_turns")
BATCH = 6000  # tokens


def marked(talk: skills.Talk, name: str, parts: list, write) -> None:
    """Notes which tokens `write` adds: (name, begin, end)."""
    begin = len(talk.b.ids)
    write()
    parts.append((name, begin, len(talk.b.ids)))


def conversation(rng: random.Random, v, skill: str, errands: list[skills.Errand], box: list[functions.Function]):
    """(ids, weights, parts of the last turn); of earlier turns only the thoughts are gone, as an API's clients send them."""
    in_chat = skill == "call_turns"
    python = skill == "call_compute" or not in_chat and rng.random() < 0.5
    space = "functions" if in_chat else rng.choice(skills.SPACES)
    talk, parts = skills.Talk(rng, v, "medium", python, False), []
    talk.b.system("2026-11-28", "medium", python, False, in_chat)
    talk.b.developer(functions.declaration(space, box))
    for e in errands:
        last = e is errands[-1]
        talk.forgets = not last
        talk.b.user(tasks.dressed(rng, e.question, "seen"))
        talk.b.add("<|start|>", "assistant")
        if e.case == "missing":
            marked(talk, "thought", parts, lambda: talk.think(skills.plan(e), last))
        else:
            for i, r in enumerate(e.requests):
                thought = f"{skills.NOW}{r.function.name}." if i else skills.plan(e)
                marked(talk, f"call {i + 1}" if i else "thought, call 1", parts, lambda: talk.use(r, space, thought, last))
            if e.expression:
                marked(talk, "python", parts, lambda: talk.calculate(e.expression, last))
        marked(talk, "answer", parts, lambda: talk.b.final(e.answer, last, last))
        if not last:
            parts.clear()
    return talk.b.ids, talk.b.weights, parts


def drawn(rng: random.Random, v, n: int) -> list[tuple[str, int, list]]:
    """(skill, number of the task, conversation): one for each turn of n tasks a skill."""
    out = []
    for skill, case in function_cases.SKILLS.items():
        for i in range(n):
            made = [function_cases.errand_of(rng, case, "seen") for _ in range(2 if skill == "call_turns" else 1)]
            names = [functions.family(f.name) for _, of in made for f in of]
            if len(set().union(*names)) < sum(map(len, names)):  # two functions for one purpose
                made = made[:1]
            box = [f for _, of in made for f in of]
            for turn in range(len(made)):
                out.append((skill, i, conversation(rng, v, skill, [e for e, _ in made[: turn + 1]], box)))
    return out


@torch.no_grad()
def lost(net, ids: list[list[int]], weights: list[list[float]]) -> list[tuple[list[float], bool]]:
    """Of each conversation: -log of the probability of each token it would write (0 elsewhere), all of them the likeliest?"""
    longest = max(map(len, ids))
    tokens = torch.tensor([row + [0] * (longest - len(row)) for row in ids])
    logits = net(tokens)[:, :-1]
    of = logits.log_softmax(-1).gather(-1, tokens[:, 1:, None])[..., 0]
    best = logits.argmax(-1) == tokens[:, 1:]
    out = []
    for row, w in enumerate(weights):
        written = [i for i in range(1, len(w)) if w[i]]
        losses = [0.0] * len(w)
        for i in written:
            losses[i] = -of[row, i - 1].item()
        out.append((losses, all(best[row, i - 1] for i in written)))
    return out


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=pathlib.Path, nargs="+", help="a net.pt, or a folder such as export.py writes; of several, the mean")
    parser.add_argument("--n", type=int, default=100, help="tasks a skill")
    parser.add_argument("--seed", type=int, default=5)
    args = parser.parse_args()
    v, net = checkpoint.mean(args.model)
    net.eval()
    for layer in net.layers:
        layer.rounded = True
    cases = drawn(random.Random(f"likelihood {args.seed}"), v, args.n)
    results: dict[tuple[str, int], list[tuple[float, bool]]] = collections.defaultdict(list)
    by_part: collections.Counter = collections.Counter()
    queue = sorted(cases, key=lambda c: len(c[2][0]))
    while queue:
        size = max(1, next((k for k in range(1, len(queue)) if len(queue[k][2][0]) * (k + 1) > BATCH), len(queue)))
        group, queue = queue[:size], queue[size:]
        for (skill, i, (_, _, parts)), (losses, best) in zip(group, lost(net, [c[2][0] for c in group], [c[2][1] for c in group])):
            results[skill, i].append((sum(losses), best))
            for name, begin, end in parts:
                by_part[skill, name] += 1 - math.exp(-sum(losses[begin:end]))
    shares = {}
    for skill in function_cases.SKILLS:
        of = [turns for (s, _), turns in results.items() if s == skill]
        shares[skill] = [sum(all(best for _, best in turns) for turns in of) / len(of), sum(math.exp(-sum(loss for loss, _ in turns)) for turns in of) / len(of)]
    shares["function calls"] = [sum(shares[s][t] for s in CALLS) / len(CALLS) for t in (0, 1)]
    for name, (cold, warm) in shares.items():
        print(f"  {name:16s} {cold:6.1%} at temperature 0, {warm:6.1%} at 1")
    for (skill, part), share in by_part.most_common(10):
        print(f"    lost {share / args.n:6.2%}: {skill}, {part}")
    print(json.dumps({"model": [str(m) for m in args.model], "n": args.n, **{k: [round(x, 4) for x in s] for k, s in shares.items()}}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
