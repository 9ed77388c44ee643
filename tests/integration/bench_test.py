#!/usr/bin/env python3
"""`toccata bench` on nano: every measurement that was asked for, as a table and as JSON; what cannot be is refused."""

import json
import os
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from program import Program  # noqa: E402

SMALL = ["bench", "-p", "16,70", "-n", "5", "-j", "1,3", "--depth", "0,40", "-r", "2"]


class BenchTest(unittest.TestCase):
    def setUp(self):
        self.program = Program()
        self.addCleanup(self.program.close)

    def test_measures_every_case_once(self):
        done = self.program.run(*SMALL, "--json")
        self.assertEqual(0, done.returncode, done.stderr)
        rows = [json.loads(line) for line in done.stdout.splitlines()]
        cases = [(r["what"], r["n_tokens"], r["depth"], r["sessions"]) for r in rows if "sessions" in r]
        decodes = [("decode", 5, depth, n) for depth in (0, 40) for n in (1, 3)]
        self.assertEqual([("prefill", 16, 0, 1), ("prefill", 70, 0, 1), *decodes], cases)
        for row in rows:
            if "runs" not in row:
                continue
            self.assertEqual(2, len(row["runs"]))
            self.assertTrue(0 < row["runs"][0] <= row["tokens_per_second"] <= row["runs"][1], row)
        self.assertEqual({"machine", "load", "memory"}, {r["what"] for r in rows} - {"prefill", "decode"})

    def test_the_table_has_the_same_rows_in_both_precisions(self):
        for precision in ("f32", "fast"):
            done = self.program.run(*SMALL, "--precision", precision)
            self.assertEqual(0, done.returncode, done.stderr)
            self.assertEqual(2, done.stdout.count("| prefill "))
            self.assertEqual(4, done.stdout.count("| decode "))

    def test_a_profile_tells_every_operation_of_every_case(self):
        done = self.program.run("bench", "-p", "32", "-n", "6", "-r", "1", "--profile", "--json")
        self.assertEqual(0, done.returncode, done.stderr)
        rows = [json.loads(line) for line in done.stdout.splitlines()]
        operations = {}
        for row in rows:
            if row["what"] == "operation":
                operations[row["of"], row["name"]] = row
        for of, n in (("prefill", 1), ("decode", 6)):
            names = {name for case, name in operations if case == of}
            self.assertLessEqual({"experts", "router", "unembedding", "attention, full", "attention, window"}, names)
            self.assertLessEqual(operations[of, "unembedding"]["calls"], n)
            self.assertEqual(0, operations[of, "experts"]["calls"] % 2, "once a layer")
        for row in operations.values():
            self.assertTrue(row["seconds"] > 0 and row["bytes"] > 0 and row["flops"] > 0 and row["floor_seconds"] > 0, row)
        table = self.program.run("bench", "-p", "32", "-n", "6", "-r", "1", "--profile")
        self.assertEqual(2, table.stdout.count("| operation | calls |"), table.stdout)
        self.assertIn("prefill 32 at depth 0, 1 session, by operation", table.stdout)

    def test_a_gpu_is_not_there_and_that_is_said(self):
        done = self.program.run("bench", "--device", "cuda", "--gpu-memory", "8", "--no-graphs")
        self.assertEqual(7, done.returncode)
        self.assertIn("no CUDA", done.stderr)

    def test_says_what_context_would_be_needed(self):
        done = self.program.run("bench", "--depth", "100000")
        self.assertEqual(2, done.returncode)
        self.assertIn("100065", done.stderr)
        self.assertEqual("", done.stdout)

    def test_help_has_examples(self):
        self.assertIn("toccata bench -m openai/gpt-oss-20b", self.program.run("bench", "--help").stdout)


if __name__ == "__main__":
    unittest.main()
