#!/usr/bin/env python3
"""An MCP server for the tests, standard library only. Its first argument says how it behaves:

modern, legacy, both    the eras it speaks, well
silent, dies, old       legacy: says nothing to the probe; ends at it; settles on a version of its own
then words such as `paged`, `chatty`: see below.
"""
import json
import os
import signal
import sys
import time

era, words = sys.argv[1], set(sys.argv[2:])
out = sys.stdout.buffer


def send(message):
    out.write(message if isinstance(message, bytes) else json.dumps(message).encode() + b"\n")
    out.flush()


def answer(request, result=None, error=None):
    body = {"jsonrpc": "2.0", "id": request["id"]}
    body["error" if error else "result"] = error or result
    send(body)


def text(words, **more):
    return {"content": [{"type": "text", "text": words}], **more}


def tools():
    schema = {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]}
    named = [{"name": n, "description": f"Does {n}.", "inputSchema": schema} for n in ("echo", "get-weather", "sleep")]
    if "tells" in words:  # what it was told, in each place
        secret = os.environ["T"]
        named[0]["description"] += f" For {secret}."
        named[1]["inputSchema"] = {**schema, "description": f"As {secret}"}
        named.append({"name": secret, "description": "x", "inputSchema": schema})
    named[0]["annotations"] = {"readOnlyHint": True}
    named[1]["annotations"] = {"idempotentHint": True}
    return named


def list_tools(request):
    if "paged" in words:
        cursor = int(request["params"].get("cursor", "0"))
        page = {"tools": tools()[cursor : cursor + 1]}
        if cursor < 2:
            page["nextCursor"] = str(cursor + 1)
        return page
    if "circle" in words:
        return {"tools": tools()[:1], "nextCursor": "again"}
    if "broken" in words:
        return {"tools": [7, {"name": ""}, {"name": "x"}, {"name": "y", "inputSchema": {}}, {"name": "y", "inputSchema": {}}]}
    if "odd" in words:  # with a schema that no grammar enforces, and names that no model writes
        odd = {"type": "object", "properties": {"text": {"type": "string"}, "a": {"type": "array", "uniqueItems": True}}}
        return {"tools": [{"name": n, "inputSchema": odd, "annotations": {"readOnlyHint": True}} for n in ("say.it", "say-it")]}
    return {"tools": tools()}


def question(request):
    """In the way of the era; tells what it was answered."""
    fields = {"name": {"type": "string", "default": "Ada"}, "age": {"type": "integer"}}
    params = {"message": "Who are you?", "requestedSchema": {"type": "object", "properties": fields, "required": ["age"]}}
    if era == "legacy":
        send({"jsonrpc": "2.0", "id": "q", "method": "elicitation/create", "params": params})
        return text(json.dumps(json.loads(sys.stdin.readline())["result"]))
    given = request["params"]
    if "inputResponses" not in given:
        return {"resultType": "input_required", "inputRequests": {"q": {"method": "elicitation/create", "params": params}}, "requestState": "s 1"}
    assert given["requestState"] == "s 1" and request["id"] > 2
    assert given["_meta"]["io.modelcontextprotocol/clientCapabilities"] == {"elicitation": {"form": {}}}
    return text(json.dumps(given["inputResponses"]["q"]))


