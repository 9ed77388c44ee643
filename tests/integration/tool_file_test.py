#!/usr/bin/env python3
"""Tools that files declare, in runs of the built program: called, bounded, approved by rules, scripted; and secrets that stay secret."""

import base64
import contextlib
import html
import http.server
import json
import os
import pathlib
import signal
import socket
import sys
import threading
import time
import unittest
import urllib.parse

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from program import ROOT, TEST_UID, Program, events  # noqa: E402

FINAL = "<|channel|>final<|message|>done<|return|>"
SECRET = 'Tk+9/"q\\z wü=7x'  # with whatever an encoding has to escape
PLAIN = "plain-but-long-secret"


def call(recipient, **arguments):
    return f"<|channel|>commentary to={recipient} <|constrain|>json<|message|>{json.dumps(arguments)}<|call|>"


def spellings(secret: str) -> dict:
    """How programs repeat a secret."""
    raw = secret.encode()
    wrapped = base64.encodebytes(b"user:" + raw * 8).decode()
    return {
        "raw": secret,
        "json": json.dumps({"key": secret}),
        "json, not only ASCII": json.dumps({"key": secret}, ensure_ascii=False),
        "json in json": json.dumps(json.dumps(secret)),
        "percent": urllib.parse.quote(secret, safe=""),
        "percent, lower case": urllib.parse.quote(secret, safe="").replace("%2B", "%2b").replace("%2F", "%2f"),
        "form": urllib.parse.quote_plus(secret),
        "percent, all": "".join(f"%{b:02X}" for b in raw),
        "base64": base64.b64encode(raw).decode(),
        "base64, url": base64.urlsafe_b64encode(raw).decode(),
        "basic": base64.b64encode(b"user:" + raw).decode(),
        "basic, other offset": base64.b64encode(b"me:" + raw + b"!").decode(),
        "base64, wrapped": wrapped,
        "hex": raw.hex(),
        "hex, upper case": raw.hex().upper(),
        "hex, colons": raw.hex(":"),
        "html": html.escape(secret),
        "repr": repr(raw),
    }


