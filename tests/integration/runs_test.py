#!/usr/bin/env python3
"""`toccata runs`: resume, fork, replay, export, rm, gc, check, from the outside."""

import json
import os
import pty
import signal
import sqlite3
import sys
import time
import unittest
from html.parser import HTMLParser

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from program import Program, events  # noqa: E402

FINAL = "<|channel|>final<|message|>"
CALL = "<|channel|>analysis to=python code<|message|>"
THINK = "<|channel|>analysis<|message|>"


class Case(unittest.TestCase):
    def setUp(self):
        self.program = Program()
        self.addCleanup(self.program.close)

    def run_ok(self, *args, code=0):
        done = self.program.run(*args)
        self.assertEqual(code, done.returncode, done.stderr)
        return done

    def show(self, run="last"):
        return json.loads(self.run_ok("runs", "show", run, "--json").stdout)


class ApprovalTest(Case):
    def test_a_run_killed_while_it_waits_for_a_person_asks_again(self):
        """What waits is not done, however often the run is left, and once it is approved it is done once."""
        patch = "*** Begin Patch\n*** Add File: made.txt\n+once\n*** End Patch"
        call = "<|channel|>commentary to=functions.apply_patch <|constrain|>json<|message|>" + json.dumps({"patch": patch}) + "<|call|>"
        model = self.program.script(call, FINAL + "patched<|return|>")
        made = self.program.home / "made.txt"
        terminal, stdin = pty.openpty()
        self.addCleanup(os.close, terminal)
        running = self.program.start("run", "-m", model, "--tools", "patch", "go", stdin=stdin, stdout=-1, stderr=-1)
        os.close(stdin)
        asked = b""
        while b"allow functions.apply_patch" not in asked:
            some = os.read(running.stderr.fileno(), 4096)
            self.assertTrue(some, asked)
            asked += some
        running.send_signal(signal.SIGKILL)
        running.communicate(timeout=30)
        self.assertFalse(made.exists())
        run = self.show()
        self.assertEqual(("interrupted", []), (run["status"], run["calls"]))

        left = self.run_ok("runs", "resume", "last", code=5)  # nobody to ask
        self.assertIn("approval", left.stderr)
        self.assertFalse(made.exists())
        self.assertEqual("approval_needed", self.show()["terminal_reason"])

        done = self.run_ok("runs", "resume", "last", "--approve", "always")
        self.assertEqual("patched\n", done.stdout)
        self.assertEqual("once\n", made.read_text())
        self.assertEqual(1, len(self.show()["calls"]))


