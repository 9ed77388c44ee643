#!/usr/bin/env python3
"""What decoding should take on a GPU, from the launches' shapes: an estimate, never a measurement.

    gpu_estimate.py [--model 20b|120b] [--gpu h200] [--depth 1024] [--dense bf16|q8] [--ptxas LOG]
    gpu_estimate.py --batch 64 | --prefill 2048 [--model ...] [--gpu ...]     many tokens in a pass

For each launch of a decode step (one token): blocks, how many fit on a multiprocessor at once (registers from LOG, the
output of nvcc -Xptxas -v, else as compiled for sm_90a on 2026-11-27), bytes it must move, the time of these at the memory's
speed, and the bytes that are under way at once against the bytes that bandwidth times latency asks for. Then a token:
the floor, and the floor plus what each launch loses at its ends under three assumptions. Assumed: 0.8 us of latency to
memory, 90 % of the nominal bandwidth, and 4, 1.5 or 0.5 us lost a launch (launched one by one, in a graph, overlapping).

Of many tokens: the launches of the batch way, the floor of memory and of the tensor cores, whichever is longer part by part.
Assumed there: mma.sync reaches 62 % of the nominal rate of bf16 on Hopper (wgmma, which this engine does not have, about 80 %),
and of that what tiles of 64 slots are full of tokens, which follows from how many tokens each expert gets. Attention multiplies
outside the tensor cores, at 40 % of the nominal rate.
"""
import argparse
import pathlib
import re
from math import exp, lgamma, log

# multiprocessors, nominal GB/s, KiB of shared memory and registers of a multiprocessor
# nominal bf16 rate with f32 sums, dense, and what mma.sync reaches of it
FLOPS = {"a100": (312e12, 0.8), "h100": (989e12, 0.62), "h200": (989e12, 0.62), "b200": (2250e12, 0.3), "rtx5090": (210e12, 0.8)}
FP32 = {"a100": 19.5e12, "h100": 67e12, "h200": 67e12, "b200": 75e12, "rtx5090": 105e12}
FP32_REACHED = 0.4
TILE = 64
GPUS = {"a100": (108, 2039, 164), "h100": (132, 3350, 228), "h200": (132, 4800, 228), "b200": (148, 8000, 228), "rtx5090": (170, 1792, 100)}
MODELS = {"20b": dict(layers=24, experts=32), "120b": dict(layers=36, experts=128)}
HIDDEN, INNER, HEADS, KV_HEADS, HEAD, VOCAB, K, WINDOW, SPLIT = 2880, 2880, 64, 8, 64, 201088, 4, 128, 128
REGISTERS = {"qkv_kernel": 46, "attention_piece_kernel": 55, "attention_join_kernel": 32, "linear_kernel": 38, "route_kernel": 38,
             "gate_up_kernel": 48, "down_kernel": 80, "embed_kernel": 18}
LATENCY, REACHED = 0.8e-6, 0.9
LOST = (("launched one by one", 4.0), ("in a graph", 1.5), ("overlapping", 0.5))


def registers(log: str | None) -> dict:
    if log is None:
        return REGISTERS
    found, name = dict(REGISTERS), None
    for line in pathlib.Path(log).read_text(encoding="utf-8").splitlines():
        if m := re.search(r"entry function '_ZN\w*?\d+(\w+?_kernel)(?:ILi(\d+)E(\w))?", line):
            # of one token, 64 elements a head, bf16 keys and values
            name = m[1] if (m[2] is None or (m[2], m[3]) in (("1", "t"), ("64", "t"), ("1", "L"))) and "Lb1EEE" not in line else None
        elif name in REGISTERS and (m := re.search(r"Used (\d+) registers", line)):
            found[name] = int(m[1])
    return found


def chosen_experts(experts: int, n: int) -> float:
    """that at least one of n tokens chose, if they choose evenly"""
    return experts * (1 - (1 - K / experts) ** n)


