#!/usr/bin/env python3
"""An agent run on a model behind a completions endpoint: token ids go out, token ids come back."""

import http.server
import json
import os
import sys
import threading
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from live_server import Server  # noqa: E402
from program import Program  # noqa: E402

CALL = "<|channel|>analysis to=python code<|message|>print(6 * 7)<|call|>"
FINAL = "<|channel|>final<|message|>It is 42.<|return|>"


class CompletionsServer(http.server.ThreadingHTTPServer):
    """Streams scripted completions as vLLM does with return_token_ids; keeps the requests."""

    daemon_threads = True

    def __init__(self, completions: list[list[int]], cut_after: int | None = None):
        super().__init__(("127.0.0.1", 0), Handler)
        self.completions, self.cut_after, self.requests, self.traceparents = completions, cut_after, [], []
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.0"

    def log_message(self, *_):
        pass

    def do_GET(self):
        body = json.dumps({"data": [{"id": "gpt-oss-20b", "max_model_len": 4096}]}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self):
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        server = self.server
        server.requests.append(request)
        server.traceparents.append(self.headers.get("traceparent"))
        tokens = server.completions[min(len(server.requests), len(server.completions)) - 1]
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        for i, token in enumerate(tokens):
            if server.cut_after is not None and i == server.cut_after:
                return  # the connection closes in the middle of the stream
            reason = "stop" if i + 1 == len(tokens) else None
            choice = {"index": 0, "text": "", "token_ids": [token], "finish_reason": reason}
            self.wfile.write(b"data: " + json.dumps({"choices": [choice]}).encode() + b"\n\n")
        self.wfile.write(b"data: [DONE]\n\n")


class RemoteTest(unittest.TestCase):
    def setUp(self):
        self.program = Program()
        self.addCleanup(self.program.close)

    def encoded(self, *texts: str) -> list[list[int]]:
        requests = [{"id": i, "text": text, "allowed_special": "all"} for i, text in enumerate(texts)]
        return [result["tokens"] for result in self.program.dev("encode", requests=requests)]

    def serve(self, *texts: str, **options) -> CompletionsServer:
        server = CompletionsServer(self.encoded(*texts), **options)
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        return server

    def test_requests_carry_the_trace_that_the_program_was_started_in(self):
        server = self.serve(FINAL)
        named = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
        for value, expected in ((None, None), ("nonsense", None), (named, named)):
            if value:
                self.program.env["TRACEPARENT"] = value
            done = self.program.run("run", "-m", server.url, "--tools", "none", "6 times 7?")
            self.assertEqual(0, done.returncode, done.stderr)
            self.assertEqual(expected, server.traceparents[-1])

    def test_a_server_in_front_passes_the_trace_of_each_request_on(self):
        if "serve" not in self.program.run("--help").stdout:
            self.skipTest("built without the server")
        backend = self.serve(FINAL)
        server = Server(self.program, "-m", backend.url)
        self.addCleanup(server.close)
        named = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
        chat, responses = {"messages": [{"role": "user", "content": "Hi"}]}, {"input": "Hi"}
        for path, body in (("/v1/chat/completions", chat), ("/v1/responses", responses), ("/v1/messages", {**chat, "max_tokens": 99}), ("/v1/completions", {"prompt": "Hi"})):
            for header, expected in ((named, named), ("nonsense", None)):
                status, _, answer = server.request("POST", path, body, {"traceparent": header}.items())
                self.assertEqual((200, expected), (status, backend.traceparents[-1]), (path, answer))

    def test_a_whole_run_over_http(self):
        server = self.serve(CALL, FINAL)
        done = self.program.run("run", "-m", server.url, "6 times 7?")
        self.assertEqual((0, "It is 42.\n"), (done.returncode, done.stdout), done.stderr)
        first, second = (request["prompt"] for request in server.requests)
        self.assertEqual(first, second[: len(first)], "what was sent once is never sent differently")
        call = self.encoded(CALL)[0]
        self.assertEqual(call, second[len(first) : len(first) + len(call)], "the model sees its own tokens")

    def test_a_stream_that_is_cut_ends_the_run_with_a_model_error(self):
        server = self.serve(FINAL, cut_after=3)
        done = self.program.run("run", "-m", server.url, "6 times 7?")
        self.assertEqual(7, done.returncode, done.stderr)
        self.assertIn("127.0.0.1", done.stderr)
        run = json.loads(self.program.run("runs", "show", "last", "--json").stdout)
        self.assertEqual(("failed", "model_error"), (run["status"], run["terminal_reason"]))

    def test_nobody_listens(self):
        server = self.serve(FINAL)
        url = server.url
        server.shutdown()
        server.server_close()
        done = self.program.run("run", "-m", url, "hello")
        self.assertEqual(7, done.returncode, done.stderr)
        self.assertIn(url.removesuffix("/v1"), done.stderr)


if __name__ == "__main__":
    sys.exit(unittest.main())
