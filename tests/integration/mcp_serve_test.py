#!/usr/bin/env python3
"""`toccata mcp serve` as its clients see it: stdio and HTTP, both eras, standard library only."""

import contextlib
import http.client
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import threading
import time
import unittest

from program import Program

VERSION = "2026-07-28"
META = {
    "io.modelcontextprotocol/protocolVersion": VERSION,
    "io.modelcontextprotocol/clientCapabilities": {},
    "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1"},
}
# The smallest whole PNG: one pixel.
PNG = (
    "import base64; open('dot.png','wb').write(base64.b64decode('iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=='));"
    "open('notes.txt','w').write('kept\\n'); print('written')"
)
FINAL = "<|channel|>final<|message|>It is 42.<|return|>"
ADD = "<|channel|>analysis<|message|>Compute.<|end|><|start|>assistant<|channel|>analysis to=python code<|message|>print(6*7)<|call|>"


class Client:
    """One `toccata mcp serve` over stdio; answers are found by id, notifications are kept."""

    def __init__(self, program: Program, *args: str, handshake: bool = True):
        self.process = program.start("mcp", "serve", *args, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.answers, self.notifications = {}, []
        self.changed = threading.Condition()
        self.n_ids = 0
        self.errors = []
        self.readers = [threading.Thread(target=self._read), threading.Thread(target=lambda: self.errors.extend(self.process.stderr))]
        for reader in self.readers:
            reader.start()
        if handshake:
            self.hello = self.ask("initialize", {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}})
            self.send({"jsonrpc": "2.0", "method": "notifications/initialized"})

    def _read(self):
        for line in self.process.stdout:
            message = json.loads(line)
            with self.changed:
                if "method" in message:
                    self.notifications.append(message)
                else:
                    self.answers[message["id"]] = message
                self.changed.notify_all()

    def send(self, message):
        data = message if isinstance(message, bytes) else json.dumps(message).encode() + b"\n"
        self.process.stdin.write(data)
        self.process.stdin.flush()

    def begin(self, method, params=None):
        self.n_ids += 1
        self.send({"jsonrpc": "2.0", "id": self.n_ids, "method": method, "params": params or {}})
        return self.n_ids

    def answer(self, request_id, timeout=120):
        with self.changed:
            assert self.changed.wait_for(lambda: request_id in self.answers, timeout), (request_id, self.errors)
            return self.answers[request_id]

    def ask(self, method, params=None):
        return self.answer(self.begin(method, params))

    def call(self, name, _meta=None, **arguments):
        answer = self.ask("tools/call", {"name": name, "arguments": arguments, **({"_meta": _meta} if _meta else {})})
        assert "result" in answer, answer
        return answer["result"]

    def wait_for_notification(self, test):
        with self.changed:
            assert self.changed.wait_for(lambda: any(test(n) for n in self.notifications), 60), self.notifications

    def close(self) -> int:
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()
        return self.process.wait(30)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.close()
        for reader in self.readers:
            reader.join()
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            with contextlib.suppress(BrokenPipeError):
                stream.close()


def text(result):
    return result["content"][0]["text"]


def is_alive(pid: int) -> bool:
    """Zombies are dead."""
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def descendants(pid: int) -> list[int]:
    found = []
    for path in pathlib.Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            if int(path.read_text().rsplit(")", 1)[1].split()[1]) == pid:
                found += [int(path.parent.name), *descendants(int(path.parent.name))]
    return found


