#!/usr/bin/env python3
"""Runs that make others, with the built program: sub-agents, candidates, their tree, kills, and what scripts see of them."""

import json
import os
import pathlib
import random
import signal
import subprocess
import sys
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from program import ROOT, Program, events  # noqa: E402

START = "<|start|>assistant"
FINAL = "<|channel|>final<|message|>{}<|return|>"
PYTHON = "<|channel|>analysis to=python code<|message|>{}<|call|>"
TWO_PARTS = f"script:{ROOT}/examples/agents/two_parts.json"


def delegate(**arguments) -> str:
    return f"<|channel|>commentary to=functions.delegate <|constrain|>json<|message|>{json.dumps(arguments)}<|call|>"


class AgentsTest(unittest.TestCase):
    def setUp(self):
        self.program = Program()
        self.addCleanup(self.program.close)

    def model(self, completions: list, branches: list = ()) -> str:
        path = self.program.home / f"family{len(list(self.program.home.glob('family*.json')))}.json"
        path.write_text(json.dumps({"completions": completions, "branches": list(branches)}))
        return f"script:{path}"

    def show(self, run: str = "last") -> dict:
        shown = self.program.run("runs", "show", run, "--json")
        self.assertEqual(0, shown.returncode, shown.stderr)
        return json.loads(shown.stdout)

    def test_sub_agents_share_the_cpu_time_of_their_maker(self):
        forever = PYTHON.format("while True: pass")
        model = self.model(
            [delegate(task="part one") + START + delegate(task="part two"), FINAL.format("none")],
            [{"when": part, "completions": [forever, FINAL.format("given up")]} for part in ("part one", "part two")],
        )
        done = self.program.run("run", "-m", model, "--subagents", "--max-sandbox-cpu", "0.6", "go")
        self.assertEqual((0, "none\n"), (done.returncode, done.stdout), done.stderr)
        run = self.show()
        self.assertEqual(0, run.get("sandbox_cpu_us", 0), "each call's time stands once")
        below = [self.show(child["id"]) for child in run["children"]]
        for child in below:
            self.assertIn("used up the CPU time", child["calls"][0]["result"]["content"])
        used = sum(child["sandbox_cpu_us"] for child in below)
        self.assertGreaterEqual(used, 600_000)
        self.assertLess(used, 900_000, "both together")

    def test_sub_agents_stand_in_a_tree_with_their_maker(self):
        done = self.program.run("run", "-m", TWO_PARTS, "--subagents", "How many primes?")
        self.assertEqual((0, "25 below 100, 46 below 200\n"), (done.returncode, done.stdout), done.stderr)
        self.assertIn("sub-agent", done.stderr)
        run = self.show()
        self.assertEqual(["ok", "ok"], [call["result"]["status"] for call in run["calls"]])
        for number, child in enumerate(run["children"], 1):
            self.assertEqual({"run": run["id"], "call": number, "part": 1}, child["made_by"])
            self.assertIn(child["id"], run["calls"][number - 1]["result"]["content"])
            below = self.show(child["id"])
            self.assertEqual("python", below["calls"][0]["recipient"])
            self.assertEqual(str({1: 25, 2: 46}[number]), below["calls"][0]["result"]["content"].strip(), "code really ran")
        listed = self.program.run("runs", "list")
        lines = listed.stdout.splitlines()
        self.assertEqual(3, len(lines))
        self.assertTrue(lines[0].startswith(run["id"]))
        self.assertTrue(lines[1].startswith("  " + run["children"][0]["id"]))
        self.assertEqual([run["id"]], self.program.run("runs", "list", "-q").stdout.split())
        for form in ("jsonl", "markdown", "html"):
            exported = self.program.run("runs", "export", "last", "--format", form).stdout
            for child in run["children"]:
                self.assertIn(child["id"], exported)
        self.assertIn(f"sub-agent of call 1 of run {run['id']}", self.program.run("runs", "show", run["children"][0]["id"]).stdout)
        self.assertEqual(0, self.program.run("runs", "check").returncode)
        self.assertEqual(0, self.program.run("runs", "rm", run["id"]).returncode)
        self.assertEqual("", self.program.run("runs", "list", "-q").stdout, "the children went with it")
        self.assertNotEqual(0, self.program.run("runs", "show", run["children"][0]["id"]).returncode)

    def test_readers_of_the_event_stream_see_one_run(self):
        done = self.program.run("run", "-m", TWO_PARTS, "--subagents=2", "--json", "How many primes?")
        self.assertEqual(0, done.returncode, done.stderr)
        seen = events(done)
        own = [event for event in seen if event["type"] != "child.event"]
        self.assertEqual(1, sum(event["type"] == "thread.started" for event in own))
        self.assertEqual("turn.completed", own[-1]["type"])
        run = self.show()
        children = {child["id"] for child in run["children"]}
        wrapped = [event for event in seen if event["type"] == "child.event"]
        self.assertEqual(children, {event["thread_id"] for event in wrapped})
        for event in wrapped:
            self.assertEqual(run["id"], event["made_by"]["thread_id"])
        for child in children:
            inner = [event["event"]["type"] for event in wrapped if event["thread_id"] == child]
            self.assertEqual("thread.started", inner[0])
            self.assertEqual("turn.completed", inner[-1])

    def test_without_the_flag_there_is_no_such_tool(self):
        done = self.program.run("run", "-m", self.model([delegate(task="x"), FINAL.format("alone")]), "go")
        self.assertEqual("alone\n", done.stdout, done.stderr)
        self.assertEqual("unknown_tool", self.show()["calls"][0]["result"]["status"])

    def test_killed_anywhere_a_family_comes_to_the_same_end(self):
        slow = 20_000
        code = "open('/mnt/data/x','a').write('x'); print(len(open('/mnt/data/x').read()))"
        child = lambda n: {  # noqa: E731
            "when": f"part {n}",
            "completions": [{"text": PYTHON.format(code), "token_delay_us": slow // 10}, {"text": FINAL.format(f"did {n}"), "token_delay_us": slow}],
        }
        model = self.model(
            [delegate(task="part 1") + START + delegate(task="part 2"), {"text": FINAL.format("both done"), "token_delay_us": slow}],
            [child(1), child(2)],
        )
        rng = random.Random(3)
        for attempt in range(8):
            running = self.program.start("run", "-m", model, "--subagents", "-q", "go", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            time.sleep(0.1 + rng.random() * 1.2)
            running.send_signal(signal.SIGKILL)
            running.wait(timeout=30)
            listed = self.program.run("runs", "list", "-q").stdout.split()
            if not listed:
                continue
            before = self.show(listed[0])
            if before["status"] == "interrupted":
                resumed = self.program.run("runs", "resume", listed[0], "-q")
                self.assertEqual((0, "both done\n"), (resumed.returncode, resumed.stdout), resumed.stderr)
            run = self.show(listed[0])
            self.assertEqual(2, len(run["children"]), f"attempt {attempt}")
            for made in before.get("children", []):
                self.assertIn(made["id"], [c["id"] for c in run["children"]], "what was begun went on")
            self.assertEqual(0, self.program.run("runs", "check").returncode)
            self.program.run("runs", "rm", listed[0])

    def test_candidates_and_judges(self):
        branches = [{"seed": 9 + i, "completions": [FINAL.format(text)]} for i, text in enumerate(("41", "**42**", "42."))]
        model = self.model([], branches)
        done = self.program.run("run", "-m", model, "--seed", "9", "--best-of", "3", "What?")
        self.assertEqual((0, "**42**\n"), (done.returncode, done.stdout), done.stderr)
        run = self.show()
        self.assertEqual([1, 2, 3], [child["made_by"]["part"] for child in run["children"]])
        self.assertEqual("**42**", run["messages"][-1]["content"])

        pick = "command=python3 -c 'import json,sys; c=json.load(sys.stdin)[\"candidates\"]; print(min(c, key=lambda c: c[\"answer\"])[\"number\"])'"
        done = self.program.run("run", "-m", model, "--seed", "9", "--best-of", "3", "--judge", pick, "What?")
        self.assertEqual("**42**\n", done.stdout, done.stderr)
        for broken in ("command=exit 3", "command=echo none", "command=echo 7"):
            done = self.program.run("run", "-m", model, "--seed", "9", "--best-of", "3", "--judge", broken, "What?")
            self.assertEqual("**42**\n", done.stdout, done.stderr)
            self.assertIn("could not be followed", done.stderr)
        wrong = self.program.run("run", "--best-of", "3", "--judge", "coin", "What?")
        self.assertEqual(2, wrong.returncode)
        self.assertIn("majority, first-valid, model or command=PROGRAM", wrong.stderr)

    def test_candidates_of_nano_can_be_replayed(self):
        done = self.program.run("run", "--best-of", "3", "--seed", "4", "--temperature", "0.8", "-q", "What is 48213 * 977 + 5?")
        self.assertEqual(0, done.returncode, done.stderr)
        self.assertIn("47104106", done.stdout)
        replayed = self.program.run("runs", "replay", "last", "--json")
        self.assertEqual(0, replayed.returncode, replayed.stdout + replayed.stderr)
        reports = [json.loads(line) for line in replayed.stdout.splitlines()]
        self.assertEqual(4, len(reports))
        for report in reports[1:]:
            self.assertTrue(report["identical"])
            self.assertGreater(report["compared"], 10)
        refused = self.program.run("runs", "replay", "last", "--recorded-tools")
        self.assertNotEqual(0, refused.returncode)
        self.assertIn("candidates", refused.stderr)

    def test_a_step_of_a_task_file_may_have_both(self):
        task = self.program.home / "task.yaml"
        branches = [{"when": "Which", "seed": 5 + i, "completions": [FINAL.format(text)]} for i, text in enumerate(("a", "b", "b"))]
        branches.append({"when": "part", "completions": [FINAL.format("c")]})
        model = self.model([delegate(task="the part"), FINAL.format("all of it")], branches)
        task.write_text(
            "name: family\ndefaults: {tools: [none]}\nsteps:\n"
            '  - {id: vote, prompt: "Which?", best_of: 3, judge: majority, seed: 5, assert: [{equals: b}]}\n'
            '  - {id: hand, prompt: "Do it.", subagents: 2, assert: [{contains: all}]}\n'
        )
        done = self.program.run("task", "run", "task.yaml", "-m", model)
        self.assertEqual(0, done.returncode, done.stderr)
        bad = pathlib.Path(task)
        bad.write_text("name: t\nsteps:\n  - {prompt: x, judge: coin}\n")
        done = self.program.run("task", "validate", "task.yaml")
        self.assertEqual(2, done.returncode)
        self.assertIn("first-valid", done.stderr)


class LookAheadTest(unittest.TestCase):
    """Two calls of a program: the first waits until the second has begun, if it is told to."""

    def setUp(self):
        self.program = Program()
        self.addCleanup(self.program.close)

    def ask(self, *flags, waits: bool) -> subprocess.CompletedProcess:
        seen = self.program.home / f"seen{len(list(self.program.home.glob('tools*')))}"
        shell = f'if [ "$ARG_city" = Rome ]; then touch {seen}; fi; '
        if waits:
            shell += f'for i in $(seq 600); do [ "$ARG_city" = Rome ] || [ -e {seen} ] && break; sleep 0.1; done; [ -e {seen} ] || exit 1; '
        tool = {"name": "weather", "description": "The weather.", "effect": "pure",
                "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
                "command": {"shell": shell + 'echo "sunny in $ARG_city"', "where": "host"}}
        path = self.program.home / f"tools{len(list(self.program.home.glob('tools*')))}.yaml"
        path.write_text(json.dumps({"tools": [tool]}))
        call = '<|channel|>commentary to=functions.weather <|constrain|>json<|message|>{{"city":"{}"}}<|call|>'
        model = self.program.script(call.format("Oslo"), call.format("Rome"), FINAL.format("Sunny."))
        return self.program.run("run", "--json", "-m", model, "--tools", "none", "--tool-file", str(path), *flags, "Weather?")

    def tokens(self) -> list:
        exported = self.program.run("runs", "export", "last", "--format", "jsonl")
        self.assertEqual(0, exported.returncode, exported.stderr)
        return [json.loads(line).get("tokens") for line in exported.stdout.splitlines() if '"tokens"' in line]

    def test_a_call_is_made_while_the_one_before_it_runs_and_the_log_is_the_same(self):
        done = self.ask(waits=True)
        self.assertEqual(0, done.returncode, done.stderr + done.stdout)
        usage = events(done)[-1]["usage"]
        self.assertEqual((1, 1), (usage["guessed_calls"], usage["used_guesses"]))
        self.assertGreater(usage["guessed_tokens"], 0)
        shown = json.loads(self.program.run("runs", "show", "last", "--json").stdout)
        self.assertEqual(["sunny in Oslo\n", "sunny in Rome\n"], [call["result"]["content"] for call in shown["calls"]])
        ahead = self.tokens()
        done = self.ask("--look-ahead", "off", waits=False)
        self.assertEqual(0, done.returncode, done.stderr)
        self.assertNotIn("guessed_calls", events(done)[-1]["usage"])
        self.assertTrue(ahead)
        self.assertEqual(ahead, self.tokens())
        replayed = self.program.run("runs", "replay", "last", "--recorded-tools")
        self.assertEqual(0, replayed.returncode, replayed.stderr)

    def test_other_values_are_refused(self):
        for value in ("many", "-1", "65"):
            done = self.program.run("run", f"--look-ahead={value}", "Weather?")
            self.assertEqual(2, done.returncode, value)
            self.assertIn("expected off or a number from 0 to 64", done.stderr)
        (self.program.home / "toccata.toml").write_text('look_ahead = "far"\n')
        self.assertEqual(2, self.program.run("run", "Weather?").returncode)
        (self.program.home / "toccata.toml").write_text('look_ahead = "off"\n')
        self.assertEqual(0, self.ask(waits=False).returncode)


if __name__ == "__main__":
    unittest.main()
