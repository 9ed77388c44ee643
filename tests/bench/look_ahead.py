#!/usr/bin/env python3
"""What looking ahead saves: N slow calls of a tool that only reads, made one a step.

The model is a script whose forks go on with the script, the tool a program on this machine that sleeps: so the figures say
what the loop makes of the waiting, and nothing of a model's speed or of how well it guesses.

    tests/bench/look_ahead.py [--calls 5] [--ms 200] [--token-ms 0] [--rounds 5] [--toccata PATH]
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]


def write_inputs(folder: pathlib.Path, n_calls: int, ms: int, token_ms: float) -> tuple[pathlib.Path, pathlib.Path]:
    delay = int(token_ms * 1000)
    calls = [
        {"text": f'<|channel|>commentary to=functions.weather <|constrain|>json<|message|>{{"city":"C{i}"}}<|call|>', "token_delay_us": delay}
        for i in range(n_calls)
    ]
    answer = {"text": "<|channel|>final<|message|>Sunny everywhere.<|return|>", "token_delay_us": delay}
    script = folder / f"script{n_calls}.json"
    script.write_text(json.dumps({"completions": calls + [answer]}))
    tools = folder / "tools.yaml"
    tools.write_text(json.dumps({"tools": [{
        "name": "weather", "description": "The weather of a city.", "effect": "pure",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
        "command": {"shell": f'sleep {ms / 1000}; echo "sunny in $ARG_city"', "where": "host"},
    }]}))
    return script, tools


def run(toccata: str, folder: pathlib.Path, n_calls: int, args, look_ahead: str) -> tuple[float, dict]:
    script, tools = write_inputs(folder, n_calls, args.ms, args.token_ms)
    env = {"HOME": str(folder), "PATH": os.environ.get("PATH", "/usr/bin:/bin"), "LANG": "C.UTF-8"}
    command = [toccata, "run", "--json", "-m", f"script:{script}", "--tools", "none", "--tool-file", str(tools),
               "--look-ahead", look_ahead, "--seed", "1", "How is the weather?"]
    begin = time.monotonic()
    done = subprocess.run(command, env=env, cwd=folder, capture_output=True, text=True)
    seconds = time.monotonic() - begin
    events = [json.loads(line) for line in done.stdout.splitlines()]
    if done.returncode != 0 or events[-1]["type"] != "turn.completed":
        sys.exit(f"the run ended with {done.returncode}: {done.stderr}{done.stdout}")
    return seconds * 1000, events[-1]["usage"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=5)
    parser.add_argument("--ms", type=int, default=200, help="of each call")
    parser.add_argument("--token-ms", type=float, default=0, help="of each token that the model says")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--toccata", default=str(ROOT / "build/cpu/agent/cli/toccata"))
    args = parser.parse_args()
    print(f"{args.calls} calls of {args.ms} ms, {args.token_ms:g} ms a token; median and range of {args.rounds} runs, whole processes")
    medians = {}
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        for label, n_calls, look_ahead in (("one call", 1, "off"), ("off", args.calls, "off"), ("--look-ahead 8", args.calls, "8")):
            times, usage = [], {}
            for _ in range(args.rounds):
                ms, usage = run(args.toccata, folder, n_calls, args, look_ahead)
                times.append(ms)
            medians[label] = statistics.median(times)
            guessed = f", {usage['used_guesses']} of {usage['guessed_calls']} guesses used, {usage['guessed_tokens']} tokens" if "guessed_calls" in usage else ""
            print(f"  {label:15} {medians[label]:7.0f} ms  ({min(times):.0f} to {max(times):.0f}){guessed}")
    print(f"  with looking ahead: {medians['--look-ahead 8'] / medians['one call']:.2f} x one call; one after another: {medians['off'] / medians['one call']:.2f} x")


if __name__ == "__main__":
    main()
