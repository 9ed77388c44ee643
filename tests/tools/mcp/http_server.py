#!/usr/bin/env python3
"""An MCP server over HTTP for the tests, standard library only: prints its port, then serves.

Its first argument is the era it speaks, `modern` or `legacy`; then words: `events` answers with event streams, `forgets`
loses its session after the first call, `locked` wants a token. What the tool `seen` returns are the headers of its call.
"""
import json
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

era, words = sys.argv[1], set(sys.argv[2:])
sessions, seen_methods, answered, ears = {}, [], [], []


def tool(name):
    return {"name": name, "inputSchema": {"type": "object"}, "annotations": {"readOnlyHint": True}}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def reply(self, status, body=b"", kind="application/json", **headers):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def answer(self, message, result=None, error=None, status=200, **headers):
        body = {"jsonrpc": "2.0", "id": message.get("id"), **({"error": error} if error else {"result": result})}
        if "events" in words and status == 200:
            token = (message.get("params", {}).get("_meta") or {}).get("progressToken")
            note = {"jsonrpc": "2.0", "method": "notifications/progress", "params": {"progressToken": token, "progress": 1, "message": "half"}}
            data = json.dumps(body, indent=1).replace("\n", "\ndata: ")
            text = f": a comment\r\n\r\nevent: message\r\nid: 1\r\ndata: {json.dumps(note)}\r\n\r\ndata: {data}\n\n"
            return self.reply(200, text.encode(), "text/event-stream", **headers)
        self.reply(status, json.dumps(body).encode(), **headers)

    def stream(self, text, close=True):
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(text)
        self.close_connection = close

    def listen(self):
        """The stream of the session: what "ask aside" asks is asked here."""
        if "listens" not in words:
            return self.reply(405)
        ears.append(self)
        self.stream(b": hello\n\n", close=False)
        while self in ears:
            time.sleep(0.01)
        self.close_connection = True

    def do_GET(self):
        if self.headers.get("Last-Event-ID") is None:
            return self.listen()
        seen_methods.append(f"GET {self.headers.get('Last-Event-ID')}")
        if self.headers.get("Mcp-Session-Id") not in sessions:
            return self.reply(404)
        if seen_methods.count("GET first") < 2:  # once without anything new
            return self.stream(b"")
        text = json.dumps({"content": [{"type": "text", "text": json.dumps(seen_methods)}]})
        self.stream(b'id: second\ndata: {"jsonrpc":"2.0","id":%d,"result":%s}\n\n' % (sessions["rest"], text.encode()))

    def do_DELETE(self):
        sessions.pop(self.headers.get("Mcp-Session-Id"), None)
        seen_methods.append("DELETE")
        self.reply(200)

    def do_POST(self):
        message = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        method = message.get("method")
        if method is None:  # an answer to a request of ours
            answered.append(message)
            return self.reply(202)
        seen_methods.append(method)
        if "locked" in words and self.headers.get("Authorization") != "Bearer open sesame":
            return self.reply(401, b"who are you?", "text/plain")
        if "application/json" not in self.headers["Accept"] or "text/event-stream" not in self.headers["Accept"]:
            return self.reply(406)
        if era == "modern":
            self.modern(message, method)
        else:
            self.legacy(message, method)

    def modern(self, message, method):
        params = message.get("params", {})
        name = params.get("name") or params.get("uri")
        wrong = self.headers.get("MCP-Protocol-Version") != params["_meta"]["io.modelcontextprotocol/protocolVersion"]
        if wrong or self.headers.get("Mcp-Method") != method or (name and not self.headers.get("Mcp-Name")):
            return self.answer(message, error={"code": -32020, "message": "headers do not match"}, status=400)
        if method == "server/discover":
            return self.answer(message, {"resultType": "complete", "supportedVersions": ["2026-07-28"], "capabilities": {"tools": {}}})
        self.work(message, method)

    def legacy(self, message, method):
        session = self.headers.get("Mcp-Session-Id")
        if method == "initialize":
            number = f"session-{len(sessions) + seen_methods.count('initialize')}"
            sessions[number] = True
            result = {"protocolVersion": "2025-11-25", "capabilities": {}, "serverInfo": {"name": "http", "version": "1"}}
            return self.answer(message, result, Mcp_Session_Id=number)
        if session is None:
            return self.reply(400, b'{"jsonrpc":"2.0","error":{"code":-32000,"message":"Server not initialized"},"id":null}')
        if session not in sessions:
            return self.reply(404, b"no such session", "text/plain")
        if self.headers.get("MCP-Protocol-Version") != "2025-11-25":
            return self.reply(400, b"wrong version", "text/plain")
        if "id" not in message:
            return self.reply(202)
        self.work(message, method)

    def work(self, message, method):
        if method == "tools/list":
            bad = {**tool("bad"), "inputSchema": {"type": "object", "properties": {"a": {"type": "number", "x-mcp-header": "A"}}}}
            return self.answer(message, {"tools": [tool("seen"), tool("café"), bad]})
        if method != "tools/call":
            return self.answer(message, error={"code": -32601, "message": "Method not found"}, status=404)
        what = message["params"]["arguments"].get("do")
        if what == "sleep":
            time.sleep(60)
        if what == "resume":  # the answer comes to whoever asks for the rest
            seen_methods.append("POST stream")
            self.stream(b"id: first\nretry: 20\ndata: \n\nid: lost\ndata: {")
            sessions["rest"] = message["id"]
            return
        if what == "break":  # in the middle of an answer
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream")
            self.send_header("Connection", "close")
            self.end_headers()
            self.wfile.write(b'data: {"jsonrpc":"2.0"')
            self.close_connection = True
            return
        if what == "page":
            return self.reply(200, b"<h1>hello</h1>", "text/html")
        if what == "busy":
            return self.reply(503, b"later", "text/plain")
        if what == "ask aside":
            answered.clear()
            while not ears:
                time.sleep(0.01)
            params = {"message": "Who?", "requestedSchema": {"type": "object", "properties": {}}}
            asked = json.dumps({"jsonrpc": "2.0", "id": "q", "method": "elicitation/create", "params": params})
            ears[0].wfile.write(f"id: 7\ndata: {asked}\n\n".encode())
            while not answered:
                time.sleep(0.01)
            ears.clear()  # the stream ends; it is asked for again
            return self.answer(message, {"content": [{"type": "text", "text": json.dumps(answered[0]["result"])}]})
        if what == "ask":
            answered.clear()
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream")
            self.send_header("Connection", "close")
            self.end_headers()
            self.wfile.write(b'data: {"jsonrpc":"2.0","id":"p","method":"ping"}\n\n')
            self.wfile.flush()
            while not answered:
                time.sleep(0.01)
            text = json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": {"content": [{"type": "text", "text": json.dumps(answered[0])}]}})
            self.wfile.write(f"data: {text}\n\n".encode())
            self.close_connection = True
            return
        text = json.dumps({**{k.lower(): v for k, v in self.headers.items()}, "methods": seen_methods})
        self.answer(message, {"content": [{"type": "text", "text": text}]})
        if "forgets" in words:
            sessions.clear()


server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
server.daemon_threads = True
print(server.server_address[1], flush=True)
server.serve_forever()
