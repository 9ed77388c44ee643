#!/usr/bin/env python3
"""Requests that nobody should send to `toccata serve`: mutated bodies, mutated heads, garbage. It must stay up, answer what
can be answered, and each error must have a well-formed body.
--count is that of the bodies; there are a third as many heads.
"""

import argparse
import collections
import contextlib
import json
import random
import re
import socket
import sys
import unittest

from live_server import ASK, HELLO, WEATHER, ServerCase

COUNT, SEED = 600, 9
SEEDS = [
    ("/v1/chat/completions", {"messages": [*ASK, {"role": "assistant", "tool_calls": [{"id": "a", "function": {"name": "f", "arguments": "{}"}}]}, {"role": "tool", "tool_call_id": "a", "content": "x"}], "tools": [WEATHER], "stop": ["a"], "response_format": {"type": "json_object"}, "max_tokens": 3, "logit_bias": {"5": 1}, "logprobs": True, "top_logprobs": 2, "n": 2, "seed": 1, "stream": False}),
    ("/v1/completions", {"prompt": [1, 2, 3], "max_tokens": 2, "stop_token_ids": [1], "n": 1, "logprobs": 2, "echo": False}),
    ("/v1/responses", {"input": [*ASK, {"type": "reasoning", "summary": [], "content": [{"type": "reasoning_text", "text": "h"}], "encrypted_content": "gAAAAAB"}, {"type": "function_call", "call_id": "a", "name": "f", "arguments": "{}"}, {"type": "function_call_output", "call_id": "a", "output": "x"}], "tools": [{"type": "function", "name": "f", "parameters": {"type": "object"}}, {"type": "namespace", "name": "n", "tools": [{"type": "function", "name": "g"}]}], "tool_choice": {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "function", "name": "f"}]}, "text": {"format": {"type": "text"}}, "reasoning": {"effort": "low"}, "include": ["a"], "metadata": {"a": "b"}, "max_output_tokens": 3, "store": True, "previous_response_id": None}),
    ("/v1/responses/input_tokens", {"input": "x"}),
    ("/v1/conversations", {"items": [{"type": "message", "role": "user", "content": "x"}], "metadata": {"a": "b"}}),
    ("/v1/messages", {"messages": [*ASK, {"role": "assistant", "content": [{"type": "thinking", "thinking": "h", "signature": "s"}, {"type": "text", "text": "a"}, {"type": "tool_use", "id": "a", "name": "f", "input": {}}]}, {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "a", "content": [{"type": "text", "text": "x"}]}]}], "system": [{"type": "text", "text": "s"}], "tools": [{"name": "f", "input_schema": {"type": "object"}}], "tool_choice": {"type": "auto"}, "thinking": {"type": "enabled", "budget_tokens": 2000}, "output_config": {"effort": "low"}, "stop_sequences": ["a"], "max_tokens": 3}),
    ("/v1/messages/count_tokens", {"messages": ASK}),
    ("/v1/toccata/runs", {"input": "x", "run": "last", "reasoning": "low"}),
    ("/v1/toccata/runs/last/fork", {"step": 1}),
    ("/tokenize", {"content": "x"}),
    ("/detokenize", {"tokens": [1, 2]}),
    ("/v1/render", {"messages": ASK}),
    ("/api/show", {"model": "x"}),
]
TOOLS = [{"type": "web_search", "search_context_size": "low"}, {"type": "code_interpreter", "container": {"type": "auto"}}, {"type": "function", "name": "f", "parameters": {"type": "object"}}]
TOOL_SEEDS = [
    ("/v1/responses", {"input": "x", "tools": TOOLS, "include": ["code_interpreter_call.outputs", "web_search_call.action.sources", "reasoning.encrypted_content"], "max_tool_calls": 2, "max_output_tokens": 90, "stream": True, "store": False}),
    ("/v1/responses", {"input": [*ASK, {"type": "web_search_call", "id": "ws_1", "status": "completed", "action": {"type": "search", "query": "q"}}, {"type": "code_interpreter_call", "id": "ci_1", "code": "1", "container_id": "cntr_1", "outputs": [{"type": "logs", "logs": "1"}]}, {"type": "mcp_list_tools", "server_label": "a", "tools": []}, {"type": "mcp_call", "server_label": "a", "name": "n", "arguments": "{}", "output": "o"}, {"role": "assistant", "content": "a"}, *ASK], "tools": TOOLS, "tool_choice": {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "code_interpreter"}, {"type": "web_search"}]}, "store": False}),
    ("/v1/responses", {"input": "x", "tools": [{"type": "mcp", "server_label": "a", "server_url": "http://127.0.0.1:1", "require_approval": "never", "allowed_tools": ["a"]}, {"type": "code_interpreter", "container": "cntr_1"}]}),
    ("/v1/chat/completions", {"messages": ASK, "web_search_options": {"user_location": {"type": "approximate"}}, "n": 2}),
]
ODD = [None, True, -1, 0.5, 1e308, 2**70, "", "\ud800", "x" * 5000, [], {}, [[]], [None], {"a": None}, "<|end|>", "\0", [[[[[[]]]]]]]
GETS = [
    "/health", "/health/ready", "/metrics", "/v1/models", "/v1/models/x", "/v1/responses/resp_x", "/v1/responses/resp_x?stream=true&starting_after=3",
    "/v1/responses/resp_x/input_items?limit=5", "/v1/conversations/conv_x", "/v1/toccata/runs?limit=3", "/v1/toccata/runs/last/tokens?offset=0&limit=4",
    "/web/app.js", "/api/tags", "/version",
]


