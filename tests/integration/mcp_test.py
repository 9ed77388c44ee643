#!/usr/bin/env python3
"""Tools of MCP servers in runs of the built program: started when they are called, asked for, killed, left alone."""

import json
import os
import pathlib
import subprocess
import sys
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from program import ROOT, Program, events  # noqa: E402

FINAL = "<|channel|>final<|message|>"
SERVER = str(ROOT / "tests" / "tools" / "mcp" / "server.py")
HTTP_SERVER = str(ROOT / "tests" / "tools" / "mcp" / "http_server.py")


def call(recipient, **arguments):
    return f"<|channel|>commentary to={recipient} <|constrain|>json<|message|>{json.dumps(arguments)}<|call|>"


class Case(unittest.TestCase):
    def setUp(self):
        self.program = Program()
        self.addCleanup(self.program.close)
        self.mark = self.program.home / "mark"

    def entry(self, *behaviour, **more):
        return {"command": sys.executable, "args": [SERVER, *behaviour], "env": {"MARK": str(self.mark)}, **more}

    def config(self, name="mcp.json", **servers):
        path = self.program.home / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({"mcpServers": servers}))
        return str(path)

    def run_calls(self, config, *calls, flags=()):
        model = self.program.script(*calls, FINAL + "done<|return|>")
        return self.program.run("run", "-m", model, "--tools", "none", "--mcp", config, "--json", *flags, "go")

    def tool_items(self, done):
        """Finished calls; result and error as text."""
        items = [e["item"] for e in events(done) if e["type"] == "item.completed" and e["item"]["type"] == "mcp_tool_call"]
        return [
            {**i, "result": "".join(c["text"] for c in (i.get("result") or {}).get("content", [])), "error": (i.get("error") or {}).get("message")}
            for i in items
        ]

    def started(self):
        return [int(line) for line in self.mark.read_text().split()] if self.mark.exists() else []

    def assert_all_gone(self):
        for pid in self.started():
            status = pathlib.Path(f"/proc/{pid}/stat")
            self.assertTrue(not status.exists() or ") Z " in status.read_text(), f"server {pid} still runs")


class RunTest(Case):
    def test_a_tool_is_called_and_answers(self):
        config = self.config(demo=self.entry("modern"))
        done = self.run_calls(config, call("demo.echo", text="hi"), call("demo.get_weather", text="Ulm"), flags=["--approve", "always"])
        self.assertEqual(0, done.returncode, done.stderr)
        said, weather = self.tool_items(done)
        self.assertEqual(("demo", "echo", "echo: hi", "completed"), (said["server"], said["tool"], said["result"], said["status"]))
        self.assertEqual(("get-weather", "echo: Ulm"), (weather["tool"], weather["result"]), "under the server's own name")
        run = json.loads(self.program.run("runs", "show", "last", "--json").stdout)
        developer = [m["content"] for m in run["messages"] if m["role"] == "developer"][0]
        self.assertIn("namespace demo {", developer)
        self.assertIn("type get_weather = ", developer)
        self.assertEqual(["pure", "keyed"], [c["effect"] for c in run["calls"]])
        self.assert_all_gone()

    def test_what_does_more_than_read_waits_for_approval(self):
        config = self.config(demo=self.entry("legacy"))
        done = self.run_calls(config, call("demo.get_weather", text="x"), flags=["--approve", "never"])
        self.assertEqual(5, done.returncode, done.stderr)
        config = self.config(demo=self.entry("legacy", alwaysAllow=["get-*"]))
        self.assertEqual(0, self.run_calls(config, call("demo.get_weather", text="x"), flags=["--approve", "never"]).returncode)

    def test_a_known_server_is_started_by_its_first_call_only(self):
        config = self.config(demo=self.entry("modern"))
        self.assertIn("asking the MCP server demo", self.run_calls(config).stderr)
        self.assertEqual(1, len(self.started()))
        self.assertEqual("", self.run_calls(config, flags=["-q"]).stderr)
        self.assertEqual(1, len(self.started()), "what it offers was kept")
        self.assertEqual(0, self.run_calls(config, call("demo.echo", text="hi")).returncode)
        self.assertEqual(2, len(self.started()))
        kept = list((self.program.ledger.parent / "mcp").glob("demo-*.json"))
        self.assertEqual([0o600], [k.stat().st_mode & 0o777 for k in kept])
        self.assert_all_gone()

    def test_a_server_that_dies_in_a_call_is_there_again_at_the_next(self):
        config = self.config(demo=self.entry("modern"))
        begin = time.monotonic()
        done = self.run_calls(config, call("demo.echo", text="die"), call("demo.echo", text="hi"))
        self.assertEqual(0, done.returncode, done.stderr)
        dead, alive = self.tool_items(done)
        self.assertEqual("failed", dead["status"])
        self.assertIn("was killed by signal 9", dead["error"])
        self.assertIn("was started again", alive["result"])
        self.assertIn("echo: hi", alive["result"])
        self.assertLess(time.monotonic() - begin, 60, "no time-out was waited for")
        self.assert_all_gone()

    def test_a_run_that_is_resumed_has_its_servers_again(self):
        config = self.config(demo=self.entry("modern"))
        self.assertEqual(0, self.run_calls(config).returncode)
        model = self.program.script(call("demo.echo", text="again"), FINAL + "done<|return|>")
        done = self.program.run("runs", "resume", "last", "more", "-m", model, "--json")
        self.assertEqual(0, done.returncode, done.stderr)
        self.assertEqual("echo: again", self.tool_items(done)[0]["result"])

    def test_schemas_that_cannot_be_enforced_are_said_and_names_are_told_apart(self):
        config = self.config(**{"odd one": self.entry("modern", "odd"), "python": self.entry("legacy")})
        done = self.program.run("run", "--tools", "none", "--mcp", config, "--seed", "1", "--max-turns", "2", "Hello")
        self.assertIn("the arguments of odd one's say.it are not constrained: ", done.stderr)
        self.assertIn("uniqueItems", done.stderr)
        run = json.loads(self.program.run("runs", "show", "last", "--json").stdout)
        developer = [m["content"] for m in run["messages"] if m["role"] == "developer"][0]
        for name in ("namespace odd_one {", "type say_it = ", "type say_it_2 = ", "namespace mcp_python {"):
            self.assertIn(name, developer)

    def test_an_address_is_a_server_too(self):
        server = subprocess.Popen([sys.executable, HTTP_SERVER, "legacy", "events"], stdout=subprocess.PIPE, text=True)
        self.addCleanup(server.stdout.close)
        self.addCleanup(server.wait)
        self.addCleanup(server.kill)
        url = f"http://127.0.0.1:{server.stdout.readline().strip()}/mcp"
        config = self.config(web={"type": "http", "url": url})
        done = self.run_calls(config, call("web.seen"), flags=["--offline"])
        self.assertEqual(0, done.returncode, done.stderr)
        self.assertIn("mcp-session-id", self.tool_items(done)[0]["result"])
        away = self.config(web={"url": "http://192.0.2.1/mcp"})
        done = self.run_calls(away, flags=["--offline"])
        self.assertEqual(6, done.returncode)
        self.assertIn("--offline: the MCP server web is at http://192.0.2.1", done.stderr)