class FilesTest(Case):
    """What python leaves in /mnt/data outlives the session."""

    def scripted(self, *cells):
        return self.program.script(*[f"{CALL}{cell}<|call|>" for cell in cells], FINAL + "done<|return|>")

    def test_files_are_listed_saved_and_there_again(self):
        model = self.scripted(
            "open('a.txt', 'w').write('one'); open('gone', 'w')",
            "import os; os.makedirs('d/e'); open('d/e/b.bin', 'wb').write(bytes(range(256)) * 20); os.remove('gone')",
            "open('a.txt', 'a').write(' two')",
        )
        first = self.run_ok("run", "-m", model, "go", "--save-files", str(self.program.home / "saved"))
        self.assertIn("a.txt (7 bytes), d/e/b.bin (5.1 kB); saved in", first.stderr)
        self.assertEqual("one two", (self.program.home / "saved/a.txt").read_text())
        whole = bytes(range(256)) * 20
        self.assertEqual(whole, (self.program.home / "saved/d/e/b.bin").read_bytes())
        listed = json.loads(self.run_ok("runs", "files", "last", "--json").stdout)
        self.assertEqual([{"path": "a.txt", "size": 7}, {"path": "d/e/b.bin", "size": 5120}], listed)
        self.assertEqual([{"path": "a.txt", "size": 3}, {"path": "gone", "size": 0}], self.show()["calls"][0]["files"])
        self.assertEqual({"path": "gone", "size": None}, self.show()["calls"][1]["files"][1])
        told = self.run_ok("runs", "files", "last", "--to", str(self.program.home / "later")).stdout
        self.assertIn("later/a.txt  7 bytes", told)
        self.assertEqual(whole, (self.program.home / "later/d/e/b.bin").read_bytes())

        run = self.show()["id"]
        model = self.scripted("open('<b>.png', 'wb').write(b'\\x89PNG\\r\\n\\x1a\\n' + b'p' * 9)")
        self.run_ok("run", "-m", model, "draw")
        html = self.run_ok("runs", "export", "last", "--format", "html").stdout
        self.assertIn('<img alt="&lt;b&gt;.png" src="data:image/png;base64,iVBORw0KGgpwcHBwcHBwcHA="', html)
        events = [json.loads(line) for line in self.run_ok("run", "-m", model, "draw", "--json").stdout.splitlines()]
        commands = [e["item"] for e in events if e["type"] == "item.completed" and e["item"]["type"] == "command_execution"]
        self.assertEqual([{"path": "<b>.png", "size": 17}], commands[0]["files"])

        model = self.scripted("print(open('a.txt').read(), len(open('d/e/b.bin', 'rb').read()))")
        self.run_ok("runs", "resume", run, "and now?", "-m", model)
        self.assertIn("one two 5120", self.show(run)["messages"][-2]["content"])

        model = self.scripted("import os; print(open('a.txt').read()); print(sorted(os.listdir()))")
        self.run_ok("runs", "fork", run, "another way", "--step", "1", "-m", model)
        self.assertIn("one\n['a.txt', 'gone']", self.show()["messages"][-2]["content"])

    def test_no_path_leads_out_of_the_folder(self):
        model = self.scripted("open('x', 'w').write('mine')")
        self.run_ok("run", "-m", model, "go")
        page = Page()
        page.feed(self.run_ok("runs", "export", "last", "--format", "html").stdout)
        self.assertIn("x, 4 bytes", page.text)
        target = self.program.home / "target"
        target.mkdir()
        (self.program.home / "kept").write_text("kept")
        (target / "x").symlink_to(self.program.home / "kept")
        done = self.program.run("runs", "files", "last", "--to", str(target))
        self.assertEqual("kept", (self.program.home / "kept").read_text(), done.stderr)


class ResumeTest(Case):
    def test_a_killed_run_goes_on_and_answers(self):
        """The option -m and the limits come from the ledger; the interpreter's loss is told to the model."""
        slow = {
            "completions": [
                CALL + "x = 20; print('one')<|call|>",
                {"text": f"{THINK}{' '.join(f'word{i}' for i in range(400))}<|end|><|start|>assistant{CALL}print('two')<|call|>", "token_delay_us": 4000},
                FINAL + "both done<|return|>",
            ]
        }
        model = self.program.home / "slow.json"
        model.write_text(json.dumps(slow))
        running = self.program.start("run", "-m", f"script:{model}", "--json", "--max-turns", "7", "go", stdout=-1, stderr=-1)
        for line in running.stdout:
            if b"word3" in line:
                break
        running.send_signal(signal.SIGKILL)
        running.communicate(timeout=30)
        self.assertEqual("interrupted", self.show()["status"])

        done = self.run_ok("runs", "resume", "last", "--json")
        self.assertEqual("both done", [e["item"]["text"] for e in events(done) if e["type"] == "item.completed" and e["item"]["type"] == "agent_message"][-1])
        run = self.show()
        self.assertEqual(("done", 2, 3), (run["status"], run["calls"].__len__(), run["steps"]))
        self.assertEqual(7, run["params"]["max_turns"])
        self.assertIn("is gone", run["calls"][1]["result"]["content"])
        reasoning = [m for m in run["messages"] if m["channel"] == "analysis" and "word399" in m["content"]]
        self.assertEqual(1, len(reasoning))
        self.assertTrue(reasoning[0]["complete"])
        self.assertEqual(" ".join(f"word{i}" for i in range(400)), reasoning[0]["content"], "no word twice, none missing")
        self.run_ok("runs", "check")

    def test_a_stopped_run_goes_on(self):
        model = self.program.home / "hang.json"
        model.write_text(json.dumps({"completions": [{"text": THINK + "thinking", "then": "hang"}]}))
        running = self.program.start("run", "-m", f"script:{model}", "go", stdout=-1, stderr=-1)
        time.sleep(0.5)
        running.send_signal(signal.SIGINT)
        running.communicate(timeout=30)
        self.assertEqual(130, running.returncode)
        model.write_text(json.dumps({"completions": [THINK + "thinking<|end|><|start|>assistant" + FINAL + "ok<|return|>"]}))
        self.assertEqual("ok\n", self.run_ok("runs", "resume", "last").stdout)

    def test_a_further_message(self):
        model = self.program.script(FINAL + "four<|return|>", FINAL + "five<|return|>", FINAL + "six<|return|>")
        self.run_ok("run", "-m", model, "2+2?")
        self.assertEqual("five\n", self.run_ok("runs", "resume", "last", "and one more?").stdout)
        self.assertEqual("six\n", self.run_ok("run", "--resume", "last", "and one more?").stdout)
        self.assertEqual(3, len([m for m in self.show()["messages"] if m["role"] == "user"]))
        self.assertIn("is done", self.run_ok("runs", "resume", "last", code=2).stderr)

    def test_a_run_that_is_being_written_is_left_alone(self):
        model = self.program.home / "hang.json"
        model.write_text(json.dumps({"completions": [{"text": THINK + "x", "then": "hang"}]}))
        running = self.program.start("run", "-m", f"script:{model}", "go", stdout=-1, stderr=-1)
        try:
            for _ in range(100):
                if self.program.run("runs", "list", "-q").stdout:
                    break
                time.sleep(0.05)
            self.assertIn(str(running.pid), self.run_ok("runs", "resume", "last", code=2).stderr)
            self.assertIn(str(running.pid), self.run_ok("runs", "rm", "last", code=6).stderr)
        finally:
            running.send_signal(signal.SIGTERM)
            running.communicate(timeout=30)
        self.assertEqual(143, running.returncode)

    def test_unknown_runs_are_named(self):
        for verb in ("resume", "fork", "replay", "export", "rm"):
            self.assertIn("zzz", self.run_ok("runs", verb, "zzz", code=2).stderr)


