#!/usr/bin/env python3
"""gpu_bench's lines of JSON -> one Markdown table.   gpu_report.py results.jsonl [device name] > table.md"""

import json
import sys


def main() -> int:
    rows = [json.loads(line) for line in open(sys.argv[1], encoding="utf-8") if line.startswith("{")]
    print(f"Measured on {sys.argv[2] if len(sys.argv) > 2 else 'a GPU'}; weights of the full shape, random.\n")
    for r in rows:
        if r["what"] == "load":
            print(f"{r['model']}: loaded in {r['seconds']:.1f} s, {r['weights_gb']:.1f} GB of weights, {r['kv_gb']:.1f} GB for keys and values, copy bandwidth {r['copy_gb_s']:.0f} GB/s\n")
            print("| model | batch | depth | tok/s | step, ms | floor, ms | of the limit |\n|---|---|---|---|---|---|---|")
        if r["what"] == "decode":
            print(f"| {r['model']} | {r['batch']:g} | {r['depth']:g} | {r['tok_s']:.0f} | {r['step_ms']:.3f} | {r['floor_ms']:.3f} | {r['of_limit']:.0%} |")
    print("\n| model | prefill, tokens | tok/s |\n|---|---|---|")
    for r in rows:
        if r["what"] == "prefill":
            print(f"| {r['model']} | {r['tokens']:g} | {r['tok_s']:.0f} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
