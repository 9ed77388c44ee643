#!/usr/bin/env python3
"""Writes a gpt-oss GGUF file with random weights: the types and shapes of the published files, none of their sense.

    synthetic_gguf.py --shape small --out /tmp/small.gguf

Experts are MXFP4, the embedding, the unembedding and the four attention matrices Q8_0, the rest F32: what
ggml-org/gpt-oss-20b-GGUF holds. The spread of the weights keeps the residual near 1. There is no vocabulary
("no_vocab"): both engines then take ids as they come. The same seed gives the same file. Needs numpy.
"""
from __future__ import annotations

import argparse
import dataclasses
import os
import pathlib
import struct
import sys

try:
    import numpy as np
except ImportError:  # main() says so
    np = None

ALIGNMENT = 32
F32, Q8_0, MXFP4 = 0, 8, 39
BLOCK = {F32: (1, 4), Q8_0: (32, 34), MXFP4: (32, 17)}  # values, bytes
Q8_BLOCK = np and np.dtype([("scale", "<f2"), ("codes", "i1", 32)])
MXFP4_BLOCK = np and np.dtype([("scale", "u1"), ("codes", "u1", 16)])
CHUNK_BYTES = 32 << 20


@dataclasses.dataclass(frozen=True)
class Shape:
    layers: int
    experts: int
    vocab: int
    hidden: int = 2880
    inner: int = 2880
    heads: int = 64
    kv_heads: int = 8
    head_dim: int = 64
    per_token: int = 4
    window: int = 128


SHAPES = {
    "20b": Shape(24, 32, 201088),
    "20b-4layers": Shape(4, 32, 201088),
    "small": Shape(4, 8, 8192),
}


@dataclasses.dataclass(frozen=True)
class Tensor:
    name: str
    type: int
    shape: tuple  # outermost first
    spread: float = 0.02  # standard deviation of the values
    middle: float = 0.0

    @property
    def n_bytes(self) -> int:
        values, size = BLOCK[self.type]
        return int(np.prod(self.shape)) // values * size


def tensors(s: Shape) -> list[Tensor]:
    q, kv = s.heads * s.head_dim, s.kv_heads * s.head_dim
    into = s.hidden**-0.5
    out = [Tensor("token_embd.weight", Q8_0, (s.vocab, s.hidden), 1.0)]
    for n in range(s.layers):
        p = f"blk.{n}."
        out += [
            Tensor(p + "attn_norm.weight", F32, (s.hidden,), 0.1, 1.0),
            Tensor(p + "post_attention_norm.weight", F32, (s.hidden,), 0.1, 1.0),
            Tensor(p + "attn_sinks.weight", F32, (s.heads,), 1.0, 1.0),
            Tensor(p + "ffn_gate_inp.weight", F32, (s.experts, s.hidden), 2 * into),
            Tensor(p + "ffn_gate_inp.bias", F32, (s.experts,), 0.1),
        ]
        for name, n_out, n_in in (("q", q, s.hidden), ("k", kv, s.hidden), ("v", kv, s.hidden), ("output", s.hidden, q)):
            out.append(Tensor(f"{p}attn_{name}.weight", Q8_0, (n_out, n_in), n_in**-0.5))
            out.append(Tensor(f"{p}attn_{name}.bias", F32, (n_out,), 0.05))
        for name, n_out, n_in in (("gate", s.inner, s.hidden), ("up", s.inner, s.hidden), ("down", s.hidden, s.inner)):
            out.append(Tensor(f"{p}ffn_{name}_exps.weight", MXFP4, (s.experts, n_out, n_in), n_in**-0.5))
            out.append(Tensor(f"{p}ffn_{name}_exps.bias", F32, (s.experts, n_out), 0.05))
    out.append(Tensor("output_norm.weight", F32, (s.hidden,), 0.1, 1.0))
    out.append(Tensor("output.weight", Q8_0, (s.vocab, s.hidden), 2 * into))
    return out