class ForkTest(Case):
    def test_a_fork_shares_the_beginning_and_goes_its_own_way(self):
        model = self.program.script(CALL + "print(1)<|call|>", CALL + "print(2)<|call|>", FINAL + "two<|return|>")
        self.run_ok("run", "-m", model, "go")
        first = self.show()
        other = self.program.script(CALL + "print(1)<|call|>", FINAL + "only one<|return|>")
        done = self.run_ok("runs", "fork", "last", "--step", "1", "-m", other)
        self.assertEqual("only one\n", done.stdout)
        fork = self.show()
        self.assertEqual({"run": first["id"], "step": 1}, fork["forked_from"])
        self.assertEqual(first["segments"][:3], fork["segments"][:3])
        self.assertEqual("two", self.show(first["id"])["final"])
        listed = self.run_ok("runs", "fork", first["id"], "--step", "2", "--no-run").stdout.strip()
        self.assertEqual("interrupted", self.show(listed)["status"])
        self.assertEqual("two\n", self.run_ok("runs", "resume", listed, "-m", model).stdout)
        self.assertIn("steps 0 to 3", self.run_ok("runs", "fork", first["id"], "--step", "9", code=2).stderr)


class ReplayTest(Case):
    def test_nano_says_the_same_tokens_again(self):
        self.run_ok("run", "--seed", "5", "--temperature", "0.8", "What is 48213 * 977 + 5?")
        report = json.loads(self.run_ok("runs", "replay", "last", "--json").stdout)
        self.assertTrue(report["identical"])
        self.assertGreater(report["compared"], 20)

        with sqlite3.connect(self.program.ledger) as db:
            db.execute("UPDATE runs SET params = json_set(params, '$.temperature', 100)")
        db.close()
        done = self.run_ok("runs", "replay", "last", code=1)
        self.assertIn("the first difference is token", done.stdout)

    def test_recorded_tools_answer_without_running(self):
        code = "import random; print(random.random())"
        model = self.program.script(CALL + code + "<|call|>", FINAL + "seen<|return|>")
        self.run_ok("run", "-m", model, "go")
        first = self.show()
        self.run_ok("runs", "replay", "last", "--recorded-tools")
        second = self.show()
        self.assertNotEqual(first["id"], second["id"])
        self.assertEqual(first["calls"][0]["result"]["content"], second["calls"][0]["result"]["content"])
        other = self.program.script(CALL + "print('something else')<|call|>", FINAL + "x<|return|>")
        self.assertIn("another way", self.run_ok("runs", "replay", first["id"], "--recorded-tools", "-m", other, code=6).stderr)


