#!/usr/bin/env python3
"""Codex CLI against `toccata serve`, offline: `codex exec` runs commands that a scripted model asks for.

`codex_test.py --install` puts a pinned one (360 MB) below build/clients; without it the test says SKIPPED (77).
"""

import contextlib
import json
import pathlib
import subprocess
import sys
import tempfile
import unittest

from clients_test import FOLDER, PYTHON
from program import SKIPPED, Program
from live_server import Server

PINNED = "openai-codex-cli-bin==0.163.0"
LAST = "<|channel|>analysis<|message|>Done.<|end|><|start|>assistant<|channel|>final<|message|>All done.<|return|>"


def find_codex() -> str | None:
    return next((str(p) for p in FOLDER.glob("lib/python*/site-packages/codex_cli_bin/bin/codex")), None)


def step(i: int) -> str:
    return (
        f"<|channel|>analysis<|message|>Step {i}.<|end|><|start|>assistant<|channel|>commentary<|message|>I go on."
        "<|end|><|start|>assistant<|channel|>commentary to=functions.exec_command <|constrain|>json<|message|>"
        f'{{"cmd": "echo {i} >> made.txt"}}<|call|>'
    )


class CodexTest(unittest.TestCase):
    def run_codex(self, n_steps: int) -> tuple[list[dict], str, int]:
        """(events, what the commands wrote, prompt tokens that were read)"""
        with contextlib.ExitStack() as stack:
            program = stack.enter_context(Program())
            folder = stack.enter_context(tempfile.TemporaryDirectory())
            script = program.script(*[step(i) for i in range(n_steps)], LAST)
            server = stack.enter_context(contextlib.closing(Server(program, "-m", script)))
            config = program.home / "config.toml"
            config.write_text(
                'model = "scripted"\nmodel_provider = "toccata"\ncheck_for_update_on_startup = false\n'
                "[analytics]\nenabled = false\n[otel]\nexporter = \"none\"\n"
                '[model_providers.toccata]\nname = "toccata"\n'
                f'base_url = "http://127.0.0.1:{server.port}/v1"\nwire_api = "responses"\n'
            )
            command = [find_codex(), "exec", "--skip-git-repo-check", "--dangerously-bypass-approvals-and-sandbox", "--json", "go"]
            env = {**program.env, "CODEX_HOME": str(program.home)}
            done = subprocess.run(
                command, env=env, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300, check=False
            )
            self.assertEqual(0, done.returncode, done.stderr)
            made = pathlib.Path(folder, "made.txt").read_text()
            read = int(server.metric("toccata_prompt_tokens_total") - server.metric("toccata_cached_tokens_total"))
            return [json.loads(line) for line in done.stdout.splitlines()], made, read

    def test_a_call_runs_and_the_answer_arrives(self):
        events, made, _ = self.run_codex(1)
        said = [e["item"]["text"] for e in events if e.get("item", {}).get("type") == "agent_message"]
        self.assertEqual(["I go on.", "All done."], said)
        self.assertEqual("0\n", made)
        self.assertEqual("turn.completed", events[-1]["type"])

    def test_fifty_steps_read_only_what_is_new(self):
        read_once = self.run_codex(1)[2]
        _, made, read = self.run_codex(49)
        self.assertEqual(list(range(49)), [int(line) for line in made.split()])
        # A step's news are its result, some 50 tokens; Codex' own prompt has thousands.
        self.assertLess((read - read_once) / 48, 100)
        print(f"50 steps: {read} prompt tokens read, {read_once} of them in the first 2", file=sys.stderr)

    def test_oss_takes_the_server_for_ollama_or_lm_studio(self):
        for provider, name in (("ollama", "gpt-oss:20b"), ("lmstudio", "openai/gpt-oss-20b")):
            with self.subTest(provider), Program() as program, tempfile.TemporaryDirectory() as folder:
                with contextlib.closing(Server(program, "-m", program.script(step(0), LAST), "--model-id", name)) as server:
                    command = [find_codex(), "exec", "--oss", "--local-provider", provider, "-m", name, "--skip-git-repo-check"]
                    done = subprocess.run(
                        [*command, "--dangerously-bypass-approvals-and-sandbox", "go"], cwd=folder, stdin=subprocess.DEVNULL, capture_output=True,
                        env={**program.env, "CODEX_OSS_BASE_URL": f"http://127.0.0.1:{server.port}/v1"}, text=True, timeout=300, check=False
                    )
                self.assertEqual((0, "All done."), (done.returncode, done.stdout.strip()), done.stderr)
                self.assertEqual("0\n", pathlib.Path(folder, "made.txt").read_text())


if __name__ == "__main__":
    if "--install" in sys.argv:
        sys.argv.remove("--install")
        import venv

        if not PYTHON.exists():
            venv.create(FOLDER, with_pip=True)
        subprocess.run([PYTHON, "-m", "pip", "install", "-q", PINNED], check=False)
    if find_codex() is None:
        print(f"SKIPPED: no codex in {FOLDER}; install it with codex_test.py --install")
        sys.exit(SKIPPED)
    unittest.main()