def keys(s: Shape) -> dict:
    return {
        "general.architecture": "gpt-oss",
        "general.name": "random",
        "general.file_type": 38,
        "general.quantization_version": 2,
        "gpt-oss.block_count": s.layers,
        "gpt-oss.context_length": 131072,
        "gpt-oss.embedding_length": s.hidden,
        "gpt-oss.feed_forward_length": s.inner,
        "gpt-oss.expert_feed_forward_length": s.inner,
        "gpt-oss.expert_count": s.experts,
        "gpt-oss.expert_used_count": s.per_token,
        "gpt-oss.attention.head_count": s.heads,
        "gpt-oss.attention.head_count_kv": s.kv_heads,
        "gpt-oss.attention.key_length": s.head_dim,
        "gpt-oss.attention.value_length": s.head_dim,
        "gpt-oss.attention.layer_norm_rms_epsilon": 1e-5,
        "gpt-oss.attention.sliding_window": s.window,
        "gpt-oss.rope.freq_base": 150000.0,
        "gpt-oss.rope.scaling.type": "yarn",
        "gpt-oss.rope.scaling.factor": 32.0,
        "gpt-oss.rope.scaling.original_context_length": 4096,
        "gpt-oss.vocab_size": s.vocab,
        "tokenizer.ggml.model": "no_vocab",
    }


def text(value: str) -> bytes:
    return struct.pack("<Q", len(value.encode())) + value.encode()


def key(name: str, value) -> bytes:
    if isinstance(value, str):
        return text(name) + struct.pack("<I", 8) + text(value)
    return text(name) + (struct.pack("<If", 6, value) if isinstance(value, float) else struct.pack("<II", 4, value))


