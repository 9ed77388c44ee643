#!/usr/bin/env python3
"""Evals with the built program: every preset on scripted models and real sandboxes, one on nano."""

import json
import os
import pathlib
import signal
import sys
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from program import ROOT, Program  # noqa: E402

DATA = ROOT / "examples" / "evals"
FINAL = "<|channel|>final<|message|>"


class Case(unittest.TestCase):
    def setUp(self):
        self.program = Program()
        self.addCleanup(self.program.close)

    def eval(self, preset, data, *args, code=0, timeout=300):
        done = self.program.run("eval", preset, str(data), *args, timeout=timeout)
        self.assertEqual(code, done.returncode, done.stdout + done.stderr)
        return done

    def summary(self, preset, data, answer: str, *args, code=0) -> dict:
        model = self.program.script(FINAL + answer + "<|return|>")
        return json.loads(self.eval(preset, data, "-m", model, "--json", *args, code=code).stdout)

    def file(self, *rows, name="rows.jsonl") -> pathlib.Path:
        path = self.program.home / name
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        return path

    def results(self, folder="out") -> list[dict]:
        return [json.loads(line) for line in (self.program.home / folder / "results.jsonl").read_text().splitlines()]

    def n_runs(self) -> int:
        return len(self.program.run("runs", "list", "-n", "100000", "--json").stdout.splitlines())


class NanoTest(Case):
    def test_arithmetic(self):
        done = self.eval("numeric", DATA / "sums.jsonl", "-m", "nano", "--tools", "python", "--temperature", "0", "--jobs", "2", "--json", "--out", "out")
        summary = json.loads(done.stdout)
        self.assertEqual((4, 1.0), (summary["answers"], summary["accuracy"]["value"]), done.stdout)
        self.assertGreater(summary["tokens"]["mean"], 0)
        self.assertIn('tests="4" failures="0"', (self.program.home / "out" / "junit.xml").read_text())
        page = (self.program.home / "out" / "report.html").read_text()
        self.assertIn("100.0% (51-100)", page)
        self.assertNotIn("http:", page)
        self.assertEqual(summary, json.loads((self.program.home / "out" / "summary.json").read_text()))


class PresetsTest(Case):
    def accuracy(self, *args, **kwargs) -> float:
        return self.summary(*args, **kwargs)["accuracy"]["value"]

    def test_numeric(self):
        self.assertEqual(0.25, self.accuracy("numeric", DATA / "sums.jsonl", "So \\boxed{6{,}912}."))

    def test_choice(self):
        rows = self.file(*({"question": f"q{i}", "choices": ["x", "y"], "answer": 0} for i in range(20)))
        value = self.summary("choice", rows, "Answer: A", "--out", "out")["accuracy"]["value"]
        self.assertTrue(0 < value < 1, "the right choice stands at both letters")
        for row in self.results():
            self.assertEqual(row["status"] == "passed", row["input"]["order"][0] == 0)

    def test_code_in_the_sandbox(self):
        say = lambda code: f"Here:\n```python\n{code}\n```"  # noqa: E731
        right = "a, b = map(int, input().split())\nprint(a + b)"
        self.assertEqual(1, self.accuracy("code", DATA / "programs.jsonl", say(right)))
        wrong = {
            "printed '-1'": "a, b = map(int, input().split())\nprint(a - b)",
            "failed: ZeroDivisionError": "1 / 0",
            "more than 0.5 s": "while True: pass",
            "more than 128 MiB": "x = bytearray(1 << 30)",
            "printed more than 16 MiB": "import sys\nfor _ in range(100): sys.stdout.write('x' * (1 << 20))",
            "failed: SyntaxError": "what",
        }
        rows = self.file({"question": "q", "tests": [{"input": "2 3\n", "output": "5\n"}], "time_limit": 0.5, "memory_limit": 128})
        for i, (why, code) in enumerate(wrong.items()):
            code = "def (" if code == "what" else code
            self.assertEqual(0, self.accuracy("code", rows, say(code), "--out", f"out{i}"), why)
            self.assertIn(why, self.results(f"out{i}")[0]["message"])

    def test_a_program_finds_nothing_to_copy(self):
        look = (
            "import os, sys\nfound = ''\nfor top, _, names in os.walk('/mnt/data'):\n for n in names:\n"
            "  found += open(os.path.join(top, n), errors='replace').read()\nprint('8421' + '7' if '8421' + '7' in found else 'nothing')"
        )
        rows = self.file({"question": "q", "tests": [{"input": "", "output": "84217"}]})
        self.assertEqual(0, self.accuracy("code", rows, f"```python\n{look}\n```", "--out", "out"))
        self.assertIn("printed 'nothing'", self.results()[0]["message"])

    def test_facts_by_a_judge(self):
        for verdict, value in (("correct", 1), ("incorrect", 0), ("abstained", 0)):
            judge = self.program.script(FINAL + json.dumps({"reason": "r", "verdict": verdict}) + "<|return|>")
            summary = self.summary("facts", DATA / "facts.jsonl", "1829", "--judge", judge)
            self.assertEqual((value, {verdict: 2}), (summary["accuracy"]["value"], summary["verdicts"]))
            self.assertEqual(1.0 if verdict == "abstained" else 0.0, summary["metrics"]["abstention_rate"])
            self.assertEqual(1.0 if verdict == "incorrect" else 0.0, summary["metrics"]["hallucination_rate"])
            self.assertEqual(value, self.accuracy("short", DATA / "short.jsonl", "tungsten", "--judge", judge, code=7 if verdict == "abstained" else 0))

    def test_a_judge_that_fails_counts_for_nothing_and_is_asked_again(self):
        bad = self.program.script(FINAL + "maybe<|return|>")
        summary = self.summary("facts", DATA / "facts.jsonl", "1829", "--judge", bad, "--out", "out", code=7)
        self.assertEqual((0, 2), (summary["answers"], summary["errors"]))
        before = self.n_runs()
        self.summary("facts", DATA / "facts.jsonl", "1829", "--judge", bad, "--out", "out", code=7)
        self.assertGreater(self.n_runs(), before)

    def test_calls(self):
        call = '<|channel|>commentary to=functions.forecast <|constrain|>json<|message|>{"city": "oslo", "days": %d}<|call|>'
        for days, value in ((3, 1), (4, 0)):
            model = self.program.script(call % days, FINAL + "Rain.<|return|>")
            done = self.eval("calls", DATA / "calls.jsonl", "-m", model, "--json")
            self.assertEqual(value, json.loads(done.stdout)["accuracy"]["value"])
        self.assertEqual(0, self.accuracy("calls", DATA / "calls.jsonl", "Rain."))

    def test_citations(self):
        summary = self.summary("citations", DATA / "citations.jsonl", "At 10:30 【0†L3】.")
        self.assertEqual((1, 1), (summary["accuracy"]["value"], summary["metrics"]["citation_recall"]))
        self.assertEqual(0, self.accuracy("citations", DATA / "citations.jsonl", "At 10:30 【1†L9】."))


