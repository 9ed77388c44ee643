#!/usr/bin/env python3
"""llama.cpp through the prebuilt libllama of an npm package, called with ctypes: one process, one measurement.

    peer.py --library FOLDER --model FILE.gguf --threads 2 [--prompt 512] [--decode 64] [--sessions 1,8]
    peer.py --library FOLDER --model FILE.gguf --threads 2 --logits TOKENS.json --rows 0,99

Prints what `toccata bench --json` or `toccata dev logits` print. Needs numpy. Defaults are the library's: flash
attention where it can, KV in f16, experts repacked at load; batch 512.
"""
import argparse
import ctypes as c
import json
import pathlib
import resource
import struct
import sys
import time

import numpy as np

RELEASE = "v0.5.0"
# Offsets into llama_context_params of this release. The structs are passed as blobs longer than they are: only these
# fields and their defaults, which are checked, need to be known.
N_CTX, N_BATCH, N_UBATCH, N_SEQ_MAX, N_THREADS, N_THREADS_BATCH = 0, 4, 8, 12, 28, 32
DEFAULTS = {N_CTX: 512, N_BATCH: 2048, N_UBATCH: 512, N_SEQ_MAX: 1, N_THREADS: 4, N_THREADS_BATCH: 4}


class Params(c.Structure):
    _fields_ = [("bytes", c.c_ubyte * 512)]


class Batch(c.Structure):
    _fields_ = [
        ("n_tokens", c.c_int32),
        ("token", c.POINTER(c.c_int32)),
        ("embd", c.c_void_p),
        ("pos", c.POINTER(c.c_int32)),
        ("n_seq_id", c.POINTER(c.c_int32)),
        ("seq_id", c.POINTER(c.POINTER(c.c_int32))),
        ("logits", c.POINTER(c.c_int8)),
    ]


LOG = c.CFUNCTYPE(None, c.c_int, c.c_char_p, c.c_void_p)


class Llama:
    def __init__(self, library: pathlib.Path, model: str, threads: int, n_ctx: int, n_seq: int, verbose: bool):
        base = c.CDLL(str(library / f"libggml.{RELEASE}.so"))
        self.lib = lib = c.CDLL(str(library / f"libllama.{RELEASE}.so"))
        for name, result, arguments in (
            ("llama_log_set", None, [LOG, c.c_void_p]),
            ("llama_model_default_params", Params, []),
            ("llama_context_default_params", Params, []),
            ("llama_model_load_from_file", c.c_void_p, [c.c_char_p, Params]),
            ("llama_init_from_model", c.c_void_p, [c.c_void_p, Params]),
            ("llama_free", None, [c.c_void_p]),
            ("llama_batch_init", Batch, [c.c_int32, c.c_int32, c.c_int32]),
            ("llama_decode", c.c_int32, [c.c_void_p, Batch]),
            ("llama_get_logits_ith", c.POINTER(c.c_float), [c.c_void_p, c.c_int32]),
            ("llama_get_memory", c.c_void_p, [c.c_void_p]),
            ("llama_memory_clear", None, [c.c_void_p, c.c_bool]),
            ("llama_model_get_vocab", c.c_void_p, [c.c_void_p]),
            ("llama_vocab_n_tokens", c.c_int32, [c.c_void_p]),
        ):
            function = getattr(lib, name)
            function.restype, function.argtypes = result, arguments
        self.log = LOG(lambda level, text, _: sys.stderr.write(text.decode(errors="replace")) if verbose or level >= 4 else None)
        lib.llama_log_set(self.log, None)
        base.ggml_backend_load_all_from_path(str(library).encode())
        lib.llama_backend_init()
        self.model = lib.llama_model_load_from_file(model.encode(), lib.llama_model_default_params())
        if not self.model:
            sys.exit(f"llama.cpp {RELEASE} cannot load {model}")
        self.n_vocab = lib.llama_vocab_n_tokens(lib.llama_model_get_vocab(self.model))
        params = lib.llama_context_default_params()
        found = {at: struct.unpack_from("<i", bytes(params.bytes), at)[0] for at in DEFAULTS}
        if found != DEFAULTS:
            sys.exit(f"llama_context_params is not that of {RELEASE}: found {found}, expected {DEFAULTS}")
        wanted = {N_CTX: n_ctx, N_BATCH: 512, N_UBATCH: 512, N_SEQ_MAX: n_seq, N_THREADS: threads, N_THREADS_BATCH: threads}
        for at, value in wanted.items():
            struct.pack_into("<i", params.bytes, at, value)
        self.context = lib.llama_init_from_model(self.model, params)
        if not self.context:
            sys.exit(f"llama.cpp {RELEASE} cannot make a context of {n_ctx} tokens")
        self.batch = lib.llama_batch_init(512, 0, 1)

    def clear(self) -> None:
        self.lib.llama_memory_clear(self.lib.llama_get_memory(self.context), True)

    def read(self, tokens: list[tuple[int, int, int]], keep: set[int]) -> None:
        """One pass over (token, position, sequence) triples; logits of the indices in `keep` are made."""
        b = self.batch
        b.n_tokens = len(tokens)
        for i, (token, position, sequence) in enumerate(tokens):
            b.token[i], b.pos[i], b.n_seq_id[i], b.logits[i] = token, position, 1, i in keep
            b.seq_id[i][0] = sequence
        if code := self.lib.llama_decode(self.context, b):
            sys.exit(f"llama_decode returned {code}")

    def logits(self, i: int) -> np.ndarray:
        return np.ctypeslib.as_array(self.lib.llama_get_logits_ith(self.context, i), (self.n_vocab,))