class Page(HTMLParser):
    def __init__(self):
        super().__init__()
        self.tags, self.text = set(), ""

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        assert not any(name.startswith("on") or name in ("src", "href") for name, _ in attrs), (tag, attrs)

    def handle_data(self, data):
        self.text += data


class ExportTest(Case):
    EVIL = "</pre><script>alert(1)</script> & ```\n````python\x1b[31m <img src=x onerror=y>"

    def setUp(self):
        super().setUp()
        self.run_ok("run", "-m", self.program.script(FINAL + self.EVIL + "<|return|>"), self.EVIL)

    def test_html_shows_every_text_and_runs_none(self):
        text = self.run_ok("runs", "export", "last", "--format", "html").stdout
        page = Page()
        page.feed(text)
        self.assertNotIn("script", page.tags)
        self.assertNotIn("img", page.tags)
        self.assertEqual(2, page.text.count(self.EVIL.replace("\x1b", "\ufffd")))
        self.assertIn("default-src 'none'", text)

    def test_markdown_fences_hold(self):
        text = self.run_ok("runs", "export", "last", "--format", "markdown").stdout
        self.assertIn("`````text\n" + self.EVIL, text)

    def test_json_lines_are_whole(self):
        out = self.program.home / "run.jsonl"
        self.run_ok("runs", "export", "last", "-o", str(out))
        lines = [json.loads(line) for line in out.read_text().splitlines()]
        self.assertEqual("run", lines[0]["type"])
        self.assertEqual(self.EVIL, lines[0]["final"])
        kinds = {line["type"] for line in lines}
        self.assertLessEqual({"run", "step", "message", "segment"}, kinds)


class CareTest(Case):
    def test_rm_gc_and_check(self):
        model = self.program.script(FINAL + "x<|return|>")
        for i in range(4):
            self.run_ok("run", "-m", model, f"task {i} " + "long " * 2000)
        newest = self.show()["id"]
        self.run_ok("runs", "rm", newest)
        self.assertNotIn(newest, self.run_ok("runs", "list").stdout)
        before = self.program.ledger.stat().st_size
        self.assertIn("deleted 2 runs", self.run_ok("runs", "gc", "--keep", "1").stderr)
        self.assertEqual(1, len(self.run_ok("runs", "list", "-q").stdout.split()))
        self.assertLess(self.program.ledger.stat().st_size, before + 1)
        self.run_ok("runs", "check")
        with sqlite3.connect(self.program.ledger) as db:
            db.execute("DELETE FROM messages WHERE seq = 1")
        db.close()
        self.assertIn("rows are missing", self.run_ok("runs", "check", code=1).stdout)

    def test_a_ledger_in_a_folder_that_may_not_be_written(self):
        if os.getuid() == 0 and not os.environ.get("TOCCATA_TEST_UID"):
            self.skipTest("root writes anywhere")
        folder = self.program.home / "locked"
        folder.mkdir(mode=0o555)
        done = self.program.run("run", "-m", self.program.script(FINAL + "x<|return|>"), "--ledger", str(folder / "runs.db"), "go")
        self.assertNotEqual(0, done.returncode)
        self.assertIn("must be writable", done.stderr)


