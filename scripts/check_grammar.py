#!/usr/bin/env python3
"""Soundness of the masks: texts drawn from them against an independent validator (python3-jsonschema).

    scripts/check_grammar.py [build/cpu/tests/core/grammar/walk_schemas [schemas [walks of each]]]

Exit 77: jsonschema is not installed.
"""

import argparse
import json
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program", nargs="?", default=ROOT / "build/cpu/tests/core/grammar/walk_schemas")
    parser.add_argument("schemas", nargs="?", type=int, default=1000)
    parser.add_argument("walks", nargs="?", type=int, default=5, help="of each schema")
    arguments = parser.parse_args()
    try:
        import jsonschema
    except ImportError:
        print("SKIPPED: python3-jsonschema is not installed")
        return 77
    generator = ROOT / "tests" / "core" / "grammar" / "schema_generator.py"
    schemas = subprocess.run([sys.executable, str(generator), str(arguments.schemas), "11"], capture_output=True, text=True, check=True).stdout
    replies = subprocess.run([arguments.program, str(arguments.walks)], input=schemas, capture_output=True, text=True, check=True).stdout
    total = bad = refused = dead = unfinished = 0
    reasons = {}
    for line, reply in zip(schemas.removesuffix("\n").split("\n"), replies.removesuffix("\n").split("\n"), strict=True):
        schema, reply = json.loads(line), json.loads(reply)
        if "error" in reply:
            refused += 1
            key = reply["error"]["keyword"] or reply["error"]["message"]
            reasons[key] = reasons.get(key, 0) + 1
            continue
        dead += reply["dead_ends"]
        unfinished += reply["unfinished"]
        if reply["dead_ends"]:
            print("DEAD END in", line)
        validator = jsonschema.Draft202012Validator(schema, format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER)
        for text in reply["texts"]:
            total += 1
            try:
                validator.validate(json.loads(text))
            except (ValueError, jsonschema.ValidationError) as failure:
                bad += 1
                if bad <= 10:
                    print("INVALID", text[:300], "under", line[:600], "because", str(failure).splitlines()[0])
    print(f"{arguments.schemas} schemas, {refused} refused {reasons}, {total} texts, {bad} invalid, {dead} dead ends, {unfinished} unfinished")
    return 1 if bad or dead or total < arguments.schemas else 0


if __name__ == "__main__":
    sys.exit(main())