class Fuzz(ServerCase):
    def setUp(self):
        super().setUp()
        self.rng = random.Random(SEED)
        self.seen = collections.Counter()  # by status
        self.rate = 0.15  # of values that become odd ones

    def tearDown(self):
        print(f"{self._testMethodName}: " + ", ".join(f"{n} x {status}" for status, n in sorted(self.seen.items(), key=str)), file=sys.stderr)

    def repeating(self):
        return self.with_script({"completions": [{"text": HELLO, "then": "repeat"}]})

    def mutate(self, value):
        if self.rng.random() < self.rate:
            return self.rng.choice(ODD)
        if isinstance(value, dict):
            return {k: self.mutate(v) for k, v in value.items() if self.rng.random() > 0.05}
        if isinstance(value, list):
            return [self.mutate(v) for v in value for _ in range(self.rng.choice([1, 1, 1, 2]))]
        return value

    def mutate_bytes(self, data: bytes, choices) -> bytes:
        data = bytearray(data)
        for _ in range(self.rng.choice(choices)):
            at = self.rng.randrange(len(data) + 1)
            change = self.rng.randrange(4)
            if change == 0 and at < len(data):
                data[at] = self.rng.randrange(256)
            elif change == 1:
                del data[at : at + self.rng.randrange(1, 9)]
            elif change == 2:
                data[at:at] = self.rng.randbytes(self.rng.randrange(1, 5))
            else:
                data[at:at] = data[at : at + self.rng.randrange(1, 40)]
        return bytes(data)

    def check_answer(self, path: str, status: int, kind: str, text: bytes, sent: bytes):
        self.seen[status] += 1
        self.assertLess(status, 500, (path, sent, text))
        if kind.startswith("text/event-stream"):
            frames = [f for f in text.decode().split("\n\n") if f and not f.startswith(":")]
            for frame in frames:
                data = frame.rsplit("data: ", 1)[1]
                self.assertTrue(data == "[DONE]" or isinstance(json.loads(data), dict), frame)
            return
        if status == 200:
            return
        parsed = json.loads(text)
        if path.startswith("/api/"):
            self.assertTrue(parsed["error"], (sent, text))
            return
        self.assertTrue(parsed["error"]["message"], (sent, text))
        self.assertTrue(parsed["error"]["type"], (sent, text))

    def test_bodies(self):
        server = self.repeating()
        connection = server.connection()
        for _ in range(COUNT):
            path, body = self.rng.choice(SEEDS)
            data = self.mutate_bytes(json.dumps(self.mutate(body)).encode(), [0, 0, 0, 1, 4])
            connection.request("POST", path, data)
            answer = connection.getresponse()
            self.check_answer(path, answer.status, answer.headers["Content-Type"] or "", answer.read(), data)
        connection.close()
        self.assertIsNone(server.process.poll())
        self.assertEqual("Hello, world!", server.chat(ASK)["choices"][0]["message"]["content"])

    def test_bodies_that_ask_for_tools_of_the_server(self):
        script = {"completions": [{"text": "<|channel|>analysis to=python code<|message|>print(1)<|call|>"}, {"text": HELLO, "then": "repeat"}]}
        server = self.with_script(script, "--api-tools", "--tools", "python,browser", "--containers", "4")
        connection = server.connection()
        self.rate = 0.03  # bodies of many parts, half of which are to be served
        for _ in range(COUNT // 4):
            path, body = self.rng.choice(TOOL_SEEDS)
            data = self.mutate_bytes(json.dumps(self.mutate(body)).encode(), [0, 0, 0, 1, 4])
            connection.request("POST", path, data)
            answer = connection.getresponse()
            self.check_answer(path, answer.status, answer.headers["Content-Type"] or "", answer.read(), data)
        connection.close()
        self.assertIsNone(server.process.poll())

    def test_paths_and_queries(self):
        server = self.repeating()
        for _ in range(COUNT // 6):
            path = self.mutate_bytes(self.rng.choice(GETS).encode(), [0, 1, 1, 2])
            path = "/" + re.sub(rb"[^!-~]", lambda m: b"%%%02x" % m[0][0], path).decode().lstrip("/")
            method = self.rng.choice(["GET", "GET", "GET", "HEAD", "DELETE", "PUT", "OPTIONS", "PATCH"])
            with contextlib.closing(server.connection()) as connection:
                connection.request(method, path)
                answer = connection.getresponse()
                text = answer.read()
                self.seen[answer.status] += 1
                self.assertLess(answer.status, 500, (method, path, text))
                if answer.status >= 400 and method != "HEAD" and not path.startswith("/api/"):
                    self.assertTrue(json.loads(text)["error"], (method, path, text))
        self.assertIsNone(server.process.poll())

    def head(self, data: bytes) -> bytes:
        lines = [
            b"POST /v1/chat/completions HTTP/1.1", b"Host: 127.0.0.1", b"Content-Type: application/json",
            b"Content-Length: %d" % self.rng.choice([len(data), len(data), len(data), 0, 5, 99999, -1, 2**63]),
        ]
        extra = [
            b"Authorization: Bearer x", b"X-Api-Key: \xff\xfe", b"Origin: http://evil.example", b"Host: evil.example", b"Transfer-Encoding: chunked",
            b"Expect: 100-continue", b"Connection: upgrade\r\nUpgrade: websocket", b"X-Request-Id: " + b"a" * 3000, b"Cookie: " + b"b=c;" * 9000, b"Accept: */*", b"Content-Encoding: gzip",
            b" folded: line", b"Accept-Encoding: gzip", b"traceparent: 00-zz", b"anthropic-version: 1", b"X-A: 1\r\nX-A: 2", b"Range: bytes=9-1", b"Content-Length: 7",
        ]
        lines += self.rng.sample(extra, self.rng.choice([0, 1, 1, 2, 5]))
        return self.mutate_bytes(b"\r\n".join(lines), [0, 0, 1, 1, 3]) + b"\r\n\r\n"

    def test_heads(self):
        server = self.repeating()
        for _ in range(COUNT // 3):
            data = json.dumps({"messages": ASK, "max_tokens": 2}).encode()
            sent = self.head(data) + data if self.rng.random() < 0.9 else self.rng.randbytes(self.rng.randrange(1, 600))
            with socket.create_connection(("127.0.0.1", server.port), timeout=0.3) as raw:
                answer = b""
                # What is announced and does not come is waited for, up to the idle time-out; the answer before it is here by then.
                with contextlib.suppress(OSError):
                    raw.sendall(sent)
                    raw.shutdown(socket.SHUT_WR)
                    while chunk := raw.recv(65536):
                        answer += chunk
            if not answer:
                self.seen["no answer"] += 1
                continue
            self.check_raw(sent, answer)
        self.assertIsNone(server.process.poll())
        self.assertEqual(200, server.request("GET", "/health")[0])

    def check_raw(self, sent: bytes, answer: bytes):
        """The last answer of the connection is whole, and says what was wrong."""
        self.assertRegex(answer, rb"^HTTP/1\.[01] \d{3} ", (sent, answer[:200]))
        while answer.startswith(b"HTTP/1.1 100 "):
            answer = answer.partition(b"\r\n\r\n")[2]
        if not answer:
            self.seen["100 alone"] += 1
            return
        head, _, body = answer.partition(b"\r\n\r\n")
        status = int(head.split()[1])
        self.seen[status] += 1
        if status in (200, 204):
            return
        length = re.search(rb"(?i)content-length: *(\d+)", head)
        body = body[: int(length[1])] if length else body
        if b"application/json" in head:
            self.assertTrue(json.loads(body)["error"]["message"], (sent, body))
        else:  # what is no HTTP at all is answered by the library below
            self.assertTrue(answer.endswith(b"</html>"), (sent, answer))
            self.seen["not HTTP"] += 1

    def test_garbage(self):
        server = self.scripted(HELLO)
        for _ in range(COUNT // 10):
            with socket.create_connection(("127.0.0.1", server.port)) as raw, contextlib.suppress(OSError):
                head = self.rng.choice([b"", b"POST /v1/chat/completions HTTP/1.1\r\nContent-Length: 99999\r\n", b"GET / HTTP/1.1\r\n", b"\x16\x03\x01"])
                raw.sendall(head + self.rng.randbytes(self.rng.randrange(400)))
        self.assertEqual(200, server.request("GET", "/health")[0])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=COUNT)
    parser.add_argument("--seed", type=int, default=SEED)
    options, names = parser.parse_known_args()
    COUNT, SEED = options.count, options.seed
    unittest.main(argv=[sys.argv[0], *names])
