#!/usr/bin/env python3
"""What scripts/gpu_check found, as one JSON file and one Markdown file.

    gpu_report.py FOLDER NAME [--dry-run]      reads FOLDER/machine.json, steps.jsonl and *.jsonl, writes NAME.json, NAME.md
"""
import json
import pathlib
import sys

DRY = "**Dry run on an emulated device made of ordinary functions: nothing ran on a GPU, and no figure here is a measurement.**"


def lines(path: pathlib.Path) -> list[dict]:
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.startswith("{")]


def table(rows: list[dict], columns: list[tuple[str, str, str]]) -> str:
    """columns: (heading, key, format)"""
    text = "| " + " | ".join(heading for heading, _, _ in columns) + " |\n|" + "---|" * len(columns) + "\n"
    for row in rows:
        cells = [format(row[key], how) if key in row and row[key] is not None else "" for _, key, how in columns]
        text += "| " + " | ".join(cells) + " |\n"
    return text + "\n"


def markdown(all_: dict) -> str:
    machine = all_["machine"]
    text = f"# {machine['device']}\n\n"
    if all_["dry_run"]:
        text += DRY + "\n\n"
    text += "".join(f"- {key}: {value}\n" for key, value in machine.items() if key != "device") + "\n"
    text += "## Steps\n\n" + table(all_["steps"], [("step", "name", ""), ("result", "result", ""), ("s", "seconds", ".0f"), ("command", "command", "")])
    results = all_["results"]
    of = lambda what: [r for r in results if r["what"] == what]
    logits = [{**r, "same": "yes" if r["chunks_same_bits"] else "NO", "fine": "ok" if r["ok"] else "FAILED"} for r in of("logits")]
    if logits:
        text += "## Logits beside the CPU's exact mode, relative L2 of the worst row\n\n"
        text += table(logits, [("shape", "shape", ""), ("tokens", "tokens", ""), ("exact", "exact_worst_row", ".1e"), ("other choices", "exact_other_choices", ""), ("same bits in chunks", "same", ""), ("bf16", "fast_worst_row", ".1e"), ("", "fine", "")])
    if of("reference"):
        text += "## Logits beside a forward pass in Python\n\n"
        rows = [{**r, "fine": "ok" if r.get("ok") else r.get("skipped", "FAILED")} for r in of("reference")]
        text += table(rows, [("by", "by", ""), ("shape", "shape", ""), ("who", "who", ""), ("worst row", "worst_row", ".1e"), ("", "fine", "")])
    for load in of("load"):
        model = load["model"]
        mine = lambda what: [r for r in of(what) if r["model"] == model]
        text += f"## {model}\n\nLoaded in {load['seconds']:.1f} s ({load['gb_s']:.1f} GB/s); {load['weights_gb']:.1f} GB of weights on the device and {load['host_weights_gb']:.1f} in host memory, {load['kv_gb']:.1f} GB for keys and values, {load['scratch_gb']:.1f} GB scratch; copies reach {load['copy_gb_s']:.0f} GB/s. {load['where']}.\n\n"
        for r in mine("placement"):
            text += f"Computed, not measured: on a card of {r['card_gb']:.0f} GB, {r['weights_gb']:.1f} GB of weights, {r['kv_gb']:.1f} GB for a session of {r['positions']:.0f} positions and {r['other_gb']:.1f} GB for the rest " + ("fit.\n\n" if r["fits"] else "do NOT fit.\n\n")
        for r in mine("memory"):
            text += f"At most {r['peak_gb']:.1f} GB of device memory were taken.\n\n"
        text += table(mine("decode"), [("decode: batch", "batch", "g"), ("depth", "depth", "g"), ("how", "how", ""), ("tok/s", "tok_s", ".0f"), ("step, ms", "step_ms", ".3f"), ("floor, ms", "floor_ms", ".3f"), ("of the limit", "of_limit", ".0%"), ("bytes up", "up_bytes_a_token", ".0f"), ("down a token", "down_bytes_a_token", ".0f"), ("keys", "keys", "")])
        text += table(mine("prefill"), [("prefill, tokens", "tokens", "g"), ("tok/s", "tok_s", ".0f")])
        text += table(mine("throughput"), [("requests", "requests", "g"), ("in", "tokens_in", "g"), ("out", "tokens_out", "g"), ("output tok/s", "output_tok_s", ".0f"), ("prefill tok/s", "prefill_tok_s", ".0f")])
        operations = mine("operation")
        for r in operations:
            r["of_floor"] = r["floor_us_a_token"] / r["us_a_token"] if r["us_a_token"] else None
        text += table(operations, [("operation, batch 1", "name", ""), ("calls a token", "calls_a_token", ".0f"), ("µs a token", "us_a_token", ".1f"), ("floor, µs", "floor_us_a_token", ".1f"), ("of the limit", "of_floor", ".0%")])
    return text


def main() -> int:
    folder, name = pathlib.Path(sys.argv[1]), sys.argv[2]
    steps = lines(folder / "steps.jsonl")
    results = [row for path in sorted(folder.glob("*.jsonl")) if path.name != "steps.jsonl" for row in lines(path)]
    all_ = {"machine": json.loads((folder / "machine.json").read_text(encoding="utf-8")), "dry_run": "--dry-run" in sys.argv, "steps": steps, "results": results}
    pathlib.Path(name + ".json").write_text(json.dumps(all_, indent=1) + "\n", encoding="utf-8")
    pathlib.Path(name + ".md").write_text(markdown(all_), encoding="utf-8")
    print(f"{name}.json\n{name}.md")
    return 0 if all(step["result"] != "failed" for step in steps) else 1


if __name__ == "__main__":
    sys.exit(main())