class SetupTest(Case):
    def test_mistakes_are_told_with_their_place(self):
        for n, (entry, code, words) in enumerate((
            ({"comand": "a"}, 2, "mcpServers.x has neither a command nor a url"),
            ({"command": "a", "env": {"K": "${NOWHERE}"}}, 2, "NOWHERE, which is not set"),
            ({"command": "no-such-program"}, 6, "MCP server 'x': no program 'no-such-program'"),
            (self.entry("future"), 6, "speaks only 2031-01-01"),
        )):
            done = self.run_calls(self.config(f"{n}.json", x=entry))
            self.assertEqual(code, done.returncode, done.stderr)
            self.assertIn(words, done.stderr)
        done = self.run_calls(str(self.program.home / "missing.json"))
        self.assertEqual(2, done.returncode, done.stderr)
        self.assertIn("missing.json", done.stderr)
        done = self.run_calls(self.config(x={"command": "no-such-program", "optional": True}))
        self.assertEqual(0, done.returncode)
        self.assertIn("going on without a tool server", done.stderr)

    def test_the_users_own_file_is_read_when_named_and_a_folders_is_not(self):
        self.config(".config/toccata/mcp.json", own=self.entry("modern"))
        model = self.program.script(FINAL + "ok<|return|>")
        run = ["run", "-m", model, "-q"]
        self.assertEqual(0, self.program.run(*run, "--tools", "recall", "go").returncode)
        self.assertEqual([], self.started())
        self.assertEqual(0, self.program.run(*run, "--tools", "recall,mcp", "go").returncode)
        self.assertEqual(1, len(self.started()))
        (self.program.home / "toccata.toml").write_text('tools = ["mcp=evil.json"]\n')
        done = self.program.run(*run, "go")
        self.assertEqual(2, done.returncode)
        self.assertIn("mcp belongs into the user's own config.toml", done.stderr)

    def test_serve_starts_no_server(self):
        self.config(".config/toccata/mcp.json", own=self.entry("modern"))
        if "serve" not in self.program.run("--help").stdout:
            self.skipTest("built without the server")
        serve = self.program.start("serve", "-p", "0", "--agent", "--tools", "recall,mcp", stderr=subprocess.PIPE, text=True)
        try:
            self.assertIn("at http://", serve.stderr.readline())
        finally:
            serve.terminate()
            serve.wait()
            serve.stderr.close()
        self.assertEqual([], self.started())


if __name__ == "__main__":
    sys.exit(unittest.main())
