#!/usr/bin/env python3
"""`toccata chat` on a terminal and on a pipe: commands, messages of several lines, files, history, resumption."""

import json
import os
import pty
import re
import select
import stat
import subprocess
import sys
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from program import Program  # noqa: E402

FINAL = "<|channel|>final<|message|>"
CALL = "<|channel|>analysis to=python code<|message|>"
MAKE = CALL + "open('made.txt', 'w').write('made')<|call|>"


class Terminal:
    """The program on a terminal of its own."""

    def __init__(self, program, *args):
        self.master, slave = pty.openpty()
        self.process = program.start(*args, stdin=slave, stdout=slave, stderr=slave)
        os.close(slave)
        self.text = ""

    def read_until(self, wanted, seconds=60):
        end = time.monotonic() + seconds
        while not (match := re.search(wanted, self.text)):
            if time.monotonic() > end or not select.select([self.master], [], [], 1)[0] and self.process.poll() is not None:
                raise AssertionError(f"{wanted!r} did not come: {self.text!r}")
            try:
                self.text += os.read(self.master, 4096).decode(errors="replace") if select.select([self.master], [], [], 1)[0] else ""
            except OSError:
                pass  # its last words were read
        found, self.text = self.text[: match.end()], self.text[match.end() :]
        return found

    def say(self, line):
        os.write(self.master, line.encode() + b"\n")

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self.master)


class ChatTest(unittest.TestCase):
    def setUp(self):
        self.program = Program()
        self.addCleanup(self.program.close)

    def chat(self, model, text, *args):
        return self.program.run("chat", "-m", model, *args, stdin=text)

    def shown(self):
        return json.loads(self.program.run("runs", "show", "last", "--json").stdout)

    def test_commands_and_messages_of_several_lines(self):
        model = self.program.script(FINAL + "one<|return|>", FINAL + "two<|return|>", FINAL + "three<|return|>")
        done = self.chat(model, '/usage\nfirst\\\nline\n/usage\n/run\n"""\nsecond\n\nmessage\n"""\n/nothing\n/reasoning loud\n/help\n/quit\nnever\n')
        self.assertEqual(0, done.returncode, done.stderr)
        self.assertEqual("one\ntwo\n", done.stdout)
        self.assertIn("Nothing was said yet.", done.stderr)
        self.assertRegex(done.stderr, r"\d+ tokens in the log, \d+ read, \d+ written")
        self.assertIn("There is no /nothing", done.stderr)
        self.assertIn("not 'loud'", done.stderr)
        users = [m["content"] for m in self.shown()["messages"] if m["role"] == "user"]
        self.assertEqual(["first\nline", "second\n\nmessage"], users)

    def test_a_new_conversation_is_another_run(self):
        make = CALL + "import os; print(os.listdir()); open('made.txt', 'w').write('made')<|call|>"
        model = self.program.script(make, FINAL + "one<|return|>")  # each conversation begins it anew
        done = self.chat(model, "a\n/files\n/files kept\n/new high\nb\n")
        self.assertEqual("one\none\n", done.stdout, done.stderr)
        self.assertIn("made.txt  4 bytes", done.stderr)
        self.assertEqual("made", (self.program.home / "kept/made.txt").read_text())
        run = self.shown()
        self.assertEqual("b", run["task"])
        self.assertEqual("[]\n4", [m for m in run["messages"] if m["role"] == "tool"][0]["content"], "its python is another one")
        self.assertEqual("high", run["params"]["reasoning"])

    def test_a_run_is_gone_on_with(self):
        model = self.program.script(MAKE, FINAL + "one<|return|>")
        self.assertEqual(0, self.program.run("run", "-m", model, "a").returncode)
        first = self.shown()["id"]
        model = self.program.script(CALL + "print(open('made.txt').read())<|call|>", FINAL + "two<|return|>", FINAL + "three<|return|>")
        done = self.chat(model, "b\nc\n", "--resume", "last")
        self.assertEqual("two\nthree\n", done.stdout, done.stderr)
        run = self.shown()
        self.assertEqual(first, run["id"])
        self.assertEqual(["a", "b", "c"], [m["content"] for m in run["messages"] if m["role"] == "user"])
        self.assertIn("made", [m for m in run["messages"] if m["role"] == "tool"][-1]["content"])

    def test_a_terminal_shows_markdown_and_keeps_the_history_to_itself(self):
        model = self.program.script(FINAL + "# Title\n- **bold** and `code`\n<|return|>")
        self.program.env["TERM"] = "xterm"
        terminal = Terminal(self.program, "chat", "-m", model)
        self.addCleanup(terminal.close)
        self.assertIn("/help", terminal.read_until("> "))
        terminal.say("hello there")
        shown = terminal.read_until(r"code\x1b\[0m\r\n")
        self.assertIn("\x1b[0;1mTitle\x1b[0m", shown)
        self.assertIn("• \x1b[0;1mbold\x1b[0m and \x1b[0;36mcode", shown)
        terminal.read_until("> ")
        terminal.say("/quit")
        self.assertEqual(0, terminal.process.wait(timeout=60))
        history = next(self.program.home.rglob("chat_history"))
        self.assertIn("hello", history.read_text())
        self.assertEqual(0o600, stat.S_IMODE(history.stat().st_mode))


if __name__ == "__main__":
    unittest.main()
