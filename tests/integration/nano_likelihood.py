#!/usr/bin/env python3
"""How sure nano is of its function calls: the probabilities of the right tokens, without sampling and without the program.

    python3 tests/integration/nano_likelihood.py build/nano/net.pt --n 150

Every conversation of nano_function_cases.py is read as it should be; the product of what the model gives to the tokens it
would write is how often it is right at temperature 1 without masks, and whether each is the likeliest tells temperature 0.
Below stand the messages (thoughts, calls, answers) where most is lost. One number of 1,000 conversations in a minute is steadier than runs of the program,
which show the rest: masks, tools, what comes after a mistake. Needs torch.
"""

import argparse
import collections
import math
import pathlib
import random
import sys

import nano_function_cases as function_cases
from program import ROOT

sys.path.insert(0, str(ROOT / "examples/nano"))
sys.dont_write_bytecode = True
import torch  # noqa: E402
import torch.nn.functional as F  # noqa: E402

import checkpoint  # noqa: E402
import functions  # noqa: E402
import skills  # noqa: E402
import train  # noqa: E402

CALLS = ("call", "two_calls", "call_field", "call_turns")
BATCH = 6000  # tokens
DATE = "2026-11-28"


def conversation(rng: random.Random, v, skill: str, errands: list[skills.Errand], box: list[functions.Function]):
    """(ids, weights) where only the last turn is written; of earlier ones the thoughts are gone, as an API's clients send them."""
    in_chat = skill == "call_turns"
    python = skill == "call_compute" or not in_chat and rng.random() < 0.5
    space = "functions" if in_chat else rng.choice(skills.SPACES)
    talk = skills.Talk(rng, v, "medium", python, False)
    talk.b.system(DATE, "medium", python, False, in_chat)
    talk.b.developer(functions.declaration(space, box))
    for e in errands:
        last = e is errands[-1]
        talk.forgets = not last
        skills.do_errand(talk, e, space, box, DATE, 1 if last else skills.MISTAKEN, last, "seen")
    return talk.b.ids, [float(w >= 1) for w in talk.b.weights]


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
def lost(net, v, group: list) -> list[tuple[dict[str, float], bool]]:
    """Of each conversation: -log of the probability of each message it would write, whether all its tokens are the likeliest."""
    tokens, positions, targets, _ = train.collate(group)
    logits = net(tokens, positions)
    losses = F.cross_entropy(logits, targets, reduction="none").tolist()
    best = (logits.argmax(-1) == targets).tolist()
    channel = v.special["<|channel|>"]
    messages: list[list[float]] = [[] for _ in group]
    right = [True] * len(group)
    for at, target, loss, hit in zip(positions.tolist(), targets.tolist(), losses, best):
        row = at // tokens.shape[1]
        if target == channel:
            messages[row].append(0.0)
        messages[row][-1] += loss
        right[row] = right[row] and hit
    return [({f"message {i + 1} of {len(m)}": loss for i, loss in enumerate(m)}, ok) for m, ok in zip(messages, right)]


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
        for (skill, i, _), (messages, best) in zip(group, lost(net, v, [c[2] for c in group])):
            results[skill, i].append((sum(messages.values()), best))
            for name, loss in messages.items():
                by_part[skill, name] += 1 - math.exp(-loss)
    shares = {}
    for skill in function_cases.SKILLS:
        of = [turns for (s, _), turns in results.items() if s == skill]
        shares[skill] = [sum(all(best for _, best in turns) for turns in of) / len(of), sum(math.exp(-sum(loss for loss, _ in turns)) for turns in of) / len(of)]
    shares["function calls"] = [sum(shares[s][t] for s in CALLS) / len(CALLS) for t in (0, 1)]
    for name, (cold, warm) in shares.items():
        print(f"  {name:16s} {cold:6.1%} at temperature 0, {warm:6.1%} at 1")
    for (skill, part), share in by_part.most_common(10):
        print(f"    lost {share / args.n:6.2%}: {skill}, {part}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
