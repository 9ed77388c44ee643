#!/usr/bin/env python3
"""Compares the engine's logits with other implementations of gpt-oss, on random weights.

    scripts/check_accuracy.py [--toccata build/cpu/agent/cli/toccata]     everything
    scripts/check_accuracy.py --only checkpoints                          against Hugging Face transformers
    scripts/check_accuracy.py --only width [--tokens 200]                 against numpy, and llama.cpp

checkpoints: three small checkpoints of different shapes in the Hugging Face layout. transformers runs them in float32
with the experts unpacked; the exact mode has to agree to 1e-4 (relative L2 of each row of logits) and in every greedy
token. width: four layers of the real width from a GGUF file; the reference is this file's numpy forward pass over the
same decoded weights. rms error of the reference's 2000 likeliest log-probabilities: at most 0.003 in the exact mode and
0.012 in the fast one; llama.cpp's error on the same file is printed beside it. The fast mode is not there, and no rounding
of activations to eight bits is, simulated in numpy on these weights: blocks of 32 as now 0.042, of 16 0.035, with a zero
point 0.032, with the scale of least error 0.042; eight bits in the experts alone 0.036, with two terms of eight bits in the
dense layers 0.034, in the experts 0.032. Two terms everywhere make 0.0002 for twice the arithmetic of prompts.

The peers are installed, pinned, below --cache (torch takes several GB). Where one cannot be had its part says SKIPPED,
and the result is 77 unless something else failed (1).
"""
import argparse
import json
import os
import pathlib
import struct
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests" / "bench" / "vs_llamacpp"))
import compare  # noqa: E402

PEERS = ["torch==2.14.1", "transformers==5.24.0"]
SKIPPED = 77
ROW_ERROR_MAX = 1e-4
LOGPROB_ERROR_MAX = {"f32": 0.003, "fast": 0.012}
N_LIKELIEST = 2000

# Layers odd and even, windows shorter than the prompt, groups of 1, 2 and 4 heads, top-k 1, 2 and 4, YaRN of three
# kinds. The ramp's bounds lie inside the head, as OpenAI's reference asserts; outside it transformers clamps them.
CHECKPOINTS = [
    dict(layers=3, experts=8, per_token=4, hidden=96, inner=160, heads=8, kv_heads=2, head_dim=32, vocab=500, window=16,
         theta=150000.0, factor=32.0, original=4096, beta_fast=32.0),
    dict(layers=4, experts=5, per_token=2, hidden=160, inner=64, heads=6, kv_heads=3, head_dim=64, vocab=333, window=40,
         theta=10000.0, factor=4.0, original=64, beta_fast=8.0),
    dict(layers=2, experts=3, per_token=1, hidden=64, inner=96, heads=4, kv_heads=4, head_dim=16, vocab=1031, window=7,
         theta=50000.0, factor=8.0, original=128, beta_fast=16.0),
]
N_TOKENS, ROWS, N_GREEDY = 150, [0, 1, 6, 7, 15, 16, 39, 40, 63, 100, 149], 24


# ---- what runs here --------------------------------------------------------------------------------------------------

def logits(toccata: pathlib.Path, model: pathlib.Path, tokens: pathlib.Path, rows: list[int], precision: str, greedy: int = 0) -> dict:
    command = [str(toccata), "dev", "logits", "--model", str(model), "--tokens", str(tokens), "--precision", precision]
    return json.loads(compare.run(*command, "--rows", ",".join(map(str, rows)), "--greedy", str(greedy)))


def check(name: str, value: float, most: float) -> bool:
    print(f"{'ok  ' if value <= most else 'FAIL'} {name}: {value:.2e} (at most {most:g})", flush=True)
    return value <= most


def check_checkpoints(args: argparse.Namespace, np) -> bool:
    python = compare.environment(args.cache, [compare.NUMPY, *PEERS])
    good = True
    for n, shape in enumerate(CHECKPOINTS):
        folder = args.cache / f"checkpoint-{n}"
        folder.mkdir(exist_ok=True)
        write_checkpoint(folder, shape, n, np)
        tokens = [int(t) for t in np.random.default_rng(n).integers(0, shape["vocab"], N_TOKENS)]
        (folder / "tokens.json").write_text(json.dumps(tokens))
        wanted = json.loads(compare.run(str(python), __file__, "--run-transformers", str(folder)))
        got = logits(args.toccata, folder, folder / "tokens.json", ROWS, "f32", N_GREEDY)
        worst = 0.0
        for row in map(str, ROWS):
            a, b = np.array(got["rows"][row]), np.array(wanted["rows"][row])
            worst = max(worst, float(np.linalg.norm(a - b) / np.linalg.norm(b)))
        what = f"checkpoint {n} ({shape['layers']} layers of {shape['hidden']}, {shape['experts']} experts)"
        good &= check(f"{what}: worst relative L2 of {len(ROWS)} rows", worst, ROW_ERROR_MAX)
        same = sum(a == b for a, b in zip(got["greedy"], wanted["greedy"]))
        print(f"{'ok  ' if same == N_GREEDY else 'FAIL'} {what}: {same} of {N_GREEDY} greedy tokens are the same")
        good &= same == N_GREEDY
    return good