def tiles(experts: int, n: int) -> float:
    """of TILE slots, over all experts: how many slots an expert gets is binomial"""
    p, total = K / experts, 0.0
    for slots in range(1, n + 1):
        log_chance = lgamma(n + 1) - lgamma(slots + 1) - lgamma(n - slots + 1) + slots * log(p) + (n - slots) * log(1 - p)
        total += exp(log_chance) * -(-slots // TILE)
    return experts * total


def many_tokens(args, n: int, depth: int, what: str, with_logits: int) -> None:
    _, gb_s, _ = GPUS[args.gpu]
    rate, (peak, reached) = gb_s * 1e9 * REACHED, FLOPS[args.gpu]
    layers, experts = MODELS[args.model]["layers"], MODELS[args.model]["experts"]
    q, kv = HEADS * HEAD, KV_HEADS * HEAD
    dense = HIDDEN * (2 * q + 2 * kv + experts)
    a_byte = 34 / 32 if args.dense == "q8" else 2
    expert = 3 * HIDDEN * INNER
    keys = 0.5 * min(depth, WINDOW) + 0.5 * depth
    slots = tiles(experts, n) * TILE  # as computed, empty ones included; a tile costs what it holds in steps of eight
    filled = min(slots, n * K + chosen_experts(experts, n) * 4)
    parts = [
        ("dense layers", a_byte * dense, 2 * n * dense, 9 + 3, peak * reached),
        ("attention", n * keys * 2 * kv * 2 if what == "decode" else depth * 2 * kv * 2, 4 * n * keys * q, 3, FP32[args.gpu] * FP32_REACHED),
        ("experts", chosen_experts(experts, n) * expert * 17 / 32, 2 * filled * expert, 6, peak * reached),
        ("between them", 4 * n * (10 * HIDDEN + 4 * q + K * 2 * (HIDDEN + INNER)), 0, 4, peak * reached),
        ("unembedding", a_byte * VOCAB * HIDDEN, 2 * with_logits * VOCAB * HIDDEN, 4, peak * reached),
    ]
    print(f"Estimate, not measured: gpt-oss-{args.model} on {args.gpu}, {what} of {n} tokens a pass at depth {depth}; {gb_s} GB/s x {REACHED}, {peak / 1e12:.0f} TFLOP/s x {reached} with mma.sync.\n")
    print("| part | GB | memory, ms | GFLOP | arithmetic, ms | with wgmma at 80 %, ms |\n|---|---:|---:|---:|---:|---:|")
    time, better, n_launches = 0.0, 0.0, 2.0
    for name, size, work, count, speed in parts:
        times = 1 if name == "unembedding" else layers
        if name == "unembedding" and with_logits == 0:
            continue
        memory, cores = times * size / rate, times * work / speed
        with_wgmma = cores if name == "attention" else times * work / (peak * max(reached, 0.8))
        time += max(memory, cores)
        better += max(memory, with_wgmma)
        n_launches += times * count
        print(f"| {name} | {times * size / 1e9:.2f} | {memory * 1e3:.2f} | {times * work / 1e9:.0f} | {cores * 1e3:.2f} | {with_wgmma * 1e3:.2f} |")
    print(f"\nTiles are {n * K / slots:.0%} full. {n_launches:.0f} launches. At least {time * 1e3:.2f} ms a pass = {n / time:.0f} tok/s (with wgmma {n / better:.0f}).\n")
    print("| launches | ms a pass | tok/s | lost to their ends |\n|---|---:|---:|---:|")
    for how, lost in LOST[:2]:
        whole = time + n_launches * lost * 1e-6
        print(f"| {how}, {lost} us lost each | {whole * 1e3:.2f} | {n / whole:.0f} | {1 - time / whole:.0%} |")


def launches(experts: int, depth: int, a_byte: float) -> list[tuple]:
    """name, kernel, blocks, threads, shared bytes, bytes to move, bytes a thread has under way, times a layer

    Under way: what is prefetched before the launch waits (whole rows), else the loads of one turn of the inner loop."""
    q, kv = HEADS * HEAD, KV_HEADS * HEAD
    pairs = (q + 2 * kv) // 2
    planes = HIDDEN * 4 + 32
    def attention(keys: int, splits: int, times: float):
        piece = ("attention pieces, " + ("window" if keys <= WINDOW else "full"), "attention_piece_kernel", KV_HEADS * splits, 128,
                 4 * (8 * HEAD + 8 * SPLIT + 4 * 8 * HEAD), keys * 2 * kv * 2, 16, times)
        join = ("attention join", "attention_join_kernel", HEADS, 256, 4 * 4 * (HEAD + 1), splits * q * 4, 16, times)
        return [piece, join]
    expert = HIDDEN * INNER * 17 // 32
    return [
        ("norm, qkv, rope, kv write", "qkv_kernel", -(-pairs // 8), 256, planes, a_byte * 2 * pairs * HIDDEN, int(a_byte * 2) * HIDDEN // 32, 1),
        *attention(min(depth + 1, WINDOW), 2, 0.5), *attention(depth + 1, depth // SPLIT + 1, 0.5),
        ("output, residual", "linear_kernel", -(-HIDDEN // 16), 256, q * 4 + 32, a_byte * q * HIDDEN, int(a_byte * 2) * q // 32, 1),
        ("router, top k", "route_kernel", -(-experts // 8), 128, planes + 4 * experts, 2 * experts * HIDDEN, 2 * 2 * HIDDEN // 32, 1),
        ("gate, up, swiglu", "gate_up_kernel", -(-INNER // 8) * K, 256, HIDDEN * 4, 2 * K * expert, 32, 1),
        ("down, weighted sum", "down_kernel", -(-HIDDEN // 8), 256, K * INNER * 4, K * expert, K * INNER // 2 // 32, 1),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", choices=MODELS, default="20b")
    parser.add_argument("--gpu", choices=GPUS, default="h200")
    parser.add_argument("--depth", type=int, default=1024)
    parser.add_argument("--dense", choices=("bf16", "q8"), default="bf16")
    parser.add_argument("--batch", type=int, help="sessions that decode together")
    parser.add_argument("--prefill", type=int, metavar="N", help="tokens of a prompt, in passes of 1024")
    parser.add_argument("--ptxas")
    args = parser.parse_args()
    if args.batch:
        return many_tokens(args, args.batch, args.depth, "decode", args.batch)
    if args.prefill:
        return many_tokens(args, min(args.prefill, 1024), args.prefill // 2, "prefill", 0)
    n_sm, gb_s, shared_kib = GPUS[args.gpu]
    rate = gb_s * 1e9 * REACHED
    regs = registers(args.ptxas)
    layers = MODELS[args.model]["layers"]
    rows = [(*row[:7], row[7] * layers) for row in launches(MODELS[args.model]["experts"], args.depth, 34 / 32 if args.dense == "q8" else 2)]
    rows.append(("unembedding", "linear_kernel", -(-VOCAB // 16), 256, HIDDEN * 4 + 32, (34 / 32 if args.dense == "q8" else 2) * VOCAB * HIDDEN, 2 * 2 * HIDDEN // 32, 1))
    print(f"Estimate, not measured: gpt-oss-{args.model} on {args.gpu}, one token at depth {args.depth}; {gb_s} GB/s x {REACHED}.\n")
    print("| launch | times | blocks | fit a multiprocessor | waves | MB | floor, us | under way / needed |\n|---|---:|---:|---:|---:|---:|---:|---:|")
    total, n_launches, moved = 0.0, 1.0, 0.0
    for name, kernel, blocks, threads, shared, size, in_flight, times in rows:
        a_warp = -(-regs[kernel] * 32 // 256) * 256
        fit = min(65536 // (a_warp * threads // 32), 2048 // threads, (shared_kib << 10) // (shared + 1024), 32)
        resident = min(blocks, fit * n_sm)
        under_way = resident * threads * in_flight
        floor = size / rate
        total += times * floor
        moved += times * size
        n_launches += times
        print(f"| {name} | {times:g} | {blocks} | {fit} | {blocks / (fit * n_sm):.2f} | {size / 1e6:.2f} | {floor * 1e6:.2f} | {min(under_way, size) / min(rate * LATENCY, size):.2f} |")
    print(f"\n{moved / 1e9:.2f} GB a token in {n_launches:.0f} launches ({(n_launches - 2) / layers:.0f} a layer, without the draw); floor {total * 1e3:.3f} ms = {1 / total:.0f} tok/s.\n")
    print("| launches | ms a token | tok/s | of the floor |\n|---|---:|---:|---:|")
    for how, lost in LOST:
        time = total + n_launches * lost * 1e-6
        print(f"| {how}, {lost} us lost each | {time * 1e3:.3f} | {1 / time:.0f} | {total / time:.0%} |")


if __name__ == "__main__":
    main()