def forms_of(secret: str) -> set:
    """Bytes that must be nowhere: the secret in every encoding, at every offset."""
    raw = secret.encode()
    forms = {raw, raw.hex().encode(), raw.hex().upper().encode(), raw.hex(":").encode(), urllib.parse.quote(secret, safe="").encode(),
             json.dumps(secret)[1:-1].encode(), json.dumps(secret, ensure_ascii=False)[1:-1].encode(), html.escape(secret).encode()}
    for before in range(3):
        inner = base64.b64encode(b"x" * before + raw)[(before * 8 + 5) // 6 : (before + len(raw)) * 8 // 6]
        forms |= {inner, inner.replace(b"+", b"-").replace(b"/", b"_")}
    return forms


class Echo(http.server.BaseHTTPRequestHandler):
    """Answers what it was asked, or what the server was told to say."""

    protocol_version = "HTTP/1.1"

    def answer(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        self.server.seen.append({"method": self.command, "path": self.path, "headers": dict(self.headers), "body": body})
        if self.server.hang.is_set():
            self.server.released.wait(30)
        said = self.server.say(self.server.seen[-1]).encode()
        self.send_response(self.server.status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        with contextlib.suppress(OSError):  # it was killed meanwhile
            self.wfile.write(said)

    do_GET = do_POST = do_PUT = do_DELETE = answer

    def log_message(self, *_):
        pass


class Case(unittest.TestCase):
    def setUp(self):
        self.program = Program()
        self.addCleanup(self.program.close)
        self.web = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Echo)
        self.web.daemon_threads = True
        self.web.seen, self.web.status = [], 200
        self.web.hang, self.web.released = threading.Event(), threading.Event()
        self.web.say = json.dumps
        threading.Thread(target=self.web.serve_forever, daemon=True).start()
        self.addCleanup(self.web.server_close)
        self.addCleanup(self.web.shutdown)
        self.addCleanup(self.web.released.set)
        self.url = f"http://127.0.0.1:{self.web.server_address[1]}"

    def file(self, name: str, content) -> str:
        path = self.program.home / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        if TEST_UID:
            os.chown(path, int(TEST_UID), int(TEST_UID))
        return str(path)

    def tool(self, name="f", properties=("a", "b"), required=("a",), **more) -> dict:
        schema = {"type": "object", "properties": {p: {"type": "string"} for p in properties}, "required": list(required), "additionalProperties": False}
        return {"name": name, "description": f"Does {name}.", "parameters": schema, **more}

    def http_tool(self, path="/x", **more) -> dict:
        return self.tool(http={"url": self.url + path, "private": True, **more.pop("http", {})}, **more)

    def run_calls(self, tools, *calls, flags=(), verb=("run",), task="go"):
        path = self.file("tools.yaml", {"tools": tools})
        model = self.program.script(*calls, FINAL)
        return self.program.run(*verb, "-m", model, "--tools", "none", "--tool-file", path, "--json", *flags, task)

    def results(self, done) -> list:
        """(status, text) of finished calls."""
        items = [e["item"] for e in events(done) if e["type"] == "item.completed" and e["item"]["type"] == "mcp_tool_call"]
        return [(i["status"], (i.get("error") or {}).get("message") or "".join(c["text"] for c in i["result"]["content"])) for i in items]


class RunTest(Case):
    def test_a_request_is_made_and_answered(self):
        tools = [self.http_tool("/v1/{a}", effect="pure", http={"query": {"b": "{b}"}, "show": "/path"})]
        done = self.run_calls(tools, call("functions.f", a="Ås/..", b="x&y"))
        self.assertEqual(0, done.returncode, done.stderr)
        self.assertEqual([("completed", "/v1/%C3%85s%2F..?b=x%26y")], self.results(done))

    def test_the_model_is_told_of_it_and_masks_know_its_schema(self):
        path = self.file("tools.yaml", {"tools": [self.http_tool(effect="pure")]})
        done = self.program.run("run", "-m", self.program.script(FINAL), "--tools", "none", "--tool-file", path, "go")
        self.assertEqual(0, done.returncode, done.stderr)
        shown = self.program.run("runs", "export", "last").stdout
        self.assertIn("Does f.", shown)
        self.assertIn("type f = ", shown)

    def test_what_a_stranger_says_counts_as_a_strangers_words(self):
        done = self.run_calls([self.http_tool(effect="pure")], call("functions.f", a="x"))
        notes = self.program.run("runs", "export", "last").stdout
        self.assertIn("from call 1 on the run has read untrusted text", notes, done.stderr)

    def test_a_program_on_this_machine(self):
        script = self.file("count.sh", "#!/bin/sh\nwc -c | tr -d ' '\necho \"$1\" >&2\n")
        os.chmod(script, 0o755)
        tools = [self.tool(effect="pure", command={"argv": ["./count.sh", "{a}"], "where": "host", "stdin": "json"})]
        done = self.run_calls(tools, call("functions.f", a="$(id)"))
        self.assertEqual([("completed", "14\n[stderr]\n$(id)\n")], self.results(done), done.stderr)

    def test_a_program_in_the_sandbox_shares_files_with_python(self):
        tools = [self.tool(effect="pure", command={"argv": ["sh", "-c", "cat; wc -c < \"$1\"; echo $X", "sh", "{a}"], "stdin": {"text": "{b}\n"}, "env": {"X": "<{b}>"}})]
        model = self.program.script(
            "<|channel|>analysis to=python code<|message|>print(open('/mnt/data/t.txt', 'w').write('12345'))<|call|>",
            call("functions.f", a="t.txt", b="é $X"), FINAL)
        path = self.file("tools.yaml", {"tools": tools})
        done = self.program.run("run", "-m", model, "--tools", "python", "--tool-file", path, "--json", "go")
        if done.returncode == 6:
            self.skipTest(done.stderr)
        self.assertEqual([("completed", "é $X\n5\n<é $X>")], self.results(done), done.stdout + done.stderr)

    def test_nothing_is_left_of_a_program_when_the_agent_is_killed(self):
        pids = self.program.home / "pids"
        tools = [self.tool(effect="pure", command={"shell": f"sleep 300 & echo $$ > {pids}; sleep 300", "where": "host"})]
        path = self.file("tools.yaml", {"tools": tools})
        process = self.program.start("run", "-m", self.program.script(call("functions.f", a="x"), FINAL), "--tools", "none", "--tool-file", path, "-q", "go")
        for _ in range(300):
            if pids.exists() and pids.read_text().strip():
                break
            time.sleep(0.05)
        shell = int(pids.read_text())
        process.send_signal(signal.SIGKILL)
        process.wait()
        for _ in range(100):
            status = pathlib.Path(f"/proc/{shell}/stat")
            if not status.exists() or ") Z " in status.read_text():
                break
            time.sleep(0.05)
        else:
            self.fail("the program runs on")

    def test_a_keyed_call_that_was_cut_off_is_sent_again_with_its_key(self):
        self.web.hang.set()
        tools = [self.http_tool(effect="keyed", approval=False, http={"method": "POST", "json": {"a": "{a}"}})]
        path = self.file("tools.yaml", {"tools": tools})
        model = self.program.script(call("functions.f", a="x"), FINAL)
        process = self.program.start("run", "-m", model, "--tools", "none", "--tool-file", path, "-q", "go")
        for _ in range(300):
            if self.web.seen:
                break
            time.sleep(0.05)
        process.send_signal(signal.SIGKILL)
        process.wait()
        self.web.hang.clear()
        done = self.program.run("runs", "resume", "last", "--json")  # the file is one of the run's recorded options
        self.assertEqual(0, done.returncode, done.stderr)
        keys = [seen["headers"]["Idempotency-Key"] for seen in self.web.seen]
        self.assertEqual(2, len(keys))
        self.assertEqual(keys[0], keys[1])

    def test_what_cannot_be_used_is_told_before_anything_runs(self):
        path = self.file("tools.yaml", "tools:\n  - name: f\n    http: {url: 'https://x.org/{a}'}\n")
        done = self.program.run("run", "-m", self.program.script(FINAL), "--tool-file", path, "go")
        self.assertEqual(2, done.returncode)
        self.assertIn(f"{path}:2:5: found no 'description' of 'f'", done.stderr)
        self.assertIn(f"{path}:3:17: found the unknown argument 'a'", done.stderr)
        path = self.file("tools.yaml", {"tools": [self.tool(http={"url": "https://x.example/"})]})
        done = self.program.run("run", "-m", self.program.script(FINAL), "--tools", "none", "--tool-file", path, "--offline", "go")
        self.assertEqual(6, done.returncode, done.stderr)
        self.assertIn("--offline: the tool f asks https://x.example", done.stderr)

    def test_the_users_configuration_names_files_and_a_folder_does_not(self):
        path = self.file("tools.yaml", {"tools": [self.http_tool(effect="pure")]})
        self.file(".config/toccata/config.toml", f'tool_file = ["{path}"]\ntools = ["none"]\n')
        done = self.program.run("run", "-m", self.program.script(call("functions.f", a="x"), FINAL), "--json", "go")
        self.assertEqual(1, len(self.results(done)), done.stderr)
        self.file(".config/toccata/config.toml", "")
        self.file("toccata.toml", f'tool_file = ["{path}"]\n')
        done = self.program.run("run", "-m", self.program.script(FINAL), "go")
        self.assertEqual(2, done.returncode)
        self.assertIn("toccata.toml:1: 'tool_file' belongs into the user's own config.toml", done.stderr)

    def test_check_shows_what_the_model_is_told(self):
        path = self.file("tools.yaml", {"secrets": {"KEY": {"env": "NONE"}}, "tools": [self.http_tool(effect="pure", http={"headers": {"X": "${secret:KEY}"}})]})
        done = self.program.run("tools", "check", path)
        self.assertEqual(0, done.returncode, done.stderr)
        for line in ("// Does f.", f"functions.f: GET at {self.url}; pure, does not ask", "secret KEY: variable NONE: the secret KEY is not there"):
            self.assertIn(line, done.stdout)
        self.assertEqual([], self.web.seen)
        checked = json.loads(self.program.run("tools", "check", path, "--json").stdout)
        self.assertEqual(["functions.f"], [tool["name"] for tool in checked["tools"]])
        wrong = self.file("wrong.yaml", "tools: [{}]")
        done = self.program.run("tools", "check", wrong, "--json")
        self.assertEqual(2, done.returncode)
        self.assertEqual({"file": wrong, "line": 1, "column": 9}, {k: v for k, v in json.loads(done.stdout)["problems"][0].items() if k != "message"})

    def test_a_task_names_files_of_its_own_folder(self):
        self.file("desk/tools.yaml", {"tools": [self.http_tool(effect="pure", http={"show": "/path"})]})
        task = self.file("desk/task.yaml", "name: t\ndefaults: {tools: [none], tool_files: tools.yaml}\nsteps:\n  - prompt: go\n")
        model = self.program.script(call("functions.f", a="x"), FINAL)
        done = self.program.run("task", "run", task, "-m", model)
        self.assertEqual((0, "done"), (done.returncode, done.stdout.strip()), done.stderr)
        self.assertEqual(1, len(self.web.seen))
        self.file("desk/task.yaml", "name: t\nsteps:\n  - prompt: go\n    tool_files: [gone.yaml]\n")
        done = self.program.run("task", "validate", task)
        self.assertEqual(2, done.returncode)
        self.assertIn(f"{task}:4:17: found the name of a tool file that cannot be read", done.stderr)

    def test_a_served_agent_has_them(self):
        if "serve" not in self.program.run("--help").stdout:
            self.skipTest("built without the server")
        from live_server import Server

        path = self.file("tools.yaml", {"tools": [self.http_tool(effect="pure")]})
        server = Server(self.program, "-m", self.program.script(call("functions.f", a="x"), FINAL), "--agent", "--tools", "none", "--tool-file", path)
        self.addCleanup(server.process.stderr.close)
        self.addCleanup(server.process.wait)
        self.addCleanup(server.process.kill)
        said = server.request("POST", "/v1/toccata/runs", {"input": "go"})
        self.assertIn(b"done", said[2])
        self.assertEqual(1, len(self.web.seen))


class SecretTest(Case):
    """A program and a service repeat a secret in every form; it is in no file of the user's, no output, no event."""

    def assert_nowhere(self, secret: str, *texts: str, apart_from=()):
        kept = {p: p.read_bytes() for p in self.program.home.rglob("*") if p.is_file() and p.name not in apart_from}
        self.assertTrue(any(p.name == "runs.db" for p in kept))
        for name, data in [*((str(p), b) for p, b in kept.items()), *((f"text {i}", t.encode()) for i, t in enumerate(texts))]:
            for form in forms_of(secret):
                self.assertNotIn(form, data, f"{form} is in {name}")

    def exports(self) -> list:
        shown = [self.program.run("runs", "export", "last", "--format", f).stdout for f in ("jsonl", "markdown", "html")]
        return [*shown, self.program.run("runs", "show", "last").stdout, self.program.run("runs", "show", "last", "--json").stdout]

    def test_a_program_repeats_it_in_every_form(self):
        for secret in (SECRET, PLAIN):
            said = spellings(secret)
            self.file("echo.py", "import base64, json, os, sys\n"
                      "for name, text in json.loads(base64.b64decode(open(os.path.dirname(__file__) + '/said').read())[::-1].decode()).items():\n"
                      "    print(name + ': <' + text + '>', file=sys.stdout if len(name) % 2 else sys.stderr)\n"
                      "assert os.environ['TOKEN']\n")
            self.file("said", base64.b64encode(json.dumps(said).encode()[::-1]).decode())  # where no form of it stands
            tools = [self.tool(effect="pure", command={"argv": [sys.executable, str(self.program.home / "echo.py")], "where": "host", "env": {"TOKEN": "${secret:TOKEN}"}})]
            self.program.env["TOKEN"] = secret
            done = self.run_calls(tools, call("functions.f", a="x"))
            self.assertEqual(0, done.returncode, done.stderr)
            [(status, text)] = self.results(done)
            self.assertEqual("completed", status, text)
            for name in said:
                self.assertRegex(text, rf"(?s){name}: <[^<]*\[secret TOKEN\]", name)
            self.assert_nowhere(secret, done.stdout, done.stderr, *self.exports())
            human = self.program.run("run", "-m", self.program.script(call("functions.f", a="x"), FINAL), "--tools", "none", "--tool-file", str(self.program.home / "tools.yaml"), "go")
            self.assert_nowhere(secret, human.stdout, human.stderr)

    def test_a_service_repeats_it_and_fails(self):
        secret = SECRET.replace("ü", "u")
        self.program.env["TOKEN"] = secret
        sent = {"headers": {"Authorization": "Basic ${secret:TOKEN}"}, "query": {"k": "${secret:TOKEN}"}, "json": {"k": "${secret:TOKEN}", "a": "{a}"}}
        for status in (200, 500):
            self.web.status = status
            self.web.say = lambda seen: json.dumps([seen, spellings(secret)])
            done = self.run_calls([self.http_tool(effect="pure", http={"method": "POST", **sent})], call("functions.f", a="x"))
            self.assertEqual(0, done.returncode, done.stderr)
            self.assertEqual(secret, json.loads(self.web.seen[-1]["body"])["k"])
            self.assertEqual("Basic " + secret, self.web.seen[-1]["headers"]["Authorization"])
            self.assertIn("[secret TOKEN]", self.results(done)[0][1])
            self.assert_nowhere(secret, done.stdout, done.stderr, *self.exports())

    def test_errors_do_not_say_it(self):
        self.program.env["TOKEN"] = PLAIN
        with socket.socket() as closed:
            closed.bind(("127.0.0.1", 0))
            dead = f"http://127.0.0.1:{closed.getsockname()[1]}/" + "${secret:TOKEN}"
        tools = [self.tool(effect="pure", http={"url": dead, "private": True}), self.tool("g", effect="pure", command={"argv": ["/nonexistent", "${secret:TOKEN}"], "where": "host"})]
        done = self.run_calls(tools, call("functions.f", a="x"), call("functions.g", a="x"))
        self.assertEqual(["failed", "failed"], [status for status, _ in self.results(done)])
        self.assert_nowhere(PLAIN, done.stdout, done.stderr, *self.exports())

    def test_other_tools_and_the_user_do_not_bring_it_in(self):
        self.program.env["TOKEN"] = PLAIN
        self.file("notes/env", f"TOKEN={PLAIN}\n")
        self.file("AGENTS.md", f"The token is {PLAIN}.\n")
        tools = [self.tool(effect="pure", command={"argv": ["true"], "where": "host", "env": {"T": "${secret:TOKEN}"}})]
        path = self.file("tools.yaml", {"tools": tools})
        model = self.program.script(call("files.read", path="env"), FINAL)
        done = self.program.run("run", "-m", model, "--tools", "files", "--workspace", str(self.program.home / "notes"), "--tool-file", path, "--json", f"It is {PLAIN}, isn't it?")
        self.assertEqual(0, done.returncode, done.stderr)
        self.assertIn("TOKEN=[secret TOKEN]", done.stdout)
        self.assertIn("It is [secret TOKEN], isn't it?", self.program.run("runs", "export", "last").stdout)
        self.assert_nowhere(PLAIN, done.stdout, done.stderr, *self.exports(), apart_from=("env", "AGENTS.md"))

    def test_a_file_keeps_it_and_others_may_not_read_that(self):
        path = self.file(".config/toccata/secrets/TOKEN", PLAIN + "\n")
        tools = [self.tool(effect="pure", command={"argv": ["printenv", "T"], "where": "host", "env": {"T": "${secret:TOKEN}"}})]
        os.chmod(path, 0o644)
        done = self.run_calls(tools, call("functions.f", a="x"))
        self.assertIn("others may read or change it", self.results(done)[0][1])
        os.chmod(path, 0o600)
        done = self.run_calls(tools, call("functions.f", a="x"))
        self.assertEqual([("completed", "[secret TOKEN]\n")], self.results(done))
        self.program.env["TOKEN"] = "short"
        done = self.run_calls(tools, call("functions.f", a="x"))
        self.assertIn("fewer than 6 bytes", self.results(done)[0][1])

    def test_servers_of_mcp_json_get_it_too(self):
        self.program.env["TOKEN"] = PLAIN
        server = str(ROOT / "tests" / "tools" / "mcp" / "server.py")
        config = self.file("mcp.json", {"mcpServers": {"test": {"command": sys.executable, "args": [server, "both"], "env": {"T": "${secret:TOKEN}"}}}})
        done = self.program.run("run", "-m", self.program.script(call("test.echo", text=f"x{PLAIN}"), FINAL), "--tools", "none", "--mcp", config, "--approve", "always", "--json", "go")
        self.assertEqual(0, done.returncode, done.stderr)
        self.assertIn("[secret TOKEN]", self.results(done)[0][1])
        del self.program.env["TOKEN"]
        done = self.program.run("run", "-m", self.program.script(FINAL), "--tools", "none", "--mcp", config, "go")
        self.assertEqual(2, done.returncode)
        self.assertIn("the secret TOKEN is not there: set the variable TOKEN", done.stderr)


    def test_what_a_server_says_of_itself_is_searched_before_it_is_kept(self):
        self.program.env["TOKEN"] = PLAIN
        server = str(ROOT / "tests" / "tools" / "mcp" / "server.py")
        config = self.file("mcp.json", {"mcpServers": {"test": {"command": sys.executable, "args": [server, "both", "tells"], "env": {"T": "${secret:TOKEN}"}}}})
        kept = self.program.home / ".local/share/toccata/mcp"
        for turn in ("asked", "kept"):
            done = self.program.run("run", "-m", self.program.script(call("test.echo", text="x"), FINAL), "--tools", "none", "--mcp", config, "--json", "go")
            self.assertEqual(0, done.returncode, done.stderr)
            self.assertIn("[secret TOKEN]: there is a secret in its name", done.stderr, turn)
            (file,) = kept.glob("*.json")
            self.assertNotIn(PLAIN, file.read_text(), turn)
            self.assertIn("Does echo. For [secret TOKEN].", file.read_text())
            developer = self.program.run("runs", "export", "last").stdout
            self.assertIn("Does echo. For [secret TOKEN].", developer)
            self.assert_nowhere(PLAIN, done.stdout, done.stderr, developer)
        # A file of a time when nobody looked.
        file.write_text(file.read_text().replace("[secret TOKEN]", PLAIN))
        done = self.program.run("run", "-m", self.program.script(FINAL), "--tools", "none", "--mcp", config, "go")
        self.assert_nowhere(PLAIN, done.stdout, done.stderr, self.program.run("runs", "export", "last").stdout, apart_from=(file.name,))


class ApprovalTest(Case):
    def tools(self):
        return [self.http_tool(http={"method": "POST", "json": {"a": "{a}"}})]  # effectful: asks

    def test_without_a_rule_nobody_can_be_asked(self):
        done = self.run_calls(self.tools(), call("functions.f", a="x"))
        self.assertEqual(5, done.returncode)
        self.assertEqual([], self.web.seen)

    def test_rules_decide_by_argument_and_the_first_that_fits_wins(self):
        flags = ("--approve-rule", "f:a=x*=deny", "--approve-rule", "functions.f:a~^[a-y]=allow")
        done = self.run_calls(self.tools(), call("functions.f", a="xy"), call("functions.f", a="b"), call("functions.f", a="z"), flags=flags)
        self.assertEqual(5, done.returncode, done.stderr)  # z waits
        self.assertIn("was denied by a rule of the user, f:a=x*=deny, and did not run", self.results(done)[0][1])
        self.assertEqual(['{"a":"b"}'], [seen["body"] for seen in self.web.seen])
        shown = self.program.run("runs", "export", "last").stdout
        for note in ("denied by the rule f:a=x*=deny: functions.f", "allowed by the rule functions.f:a~^[a-y]=allow: functions.f", "waiting: functions.f"):
            self.assertIn(note, shown)
        self.assertIn('"approve_rules":["f:a=x*=deny","functions.f:a~^[a-y]=allow"]', shown.replace("\\", "").replace(" ", ""))

    def test_a_call_that_waits_by_a_rule_is_decided_in_a_later_process(self):
        flags = ("--approve", "always", "--approve-rule", "f:a=x=ask")
        done = self.run_calls(self.tools(), call("functions.f", a="x"), flags=flags)
        self.assertEqual(5, done.returncode, done.stderr)
        again = self.program.run("runs", "resume", "last", "--approve", "always", "--json")
        self.assertEqual(5, again.returncode, "the rule was recorded with the run")
        self.assertEqual([], self.web.seen)
        allowed = self.program.run("runs", "resume", "last", "--approve-rule", "f=allow", "--json")
        self.assertEqual(0, allowed.returncode, allowed.stderr)
        self.assertEqual(1, len(self.web.seen))

    def test_python_is_matched_by_its_code(self):
        code = "<|channel|>analysis to=python code<|message|>import socket\n1<|call|>"
        done = self.program.run("run", "-m", self.program.script(code, FINAL), "--json", "--approve-rule", r"python:code~import\s+socket=deny", "go")
        self.assertEqual(0, done.returncode, done.stderr)
        self.assertIn("was denied by a rule of the user", self.program.run("runs", "export", "last").stdout)

    def test_a_folder_may_forbid_and_not_allow(self):
        self.file("toccata.toml", 'approve_rule = ["f=deny"]\n')
        done = self.run_calls(self.tools(), call("functions.f", a="x"), flags=("--approve", "always"))
        self.assertIn("f=deny", self.results(done)[0][1])
        self.file("toccata.toml", 'approve_rule = ["f=allow"]\n')
        done = self.run_calls(self.tools())
        self.assertEqual(2, done.returncode)
        self.assertIn("toccata.toml:1: the approval rule 'f=allow' allows something", done.stderr)
        self.file("toccata.toml", "")
        done = self.run_calls(self.tools(), flags=("--approve-rule", "f=perhaps"))
        self.assertEqual(2, done.returncode)
        self.assertIn("the approval rule 'f=perhaps' ends with 'perhaps': expected TOOL=ACTION", done.stderr)


class ScriptedTest(Case):
    def test_answers_of_a_file_stand_in_place_of_tools(self):
        answers = self.file("answers.yaml", {"tools": {
            "functions.f": [{"when": {"a": "x"}, "result": {"n": 1}}, {"error": "no more"}],
            "python": [{"matches": {"code": "1 \\+ 1"}, "result": "2"}]}})
        path = self.file("tools.yaml", {"tools": [self.http_tool(approval=False)]})
        code = "<|channel|>analysis to=python code<|message|>1 + 1<|call|>"
        model = self.program.script(call("functions.f", a="x"), call("functions.f", a="y"), code, FINAL)
        done = self.program.run("run", "-m", model, "--tool-file", path, "--scripted-tools", answers, "--json", "go")
        self.assertEqual(0, done.returncode, done.stderr)
        self.assertEqual([("completed", '{"n":1}'), ("failed", "no more")], self.results(done))
        self.assertEqual([], self.web.seen)

    def test_an_unexpected_call_ends_the_run(self):
        answers = self.file("answers.yaml", {"tools": {"functions.f": [{"when": {"a": "x"}, "result": "1"}]}})
        done = self.run_calls([self.http_tool(approval=False)], call("functions.f", a="y"), call("functions.f", a="y"), flags=("--scripted-tools", answers))
        self.assertEqual(6, done.returncode)
        again = self.program.run("runs", "resume", "last")  # the script is one of the run's recorded options
        self.assertEqual(6, again.returncode)
        self.assertIn("has no answer", again.stderr)
        self.assertIn("has no answer for the call to functions.f with {\"a\": \"y\"}; it expects other arguments", done.stderr + done.stdout)
        self.assertEqual([], self.web.seen)

    def test_answers_that_must_be_used_fail_a_run_that_does_not(self):
        answers = self.file("answers.yaml", {"all_used": True, "tools": {"functions.f": [{"result": "1"}, {"result": "2"}]}})
        tools = [self.http_tool(approval=False)]
        done = self.run_calls(tools, call("functions.f", a="y"), flags=("--scripted-tools", answers))
        self.assertEqual(3, done.returncode, done.stderr)
        self.assertIn(f"the script of tools demands calls that did not come: {answers}:1:", done.stderr)
        done = self.run_calls(tools, call("functions.f", a="y"), call("functions.f", a="y"), flags=("--scripted-tools", answers))
        self.assertEqual(0, done.returncode, done.stderr)

    def test_a_name_that_no_tool_has_is_refused(self):
        answers = self.file("answers.yaml", "tools:\n  functions.g: [{result: x}]\n")
        done = self.run_calls([self.http_tool()], flags=("--scripted-tools", answers))
        self.assertEqual(2, done.returncode)
        self.assertIn(f"{answers}:2:3: found answers of 'functions.g', which no tool of the run declares", done.stderr)


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        sys.exit(unittest.main())
