#!/usr/bin/env python3
"""scripts/gpu_check from end to end on the emulated device: every step runs, and the report says that nothing was measured."""

import json
import os
import pathlib
import shutil
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
        self.assertLessEqual({"logits", "load", "placement", "memory", "decode", "prefill", "operation", "throughput"}, kinds)
        decodes = {(r["batch"], r["depth"]) for r in results if r["what"] == "decode"}
        self.assertLessEqual({(batch, depth) for batch in (1, 9) for depth in (1, 20)}, decodes, "every batch at every depth")
        self.assertIn("Computed, not measured: on a card of 80 GB", text)
        for row in results:
            if row["what"] == "logits":
                self.assertTrue(row["ok"] and row["chunks_same_bits"], row)
                self.assertLess(row["exact_worst_row"], 1e-4)
            if row["what"] == "reference" and row.get("who") in ("cpu", "exact"):
                self.assertLess(row["worst_row"], 1e-3, row)
            if row["what"] == "decode":
                self.assertLess(row["down_bytes_a_token"], 300, "tokens come back, not logits")
        self.assertEqual({"graph", "graph, many tokens", "launches", "graph without overlap"}, {r["how"] for r in results if r["what"] == "decode"})

    def test_what_is_missing_is_said(self):
        done = run("--dry-run", "/nonexistent")
        self.assertEqual(6, done.returncode)
        self.assertIn("--target cuda_engine_test", done.stderr)
        done = run("--frobnicate")
        self.assertEqual(2, done.returncode)
        self.assertIn("--help", done.stderr)
        self.assertIn("--dry-run", run("--help").stdout)

    # Before anything is built, which takes minutes.
    def test_a_machine_that_cannot_run_it_is_told_why(self):
        with tempfile.TemporaryDirectory() as folder:
            def on(**tools: str) -> subprocess.CompletedProcess:
                here = pathlib.Path(folder) / "bin"
                shutil.rmtree(here, ignore_errors=True)
                here.mkdir()
                for name in ("bash", "env", "dirname", "sed", "sort", "head", "date", "mktemp", "rm", "cmake", "python3", "c++"):
                    (here / name).symlink_to(shutil.which(name) or "/bin/false")
                for name, script in tools.items():
                    (here / name).write_text("#!/bin/sh\n" + script + "\n", encoding="utf-8")
                    (here / name).chmod(0o755)
                return subprocess.run([SCRIPT], capture_output=True, text=True, check=False, env={"PATH": str(here)})
            old, new = "echo 'release 11.8, V11.8.89'", "echo 'release 12.4, V12.4.131'"
            for done, said in ((on(), "nvcc is not on PATH"), (on(nvcc=old), "nvcc is of CUDA 11.8; 12.4 or later"), (on(nvcc=new), "names no GPU")):
                self.assertEqual(6, done.returncode, done.stderr)
                self.assertIn(said, done.stderr)

    def test_what_the_build_needs_can_be_carried(self):
        if not pathlib.Path("/usr/include/nlohmann").exists() or not pathlib.Path("/usr/src/googletest").exists():
            self.skipTest("the Debian packages are not here")
        with tempfile.TemporaryDirectory() as folder:
            script = pathlib.Path(folder) / "scripts" / "gpu_check"
            script.parent.mkdir()
            shutil.copy(SCRIPT, script)
            subprocess.run([script, "--pack"], check=True, capture_output=True)
            for part in ("include/nlohmann/json.hpp", "share/cmake/nlohmann_json/nlohmann_jsonConfig.cmake", "googletest/CMakeLists.txt"):
                self.assertTrue((pathlib.Path(folder) / ".gpu_deps" / part).exists(), part)


if __name__ == "__main__":
    unittest.main()
