#!/usr/bin/env python3
"""Parsing harmony tokens: us and openai-harmony's StreamableParser, CPU time, one thread, one table.

    scripts/bench_parser.py --bench build/cpu/tests/bench/parser_bench

The peer is installed as check_harmony.py does it; SKIPPED (77) where that is not possible.
"""

import argparse
import json
import pathlib
import subprocess
import sys
import time

from check_tokenizer import ROOT, enter_venv, write_ranks

NEED = 20


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bench", default="build/cpu/tests/bench/parser_bench")
    parser.add_argument("--venv", type=pathlib.Path, default=ROOT / "build/tokenizer-peers")
    args = parser.parse_args()
    enter_venv(args.venv)
    write_ranks(args.venv / "ranks")
    import openai_harmony as harmony

    encoding = harmony.load_harmony_encoding(harmony.HarmonyEncodingName.HARMONY_GPT_OSS)
    turn = ("<|start|>assistant<|channel|>analysis<|message|>" + "The user wants the weather, so the tool must be called once. " * 12 + "<|end|>"
            '<|start|>assistant<|channel|>commentary to=functions.get_weather <|constrain|>json<|message|>{"city": "Oslo", "days": 3}<|call|>')
    ids = encoding.encode(turn * 20, allowed_special="all")
    path = args.venv / "stream.json"
    path.write_text(json.dumps(ids))
    best = float("inf")
    for _ in range(5):
        begin = time.thread_time()
        peer = harmony.StreamableParser(encoding, role=None)
        for id in ids:
            peer.process(id)
            _ = peer.last_content_delta
        best = min(best, time.thread_time() - begin)
    theirs = best / len(ids) * 1e9
    ours = json.loads(subprocess.run([args.bench, str(path), "1"], check=True, capture_output=True, text=True).stdout)["ns_per_token"]
    print(f"{len(ids)} tokens\n{'':8} {'us':>10} {'openai-harmony':>15} {'ratio':>7} {'wanted':>7}")
    print(f"{'ns/token':8} {ours:10.1f} {theirs:15.1f} {theirs / ours:6.1f}x {NEED:6d}x")
    return 0


if __name__ == "__main__":
    sys.exit(main())
