#!/usr/bin/env python3
"""Trains nano on the conversations of conversations.py: next-token loss on what the assistant writes.

    python3 examples/nano/train.py --out build/nano --tokens 20e6                  from scratch, copy circuit written in
    python3 examples/nano/train.py --out build/nano --tokens 20e6 --from examples/nano/weights      from shipped weights
    python3 examples/nano/train.py --out build/nano --tokens 20e6 --resume         go on after an interruption
    python3 examples/nano/train.py --out build/nano --tokens 20e6 --from examples/nano/weights --skills --experts 16     function calls too
    python3 examples/nano/export.py build/nano/net.pt --out build/nano/weights     the checkpoint the program runs

Needs torch. A run is a function of its options (on one kind of processor): weights and data come from --seed, and the
learning rate follows the share of --tokens read, not the clock. --processes N trains on N cores with averaged gradients;
each process uses one thread, as OpenMP threads that wait for each other spin and are slower on a busy machine.
"""

import argparse
import json
import math
import pathlib
import random
import signal
import sys
import time

import torch
import torch.distributed as dist
import torch.multiprocessing as mp
import torch.nn.functional as F

import checkpoint
import conversations
import skills
import vocabulary
from model import LONGEST, Config, Nano, copy_accuracy

SKILLED_SIZE = 2048  # vocabulary with --skills
POOL = 512  # conversations drawn at a time, then batched with others of like length


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=pathlib.Path, required=True, help="folder for net.pt, resume.pt, tokenizer.json, log.jsonl")
    parser.add_argument("--tokens", type=float, required=True, help="how many tokens to read in all")
    parser.add_argument("--from", dest="start", type=pathlib.Path, help="start from a net.pt or a folder in Hugging Face layout")
    parser.add_argument("--skills", action="store_true", help="train function calls and repair too")
    parser.add_argument("--lookups", type=pathlib.Path, help="what lookup.py recorded: the browser too; implies --skills")
    parser.add_argument("--experts", type=int, choices=[8, 16, 32, 64], default=8, help="more than --from has: it is grown without losing what it can do")
    parser.add_argument("--resume", action="store_true", help="go on with the run in --out")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--rate", type=float, default=2e-3, help="highest learning rate; 1e-3 suits --from")
    parser.add_argument("--hold", type=float, default=0.4, help="share of the run before the rate falls")
    parser.add_argument("--batch", type=int, default=3000, help="tokens a step and process")
    parser.add_argument("--round-from", type=float, default=0.7, help="share of the run after which experts pass through MXFP4")
    parser.add_argument("--sharpen", type=float, default=0.0, metavar="Q", help="the loss is (1 - p^Q) / Q of a right token's probability p: 0 is -log p; with 1, what is drawn at temperature 1 gets right. For a last stage")
    parser.add_argument("--save-minutes", type=float, default=3)
    args = parser.parse_args()
    args.skills = args.skills or args.lookups is not None
    return args


def batches(seed: int, rank: int, first_pool: int, draw, size: int):
    """Yields (pool, tokens [B, T], flat positions whose next token is trained, those next tokens, their weights), for ever."""
    pool = first_pool
    while True:
        rng = random.Random(f"train {seed} {rank} {pool}")
        drawn = sorted((c for c in (draw(rng) for _ in range(POOL)) if len(c[0]) <= LONGEST), key=lambda c: len(c[0]))
        groups, group = [], []
        for c in drawn:
            if group and len(c[0]) * (len(group) + 1) > size:
                groups.append(group)
                group = []
            group.append(c)
        groups.append(group)
        rng.shuffle(groups)
        for n, group in enumerate(groups):
            yield pool + (n == len(groups) - 1), *collate(group)
        pool += 1


def collate(group):
    longest = max(len(ids) for ids, _ in group)
    tokens = torch.zeros(len(group), longest, dtype=torch.long)
    positions, targets, weights = [], [], []
    for row, (ids, weight) in enumerate(group):
        tokens[row, : len(ids)] = torch.tensor(ids)
        for i in range(1, len(ids)):
            if weight[i]:
                positions.append(row * longest + i - 1)
                targets.append(ids[i])
                weights.append(weight[i])
    return tokens, torch.tensor(positions), torch.tensor(targets), torch.tensor(weights)


def rate_at(share: float, args: argparse.Namespace) -> float:
    """Constant, then linear to 2 % of the highest rate."""
    if share <= args.hold:
        return args.rate
    return args.rate * max(0.02, 1 - 0.98 * (share - args.hold) / max(1e-9, 1 - args.hold))


def token_losses(logits: torch.Tensor, targets: torch.Tensor, q: float) -> torch.Tensor:
    """Of each token (1 - p^q) / q, whose limit at 0 is -log p; p: what the model gives to the right one. Generalized cross
    entropy, Zhang and Sabuncu 2018 (arXiv:1805.07836)."""
    losses = F.cross_entropy(logits, targets, reduction="none")
    return -torch.expm1(-q * losses) / q if q else losses