class LimitsTest(Case):
    def test_calls_of_a_tool_are_limited_and_a_resumed_run_may_have_more(self):
        model = self.program.script(CALL + "print(1)<|call|>", CALL + "print(2)<|call|>", FINAL + "two<|return|>")
        self.assertIn("1 calls to python", self.run_ok("run", "-m", model, "--max-calls", "python=1", "go", code=4).stderr)
        self.assertEqual("two\n", self.run_ok("runs", "resume", "last", "--max-calls", "python=2").stdout)
        self.assertIn("--max-calls is 'x'", self.run_ok("run", "--max-calls", "x", "go", code=2).stderr)

    def test_cpu_time_in_the_sandbox_is_limited_and_told(self):
        burn = "import time\nend = time.process_time() + {}\nwhile time.process_time() < end: pass\nprint('burnt')"
        calls = [CALL + burn.format(s) + "<|call|>" for s in (0.3, 0.3, 0.01)]
        model = self.program.script(*calls, FINAL + "done<|return|>")
        done = self.run_ok("run", "-m", model, "--max-sandbox-cpu", "0.5", "--json", "go", code=4)
        self.assertIn("the budget of 0.5 seconds of CPU time in the sandbox is used up", done.stdout)
        items = [e["item"] for e in map(json.loads, done.stdout.splitlines()) if e["type"] == "item.completed"]
        used = [i["sandbox_cpu_us"] for i in items if i["type"] == "command_execution"]
        run = self.show()
        self.assertEqual(used, [c["result"]["sandbox_cpu_us"] for c in run["calls"]])
        self.assertEqual((2, sum(used)), (len(used), run["sandbox_cpu_us"]))
        self.assertIn("burnt", run["calls"][0]["result"]["content"])
        self.assertIn("used up the CPU time that was left", run["calls"][1]["result"]["content"])
        self.assertGreaterEqual(sum(used), 500_000)
        self.assertLess(sum(used), 800_000, "the rest, and at most the grace")
        self.assertRegex(self.run_ok("runs", "show", "last").stdout, r"0\.[5-7]\d s of CPU time in the sandbox")
        self.assertRegex(self.run_ok("runs", "export", "last", "--format", "markdown").stdout, r"CPU time in the sandbox: ` 0\.[5-7]\d s `")
        self.run_ok("runs", "resume", "last", code=4)  # what was spent stays spent
        self.assertEqual("done\n", self.run_ok("runs", "resume", "last", "--max-sandbox-cpu", "5").stdout)

    def test_a_part_of_an_output_can_be_recalled(self):
        code = "print('a' * 5000 + ' middle ' + 'b' * 5000)"
        recall = "<|channel|>commentary to=context.recall <|constrain|>json<|message|>" + json.dumps({"call": 1, "offset": 4990, "bytes": 40})
        model = self.program.script(CALL + code + "<|call|>", recall + "<|call|>", FINAL + "x<|return|>")
        self.run_ok("run", "-m", model, "--tools", "python,recall", "go")
        self.assertIn("aaa middle bbb", self.show()["calls"][1]["result"]["content"])


class ProjectNotesTest(Case):
    def test_agents_md_is_read_from_the_root_down(self):
        home = self.program.home
        (home / ".git").mkdir()
        (home / "sub").mkdir()
        (home / "AGENTS.md").write_text("Use tabs.")
        (home / "sub" / "AGENTS.md").write_text("No, spaces. " + "x" * 40000)
        model = self.program.script(FINAL + "x<|return|>")
        self.run_ok("run", "-m", model, "-C", "sub", "--instructions", "Be brief.", "go")
        text = [m["content"] for m in self.show()["messages"] if m["role"] == "developer"][0]
        self.assertLess(text.index("Be brief."), text.index("Use tabs."))
        self.assertLess(text.index("Use tabs."), text.index("No, spaces."))
        self.assertIn("more bytes of AGENTS.md were left out", text)
        self.assertLess(len(text), 34000)
        self.run_ok("run", "-m", model, "--no-project-notes", "go")
        self.assertNotIn("tabs", json.dumps(self.show()["messages"]))

    def test_skills_are_listed_and_read(self):
        skill = self.program.home / ".agents" / "skills" / "pdf"
        skill.mkdir(parents=True)
        (skill / "SKILL.md").write_text("---\nname: pdf\ndescription: Making PDF files\n---\nUse LaTeX.\n")
        read = '<|channel|>commentary to=skills.read <|constrain|>json<|message|>{"name":"pdf"}<|call|>'
        self.run_ok("run", "-m", self.program.script(read, FINAL + "x<|return|>"), "--tools", "skills", "go")
        run = self.show()
        self.assertIn("- pdf: Making PDF files", json.dumps(run["messages"]))
        self.assertIn("Use LaTeX.", run["calls"][0]["result"]["content"])


if __name__ == "__main__":
    sys.exit(unittest.main())