def padded(n: int) -> int:
    return -(-n // ALIGNMENT) * ALIGNMENT


def header(s: Shape) -> bytes:
    out = [b"GGUF", struct.pack("<IQQ", 3, len(tensors(s)), len(keys(s)))]
    out += [key(name, value) for name, value in keys(s).items()]
    offset = 0
    for t in tensors(s):
        out.append(text(t.name) + struct.pack("<I", len(t.shape)))
        out.append(struct.pack(f"<{len(t.shape)}Q", *reversed(t.shape)) + struct.pack("<IQ", t.type, offset))
        offset += padded(t.n_bytes)
    joined = b"".join(out)
    return joined.ljust(padded(len(joined)), b"\0")


def blocks(t: Tensor, n_bytes: int, rng: np.random.Generator) -> np.ndarray:
    """The next n_bytes of a tensor's data."""
    if t.type == F32:  # numbers that bf16 holds, as in files converted from bf16
        values = (t.middle + t.spread * rng.standard_normal(n_bytes // 4, dtype=np.float32)).view(np.uint32)
        return ((values + 0x8000) & 0xFFFF0000).view(np.uint8)
    if t.type == Q8_0:
        out = np.empty(n_bytes // Q8_BLOCK.itemsize, Q8_BLOCK)
        out["codes"] = np.maximum(rng.integers(0, 256, (out.size, 32), np.uint8).view(np.int8), -127)
        out["scale"] = t.spread / 73.5 * rng.uniform(0.8, 1.2, out.size)  # 73.5: rms of the codes
        return out.view(np.uint8)
    out = np.empty(n_bytes // MXFP4_BLOCK.itemsize, MXFP4_BLOCK)
    out["codes"] = rng.integers(0, 256, (out.size, 16), np.uint8)
    # The codes' rms is 2.93; scales of two neighbours in the share that gives the wanted spread, on average.
    exact = np.log2(t.spread / 2.93)
    out["scale"] = 127 + np.floor(exact) + (rng.random(out.size) < exact - np.floor(exact))
    return out.view(np.uint8)


def write(path: pathlib.Path, s: Shape, seed: int = 1) -> None:
    """Streams the file; complete or absent."""
    rng = np.random.default_rng(seed)
    head = header(s)
    total, done = len(head) + sum(padded(t.n_bytes) for t in tensors(s)), len(head)
    free = os.statvfs(path.parent).f_bavail * os.statvfs(path.parent).f_frsize
    if free < total + (2 << 30):
        sys.exit(f"{path.parent} has {free / 1e9:.1f} GB free; {path.name} takes {total / 1e9:.1f} GB and 2 GB are left alone")
    part = path.with_suffix(".part")
    with open(part, "wb") as file:
        file.write(head)
        for t in tensors(s):
            values, size = BLOCK[t.type]
            chunk = CHUNK_BYTES // size * size
            for at in range(0, t.n_bytes, chunk):
                data = blocks(t, min(chunk, t.n_bytes - at), rng)
                file.write(data)
                done += data.nbytes
                progress(done, total, path.name)
            file.write(bytes(padded(t.n_bytes) - t.n_bytes))
    os.replace(part, path)
    progress(total, total, path.name, end="\n")


def progress(done: int, total: int, what: str, end: str = "") -> None:
    if not sys.stderr.isatty():
        return
    bar = "#" * (30 * done // total)
    print(f"\r{what} [{bar:<30}] {100 * done // total:3d} %", end=end, file=sys.stderr, flush=True)


def traffic(s: Shape) -> tuple[int, int]:
    """Bytes of weights that decoding one token reads, and multiply-adds of one prompt token without the unembedding."""
    n_bytes = macs = 0
    for t in tensors(s):
        if t.name == "token_embd.weight":
            continue
        share = s.per_token / s.experts if "_exps." in t.name else 1
        n_bytes += int(t.n_bytes * share)
        if t.type != F32 and t.name != "output.weight":
            macs += int(np.prod(t.shape) * share)
    return n_bytes, macs


class Reader:
    """Tensors of a GGUF file as f32 arrays, decoded on demand."""

    E2M1 = np and np.float32([0, 0.5, 1, 1.5, 2, 3, 4, 6, 0, -0.5, -1, -1.5, -2, -3, -4, -6])

    def __init__(self, path: pathlib.Path, s: Shape):
        self.bytes = np.memmap(path, np.uint8, "r")
        head = header(s)
        if bytes(self.bytes[: len(head)]) != head:
            raise ValueError(f"{path} was not written by this program for this shape")
        self.at, self.tensors = {}, {t.name: t for t in tensors(s)}
        offset = len(head)
        for t in tensors(s):
            self.at[t.name] = offset
            offset += padded(t.n_bytes)

    def get(self, name: str, index: int | np.ndarray | None = None) -> np.ndarray:
        """The tensor, or `index` of its outermost dimension."""
        t = self.tensors[name]
        raw = self.bytes[self.at[name] : self.at[name] + t.n_bytes].reshape(t.shape[0], -1)
        shape = t.shape
        if index is not None:
            raw = raw[index]
            shape = (t.shape[1:] if np.isscalar(index) else (len(index), *t.shape[1:]))
        raw = np.ascontiguousarray(raw)
        if t.type == F32:
            return raw.view("<f4").reshape(shape)
        if t.type == Q8_0:
            b = raw.reshape(-1).view(Q8_BLOCK)
            return (b["codes"] * b["scale"].astype(np.float32)[:, None]).reshape(shape)
        b = raw.reshape(-1).view(MXFP4_BLOCK)
        codes = np.concatenate([b["codes"] & 15, b["codes"] >> 4], axis=1)
        return (self.E2M1[codes] * np.exp2(b["scale"].astype(np.float32) - 127)[:, None]).reshape(shape)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shape", choices=SHAPES, default="small")
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    if np is None:
        sys.exit("synthetic_gguf.py: numpy is not installed; pip install numpy")
    write(args.out, SHAPES[args.shape], args.seed)
    n_bytes, macs = traffic(SHAPES[args.shape])
    print(f"{args.out}: {args.out.stat().st_size / 1e9:.2f} GB; a token reads {n_bytes / 1e9:.3f} GB; {macs / 1e9:.2f} G multiply-adds")


if __name__ == "__main__":
    main()