def averaged(net: Nano, tokens_read: int, processes: int) -> int:
    """Gradients averaged over the processes; the tokens all of them read."""
    if processes == 1:
        return tokens_read
    flat = torch.cat([p.grad.reshape(-1) for p in net.parameters()] + [torch.tensor([float(tokens_read)])])
    dist.all_reduce(flat)
    at = 0
    for p in net.parameters():
        p.grad.copy_(flat[at : at + p.numel()].view_as(p)).div_(processes)
        at += p.numel()
    return int(flat[-1])


def prepare(args: argparse.Namespace) -> tuple[vocabulary.Vocabulary, Nano]:
    args.out.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(args.seed)
    if args.resume:
        return checkpoint.load(args.out / "net.pt")
    v, net = checkpoint.load(args.start) if args.start else (vocabulary.build(), None)
    if args.skills and v.size < SKILLED_SIZE:
        text = skills.vocabulary_text(random.Random(7))
        wider = vocabulary.extended(v, skills.PHRASES, text, SKILLED_SIZE)
        v, net = wider, checkpoint.moved(net, v, wider) if net else None
    if net is None:
        net = Nano(Config(vocab=v.size, experts=args.experts))
        net.write_copy_circuit()
        print(f"untrained copy accuracy {copy_accuracy(net):.2f}")
    rng = random.Random(args.seed)
    while net.config.experts < args.experts:
        net = checkpoint.doubled(net, collate([conversations.conversation(rng, v) for _ in range(20)])[0])
    return v, net


def save(args, net, v, optimizer, state) -> None:
    checkpoint.save(args.out / "net.pt", net, v)
    torch.save({"optimizer": optimizer.state_dict(), **state}, args.out / "resume.part")
    (args.out / "resume.part").rename(args.out / "resume.pt")


def train(rank: int, args: argparse.Namespace) -> None:
    torch.set_num_threads(1)
    if args.processes > 1:
        dist.init_process_group("gloo", init_method=f"file://{args.out.resolve()}/rendezvous", rank=rank, world_size=args.processes)
    v, net = prepare(args)
    optimizer = torch.optim.Adam(net.parameters(), lr=args.rate, betas=(0.9, 0.98), fused=True)
    state = {"step": 0, "read": 0, "pool": 0}
    if args.resume:
        saved = torch.load(args.out / "resume.pt", weights_only=True)
        optimizer.load_state_dict(saved.pop("optimizer"))
        state = saved
    net.train()
    lookups = skills.load_lookups(args.lookups) if args.lookups else []
    draw = (lambda rng: skills.conversation(rng, v, lookups)) if args.skills else (lambda rng: conversations.conversation(rng, v))
    started = shown = saved_at = time.monotonic()
    first, loss_sum, right, trained = state["read"], 0.0, 0, 0
    for pool, tokens, positions, targets, weights in batches(args.seed, rank, state["pool"], draw, args.batch):
        share = state["read"] / args.tokens
        for group in optimizer.param_groups:
            group["lr"] = rate_at(share, args) * min(1, (state["step"] + 1) / 50)
        for layer in net.layers:
            layer.rounded = share >= args.round_from
        logits = net(tokens, positions)
        loss = (token_losses(logits, targets, args.sharpen) * weights).sum() / weights.sum()
        balance = sum(layer.balance_loss for layer in net.layers) / len(net.layers)
        optimizer.zero_grad(set_to_none=True)
        (loss + 0.01 * balance).backward()
        state["read"] += averaged(net, tokens.numel(), args.processes)
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        state["step"] += 1
        state["pool"] = pool
        loss_sum += loss.item() * len(targets)
        right += (logits.argmax(-1) == targets).sum().item()
        trained += len(targets)
        now = time.monotonic()
        done = state["read"] >= args.tokens
        if rank == 0 and (now - shown > 20 or done):
            line = {"step": state["step"], "read": state["read"], "loss": round(loss_sum / trained, 4), "wrong": round(1 - right / trained, 5),
                    "balance": round(balance.item(), 3), "rate": optimizer.param_groups[0]["lr"], "tokens_per_s": round((state["read"] - first) / (now - started))}
            with open(args.out / "log.jsonl", "a") as log:
                log.write(json.dumps(line) + "\n")
            print(line, flush=True)
            shown, loss_sum, right, trained = now, 0.0, 0, 0
        if rank == 0 and (now - saved_at > 60 * args.save_minutes or done):
            save(args, net, v, optimizer, state)
            saved_at = now
        if done:
            break


def main() -> None:
    args = arguments()
    if not math.isfinite(args.tokens) or args.tokens <= 0:
        raise SystemExit("--tokens: a positive number is needed")
    args.out.mkdir(parents=True, exist_ok=True)
    (args.out / "rendezvous").unlink(missing_ok=True)
    if args.processes == 1:
        train(0, args)
    else:
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # the processes end with this one
        mp.spawn(train, (args,), nprocs=args.processes, daemon=True)


if __name__ == "__main__":
    main()