def write_checkpoint(folder: pathlib.Path, s: dict, seed: int, np) -> None:
    """Random weights in the Hugging Face layout: bf16, and MXFP4 for the experts."""
    rng = np.random.default_rng(100 + seed)
    hidden, inner, experts = s["hidden"], s["inner"], s["experts"]
    q, kv = s["heads"] * s["head_dim"], s["kv_heads"] * s["head_dim"]
    header, data, at = {}, [], 0

    def add(name: str, dtype: str, array) -> None:
        nonlocal at
        header[name] = {"dtype": dtype, "shape": list(array.shape), "data_offsets": [at, at + array.nbytes]}
        data.append(array.tobytes())
        at += array.nbytes

    def bf16(name: str, shape: tuple, spread: float, middle: float = 0.0) -> None:
        bits = (middle + spread * rng.standard_normal(shape)).astype(np.float32).view(np.uint32)
        add(name, "BF16", ((bits + 0x8000) >> 16).astype(np.uint16))

    def mxfp4(name: str, n_out: int, n_in: int) -> None:
        add(name + "_blocks", "U8", rng.integers(0, 256, (experts, n_out, n_in // 32, 16), np.uint8))
        middle = int(np.floor(np.log2(n_in**-0.5 / 2.93)))
        add(name + "_scales", "U8", rng.integers(126 + middle, 130 + middle, (experts, n_out, n_in // 32)).astype(np.uint8))
        bf16(name + "_bias", (experts, n_out), 0.2)

    bf16("model.embed_tokens.weight", (s["vocab"], hidden), 1.0)
    for n in range(s["layers"]):
        p = f"model.layers.{n}."
        bf16(p + "input_layernorm.weight", (hidden,), 0.1, 1.0)
        bf16(p + "post_attention_layernorm.weight", (hidden,), 0.1, 1.0)
        for name, n_out, n_in in (("q", q, hidden), ("k", kv, hidden), ("v", kv, hidden), ("o", hidden, q)):
            bf16(f"{p}self_attn.{name}_proj.weight", (n_out, n_in), n_in**-0.5)
            bf16(f"{p}self_attn.{name}_proj.bias", (n_out,), 0.1)
        bf16(p + "self_attn.sinks", (s["heads"],), 1.0)
        bf16(p + "mlp.router.weight", (experts, hidden), 2 * hidden**-0.5)
        bf16(p + "mlp.router.bias", (experts,), 0.2)
        mxfp4(p + "mlp.experts.gate_up_proj", 2 * inner, hidden)
        mxfp4(p + "mlp.experts.down_proj", hidden, inner)
    bf16("model.norm.weight", (hidden,), 0.1, 1.0)
    bf16("lm_head.weight", (s["vocab"], hidden), 2 * hidden**-0.5)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + b"".join(data))
    (folder / "config.json").write_text(json.dumps({
        "model_type": "gpt_oss", "num_hidden_layers": s["layers"], "num_local_experts": experts, "num_experts_per_tok": s["per_token"],
        "hidden_size": hidden, "intermediate_size": inner, "num_attention_heads": s["heads"], "num_key_value_heads": s["kv_heads"],
        "head_dim": s["head_dim"], "vocab_size": s["vocab"], "sliding_window": s["window"], "swiglu_limit": 7.0, "rms_norm_eps": 1e-5,
        "rope_theta": s["theta"], "max_position_embeddings": int(s["original"] * s["factor"]), "tie_word_embeddings": False,
        "rope_scaling": {"rope_type": "yarn", "factor": s["factor"], "beta_fast": s["beta_fast"], "beta_slow": 1.0, "truncate": False,
                         "original_max_position_embeddings": s["original"]},
    }))


def logprobs(row, np):
    row = np.asarray(row, np.float64)
    return row - row.max() - np.log(np.exp(row - row.max()).sum())


def check_width(args: argparse.Namespace, np) -> bool:
    import synthetic_gguf
    python = compare.environment(args.cache, [compare.NUMPY])
    shape = synthetic_gguf.SHAPES["small"]
    model = compare.synthetic(args.cache, python, "small")
    rows = sorted({*range(9, args.tokens, max(1, args.tokens // 16)), args.tokens - 1})
    tokens = [int(t) for t in np.random.default_rng(5).integers(0, shape.vocab, args.tokens)]
    file = args.cache / "tokens.json"
    file.write_text(json.dumps(tokens))
    reference = Reference(synthetic_gguf.Reader(model, shape), shape, np).logits(tokens, rows)

    print(f"     the reference's logits spread by {reference.std():.2f}; errors grow with that", flush=True)

    def error(name: str, got: dict) -> float:
        squares = []
        for i, row in enumerate(rows):
            wanted, have = logprobs(reference[i], np), logprobs(got["rows"][str(row)], np)
            likeliest = np.argsort(wanted)[-N_LIKELIEST:]
            squares.append(float(np.mean((wanted - have)[likeliest] ** 2)))
        each = np.sqrt(squares)
        print(f"     {name}: rms log-probability error by row: median {np.median(each):.4f}, last {each[-1]:.4f}, worst {each.max():.4f}", flush=True)
        return float(np.median(each))

    good = True
    for precision, most in LOGPROB_ERROR_MAX.items():
        value = error(f"toccata {precision}", logits(args.toccata, model, file, rows, precision))
        good &= check(f"4 layers of the real width, {precision}: median over {len(rows)} rows", value, most)
    peer = [str(python), str(ROOT / "tests/bench/vs_llamacpp/peer.py"), "--library", str(compare.library(args.cache)), "--model", str(model)]
    peer += ["--threads", str(os.cpu_count()), "--logits", str(file), "--rows", ",".join(map(str, rows))]
    error("llama.cpp", json.loads(compare.run(*peer)))
    return good


class Reference:
    """gpt-oss, a page of numpy: openai/gpt-oss gpt_oss/torch/model.py, Transformer.forward. Matrix products in float32,
    everything between them in float64."""

    def __init__(self, weights, shape, np):
        self.w, self.s, self.np = weights, shape, np

    def norm(self, x, name: str):
        return x / self.np.sqrt((x * x).mean(-1, keepdims=True) + 1e-5) * self.w.get(name)

    def product(self, x, matrix):
        return (x.astype(self.np.float32) @ matrix.T).astype(self.np.float64)

    def linear(self, x, name: str):
        return self.product(x, self.w.get(name + ".weight")) + self.w.get(name + ".bias")

    def rope(self, x):
        """x [n, heads, head_dim]; YaRN with bounds that are not rounded."""
        np, half = self.np, self.s.head_dim // 2
        base, factor, original, beta_fast, beta_slow = 150000.0, 32.0, 4096, 32.0, 1.0
        low, high = (half * np.log(original / (beta * 2 * np.pi)) / np.log(base) for beta in (beta_fast, beta_slow))
        frequency = base ** (-np.arange(half) / half)
        ramp = np.clip((np.arange(half) - low) / (high - low), 0, 1)
        angle = np.arange(len(x))[:, None] * (frequency / factor * ramp + frequency * (1 - ramp))
        m = 0.1 * np.log(factor) + 1
        c, s = (m * f(angle)[:, None, :] for f in (np.cos, np.sin))
        a, b = x[..., :half], x[..., half:]
        return np.concatenate([a * c - b * s, b * c + a * s], -1)

    def attention(self, x, layer: int):
        np, s, p = self.np, self.s, f"blk.{layer}."
        n = len(x)
        a = self.norm(x, p + "attn_norm.weight")
        q = self.rope(self.linear(a, p + "attn_q").reshape(n, s.heads, s.head_dim))
        k = self.rope(self.linear(a, p + "attn_k").reshape(n, s.kv_heads, s.head_dim))
        v = self.linear(a, p + "attn_v").reshape(n, s.kv_heads, s.head_dim)
        distance = np.arange(n)[:, None] - np.arange(n)
        visible = (distance >= 0) & ((distance < s.window) | (layer % 2 == 1))
        sinks, out = self.w.get(p + "attn_sinks.weight"), np.empty((n, s.heads, s.head_dim))
        for h in range(s.heads):
            g = h // (s.heads // s.kv_heads)
            scores = np.where(visible, q[:, h] @ k[:, g].T * s.head_dim**-0.5, -np.inf)
            top = np.maximum(scores.max(-1), sinks[h])[:, None]
            e = np.exp(scores - top)
            out[:, h] = e @ v[:, g] / (e.sum(-1, keepdims=True) + np.exp(sinks[h] - top))
        return x + self.linear(out.reshape(n, -1), p + "attn_output")

    def experts(self, x, layer: int):
        np, s, p = self.np, self.s, f"blk.{layer}."
        m = self.norm(x, p + "post_attention_norm.weight")
        r = self.linear(m, p + "ffn_gate_inp")
        chosen = np.argsort(-r, -1, kind="stable")[:, : s.per_token]
        kept = np.take_along_axis(r, chosen, -1)
        weight = np.exp(kept - kept.max(-1, keepdims=True))
        weight /= weight.sum(-1, keepdims=True)
        out = x.copy()
        for e in range(s.experts):
            token, place = np.nonzero(chosen == e)
            if len(token) == 0:
                continue
            gate, up = (self.through(p, name, e, m[token]) for name in ("gate", "up"))
            gate, up = np.minimum(gate, 7), np.clip(up, -7, 7)
            inner = gate / (1 + np.exp(-1.702 * gate)) * (up + 1)
            out[token] += weight[token, place][:, None] * self.through(p, "down", e, inner)
        return out

    def through(self, prefix: str, name: str, expert: int, x):
        weight, bias = (self.w.get(f"{prefix}ffn_{name}_exps.{part}", expert) for part in ("weight", "bias"))
        return self.product(x, weight) + bias

    def logits(self, tokens: list[int], rows: list[int]):
        x = self.w.get("token_embd.weight", self.np.array(tokens)).astype(self.np.float64)
        for layer in range(self.s.layers):
            x = self.experts(self.attention(x, layer), layer)
        return self.product(self.norm(x[rows], "output_norm.weight"), self.w.get("output.weight"))


# ---- what runs where transformers is installed -----------------------------------------------------------------------

def unpacked(blocks, scales, torch):
    """MXFP4 [E, out, n, 16] and [E, out, n] -> f32 [E, in, out], as transformers keeps experts."""
    table = torch.tensor([0, 0.5, 1, 1.5, 2, 3, 4, 6, -0.0, -0.5, -1, -1.5, -2, -3, -4, -6])
    codes = torch.stack([blocks & 15, blocks >> 4], -1).flatten(-2).long()
    return (table[codes] * torch.exp2(scales.float() - 127)[..., None]).flatten(-2).transpose(1, 2).contiguous()


def run_transformers(folder: pathlib.Path) -> None:
    import torch
    from safetensors.torch import load_file
    from transformers import GptOssConfig, GptOssForCausalLM
    config = GptOssConfig.from_pretrained(folder)
    config._attn_implementation = "eager"
    torch.manual_seed(0)
    model = GptOssForCausalLM(config).float().eval()
    state = {}
    packed = load_file(folder / "model.safetensors")
    for name, value in packed.items():
        if name.endswith("_blocks"):
            state[name.removesuffix("_blocks")] = unpacked(value, packed[name.removesuffix("blocks") + "scales"], torch)
        elif not name.endswith("_scales"):
            state[name] = value.float()
    model.load_state_dict(state)
    tokens = json.loads((folder / "tokens.json").read_text())
    with torch.no_grad():
        rows = model(torch.tensor([tokens]), use_cache=False).logits[0]
        out = {"rows": {str(r): rows[r].tolist() for r in ROWS}, "greedy": []}
        for _ in range(N_GREEDY):
            out["greedy"].append(int(model(torch.tensor([tokens + out["greedy"]]), use_cache=False).logits[0, -1].argmax()))
    print(json.dumps(out))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--toccata", type=pathlib.Path, default=ROOT / "build/cpu/agent/cli/toccata")
    parser.add_argument("--only", choices=["checkpoints", "width"])
    parser.add_argument("--tokens", type=int, default=200, help="length of the prompt of the width part")
    parser.add_argument("--cache", type=pathlib.Path, default=pathlib.Path(os.environ.get("TMPDIR", "/tmp")) / "toccata-vs-llamacpp")
    parser.add_argument("--run-transformers", type=pathlib.Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.run_transformers:
        run_transformers(args.run_transformers)
        return 0
    args.cache.mkdir(parents=True, exist_ok=True)
    try:
        import numpy
    except ImportError:
        try:
            python = compare.environment(args.cache, [compare.NUMPY])
        except compare.Unavailable as e:
            print(f"SKIPPED: {e}")
            return SKIPPED
        return subprocess.run([str(python), __file__, *sys.argv[1:]]).returncode
    results = []
    for name, part in (("checkpoints", check_checkpoints), ("width", check_width)):
        if args.only not in (None, name):
            continue
        try:
            results.append(0 if part(args, numpy) else 1)
        except compare.Unavailable as e:
            print(f"SKIPPED {name}: {e}")
            results.append(SKIPPED)
    return 1 if 1 in results else max(results)


if __name__ == "__main__":
    sys.exit(main())