class RunTest(Case):
    def test_samples(self):
        summary = self.summary("numeric", DATA / "sums.jsonl", "6912", "--samples", "4", "--limit", "2", "--jobs", "2", "--out", "out")
        self.assertEqual((2, 8, 0.5), (summary["items"], summary["answers"], summary["accuracy"]["value"]))
        self.assertEqual({"1": 0.5, "2": 0.5, "4": 0.5}, summary["pass_at_k"])
        seeds = set()
        for row in self.results():
            shown = json.loads(self.program.run("runs", "show", row["steps"][0]["runs"][0], "--json").stdout)
            seeds.add(shown["params"]["seed"])
        self.assertEqual({1, 2, 3, 4}, seeds)

    def test_bad_rows_are_refused_by_line(self):
        rows = self.file({"question": "q", "answer": 1}, {"question": "q"}, {"q": 1, "answer": 2})
        done = self.eval("numeric", rows, code=2)
        self.assertIn("rows.jsonl:2: found no 'answer'", done.stderr)
        self.assertIn("rows.jsonl:3: found the unknown field 'q'", done.stderr)
        self.assertIn("expected of a row for 'numeric': question (text)", done.stderr)
        self.assertIn("did you mean 'numeric'", self.eval("numric", rows, code=2).stderr)
        self.assertEqual(0, self.n_runs())

    def test_fail_under(self):
        self.summary("numeric", DATA / "sums.jsonl", "6912", "--fail-under", "25")
        self.summary("numeric", DATA / "sums.jsonl", "6912", "--fail-under", "26", code=3)

    def test_killed_and_started_again(self):
        path = self.program.home / "slow.json"
        path.write_text(json.dumps({"completions": [{"text": FINAL + "the answer is 3<|return|>", "token_delay_us": 10000}]}))
        rows = self.file(*({"question": f"What is {i} + 0?", "answer": i} for i in range(40)))
        command = ("numeric", str(rows), "-m", f"script:{path}", "--jobs", "2", "--out", "out", "--json")
        first = self.program.start("eval", *command, stdout=-1, stderr=-1)
        results = self.program.home / "out" / "results.jsonl"
        while not results.exists() or results.read_bytes().count(b"\n") < 5:
            self.assertIsNone(first.poll(), "it ended by itself")
            time.sleep(0.02)
        first.send_signal(signal.SIGKILL)
        first.communicate()
        n_before, runs_before = len(results.read_text().splitlines()), self.n_runs()
        self.assertLess(n_before, 40)
        done = self.eval(*command)
        self.assertEqual((40, 1 / 40), (json.loads(done.stdout)["answers"], json.loads(done.stdout)["accuracy"]["value"]))
        self.assertEqual(40, len({r["key"] for r in self.results()}))
        self.assertEqual(40 - n_before, self.n_runs() - runs_before, "only what was missing ran")

    def test_help_names_the_fields(self):
        text = self.program.run("eval", "--help").stdout
        for word in ("numeric", "tests (1 to 1000", "citations", "--samples", "--judge"):
            self.assertIn(word, text)


if __name__ == "__main__":
    unittest.main()
