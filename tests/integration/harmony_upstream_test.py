#!/usr/bin/env python3
"""`dev render` and `dev parse` on openai-harmony's own test cases, where ../shared/data (or TOCCATA_TEST_DATA) has them.

Grading: render = text and ids equal (or both refuse); parse --strict = the library's messages, or an error where it has
one; lenient = the wanted messages and projection, and no control text left in anything.
"""

import json
import os
import pathlib
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from program import ROOT, SKIPPED, Program  # noqa: E402

DATA = pathlib.Path(os.environ.get("TOCCATA_TEST_DATA", ROOT.parent / "shared/data")) / "harmony-upstream"
CONTROL = [f"<|{name}|>" for name in ("start", "end", "message", "channel", "constrain", "return", "call", "endoftext")]


def cases(name: str) -> list[dict]:
    return [json.loads(line) for line in (DATA / name).read_text().splitlines()]


def agrees(found: dict, wanted: dict) -> bool:
    """`wanted` names the fields it cares about."""
    return all(found.get(key) == value for key, value in wanted.items())


def in_order(found: list[dict], wanted: list[dict]) -> bool:
    rest = iter(found)
    return all(any(agrees(message, want) for message in rest) for want in wanted)


class UpstreamTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.program = Program()
        cls.addClassCleanup(cls.program.close)

    def results(self, verb: list[str], listed: list[dict]) -> list[dict]:
        return self.program.dev(*verb, requests=[{"id": case["id"], **case["input"]} for case in listed])

    def test_render(self):
        listed = cases("render.jsonl")
        for case, result in zip(listed, self.results(["render"], listed), strict=True):
            with self.subTest(case["id"]):
                if case["expect"].get("error"):
                    self.assertIn("error", result)
                    continue
                self.assertEqual(case["expect"]["text"], result.get("text"))
                self.assertEqual(case["expect"]["tokens"], result["tokens"])

    def test_parse_strict(self):
        listed = [c for c in cases("parse.jsonl") if c["kind"] == "parse" and "strict" in c["expect"]]
        for case, result in zip(listed, self.results(["parse", "--strict"], listed), strict=True):
            want = case["expect"]["strict"]
            if want.get("strict_differs_from_reference") or case["expect"].get("strict_differs_from_reference"):
                continue
            with self.subTest(case["id"]):
                if want["outcome"] == "error":
                    self.assertIn("error", result)
                elif want["outcome"] == "messages":
                    self.assertEqual(want["messages"], result.get("messages"), result)

    def test_parse_lenient(self):
        listed = [c for c in cases("parse.jsonl") if c["kind"] == "parse"]
        for case, result in zip(listed, self.results(["parse"], listed), strict=True):
            want = case["expect"]
            with self.subTest(case["id"]):
                self.assertNotIn("error", result)
                lenient = want.get("lenient", {"outcome": "any"})
                if lenient["outcome"] == "messages":
                    self.assertEqual(lenient["messages"], result["messages"])
                elif lenient["outcome"] == "contains":
                    self.assertTrue(in_order(result["messages"], lenient["messages"]), result["messages"])
                for key, value in want.get("projection", {}).items():
                    self.assertEqual(value, result["projection"][key], key)
                if want.get("no_control_text"):
                    # A content type is compared with its marker: `<|constrain|>json` is not `json`.
                    shown = json.dumps([{k: v for k, v in m.items() if k != "content_type"} for m in result["messages"]])
                    self.assertFalse([word for word in CONTROL if word in shown], shown)
                for key in ("end", "incomplete_call"):
                    if key in want:
                        self.assertEqual(want[key], result[key], key)

    def test_stream(self):
        listed = [c for c in cases("parse.jsonl") if c["kind"] == "stream"]
        for case, result in zip(listed, self.results(["parse"], listed), strict=True):
            with self.subTest(case["id"]):
                self.assertEqual(
                    "".join(step.get("delta") or "" for step in case["expect"]["trace"]), "".join(result["deltas"])
                )


if __name__ == "__main__":
    if not DATA.is_dir():
        print(f"SKIPPED: {DATA} is not there")
        sys.exit(SKIPPED)
    sys.exit(unittest.main())
