#!/usr/bin/env python3
"""scripts/gpu_check from end to end on the emulated device: every step runs, and the report says that nothing was measured."""

import json
import os
import pathlib
import subprocess
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = os.environ["TOCCATA_BUILD"]
SCRIPT = str(ROOT / "scripts" / "gpu_check")


def run(*arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run([SCRIPT, *arguments], capture_output=True, text=True, check=False)


class GpuCheckTest(unittest.TestCase):
    def test_a_dry_run_goes_through_every_step(self):
        with tempfile.TemporaryDirectory() as folder:
            done = run("--dry-run", BUILD, folder)
            self.assertEqual(0, done.returncode, done.stdout + done.stderr)
            found = {path.suffix: path for path in pathlib.Path(folder).iterdir()}
            self.assertEqual({".json", ".md"}, set(found))
            report = json.loads(found[".json"].read_text(encoding="utf-8"))
            text = found[".md"].read_text(encoding="utf-8")
        self.assertTrue(report["dry_run"])
        self.assertIn("nothing ran on a GPU", text)
        steps = {step["name"]: step["result"] for step in report["steps"]}
        self.assertEqual("passed", steps["the engine's tests"])
        self.assertEqual("skipped", steps["memcheck"])
        self.assertEqual("skipped", steps["racecheck"])
        self.assertEqual("passed", steps["logits beside the CPU"])
        self.assertIn(steps["logits beside Python"], ("passed", "skipped"))
        self.assertEqual("passed", steps["benchmark of small"])
        results = report["results"]
        kinds = {row["what"] for row in results}
        self.assertLessEqual({"logits", "load", "decode", "prefill", "operation", "throughput"}, kinds)
        for row in results:
            if row["what"] == "logits":
                self.assertTrue(row["ok"] and row["chunks_same_bits"], row)
                self.assertLess(row["exact_worst_row"], 1e-4)
            if row["what"] == "reference" and row.get("who") in ("cpu", "exact"):
                self.assertLess(row["worst_row"], 1e-3, row)
            if row["what"] == "decode":
                self.assertLess(row["down_bytes_a_token"], 300, "tokens come back, not logits")
        self.assertEqual({"graph", "batch", "launches", "graph without overlap"}, {r["how"] for r in results if r["what"] == "decode"})

    def test_what_is_missing_is_said(self):
        done = run("--dry-run", "/nonexistent")
        self.assertEqual(6, done.returncode)
        self.assertIn("--target cuda_engine_test", done.stderr)
        done = run("--frobnicate")
        self.assertEqual(2, done.returncode)
        self.assertIn("--help", done.stderr)
        self.assertIn("--dry-run", run("--help").stdout)


if __name__ == "__main__":
    unittest.main()