def call(request):
    params = request["params"]
    arguments = params.get("arguments", {})
    what = arguments.get("text", "")
    if params["name"] == "sleep" or what == "sleep":
        time.sleep(600)
    if what == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    if what == "fail":
        return text("it did not work", isError=True)
    if what == "refuse":
        return answer(request, error={"code": -32602, "message": "no such thing"})
    if what == "huge":
        return text("ä" * int(arguments["n"]))
    if what == "long line":
        send(b"x" * int(arguments["n"]) + b"\n")
    if what == "garbage":
        send(b'\xff\x00garbage\n{"jsonrpc":"2.0"}\n[1]\n{"jsonrpc":"2.0","id":{},"result":1}\n{"id":1}\n' + b"[" * 100000 + b"\n")
    if what == "wrong id":
        send({"jsonrpc": "2.0", "id": 999999, "result": text("not yours")})
        send({"jsonrpc": "2.0", "id": str(request["id"]), "result": text("nor yours")})
    if what == "flood":
        while True:
            send(b'{"jsonrpc":"2.0","method":"notifications/message","params":{}}\n' * 1000)
    if what == "ask":
        send({"jsonrpc": "2.0", "id": "p", "method": "ping"})
        send({"jsonrpc": "2.0", "id": "s", "method": "sampling/createMessage", "params": {}})
        return text(sys.stdin.readline() + sys.stdin.readline())
    if what == "ask only":
        while True:
            send({"jsonrpc": "2.0", "id": "p" * 1000, "method": "ping"})
    if what == "progress":
        token = params.get("_meta", {}).get("progressToken")
        for i in (1, 2):
            send({"jsonrpc": "2.0", "method": "notifications/progress", "params": {"progressToken": token, "progress": i, "total": 2, "message": f"step {i}"}})
    if what == "change":
        send({"jsonrpc": "2.0", "method": "notifications/tools/list_changed"})
    if what == "log":
        sys.stderr.write("x" * 1000000 + "the end of the log")
        sys.stderr.flush()
        os._exit(3)
    if what == "input":
        return {"resultType": "input_required", "inputRequests": {}}
    if what == "sample":
        return {"resultType": "input_required", "inputRequests": {"s": {"method": "sampling/createMessage", "params": {}}}}
    if what == "question":
        return question(request)
    if what == "endless question":
        return {"resultType": "input_required", "requestState": "again"}
    if what == "no result":
        return 7
    if what == "trace":
        return text(str(params.get("_meta", {}).get("traceparent")))
    if what == "env":
        return text(json.dumps(dict(os.environ)) + " in " + os.getcwd())
    if what == "ignored":  # the rest of its input, whatever comes
        time.sleep(600)
    if what == "child":
        pid = os.fork()
        if pid == 0:
            time.sleep(600)
        return text(str(pid))
    if what == "members":
        send(b'{"jsonrpc":"2.0","id":%d,"result":{%s}}\n' % (request["id"], b",".join(b'"%d":1' % i for i in range(300000))))
    if what == "kinds":
        return {"content": [{"type": "text", "text": "a"}, {"type": "image", "mimeType": "image/png", "data": "AAAA"},
                            {"type": "resource", "resource": {"uri": "file:///x", "text": "inside"}},
                            {"type": "resource_link", "uri": "file:///y", "name": "why"}, {"type": "new"}, 7]}
    if what == "structured":
        return {"content": [], "structuredContent": {"b": 1, "a": 2}}
    return text("echo: " + what, resultType="complete")


if "MARK" in os.environ:  # tells the test that it was started
    with open(os.environ["MARK"], "a") as mark:
        mark.write(f"{os.getpid()}\n")
if "stubborn" in words:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
if "noise" in words:
    send(b"Starting up ...\n")
for line in iter(sys.stdin.buffer.readline, b""):
    message = json.loads(line)
    method = message.get("method")
    if "id" not in message:
        if method == "notifications/cancelled":
            sys.stderr.write(f"cancelled {message['params']['requestId']}\n")
        continue
    meta = message.get("params", {}).get("_meta", {})
    is_modern = meta.get("io.modelcontextprotocol/protocolVersion") == "2026-07-28"
    if method == "server/discover":
        if era == "silent":
            continue
        if era == "dies":
            sys.exit(1)
        if "late" in words:
            words.remove("late")
            time.sleep(1)
        if era == "future":
            answer(message, error={"code": -32022, "message": "no", "data": {"supported": ["2031-01-01"]}})
        elif era in ("modern", "both"):
            answer(message, {"resultType": "complete", "supportedVersions": ["2026-07-28"], "capabilities": {"tools": {}},
                             "instructions": "Use echo.",
                             "_meta": {"io.modelcontextprotocol/serverInfo": {"name": "test", "version": era}}})
        else:
            answer(message, error={"code": -32602, "message": "Invalid request parameters"})
    elif method == "initialize":
        if era == "modern":
            answer(message, error={"code": -32022, "message": "only 2026-07-28", "data": {"supported": ["2026-07-28"]}})
        else:
            version = "1999-01-01" if era == "old" else message["params"]["protocolVersion"]
            answer(message, {"protocolVersion": version, "capabilities": {"resources": {}} if "resources" in words else {},
                             "serverInfo": {"name": "test", "version": era}, "instructions": "Use echo."})
    elif (era in ("modern", "both")) != is_modern:
        answer(message, error={"code": -32600, "message": f"a request of the wrong era: {meta}"})
    elif method == "tools/list":
        answer(message, list_tools(message))
    elif method == "tools/call":
        result = call(message)
        if result is not None:
            answer(message, result)
    elif method == "resources/list" and "resources" in words:
        answer(message, {"resources": [{"uri": "test://a", "name": "A", "mimeType": "text/plain", "description": "the first"}]})
    elif method == "resources/read" and "resources" in words:
        if message["params"]["uri"] == "test://a":
            answer(message, {"contents": [{"uri": "test://a", "text": "what A says"}, {"uri": "test://b", "blob": "AAAA", "mimeType": "x/y"}]})
        else:
            answer(message, error={"code": -32002, "message": "Resource not found"})
    else:
        answer(message, error={"code": -32601, "message": "Method not found"})
while "stubborn" in words:
    time.sleep(1)
