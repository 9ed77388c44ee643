#!/usr/bin/env python3
"""Codex, Claude Code and opencode, as npm has them, started by `toccata launch`: they run what a scripted model asks for.

`launch_clients_test.py --install` puts pinned ones (1.2 GB; needs npm) below build/clients/npm; without any the test says
SKIPPED (77), and it leaves out those that are missing.
"""

import contextlib
import json
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

from clients_test import FOLDER
from program import SKIPPED, Program
from live_server import Server

PINNED = ["@openai/codex@0.171.0", "@anthropic-ai/claude-code@2.1.197", "opencode-ai@1.18.33"]
NPM = FOLDER / "npm"
BIN = NPM / "node_modules" / ".bin"
LAST = "<|channel|>analysis<|message|>Done.<|end|><|start|>assistant<|channel|>final<|message|>All done.<|return|>"
# Its tool for commands and that tool's argument; the words behind `toccata launch NAME --`.
CLIENTS = {
    "codex": ("exec_command", "cmd", ["exec", "--skip-git-repo-check", "--dangerously-bypass-approvals-and-sandbox", "go"]),
    "claude": ("Bash", "command", ["-p", "--allowedTools", "Bash", "--", "go"]),
    "opencode": ("bash", "command", ["run", "go"]),
}


def step(i: int, tool: str, argument: str) -> str:
    arguments = json.dumps({argument: f"echo {i} >> made.txt"} | ({"description": "Note"} if argument == "command" else {}))
    return (
        f"<|channel|>analysis<|message|>Step {i}.<|end|><|start|>assistant<|channel|>commentary<|message|>I go on."
        f"<|end|><|start|>assistant<|channel|>commentary to=functions.{tool} <|constrain|>json<|message|>{arguments}<|call|>"
    )


class LaunchedClientsTest(unittest.TestCase):
    def run_client(self, name: str, n_steps: int) -> int:
        """Prompt tokens that were read, once the client has done all steps and said the answer."""
        tool, argument, words = CLIENTS[name]
        with contextlib.ExitStack() as stack:
            program = stack.enter_context(Program())
            folder = stack.enter_context(tempfile.TemporaryDirectory())
            program.env["PATH"] = f"{BIN}:{program.env['PATH']}"
            script = program.script(*[step(i, tool, argument) for i in range(n_steps)], LAST)
            server = stack.enter_context(contextlib.closing(Server(program, "-m", script, "--api-key", "sesame")))
            program.env["TOCCATA_API_KEY"] = "sesame"
            done = program.run("-C", folder, "launch", name, "--base-url", f"http://127.0.0.1:{server.port}", "--", *words, timeout=400)
            self.assertEqual(0, done.returncode, done.stderr + done.stdout)
            self.assertIn("All done.", done.stdout)
            self.assertEqual(list(range(n_steps)), [int(line) for line in pathlib.Path(folder, "made.txt").read_text().split()])
            metrics = server.request("GET", "/metrics", headers={"Authorization": "Bearer sesame"})[2].decode()
            prompt, cached = (float(re.search(rf"^toccata_{kind}_tokens_total (\S+)$", metrics, re.MULTILINE)[1]) for kind in ("prompt", "cached"))
            return int(prompt - cached)

    def check(self, name: str):
        if not (BIN / name).exists():
            self.skipTest(f"no {name} in {BIN}")
        read_once = self.run_client(name, 1)
        read = self.run_client(name, 49)
        # A step's news are its result; the prompts of these clients have thousands of tokens.
        self.assertLess((read - read_once) / 48, 100)
        print(f"{name}, 50 steps: {read} prompt tokens read, {read_once} of them in the first 2", file=sys.stderr)

    def test_codex(self):
        self.check("codex")

    def test_claude(self):
        self.check("claude")

    def test_opencode(self):
        self.check("opencode")


def install():
    NPM.mkdir(parents=True, exist_ok=True)
    subprocess.run(["npm", "install", "--no-audit", "--no-fund", "--prefix", NPM, *PINNED], check=False)


if __name__ == "__main__":
    if "--install" in sys.argv:
        sys.argv.remove("--install")
        if shutil.which("npm"):
            install()
    if not any((BIN / name).exists() for name in CLIENTS):
        print(f"SKIPPED: none of {', '.join(CLIENTS)} in {BIN}; install them with launch_clients_test.py --install (needs npm)")
        sys.exit(SKIPPED)
    unittest.main()