class StdioTest(unittest.TestCase):
    def test_python_keeps_its_variables_and_gives_pictures_and_files(self):
        with Program() as program, Client(program, "--tools", "python,shell") as client:
            self.assertEqual("2025-11-25", client.hello["result"]["protocolVersion"])
            tools = {t["name"]: t for t in client.ask("tools/list")["result"]["tools"]}
            self.assertEqual({"python", "shell"}, set(tools))
            self.assertEqual(["code"], tools["python"]["inputSchema"]["required"])
            self.assertFalse(tools["python"]["annotations"]["readOnlyHint"])
            self.assertEqual([], client.ask("resources/list")["result"]["resources"])
            client.call("python", code="x = 20")
            self.assertIn("42", text(client.call("python", code="x * 2 + 2")))
            self.assertIn("NameError", text(client.call("python", code="x", session="other")))
            failed = client.call("python", code="1/0")
            self.assertTrue(failed["isError"])
            self.assertIn("ZeroDivisionError", text(failed))

            made = client.call("python", code=PNG)
            kinds = {block["type"]: block for block in made["content"]}
            self.assertEqual("image/png", kinds["image"]["mimeType"])
            self.assertEqual("toccata://default/mnt/data/notes.txt", kinds["resource_link"]["uri"])
            self.assertIn("kept", text(client.call("shell", command="cat notes.txt")))
            listed = {r["name"] for r in client.ask("resources/list")["result"]["resources"]}
            self.assertEqual({"dot.png", "notes.txt"}, listed)
            read = client.ask("resources/read", {"uri": "toccata://default/mnt/data/notes.txt"})["result"]["contents"][0]
            self.assertEqual("kept\n", read["text"])
            self.assertEqual({}, client.ask("resources/subscribe", {"uri": "toccata://default/mnt/data/notes.txt"})["result"])
            client.call("python", code="open('other.txt','w').write('x')")
            client.call("shell", command="echo more >> notes.txt && rm other.txt")
            updated = [n["params"]["uri"] for n in client.notifications if n["method"] == "notifications/resources/updated"]
            self.assertEqual(["toccata://default/mnt/data/notes.txt"], updated)
            template = client.ask("resources/templates/list")["result"]["resourceTemplates"][0]["uriTemplate"]
            complete = lambda name, value: client.ask(
                "completion/complete", {"ref": {"type": "ref/resource", "uri": template}, "argument": {"name": name, "value": value}}
            )["result"]["completion"]["values"]
            self.assertEqual((["notes.txt"], ["dot.png", "notes.txt"], []), (complete("path", "no"), sorted(complete("path", "")), complete("path", "x")))
            self.assertEqual((["default"], []), (complete("session", "de"), complete("other", "")))
            for uri in ("toccata://default/mnt/data/../../etc/passwd", "toccata://nobody/mnt/data/notes.txt", "file:///etc/passwd"):
                self.assertEqual(-32002, client.ask("resources/read", {"uri": uri})["error"]["code"], uri)
            self.assertEqual(0, client.close())

    def test_skills_are_prompts(self):
        with Program() as program:
            skill = program.home / ".config" / "toccata" / "skills" / "review"
            skill.mkdir(parents=True)
            (skill / "SKILL.md").write_text("---\nname: review\ndescription: How to review.\n---\nRead it twice.\n")
            with Client(program, "--tools", "skills") as client:
                self.assertEqual([], client.ask("tools/list")["result"]["tools"])
                (prompt,) = client.ask("prompts/list")["result"]["prompts"]
                self.assertEqual(("review", "How to review."), (prompt["name"], prompt["description"]))
                (message,) = client.ask("prompts/get", {"name": "review", "arguments": {"task": "The last change."}})["result"]["messages"]
                self.assertEqual("user", message["role"])
                self.assertIn("Read it twice.\n\n\nThe last change.", message["content"]["text"])
                self.assertEqual(-32602, client.ask("prompts/get", {"name": "../x"})["error"]["code"])

    def test_bad_calls_are_told_what_is_wrong(self):
        with Program() as program, Client(program, "--tools", "python,files,browser") as client:
            unknown = client.ask("tools/call", {"name": "pyton"})["error"]
            self.assertEqual(-32602, unknown["code"])
            self.assertIn("python", unknown["data"]["known"])
            self.assertEqual(-32602, client.ask("tools/call", {"name": "python", "arguments": "x"})["error"]["code"])
            for arguments in ({}, {"code": 5}, {"code": "1", "more": 2}, {"code": "1", "session": "../x"}):
                self.assertTrue(client.call("python", **arguments)["isError"], arguments)
            self.assertTrue(client.call("files_read")["isError"])
            self.assertTrue(client.call("browser_find", pattern="x")["isError"])

    def test_files_are_those_of_the_workspace_and_of_the_sandbox(self):
        with Program() as program, Client(program, "--tools", "python,files") as client:
            self.assertFalse(client.call("files_write", path="a/b.txt", content="one\ntwo\n")["isError"])
            self.assertEqual("one\ntwo\n", (program.home / "a" / "b.txt").read_text())
            self.assertIn("two", text(client.call("files_read", path="a/b.txt")))
            self.assertIn("a/b.txt:2", text(client.call("files_grep", pattern="tw")))
            client.call("python", code="open('in.txt','w').write('inside')")
            self.assertIn("inside", text(client.call("files_read", path="/mnt/data/in.txt")))
            for path in ("../x", "/etc/passwd"):
                self.assertTrue(client.call("files_read", path=path)["isError"], path)
            tools = {t["name"]: t["annotations"] for t in client.ask("tools/list")["result"]["tools"]}
            self.assertTrue(tools["files_read"]["readOnlyHint"], tools)
            self.assertTrue(tools["files_write"]["destructiveHint"])

    def test_reading_does_not_wait_for_python(self):
        with Program() as program, Client(program, "--tools", "python,files") as client:
            (program.home / "a.txt").write_text("hello\n")
            slow = client.begin("tools/call", {"name": "python", "arguments": {"code": "import time\nfor i in range(600): print(i, flush=True); time.sleep(0.1)"}, "_meta": {"progressToken": "p"}})
            client.wait_for_notification(lambda n: n["params"].get("progressToken") == "p")
            self.assertIn("hello", text(client.call("files_read", path="a.txt")))
            self.assertNotIn(slow, client.answers)
            client.send({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": slow}})
            self.assertIn("3", text(client.call("python", code="1 + 2")))  # its turn comes once the other has ended
            self.assertNotIn(slow, client.answers)

    def test_browser_reads_the_local_index(self):
        with Program() as program:
            (program.home / "tides.md").write_text("# Tides\n\nThe moon raises the tides.\n")
            program.run("index", "add", "tides.md")
            with Client(program, "--tools", "browser", "--offline") as client:
                found = text(client.call("browser_search", query="moon tides"))
                self.assertIn("ides", found)
                self.assertIn("raises", text(client.call("browser_open", id=0)))

    def test_run_is_a_whole_agent_with_progress_and_a_past(self):
        with Program() as program:
            script = program.script(ADD, FINAL, FINAL)
            with Client(program, "--tools", "run", "-m", script) as client:
                done = client.call("run", _meta={"progressToken": 9}, prompt="What is 6*7?")
                self.assertEqual("It is 42.", text(done))
                self.assertEqual("final", done["structuredContent"]["terminal_reason"])
                steps = [n["params"] for n in client.notifications if n["method"] == "notifications/progress"]
                self.assertEqual(list(range(1, len(steps) + 1)), [s["progress"] for s in steps])
                self.assertIn("runs: print(6*7)", [s["message"] for s in steps])
                self.assertIn("[info]", str([f"[{n['params']['level']}]" for n in client.notifications if n["method"] == "notifications/message"]))
                again = client.call("run", prompt="And again?", run_id=done["structuredContent"]["run_id"])
                self.assertEqual(done["structuredContent"]["run_id"], again["structuredContent"]["run_id"])
                self.assertTrue(client.call("run")["isError"])
                self.assertTrue(client.call("run", prompt="x", run_id="nothing")["isError"])
            self.assertIn("done", program.run("runs", "list").stdout)

    def test_a_run_can_be_cancelled(self):
        with Program() as program:
            sleep = ADD.replace("print(6*7)", "import time; time.sleep(600)")
            with Client(program, "--tools", "run", "-m", program.script(sleep)) as client:
                run = client.begin("tools/call", {"name": "run", "arguments": {"prompt": "Sleep."}, "_meta": {"progressToken": 1}})
                client.wait_for_notification(lambda n: "time.sleep" in str(n))
                client.send({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": run}})
                self.assertEqual(0, client.close())
                self.assertNotIn(run, client.answers)
            self.assertIn("stopped", program.run("runs", "list", "--json").stdout)

    def test_modern_requests_without_a_handshake(self):
        with Program() as program, Client(program, "--tools", "python", handshake=False) as client:
            self.assertEqual([VERSION], client.ask("server/discover", {"_meta": META})["result"]["supportedVersions"])
            result = client.ask("tools/call", {"name": "python", "arguments": {"code": "6*7"}, "_meta": META})["result"]
            self.assertEqual("complete", result["resultType"])
            self.assertIn("42", text(result))
            self.assertEqual(-32022, client.ask("tools/list", {"_meta": {**META, "io.modelcontextprotocol/protocolVersion": "1999-01-01"}})["error"]["code"])
            self.assertEqual(-32600, client.ask("tools/list")["error"]["code"])

    def test_the_end_of_the_input_ends_everything_it_started(self):
        with Program() as program, Client(program, "--tools", "python") as client:
            client.begin("tools/call", {"name": "python", "arguments": {"code": "print('go', flush=True)\nimport time; time.sleep(600)"}, "_meta": {"progressToken": 1}})
            client.wait_for_notification(lambda n: "go" in str(n))
            started = descendants(client.process.pid)
            self.assertTrue(started)
            client.send(b'{"jsonrpc":"2.0","id":77,"method":"tools/call","par')
            self.assertEqual(0, client.close())
            deadline = time.monotonic() + 30
            while any(map(is_alive, started)) and time.monotonic() < deadline:
                time.sleep(0.05)
            self.assertEqual([], [pid for pid in started if is_alive(pid)])

    def test_hostile_bytes_are_answered_and_the_next_line_works(self):
        with Program() as program, Client(program, "--tools", "files") as client:
            for line in (b"\xff\xfe\x00\n", b"[" * 200_000 + b"\n", b"x" * (9 << 20) + b"\n", b'{"jsonrpc":"2.0","id":{},"method":"ping"}\n', b"[]\n"):
                client.send(line)
            client.send(b'{"jsonrpc":"2.0","id":"deep","method":"ping","params":' + b'{"a":' * 5000 + b"1" + b"}" * 5000 + b"}\n")
            for i in range(3000):
                client.send(json.dumps({"jsonrpc": "2.0", "id": f"f{i}", "method": "tools/call", "params": {"name": "files_list"}}).encode() + b"\n")
            self.assertEqual({}, client.ask("ping")["result"])
            for i in range(3000):
                self.assertTrue({"result", "error"} & set(client.answer(f"f{i}")))
            self.assertEqual(0, client.close())

    def test_a_client_that_does_not_read_cannot_hold_it(self):
        with Program() as program:
            process = program.start("mcp", "serve", "--tools", "files", stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
            line = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "ping"}).encode() + b"\n"
            process.stdin.write(line)
            process.stdin.flush()
            process.stdout.readline()  # it listens to signals by now
            os.set_blocking(process.stdin.fileno(), False)
            with contextlib.suppress(BlockingIOError):
                for _ in range(100_000):
                    os.write(process.stdin.fileno(), line)
            process.send_signal(signal.SIGTERM)
            self.assertEqual(0, process.wait(30))
            with contextlib.suppress(BrokenPipeError):
                process.stdin.close()
            process.stdout.close()

    def test_what_cannot_be_offered_is_said_at_once(self):
        with Program() as program:
            done = program.run("mcp", "serve", "--tools", "python,telepathy")
            self.assertEqual(2, done.returncode)
            self.assertIn("telepathy", done.stderr)
            self.assertEqual(2, program.run("mcp", "serve", "--listen", "here").returncode)
            self.assertIn("Examples:", program.run("mcp", "serve", "--help").stdout)


class HttpTest(unittest.TestCase):
    def setUp(self):
        self.program = Program()
        self.addCleanup(self.program.close)

    def start(self, *args):
        self.process = self.program.start("mcp", "serve", "--listen", "127.0.0.1:0", *args, stderr=subprocess.PIPE, text=True)
        self.addCleanup(self.stop)
        for line in self.process.stderr:
            if found := re.search(r"MCP at http://127.0.0.1:(\d+)/mcp", line):
                self.port = int(found[1])
                break
        else:
            self.skipTest("built without the HTTP server") if self.process.wait(10) else None
        self.reader = threading.Thread(target=lambda: list(self.process.stderr))
        self.reader.start()

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
        self.assertEqual(0, self.process.wait(30))
        self.reader.join()
        self.process.stderr.close()

    def post(self, message, headers=()):
        """(status, headers, messages of the body)."""
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)) as connection:
            own = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream", **dict(headers)}
            connection.request("POST", "/mcp", json.dumps(message).encode(), own)
            answer = connection.getresponse()
            data = answer.read().decode()
            if answer.headers.get("Content-Type") == "text/event-stream":
                messages = [json.loads(line[6:]) for line in data.split("\n") if line.startswith("data: ")]
            else:
                messages = [json.loads(data)] if data else []
            return answer.status, answer.headers, messages

    def modern(self, method, headers=(), **params):
        own = {"MCP-Protocol-Version": VERSION, "Mcp-Method": method, **dict(headers)}
        if "name" in params:
            own["Mcp-Name"] = params["name"]
        status, _, messages = self.post({"jsonrpc": "2.0", "id": 1, "method": method, "params": {"_meta": META, **params}}, own)
        return status, messages

    def test_a_session_from_handshake_to_end(self):
        self.start("--tools", "python")
        hello = {"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}}
        sessions = []
        for _ in range(2):
            status, headers, messages = self.post(hello)
            self.assertEqual((200, "2025-11-25"), (status, messages[0]["result"]["protocolVersion"]))
            sessions.append({"Mcp-Session-Id": headers["Mcp-Session-Id"], "MCP-Protocol-Version": "2025-11-25"})
        call = lambda code, session: self.post({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "python", "arguments": {"code": code}}}, session)[2][-1]["result"]
        call("x = 5", sessions[0])
        self.assertIn("6", text(call("x + 1", sessions[0])))
        self.assertIn("NameError", text(call("x + 1", sessions[1])))

    def test_modern_requests_share_the_state_of_their_key_and_name_others(self):
        self.start("--tools", "python", "--api-key", "k1", "--api-key", "k2")
        key = lambda name: {"Authorization": f"Bearer {name}"}
        run = lambda code, name, **more: text(self.modern("tools/call", key(name), name="python", arguments={"code": code, **more})[1][-1]["result"])
        self.assertEqual(401, self.modern("server/discover")[0])
        self.assertEqual([VERSION], self.modern("server/discover", key("k1"))[1][0]["result"]["supportedVersions"])
        run("x = 1", "k1")
        self.assertIn("2", run("x + 1", "k1"))
        self.assertIn("NameError", run("x", "k2"))
        self.assertIn("NameError", run("x", "k1", session="fresh"))

    def test_progress_of_a_run_arrives_while_it_goes(self):
        self.start("--tools", "run", "-m", self.program.script(ADD, FINAL))
        params = {"name": "run", "arguments": {"prompt": "6*7?"}, "_meta": {**META, "progressToken": "t"}}
        status, _, messages = self.post(
            {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params},
            {"MCP-Protocol-Version": VERSION, "Mcp-Method": "tools/call", "Mcp-Name": "run"},
        )
        self.assertEqual(200, status)
        self.assertEqual("It is 42.", text(messages[-1]["result"]))
        self.assertIn("notifications/progress", [m.get("method") for m in messages])
        self.assertNotIn("notifications/message", [m.get("method") for m in messages])

    def test_who_hangs_up_ends_the_call(self):
        self.start("--tools", "python")
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "python", "arguments": {"code": "import time; time.sleep(600)"}, "_meta": META}})
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        connection.request("POST", "/mcp", body, {"Content-Type": "application/json", "MCP-Protocol-Version": VERSION, "Mcp-Method": "tools/call", "Mcp-Name": "python"})
        connection.getresponse()  # the stream is open
        connection.close()
        _, messages = self.modern("tools/call", name="python", arguments={"code": "6*7"})
        self.assertIn("42", text(messages[-1]["result"]))

    def test_pages_of_others_and_other_names_are_refused(self):
        self.start("--tools", "files")
        for headers in ({"Host": "evil.example"}, {"Origin": "http://evil.example"}):
            self.assertEqual(403, self.modern("server/discover", headers)[0])


if __name__ == "__main__":
    sys.exit(unittest.main())
