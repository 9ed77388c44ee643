#!/usr/bin/env python3
"""Spans to a collector on loopback: one that takes them, one that refuses, one that stalls, one that is not there."""

import http.server
import json
import os
import sys
import threading
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from live_server import Server  # noqa: E402
from program import Program  # noqa: E402

FINAL = "<|channel|>final<|message|>a secret answer<|return|>"


class Collector(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, status: int = 200, stall: bool = False):
        super().__init__(("127.0.0.1", 0), Handler)
        self.status, self.stall, self.requests = status, stall, []
        self.over = threading.Event()
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def spans(self) -> list[dict]:
        return [s for _, _, body in self.requests for r in body["resourceSpans"] for scope in r["scopeSpans"] for s in scope["spans"]]


class Handler(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.requests.append((self.path, dict(self.headers), body))
        if self.server.stall:
            self.server.over.wait(60)
            return
        self.send_response(self.server.status)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")


class OtlpTest(unittest.TestCase):
    def setUp(self):
        self.program = Program()
        self.addCleanup(self.program.close)

    def collector(self, **kwargs) -> Collector:
        collector = Collector(**kwargs)
        self.addCleanup(collector.server_close)
        self.addCleanup(collector.shutdown)
        self.addCleanup(collector.over.set)
        return collector

    def run_with(self, *args):
        done = self.program.run("run", "-m", self.program.script(FINAL), "--tools", "none", *args, "a secret task")
        self.assertEqual((0, "a secret answer\n"), (done.returncode, done.stdout), done.stderr)
        return done

    def test_a_run_is_a_trace(self):
        collector = self.collector()
        self.run_with("--otlp", collector.url)
        self.assertEqual(["chat scripted", "invoke_agent toccata"], [s["name"] for s in collector.spans()])
        path, headers, body = collector.requests[0]
        self.assertEqual(("/v1/traces", "application/json"), (path, headers["Content-Type"]))
        self.assertNotIn("secret", json.dumps(body))

    def test_a_family_is_one_trace_that_goes_on_from_its_callers(self):
        collector = self.collector()
        trace, caller = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
        self.program.env["TRACEPARENT"] = f"00-{trace}-{caller}-01"
        start = "<|start|>assistant"
        delegate = "<|channel|>commentary to=functions.delegate <|constrain|>json<|message|>"
        family = {
            "completions": ["".join(f'{delegate}{{"task": "part {n}"}}<|call|>{start}' for n in "ab").removesuffix(start), FINAL],
            "branches": [{"when": f"part {n}", "completions": [f"<|channel|>analysis to=python code<|message|>sum(range(10**6))<|call|>", FINAL]} for n in "ab"],
        }
        model = self.program.home / "family.json"
        model.write_text(json.dumps(family))
        done = self.program.run("run", "-m", f"script:{model}", "--subagents", "--otlp", collector.url, "go")
        self.assertEqual(0, done.returncode, done.stderr)
        spans = {s["spanId"]: s for s in collector.spans()}
        self.assertEqual({trace}, {s["traceId"] for s in spans.values()})
        self.assertEqual([caller], [s["parentSpanId"] for s in spans.values() if s["parentSpanId"] not in spans])

        def tree(parent: str) -> list:
            below = sorted((s for s in spans.values() if s["parentSpanId"] == parent), key=lambda s: s["name"])
            for span in below:
                if parent in spans:
                    self.assertLessEqual(int(spans[parent]["startTimeUnixNano"]), int(span["startTimeUnixNano"]))
                    self.assertGreaterEqual(int(spans[parent]["endTimeUnixNano"]), int(span["endTimeUnixNano"]))
            return [(s["name"], tree(s["spanId"])) for s in below]

        chat, code = ("chat scripted", []), ("execute_tool python", [])
        sub_agent = ("execute_tool delegate", [("invoke_agent toccata", [chat, chat, code])])
        self.assertEqual([("invoke_agent toccata", [chat, chat, sub_agent, sub_agent])], tree(caller))
        told = [a for s in spans.values() for a in s["attributes"] if a["key"] == "toccata.sandbox_cpu_us"]
        self.assertEqual(2, len(told))

    def test_the_variables_of_opentelemetry_are_read(self):
        collector = self.collector()
        self.program.env.update(
            OTEL_EXPORTER_OTLP_ENDPOINT=collector.url,
            OTEL_EXPORTER_OTLP_HEADERS="api-key=a%20b",
            OTEL_SERVICE_NAME="mine",
            OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT="true",
        )
        self.run_with()
        _, headers, body = collector.requests[0]
        self.assertEqual("a b", headers["api-key"])
        resource = {a["key"]: a["value"] for a in body["resourceSpans"][0]["resource"]["attributes"]}
        self.assertEqual({"stringValue": "mine"}, resource["service.name"])
        self.assertIn("a secret answer", json.dumps([r[2] for r in collector.requests]))

    def test_a_collector_that_refuses_stalls_or_is_not_there_fails_no_run(self):
        gone = self.collector()
        gone.shutdown()
        gone.server_close()
        for collector in (self.collector(status=401), self.collector(status=503), self.collector(stall=True), gone):
            begin = time.monotonic()
            done = self.run_with("--otlp", collector.url)
            self.assertIn("spans did not reach the trace collector", done.stderr)
            self.assertLess(time.monotonic() - begin, 60)

    def test_an_agent_of_the_server_goes_on_in_the_trace_of_its_request(self):
        if "serve" not in self.program.run("--help").stdout:
            self.skipTest("built without the server")
        collector = self.collector()
        server = Server(self.program, "-m", self.program.script(FINAL), "--agent", "--tools", "none", "--otlp", collector.url)
        self.addCleanup(server.close)
        trace, caller = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
        for header in (f"00-{trace}-{caller}-01", "nonsense"):
            status, _, body = server.request("POST", "/v1/toccata/runs", {"input": "go"}, {"traceparent": header}.items())
            self.assertEqual(200, status, body)
        self.assertEqual(0, server.stop())
        first, second = (s for s in collector.spans() if s["name"] == "invoke_agent toccata")
        self.assertEqual((trace, caller), (first["traceId"], first["parentSpanId"]))
        self.assertNotIn("parentSpanId", second)
        self.assertNotEqual(trace, second["traceId"])

    def test_a_bad_address_is_a_usage_error_of_the_flag_and_a_warning_of_the_variable(self):
        done = self.program.run("run", "-m", self.program.script(FINAL), "--tools", "none", "--otlp", "nowhere", "task")
        self.assertEqual(2, done.returncode)
        self.assertIn("http://127.0.0.1:4318", done.stderr)
        self.program.env["OTEL_EXPORTER_OTLP_ENDPOINT"] = "nowhere"
        self.assertIn("no traces are sent", self.run_with().stderr)


if __name__ == "__main__":
    sys.exit(unittest.main())