def made_up(n: int, n_vocab: int) -> list[int]:
    """The prompt of `toccata bench`."""
    n_ordinary, state, out = n_vocab * 9 // 10, 1, []
    for _ in range(n):
        state = (state * 6364136223846793005 + 1442695040888963407) % 2**64
        out.append((state >> 33) % n_ordinary)
    return out


def prefill(llama: Llama, n: int, n_vocab: int) -> float:
    llama.clear()
    tokens = made_up(n, n_vocab)
    begin = time.perf_counter()
    for at in range(0, n, 512):
        part = tokens[at : at + 512]
        llama.read([(token, at + i, 0) for i, token in enumerate(part)], {len(part) - 1} if at + 512 >= n else set())
    llama.logits(min(n, n - (n - 1) // 512 * 512) - 1).argmax()
    return time.perf_counter() - begin


def decode(llama: Llama, n: int, sessions: int, n_vocab: int) -> float:
    """`sessions` sequences, each of one token and n more."""
    llama.clear()
    rows = set(range(sessions))
    token = [made_up(1, n_vocab)[0]] * sessions
    llama.read([(token[s], 0, s) for s in range(sessions)], rows)
    begin = time.perf_counter()
    for step in range(n):
        token = [int(llama.logits(s).argmax()) for s in range(sessions)]
        # Every sequence goes a way of its own, as sampling with other seeds would: the experts of a batch differ.
        token = [(t + 7919 * s) % (n_vocab * 9 // 10) for s, t in enumerate(token)]
        llama.read([(token[s], step + 1, s) for s in range(sessions)], rows)
    return time.perf_counter() - begin


def bench(args: argparse.Namespace) -> None:
    begin = time.perf_counter()
    sessions = [int(n) for n in args.sessions.split(",")]
    n_ctx = max(args.prompt, args.decode + 64) * max(sessions)  # each sequence gets an equal share
    llama = Llama(args.library, args.model, args.threads, n_ctx, max(sessions), args.verbose)
    n_vocab = min(llama.n_vocab, 200019)
    prefill(llama, 1, n_vocab)
    print(json.dumps({"what": "load", "seconds": time.perf_counter() - begin}))
    rate = args.prompt / prefill(llama, args.prompt, n_vocab)
    print(json.dumps({"what": "prefill", "n_tokens": args.prompt, "sessions": 1, "tokens_per_second": rate}))
    for n in sessions:
        rate = n * args.decode / decode(llama, args.decode, n, n_vocab)
        print(json.dumps({"what": "decode", "n_tokens": args.decode, "sessions": n, "tokens_per_second": rate}))
    print(json.dumps({"what": "memory", "peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024}))


def print_logits(args: argparse.Namespace) -> None:
    tokens = json.loads(args.logits.read_text())
    llama = Llama(args.library, args.model, args.threads, max(512, len(tokens)), 1, args.verbose)
    rows = {}
    wanted = {int(r) for r in args.rows.split(",")}
    for at in range(0, len(tokens), 512):
        part = [(token, at + i, 0) for i, token in enumerate(tokens[at : at + 512])]
        keep = {r - at for r in wanted if at <= r < at + 512}
        llama.read(part, keep or {len(part) - 1})
        rows.update({str(at + i): llama.logits(i).tolist() for i in sorted(keep)})
    print(json.dumps({"rows": rows}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--library", type=pathlib.Path, required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--prompt", type=int, default=512)
    parser.add_argument("--decode", type=int, default=64)
    parser.add_argument("--sessions", default="1,8")
    parser.add_argument("--logits", type=pathlib.Path)
    parser.add_argument("--rows", default="0")
    parser.add_argument("--verbose", action="store_true")
    args = parser.parse_args()
    print_logits(args) if args.logits else bench(args)


if __name__ == "__main__":
    main()
