"""A running `toccata serve` and what its tests share: scripts, requests, the shape of an error."""

import contextlib
import http.client
import json
import re
import signal
import subprocess
import threading
import unittest

from program import Program

HELLO = "<|channel|>analysis<|message|>They greet me.<|end|><|start|>assistant<|channel|>final<|message|>Hello, world!<|return|>"
CALL = (
    "<|channel|>analysis<|message|>Need the weather.<|end|><|start|>assistant<|channel|>commentary "
    'to=functions.get_weather <|constrain|>json<|message|>{"city": "Oslo"}<|call|>'
)
COLD = "<|channel|>final<|message|>It is cold.<|return|>"
WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Weather of a city",
        "parameters": {"$schema": "x", "type": "object", "properties": {"city": {"type": "string"}}},
    },
}
ASK = [{"role": "user", "content": "Hi"}]


class Server:
    """A running `toccata serve` on a free port."""

    def __init__(self, program: Program, *args: str):
        self.process = program.start("serve", "--port", "0", *args, stderr=subprocess.PIPE, text=True)
        self.lines = []
        for line in self.process.stderr:
            self.lines.append(line)
            if found := re.search(r"http://[^:]+:(\d+)/v1", line):
                self.port = int(found[1])
                break
        else:
            raise AssertionError("the server did not start: " + "".join(self.lines))
        self.reader = threading.Thread(target=lambda: self.lines.extend(self.process.stderr), daemon=True)
        self.reader.start()

    def connection(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)

    def request(self, method, path, body=None, headers=()):
        """(status, headers, body bytes)."""
        with contextlib.closing(self.connection()) as connection:
            data = body if isinstance(body, (bytes, type(None))) else json.dumps(body).encode()
            connection.request(method, path, data, dict(headers))
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read()

    def post(self, path, body) -> dict:
        status, _, data = self.request("POST", path, body)
        assert status == 200, (status, data)
        return json.loads(data)

    def chat(self, messages, **fields) -> dict:
        return self.post("/v1/chat/completions", {"messages": messages, **fields})

    def stream(self, path, body) -> list[dict]:
        """The data of each event; checks the frame and the end."""
        status, headers, data = self.request("POST", path, {**body, "stream": True})
        assert status == 200 and headers["Content-Type"] == "text/event-stream", (status, data)
        frames = [f for f in data.decode().split("\n\n") if f and not f.startswith(":")]
        assert frames[-1] == "data: [DONE]", frames[-1]
        return [json.loads(f.removeprefix("data: ")) for f in frames[:-1]]

    def metric(self, name: str) -> float:
        text = self.request("GET", "/metrics")[2].decode()
        return float(re.search(rf"^{name} (\S+)$", text, re.MULTILINE)[1])

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)

    def close(self):
        """Ends it if it still runs. A crash, or a sanitizer's report, is a failure of the test."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(60)
        self.reader.join()
        self.process.stderr.close()
        assert code == 0, (code, "".join(self.lines[-40:]))


class ServerCase(unittest.TestCase):
    def setUp(self):
        self.program = Program()
        self.addCleanup(self.program.close)

    def serve(self, *args) -> Server:
        server = Server(self.program, *args)
        self.addCleanup(server.close)
        return server

    def scripted(self, *completions, args=()) -> Server:
        return self.serve("-m", self.program.script(*completions), *args)

    def with_script(self, script: dict, *args) -> Server:
        path = self.program.home / "script.json"
        path.write_text(json.dumps(script))
        return self.serve("-m", f"script:{path}", *args)

    def error(self, answer, status: int, **fields):
        self.assertEqual(status, answer[0], answer[2])
        error = json.loads(answer[2])["error"]
        self.assertEqual({"message", "type", "param", "code"}, set(error))
        self.assertTrue(error["message"])
        for key, value in fields.items():
            self.assertEqual(value, error[key])
