#!/usr/bin/env python3
"""`toccata completion`: what the shells offer, asked of the shells themselves."""

import os
import shutil
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from program import Program  # noqa: E402


class CompletionTest(unittest.TestCase):
    def setUp(self):
        self.program = Program()
        self.addCleanup(self.program.close)

    def script(self, shell: str) -> str:
        done = self.program.run("completion", shell)
        self.assertEqual(0, done.returncode, done.stderr)
        path = self.program.home / f"completion.{shell}"
        path.write_text(done.stdout)
        return str(path)

    def shell(self, *command) -> str:
        if not shutil.which(command[0]):
            self.skipTest(f"no {command[0]} here")
        done = subprocess.run(command, env=self.program.env, cwd=self.program.home, capture_output=True, text=True, check=False, timeout=60)
        self.assertEqual((0, ""), (done.returncode, done.stderr))
        return done.stdout

    def bash(self, *words: str) -> list:
        """What TAB offers after the last word of the line."""
        line = f'source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _toccata; printf "%s\\n" "${{COMPREPLY[@]}}"'
        return self.shell("bash", "-c", line, "bash", self.script("bash"), *words).split()

    def test_verbs(self):
        self.assertEqual(["run", "runs"], sorted(self.bash("toccata", "ru")))
        self.assertIn("pull", self.bash("toccata", ""))
        self.assertLessEqual({"list", "show", "resume"}, set(self.bash("toccata", "runs", "")))
        self.assertEqual(["list"], self.bash("toccata", "runs", "l"))
        self.assertEqual([], self.bash("toccata", "nonesuch", "zzz"))

    def test_options_of_the_verb_at_hand(self):
        self.assertEqual(["--reasoning"], self.bash("toccata", "run", "--reas"))
        self.assertEqual(["--revision"], self.bash("toccata", "pull", "20b", "--rev"))
        self.assertEqual([], self.bash("toccata", "pull", "--reas"))
        self.assertEqual(["--help"], self.bash("toccata", "--he"))

    def test_values(self):
        self.assertEqual(["low", "medium", "high"], self.bash("toccata", "run", "--reasoning", ""))
        self.assertEqual(["high"], self.bash("toccata", "run", "--reasoning", "=", "h"))
        self.assertEqual(["bash", "zsh", "fish"], self.bash("toccata", "completion", ""))
        self.assertEqual([], self.bash("toccata", "run", "--index", ""), "a file name: bash's own")

    def test_fish(self):
        script = self.script("fish")
        offers = self.shell("fish", "-c", f"source {script}; complete -C 'toccata ru'").splitlines()
        self.assertEqual(["run", "runs"], sorted(o.split("\t")[0] for o in offers))
        offers = self.shell("fish", "-c", f"source {script}; complete -C 'toccata runs export --format '").splitlines()
        self.assertEqual({"jsonl", "markdown", "html"}, {o.split("\t")[0] for o in offers})

    def test_zsh(self):
        self.shell("zsh", "-n", self.script("zsh"))
        # compadd and _describe as they are called by the completion system, replaced by what prints their arguments.
        probe = (
            'compdef() { :; }; compadd() { shift; print -l -- "$@"; }; _files() { print FILES; };'
            ' _describe() { print -l -- "${(P)2[@]%%:*}"; }; source "$1"; shift; words=("$@"); CURRENT=$#; PREFIX=${words[-1]}; _toccata'
        )

        def offers(*words) -> list:
            return self.shell("zsh", "-fc", probe, "zsh", str(self.program.home / "completion.zsh"), *words).split()

        self.assertIn("runs", offers("toccata", "ru"))
        self.assertIn("--revision", offers("toccata", "pull", "--"))
        self.assertEqual(["low", "medium", "high"], offers("toccata", "run", "--reasoning", ""))

    def test_another_shell_is_refused(self):
        done = self.program.run("completion", "tcsh")
        self.assertEqual(2, done.returncode)
        self.assertIn("bash", done.stderr)


if __name__ == "__main__":
    sys.exit(unittest.main())
