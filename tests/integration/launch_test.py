#!/usr/bin/env python3
"""`toccata launch` with clients that are scripts: they note what they were given, and ask the server they were told of."""

import contextlib
import json
import os
import pathlib
import signal
import socket
import subprocess
import time
import unittest

from program import Program
from live_server import HELLO, Server

CLIENT = r"""#!/usr/bin/env python3
import json, os, re, sys, time, urllib.request

name, env, args = os.path.basename(sys.argv[0]), os.environ, sys.argv[1:]
if name == "codex":
    base = re.search(r'base_url="([^"]+)"', " ".join(args))[1]
elif name == "claude":
    base = env["ANTHROPIC_BASE_URL"] + "/v1"
else:
    base = json.loads(env["OPENCODE_CONFIG_CONTENT"])["provider"]["toccata"]["options"]["baseURL"]
path, body = {
    "codex": ("/responses", {"input": "Hi"}),
    "claude": ("/messages", {"max_tokens": 100, "messages": [{"role": "user", "content": "Hi"}]}),
    "opencode": ("/chat/completions", {"messages": [{"role": "user", "content": "Hi"}]}),
}[name]
headers = {"Content-Type": "application/json", "Authorization": "Bearer " + env.get("TOCCATA_API_KEY", "none")}
request = urllib.request.Request(base + path, json.dumps({"model": "m", **body}).encode(), headers)
answer = urllib.request.urlopen(request, timeout=60).read().decode()
with open(env["NOTES"] + ".new", "w") as notes:
    json.dump({"args": args, "env": dict(env), "base": base, "answer": answer, "pid": os.getpid()}, notes)
os.rename(env["NOTES"] + ".new", env["NOTES"])
if "wait" in args:
    time.sleep(600)
sys.exit(7 if "fail" in args else 0)
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def soon(condition, what: str):
    for _ in range(1200):
        if condition():
            return
        time.sleep(0.05)
    raise AssertionError(what)


class LaunchTest(unittest.TestCase):
    def setUp(self):
        self.program = Program()
        self.addCleanup(self.program.close)
        self.bin = self.program.home / "bin"
        self.bin.mkdir()
        self.notes = self.program.home / "notes.json"
        for name in ("codex", "claude", "opencode"):
            (self.bin / name).write_text(CLIENT)
            (self.bin / name).chmod(0o755)
        self.program.env |= {"PATH": f"{self.bin}:{self.program.env['PATH']}", "NOTES": str(self.notes)}

    def server(self, *args) -> Server:
        server = Server(self.program, "-m", self.program.script(HELLO), *args)
        self.addCleanup(server.close)
        return server

    def launch(self, *args, code: int = 0) -> subprocess.CompletedProcess:
        self.notes.unlink(missing_ok=True)
        done = self.program.run("launch", *args)
        self.assertEqual(code, done.returncode, done.stderr)
        return done

    def noted(self) -> dict:
        return json.loads(self.notes.read_text())

    def test_each_client_reaches_the_server_that_runs(self):
        server = self.server()
        before = sorted(self.program.home.rglob("*"))
        for name in ("codex", "claude", "opencode"):
            self.launch(name, "--base-url", f"http://127.0.0.1:{server.port}", "--", "exec", "-C", "nowhere", "--flag", "--", "two words")
            noted = self.noted()
            self.assertEqual(["exec", "-C", "nowhere", "--flag", "--", "two words"], noted["args"][-6:])
            self.assertEqual(f"http://127.0.0.1:{server.port}/v1", noted["base"])
            self.assertIn("Hello, world!", noted["answer"])
        self.notes.unlink()
        files = [p for p in sorted(self.program.home.rglob("*")) if p not in before and "share/toccata" not in str(p)]
        self.assertEqual([], files, "nothing is written for the client")
        self.assertTrue(answers(server.port))

    def test_the_exit_code_is_the_clients(self):
        server = self.server()
        self.launch("codex", "--base-url", f"http://127.0.0.1:{server.port}", "--", "fail", code=7)

    def test_the_key_reaches_the_client_and_no_screen(self):
        server = self.server("--api-key", "sesame")
        at = ("--base-url", f"http://127.0.0.1:{server.port}/v1")
        self.assertIn("TOCCATA_API_KEY", self.launch("claude", *at, code=5).stderr)
        self.program.env |= {"TOCCATA_API_KEY": "sesame", "ANTHROPIC_API_KEY": "another"}
        for name in ("codex", "claude", "opencode"):
            self.launch(name, *at)
            self.assertNotIn("sesame", " ".join(self.noted()["args"]))
            self.assertNotIn("sesame", self.launch(name, *at, "--print").stdout)
        self.launch("claude", *at)
        self.assertEqual("sesame", self.noted()["env"]["ANTHROPIC_AUTH_TOKEN"])
        self.assertNotIn("ANTHROPIC_API_KEY", self.noted()["env"])

    def test_what_is_printed_does_the_same(self):
        server = self.server()
        for name in ("codex", "claude", "opencode"):
            words = (name, "--base-url", f"http://127.0.0.1:{server.port}")
            self.launch(*words, "--", "it's", "$HOME")
            launched = self.noted()
            self.notes.unlink()
            printed = self.launch(*words, "--print", "--", "it's", "$HOME").stdout
            self.assertFalse(self.notes.exists())
            subprocess.run(["bash", "-c", printed], env=self.program.env, cwd=self.program.home, check=True)
            own = {"_", "SHLVL", "PWD", "OLDPWD"}
            for noted in (launched, again := self.noted()):
                noted["env"] = {k: v for k, v in noted["env"].items() if k not in own}
            self.assertEqual((launched["args"], launched["env"]), (again["args"], again["env"]))

    def test_a_server_is_started_and_ends_with_the_client(self):
        port = free_port()
        done = self.launch("opencode", "--base-url", f"http://localhost:{port}", "-m", self.program.script(HELLO))
        self.assertIn("starting one", done.stderr)
        self.assertIn("Hello, world!", self.noted()["answer"])
        self.assertFalse(answers(port))

    def test_a_small_context_is_warned_of(self):
        self.assertIn("WARNING: nano holds 4096 tokens", self.launch("codex", "--base-url", f"http://127.0.0.1:{free_port()}", "-m", "nano").stderr)
        self.assertNotIn("WARNING", self.launch("codex", "--base-url", f"http://127.0.0.1:{self.server().port}").stderr)

    def test_a_servers_own_key_is_the_clients(self):
        self.program.env |= {"TOCCATA_SERVER_KEY": "sesame", "TOCCATA_API_KEY": "of another server"}
        self.launch("codex", "--base-url", f"http://127.0.0.1:{free_port()}", "-m", self.program.script(HELLO))
        self.assertEqual("sesame", self.noted()["env"]["TOCCATA_API_KEY"])

    def test_at_the_usual_address_a_server_takes_any_port(self):
        if answers(8080):
            self.skipTest("something answers at port 8080")
        self.launch("codex", "-m", self.program.script(HELLO))
        self.assertNotIn(":8080", self.noted()["base"])

    def test_signals(self):
        for sent, code in ((signal.SIGTERM, 143), (signal.SIGKILL, -9)):
            port = free_port()
            self.notes.unlink(missing_ok=True)
            script = self.program.script(HELLO)
            process = self.program.start("launch", "codex", "--base-url", f"http://127.0.0.1:{port}", "-m", script, "--", "wait", stderr=subprocess.DEVNULL)
            soon(self.notes.exists, "the client did not start")
            self.assertTrue(answers(port))
            process.send_signal(sent)
            self.assertEqual(code, process.wait(60))
            soon(lambda port=port: not answers(port), "the server outlives the launch")
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.noted()["pid"], signal.SIGKILL)
                self.assertEqual(signal.SIGKILL, sent, "the client outlives a signal that was passed on")

    def test_refusals_say_what_to_do(self):
        server = self.server()
        at = ("--base-url", f"http://127.0.0.1:{server.port}")
        self.assertIn("expected one like", self.launch("codex", "--base-url", "127.0.0.1:1", code=2).stderr)
        self.assertIn("not other: leave --model out", self.launch("codex", *at, "-m", "other", code=2).stderr)
        nobody = self.launch("codex", "--base-url", f"http://127.0.0.1:{free_port()}/elsewhere/v1", code=6).stderr
        self.assertIn("no server answers", nobody)
        stranger = self.launch("codex", "--base-url", f"http://127.0.0.1:{server.port}/elsewhere", code=2).stderr
        self.assertIn("no OpenAI-compatible server", stranger)
        failed = self.launch("codex", "--base-url", f"http://127.0.0.1:{free_port()}", "-m", "/no/such/model", code=6).stderr
        self.assertIn("the server did not start", failed)
        self.assertFalse(self.notes.exists())
        (self.bin / "opencode").unlink()
        self.program.env["PATH"] = f"{self.bin}"
        self.assertIn("npm install -g opencode-ai", self.launch("opencode", *at, code=6).stderr)
        self.launch("opencode", *at, "--print")

    def test_without_a_server_print_names_the_one_to_start(self):
        port = free_port()
        printed = self.launch("codex", "--base-url", f"http://127.0.0.1:{port}", "-m", "gpt-oss-20b", "--print").stdout
        self.assertIn(f"toccata serve -m gpt-oss-20b --port {port} &", printed)
        self.assertIn('model="gpt-oss-20b"', printed)
        self.assertFalse(answers(port))


if __name__ == "__main__":
    unittest.main()
