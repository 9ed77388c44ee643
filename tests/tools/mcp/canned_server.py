#!/usr/bin/env python3
"""An MCP server whose tools and answers are in a file: {"tools": [{"name", "description", "inputSchema"}], "answers": {name: text}}.

A call whose arguments are not those of "arguments" {name: {...}}, where they are given, is answered with an error.
"""
import json
import pathlib
import sys

said = json.loads(pathlib.Path(sys.argv[1]).read_text())


def called(params):
    name, arguments = params["name"], params.get("arguments", {})
    wanted = said.get("arguments", {}).get(name, arguments)
    text = said["answers"].get(name, "unexpected") if wanted == arguments else "unexpected arguments " + json.dumps(arguments)
    return {"content": [{"type": "text", "text": text}]}


def result_of(method, params):
    if method == "initialize":
        return {"protocolVersion": params["protocolVersion"], "capabilities": {"tools": {}}, "serverInfo": {"name": "canned", "version": "1"}}
    if method == "tools/list":
        return {"tools": [{**tool, "annotations": {"readOnlyHint": True}} for tool in said["tools"]]}
    return called(params) if method == "tools/call" else None


for line in sys.stdin:
    request = json.loads(line)
    if "id" in request:
        result = result_of(request["method"], request.get("params", {}))
        outcome = {"result": result} if result else {"error": {"code": -32601, "message": "Method not found"}}
        print(json.dumps({"jsonrpc": "2.0", "id": request["id"], **outcome}), flush=True)
