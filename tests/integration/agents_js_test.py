#!/usr/bin/env python3
"""OpenAI's Agents SDK for JavaScript against `toccata serve`: the 30 cases of the gpt-oss compatibility test, by its rules
(the tool is called with arguments that are valid and as expected, reasoning is where the guide wants it), over Responses
and Chat Completions, whole and streamed. The calls are scripted: what is tested is the server's shape, not a model. Then
the same questions to the built-in model, which knows nothing of such tools and is forced to call them
(`tool_choice: "required"`): its masks must make every call valid all the same. A text that it does not end is cut off.

`agents_js_test.py --install` puts the SDK that the test pins (80 MB; needs npm) below build/clients/agents_js. Without it,
or where TOCCATA_TEST_DATA has no gpt-oss-compat/cases.jsonl (OpenAI's, openai/gpt-oss), the test says SKIPPED (77).
"""

import collections
import contextlib
import json
import os
import pathlib
import shutil
import subprocess
import sys

from clients_test import FOLDER
from program import ROOT, SKIPPED, Program
from live_server import Server

PINNED = ["@openai/agents@0.0.15", "openai@5.12.2", "ajv@8.20.0", "zod@3.25.67"]
NPM = FOLDER / "agents_js"
CASES = pathlib.Path(os.environ.get("TOCCATA_TEST_DATA", ROOT.parent / "shared/data")) / "gpt-oss-compat" / "cases.jsonl"
ANSWER = "Here it is."
FINAL = f"<|channel|>analysis<|message|>I have it.<|end|><|start|>assistant<|channel|>final<|message|>{ANSWER}<|return|>"


def schema(examples: list) -> dict:
    """Of one value, as far as examples tell."""
    first = examples[0]
    if isinstance(first, dict):
        names = dict.fromkeys(name for example in examples for name in example)
        properties = {name: schema([e[name] for e in examples if name in e]) for name in names}
        required = [name for name in names if all(name in e for e in examples)]
        return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}
    if isinstance(first, list):
        return {"type": "array", "items": schema([item for example in examples for item in example])}
    return {"type": {str: "string", int: "number", float: "number", bool: "boolean"}[type(first)]}


def call(tool: str, arguments: dict) -> str:
    return (
        f"<|channel|>analysis<|message|>{tool} can do this.<|end|><|start|>assistant<|channel|>commentary to=functions.{tool} "
        f"<|constrain|>json<|message|>{json.dumps(arguments)}<|call|>"
    )


def main() -> int:
    if "--install" in sys.argv and shutil.which("npm"):
        NPM.mkdir(parents=True, exist_ok=True)
        subprocess.run(["npm", "install", "--no-audit", "--no-fund", "--prefix", NPM, *PINNED], check=False)
    if not shutil.which("node") or not (NPM / "node_modules" / "@openai" / "agents").exists():
        print(f"SKIPPED: no node, or no SDK in {NPM}; install it with agents_js_test.py --install (needs npm)")
        return SKIPPED
    if not CASES.exists():
        print(f"SKIPPED: no {CASES}")
        return SKIPPED
    cases = [json.loads(line) for line in CASES.read_text().splitlines()]
    examples = collections.defaultdict(list)
    for case in cases:
        case["expected"] = json.loads(case["expected_arguments"])
        examples[case["tool_name"]].append(case["expected"])
    with Program() as program, contextlib.ExitStack() as stack:
        for case in cases:
            server = Server(program, "-m", program.script(call(case["tool_name"], case["expected"]), FINAL))
            stack.callback(server.close)
            case |= {"base_url": f"http://127.0.0.1:{server.port}/v1", "parameters": schema(examples[case["tool_name"]]), "answer": ANSWER}
        nano = Server(program, "-m", "nano", "--temperature", "0")
        stack.callback(nano.close)
        forced = [case | {"base_url": f"http://127.0.0.1:{nano.port}/v1", "forced": True} for case in cases]
        cases += forced
        check = pathlib.Path(__file__).with_name("agents_js_check.mjs")
        told = "".join(json.dumps(case) + "\n" for case in cases)
        done = subprocess.run(["node", check, NPM], input=told, capture_output=True, text=True, check=False, timeout=500)
    results = [json.loads(line) for line in done.stdout.splitlines()]
    for mode in dict.fromkeys(result["mode"] for result in results):
        of_mode = [result for result in results if result["mode"] == mode]
        n_cut = sum(r["cut"] for r in of_mode)
        n_right = sum(not r["wrong"] for r in of_mode) - n_cut
        print(f"{mode}: {n_right} of {len(of_mode)}" + (f", {n_cut} cut off at the limit of tokens" if n_cut else ""))
        if n_right < 10:
            print(f"FAILED  {mode}: too few calls were whole")
            return 1
    for result in results:
        if result["wrong"]:
            print(f"FAILED  {result['tool_name']}, {result['mode']}: {'; '.join(result['wrong'])}")
    if done.returncode != 0 or len(results) != 4 * len(cases):
        print(f"FAILED  node ended with {done.returncode} after {len(results)} results\n{done.stderr}")
        return 1
    return 1 if any(result["wrong"] for result in results) else 0


if __name__ == "__main__":
    sys.exit(main())
