#!/usr/bin/env python3
"""Built-in tools of API requests, run by the server: real sandbox, a small web, MCP servers; a scripted model."""

import contextlib
import json
import pathlib
import socket
import sys
import threading
import time
import unittest

from live_server import ServerCase
from search_test import Web, call

FINAL = "<|channel|>final<|message|>"
SEARCH, CODE = {"type": "web_search"}, {"type": "code_interpreter", "container": {"type": "auto"}}
BOTH = [SEARCH, CODE]
INCLUDE = ["code_interpreter_call.outputs", "web_search_call.action.sources"]
ADD = {"type": "function", "name": "add", "parameters": {"type": "object", "properties": {"a": {"type": "integer"}}}}
MCP_SERVER = pathlib.Path(__file__).parents[1] / "tools" / "mcp" / "server.py"


def says(text: str) -> str:
    return FINAL + text + "<|return|>"


def thinks(text: str) -> str:
    return f"<|channel|>analysis<|message|>{text}<|end|><|start|>assistant"


def python(code: str) -> str:
    return f"<|channel|>analysis to=python code<|message|>{code}<|call|>"


def function(**arguments) -> str:
    return f"<|channel|>commentary to=functions.add <|constrain|>json<|message|>{json.dumps(arguments)}<|call|>"


def short(event: dict) -> str:
    """`web_search_call.searching`; of items, their type too."""
    name = event["type"].removeprefix("response.")
    return name + (" " + event["item"]["type"] if "item" in event else "")


def without_repeats(names: list[str]) -> list[str]:
    return [name for i, name in enumerate(names) if i == 0 or names[i - 1] != name]


def descendants(pid: int) -> set[int]:
    parent = {}
    for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            parent[int(stat.parent.name)] = int(stat.read_text().rsplit(")", 1)[1].split()[1])
    found = {pid}
    while more := {child for child, of in parent.items() if of in found} - found:
        found |= more
    return found - {pid}


class ApiToolsTest(ServerCase):
    def setUp(self):
        super().setUp()
        self.web = Web()
        self.addCleanup(self.web.close)

    def tools(self, *completions, args=(), tools="python,browser"):
        web = ("--search", f"searxng={self.web.url}/", "--allow-origin", self.web.url, "--page-cache", "none")
        return self.scripted(*completions, args=("--api-tools", "--tools", tools, *web, *args))

    def events(self, server, body):
        status, _, data = server.request("POST", "/v1/responses", {**body, "stream": True})
        self.assertEqual(200, status, data)
        events = [json.loads(f.split("data: ", 1)[1]) for f in data.decode().split("\n\n") if f.startswith("event: ")]
        self.check_stream(events)
        return events

    def check_stream(self, events):
        """Numbers without a gap, one index an item, each item opened and closed once, as its done event says it."""
        self.assertEqual(list(range(len(events))), [e["sequence_number"] for e in events])
        opened, closed = [], []
        for event in events:
            if event["type"] == "response.output_item.added":
                self.assertEqual(len(opened), event["output_index"])
                opened.append(event["item"]["id"])
            elif event["type"] == "response.output_item.done":
                self.assertEqual(opened[event["output_index"]], event["item"]["id"])
                closed.append(event["item"])
            elif "item_id" in event:
                self.assertEqual((opened[-1], len(opened) - 1), (event["item_id"], event["output_index"]))
        self.assertEqual(events[-1]["response"]["output"], closed)

    def read(self, usage) -> int:
        return usage["input_tokens"] - usage["input_tokens_details"]["cached_tokens"]

    def n_tokens(self, server, text) -> int:
        request = [{"id": 1, "text": text, "allowed_special": "all"}]
        return len(self.program.dev("encode", requests=request)[0]["tokens"])

    # --- One response ------------------------------------------------------------------------------------------------

    def test_a_response_of_many_steps_streams_every_event_in_order(self):
        server = self.tools(
            thinks("Look.") + call("search", query="tides"), call("open", id=0, cursor=0), call("find", pattern="water", cursor=1),
            python("print(12 * 60 + 25)"), says("Every 12 hours and 25 minutes【1†L2】: 745."),
        )
        events = self.events(server, {"input": "When is high water?", "tools": BOTH, "include": INCLUDE})
        web = [f"web_search_call.{state}" for state in ("in_progress", "searching", "completed")]
        search = ["output_item.added web_search_call", *web, "output_item.done web_search_call"]
        self.assertEqual(
            ["created", "in_progress",
             "output_item.added reasoning", "content_part.added", "reasoning_text.delta", "reasoning_text.done", "content_part.done",
             "output_item.done reasoning",
             *search, *search, *search,
             "output_item.added code_interpreter_call", "code_interpreter_call.in_progress", "code_interpreter_call_code.delta",
             "code_interpreter_call_code.done", "code_interpreter_call.interpreting", "code_interpreter_call.completed",
             "output_item.done code_interpreter_call",
             "output_item.added message", "content_part.added", "output_text.delta", "output_text.annotation.added", "output_text.delta",
             "output_text.done", "content_part.done", "output_item.done message", "completed"],
            without_repeats([short(e) for e in events]),
        )
        response = events[-1]["response"]
        page = self.web.url + "/tides"
        reasoning, found, opened, looked, ran, message = response["output"]
        self.assertEqual(
            {"type": "search", "query": "tides", "queries": ["tides"], "sources": [{"type": "url", "url": page}]}, found["action"])
        self.assertEqual({"type": "open_page", "url": page, "sources": [{"type": "url", "url": page}]}, opened["action"])
        self.assertEqual({"type": "find_in_page", "pattern": "water", "url": page}, looked["action"])
        self.assertEqual(("print(12 * 60 + 25)", [{"type": "logs", "logs": "745"}]), (ran["code"], ran["outputs"]))
        self.assertRegex(ran["container_id"], "^cntr_[0-9a-f]{24}$")
        self.assertEqual(["completed"] * 6, [item["status"] for item in response["output"]])
        text, cited = message["content"][0]["text"], message["content"][0]["annotations"][0]
        self.assertEqual(("url_citation", page, "Tides"), (cited["type"], cited["url"], cited["title"]))
        self.assertIn(page, text[cited["start_index"]:cited["end_index"]])
        code = "".join(e["delta"] for e in events if e["type"] == "response.code_interpreter_call_code.delta")
        self.assertEqual(ran["code"], code)
        # Five model calls in one session: what was read is what was new.
        self.assertEqual(5, server.metric("toccata_model_calls_total"))
        usage = response["usage"]
        self.assertEqual(usage["input_tokens"] + usage["output_tokens"], usage["total_tokens"])
        self.assertGreater(usage["input_tokens_details"]["cached_tokens"], 2 * self.read(usage))

        run = json.loads(self.program.run("runs", "show", "last", "--json").stdout)
        self.assertEqual(["browser.search", "browser.open", "browser.find", "python"], [c["recipient"] for c in run["calls"]])
        self.assertEqual(("done", "final", 5), (run["status"], run["terminal_reason"], run["steps"]))

    def test_outputs_and_sources_are_sent_when_they_are_asked_for(self):
        server = self.tools(call("search", query="tides"), python("print(1)"), says("ok"))
        search, ran, _ = server.post("/v1/responses", {"input": "x", "tools": BOTH})["output"]
        self.assertNotIn("sources", search["action"])
        self.assertIsNone(ran["outputs"])

    def test_a_picture_is_an_output(self):
        code = "import base64\nopen('dot.png', 'wb').write(base64.b64decode('iVBORw0KGgoAAAANSUhEUg=='))"
        server = self.tools(python(code), says("ok"))
        ran = server.post("/v1/responses", {"input": "x", "tools": [CODE], "include": INCLUDE})["output"][0]
        self.assertIn({"type": "image", "url": "data:image/png;base64,iVBORw0KGgoAAAANSUhEUg=="}, ran["outputs"])
        unstored = server.post("/v1/responses", {"input": "x", "tools": [CODE], "include": INCLUDE, "store": False})["output"][0]
        self.assertIn("data:image/png", unstored["outputs"][-1]["url"])

    def test_what_fails_is_told_to_the_model_and_shown(self):
        server = self.tools(python("1/0"), call("open", id="http://127.0.0.1:1/"), call("scroll", x=1), call("search"), says("ok"))
        output = server.post("/v1/responses", {"input": "x", "tools": BOTH, "include": INCLUDE})["output"]
        self.assertEqual(["failed", "failed", "failed", "failed", "completed"], [item["status"] for item in output])
        self.assertIn("ZeroDivisionError", output[0]["outputs"][0]["logs"])
        run = json.loads(self.program.run("runs", "show", "last", "--json").stdout)
        told = [m["content"] for m in run["messages"] if m["role"] == "tool"]
        self.assertIn("Unknown tool browser.scroll. Available: python, browser.search", told[2])

    def test_only_what_was_asked_for_can_be_called(self):
        server = self.tools(python("print(1)"), says("no python"))
        output = server.post("/v1/responses", {"input": "x", "tools": [SEARCH]})["output"]
        self.assertEqual(["code_interpreter_call", "message"], [item["type"] for item in output])
        self.assertEqual("failed", output[0]["status"])
        rendered = server.post("/v1/responses/input_tokens", {"input": "x", "tools": [SEARCH]})["input_tokens"]
        self.assertGreater(rendered, server.post("/v1/responses/input_tokens", {"input": "x", "tools": [CODE]})["input_tokens"])

    # --- A conversation ----------------------------------------------------------------------------------------------

    def test_a_conversation_goes_on_in_its_interpreter_and_reads_only_what_is_new(self):
        script = [thinks("Hm.") + python("x = 41"), says("ready"), python("print(x + 1)"), says("42")]
        question = "<|start|>user<|message|>And?<|end|>"
        result = "<|start|>python to=assistant<|channel|>analysis<|message|>42<|end|>"
        def check(server, first, second, stored=True):
            self.assertEqual([{"type": "logs", "logs": "42"}], second["output"][0]["outputs"])
            self.assertEqual(first["output"][1]["container_id"], second["output"][0]["container_id"])
            # <|return|> becomes <|end|>, twice `<|start|>assistant`.
            new = 1 + self.n_tokens(server, question) + self.n_tokens(server, result) + 4
            self.assertEqual(new, self.read(second["usage"]))
        base = {"tools": [CODE], "include": ["code_interpreter_call.outputs"]}
        user = {"role": "user", "content": "x is 41"}
        with self.subTest("previous_response_id"):
            server = self.tools(*script)
            first = server.post("/v1/responses", {**base, "input": [user]})
            check(server, first, server.post("/v1/responses", {**base, "previous_response_id": first["id"], "input": "And?"}))
            runs = [json.loads(line) for line in self.program.run("runs", "list", "--json").stdout.splitlines()]
            self.assertEqual((1, 4, 2), (len(runs), runs[0]["steps"], runs[0]["calls"]))  # one run, gone on with
        with self.subTest("echoed items"):
            server = self.tools(*script)
            first = server.post("/v1/responses", {**base, "input": [user]})
            echoed = [user, *first["output"], {"role": "user", "content": "And?"}]
            check(server, first, server.post("/v1/responses", {**base, "input": echoed}))
        with self.subTest("echoed, without the tool's items"):
            server = self.tools(*script)
            first = server.post("/v1/responses", {**base, "input": [user], "store": False})
            echoed = [user, {"role": "assistant", "content": "ready"}, {"role": "user", "content": "And?"}]
            check(server, first, server.post("/v1/responses", {**base, "input": echoed, "store": False}))
            self.assertEqual(2, len(self.program.run("runs", "list", "--json").stdout.splitlines()))  # those before
        with self.subTest("a conversation object"):
            server = self.tools(*script)
            conversation = server.post("/v1/conversations", {})["id"]
            first = server.post("/v1/responses", {**base, "conversation": conversation, "input": [user]})
            check(server, first, server.post("/v1/responses", {**base, "conversation": conversation, "input": "And?"}))
        with self.subTest("the container by its id"):
            server = self.tools(*script)
            first = server.post("/v1/responses", {**base, "input": [user]})
            body = {**base, "tools": [{"type": "code_interpreter", "container": first["output"][1]["container_id"]}]}
            check(server, first, server.post("/v1/responses", {**body, "previous_response_id": first["id"], "input": "And?"}))

    def test_sealed_steps_hold_the_results_too(self):
        script = [python("x = 41"), says("ready"), says("bye")]
        body = {"tools": [CODE], "store": False, "include": ["reasoning.encrypted_content"]}
        user = {"role": "user", "content": "Hi"}
        first_server = self.tools(*script)
        first = first_server.post("/v1/responses", {**body, "input": [user]})
        self.assertEqual("reasoning", first["output"][-1]["type"])
        echoed = {**body, "input": [user, *first["output"], {"role": "user", "content": "Bye"}]}
        second = first_server.post("/v1/responses", echoed)
        other = self.tools(*script)  # another process with the same key
        count = other.post("/v1/responses/input_tokens", echoed)["input_tokens"]
        self.assertEqual(second["usage"]["input_tokens"], count)

    def test_after_a_restart_the_tokens_are_there_and_the_interpreter_is_not(self):
        server = self.tools(python("x = 41"), says("ready"))
        first = server.post("/v1/responses", {"input": "Hi", "tools": [CODE]})
        n_log = first["usage"]["input_tokens"]
        server.close()
        again = self.tools(python("print(x)"), says("lost"))
        second = again.post(
            "/v1/responses", {"previous_response_id": first["id"], "input": "x?", "tools": [CODE], "include": INCLUDE})
        self.assertIn("NameError", second["output"][0]["outputs"][0]["logs"])
        self.assertNotEqual(first["output"][0]["container_id"], second["output"][0]["container_id"])
        self.assertGreater(second["usage"]["input_tokens"], n_log)

    def test_functions_of_the_client_and_tools_of_the_server_take_turns(self):
        script = [python("print(20)"), thinks("Now add.") + function(a=20), python("print(22)"), says("42")]
        server = self.tools(*script)
        base = {"tools": [CODE, ADD], "include": INCLUDE}
        events = self.events(server, {**base, "input": "Add"})
        first = events[-1]["response"]
        self.assertEqual(["code_interpreter_call", "reasoning", "function_call"], [item["type"] for item in first["output"]])
        self.assertEqual(("completed", '{"a": 20}'), (first["status"], first["output"][-1]["arguments"]))
        answer = {"type": "function_call_output", "call_id": first["output"][-1]["call_id"], "output": "22"}
        second = server.post("/v1/responses", {**base, "previous_response_id": first["id"], "input": [answer]})
        self.assertEqual(["code_interpreter_call", "message"], [item["type"] for item in second["output"]])
        told = "<|start|>functions.add to=assistant<|channel|>commentary<|message|>22<|end|>"
        result = "<|start|>python to=assistant<|channel|>analysis<|message|>22<|end|>"
        self.assertEqual(self.n_tokens(server, told) + self.n_tokens(server, result) + 4, self.read(second["usage"]))
        run = json.loads(self.program.run("runs", "show", "last", "--json").stdout)
        self.assertEqual((4, 2), (run["steps"], len(run["calls"])))

    def test_a_function_named_like_a_tool_is_the_clients(self):
        server = self.tools(python("print(1)"))
        own = {"type": "function", "name": "python", "parameters": {"type": "object"}}
        output = server.post("/v1/responses", {"input": "x", "tools": [CODE, own]})["output"]
        self.assertEqual(("function_call", "python"), (output[0]["type"], output[0]["name"]))

    # --- MCP servers -------------------------------------------------------------------------------------------------

    def mcp(self, function, **arguments):
        return f"<|channel|>commentary to=demo.{function} <|constrain|>json<|message|>{json.dumps(arguments)}<|call|>"

    def with_mcp(self, *completions, args=()):
        config = self.program.home / "mcp.json"
        config.write_text(json.dumps({"mcpServers": {"demo": {
            "command": sys.executable, "args": [str(MCP_SERVER), "modern"], "env": {"MARK": str(self.program.home / "mark")}}}}))
        return self.scripted(*completions, args=("--api-tools", "--mcp", str(config), *args))

    def test_mcp_servers_of_the_operator_are_listed_and_called(self):
        server = self.with_mcp(thinks("Ask.") + self.mcp("echo", text="hi"), self.mcp("get_weather", text="Ulm"), says("hi"), says("again"), args=("--approve", "always"))
        tool = {"type": "mcp", "server_label": "demo", "require_approval": "never"}
        events = self.events(server, {"input": "x", "tools": [tool]})
        self.assertEqual(
            ["created", "in_progress", "output_item.added mcp_list_tools", "mcp_list_tools.in_progress", "mcp_list_tools.completed",
             "output_item.done mcp_list_tools", "output_item.added reasoning"],
            [short(e) for e in events][:7])
        names = without_repeats([short(e) for e in events])
        begin = names.index("output_item.added mcp_call")
        self.assertEqual(
            ["output_item.added mcp_call", "mcp_call.in_progress", "mcp_call_arguments.delta", "mcp_call_arguments.done", "mcp_call.completed",
             "output_item.done mcp_call"], names[begin:begin + 6])
        first = events[-1]["response"]
        listed, _, said, weather, _ = first["output"]
        self.assertIn("get-weather", [t["name"] for t in listed["tools"]])
        self.assertEqual("object", listed["tools"][0]["input_schema"]["type"])
        self.assertEqual(("demo", "echo", '{"text": "hi"}', "echo: hi", None),
                         (said["server_label"], said["name"], said["arguments"], said["output"], said["error"]))
        self.assertEqual(("get-weather", "echo: Ulm"), (weather["name"], weather["output"]))
        more = server.post("/v1/responses", {"previous_response_id": first["id"], "input": "y", "tools": [tool]})
        self.assertEqual(["message"], [item["type"] for item in more["output"]])  # not listed again
        self.assertEqual(1 + self.n_tokens(server, "<|start|>user<|message|>y<|end|><|start|>assistant"), self.read(more["usage"]))
        narrow = {**tool, "allowed_tools": ["echo"]}
        self.assertEqual(["echo"], [t["name"] for t in server.post("/v1/responses", {"input": "x", "tools": [narrow]})["output"][0]["tools"]])
        for wrong, code in [({"server_label": "other"}, "mcp_server_not_allowed"), ({"server_url": "http://127.0.0.1:9/"}, "mcp_server_not_allowed"),
                            ({"require_approval": "always"}, "unsupported_parameter"), ({"headers": {"a": "b"}}, "unsupported_parameter")]:
            answer = server.request("POST", "/v1/responses", {"input": "x", "tools": [{**tool, **wrong}]})
            self.error(answer, 400, code=code, param="tools")

    def test_what_the_operator_has_not_approved_is_not_called(self):
        server = self.with_mcp(self.mcp("get_weather", text="Ulm"), says("no"))
        tool = {"type": "mcp", "server_label": "demo", "require_approval": "never"}
        output = server.post("/v1/responses", {"input": "x", "tools": [tool]})["output"]
        self.assertEqual("failed", output[1]["status"])
        self.assertIn("needs approval", output[1]["error"])

    # --- Chat Completions --------------------------------------------------------------------------------------------

    def test_chat_searches(self):
        server = self.tools(thinks("Look.") + call("search", query="tides"), call("open", id=0), says("Every 12 hours【1†L2】."), says("Yes."))
        body = {"messages": [{"role": "user", "content": "When?"}], "web_search_options": {"search_context_size": "low"}}
        message = server.post("/v1/chat/completions", body)["choices"][0]["message"]
        cited = message["annotations"][0]["url_citation"]
        self.assertEqual((self.web.url + "/tides", "Look."), (cited["url"], message["reasoning"]))
        self.assertNotIn("tool_calls", message)
        body["messages"] += [{"role": "assistant", "content": message["content"]}, {"role": "user", "content": "Sure?"}]
        again = server.post("/v1/chat/completions", body)
        n = 1 + self.n_tokens(server, "<|start|>user<|message|>Sure?<|end|><|start|>assistant")
        usage = again["usage"]
        self.assertEqual(("Yes.", n), (again["choices"][0]["message"]["content"], usage["prompt_tokens"] - usage["prompt_tokens_details"]["cached_tokens"]))
        deltas = [c["choices"][0]["delta"] for c in server.stream("/v1/chat/completions", {**body, "messages": body["messages"][:1]})]
        self.assertEqual(message["content"], "".join(d.get("content", "") for d in deltas))
        self.assertEqual(1, sum("annotations" in d for d in deltas))
        self.error(self.scripted(says("x")).request("POST", "/v1/chat/completions", body), 400, code="tool_not_enabled", param="web_search_options")

    # --- Limits ------------------------------------------------------------------------------------------------------

    def test_max_tool_calls_and_max_output_tokens_hold_for_the_whole_response(self):
        server = self.tools(python("print(1)"), python("print(2)"), says("enough"))
        response = server.post("/v1/responses", {"input": "x", "tools": [CODE], "max_tool_calls": 1})
        self.assertEqual(["completed", "failed", "completed"], [item["status"] for item in response["output"]])
        run = json.loads(self.program.run("runs", "show", "last", "--json").stdout)
        self.assertIn("budget of 1 tool calls", [m["content"] for m in run["messages"] if m["role"] == "tool"][1])
        n = self.n_tokens(server, python("print(1)")) + 8  # a header and a word
        cut = server.post("/v1/responses", {"input": "x", "tools": [CODE], "max_output_tokens": n})
        self.assertEqual(("incomplete", "max_output_tokens"), (cut["status"], cut["incomplete_details"]["reason"]))
        self.assertEqual((n, "incomplete"), (cut["usage"]["output_tokens"], cut["output"][-1]["status"]))

    def test_the_operators_limits_hold_too(self):
        server = self.tools(*[python(f"print({i})") for i in range(4)], says("x"), args=("--max-turns", "3"))
        response = server.post("/v1/responses", {"input": "x", "tools": [CODE]})
        self.assertEqual(("incomplete", "max_steps", 3), (response["status"], response["incomplete_details"]["reason"], len(response["output"])))
        server = self.tools(python("print(1)"), python("print(2)"), says("x"), args=("--max-calls", "python=1"))
        self.assertEqual("failed", server.post("/v1/responses", {"input": "x", "tools": [CODE]})["output"][1]["status"])

    def test_cpu_time_of_a_response_is_limited_and_counted(self):
        server = self.tools(python("while True: pass"), python("print(1)"), says("x"), args=("--max-sandbox-cpu", "0.2"))
        output = server.post("/v1/responses", {"input": "x", "tools": [CODE], "include": INCLUDE})["output"]
        self.assertIn("used up the CPU time", output[0]["outputs"][0]["logs"])
        self.assertEqual("failed", output[1]["status"])
        self.assertGreaterEqual(server.metric("toccata_sandbox_cpu_seconds_total"), 0.2)
        self.assertLess(server.metric("toccata_sandbox_cpu_seconds_total"), 0.5)

    def test_private_text_does_not_leave_after_a_strangers_page(self):
        page = self.web.url + "/tides"
        server = self.tools(
            python("print('the vault code is 839201745')"), call("open", id=page), call("open", id=page + "?839201745"), says("ok"))
        output = server.post("/v1/responses", {"input": "x", "tools": BOTH})["output"]
        self.assertEqual(["completed", "completed", "failed", "completed"], [item["status"] for item in output])
        self.assertNotIn("839201745", str(self.web.requests))

    # --- What is not switched on --------------------------------------------------------------------------------------

    def test_a_tool_that_is_off_is_refused_by_name(self):
        server = self.scripted(says("Hi"))
        answer = server.request("POST", "/v1/responses", {"input": "x", "tools": [CODE]})
        self.error(answer, 400, code="tool_not_enabled", param="tools")
        self.assertIn(b"--api-tools --tools python", answer[2])
        mcp = {"type": "mcp", "server_label": "a", "server_url": "http://127.0.0.1:9", "require_approval": "never"}
        self.error(server.request("POST", "/v1/responses", {"input": "x", "tools": [mcp]}), 400, code="tool_not_enabled")
        # Codex asks for searches unasked: it is told, and served.
        self.assertEqual(["web_search"], server.post("/v1/responses", {"input": "x", "tools": [SEARCH]})["tools_not_enabled"])
        answer = server.request("POST", "/v1/responses", {"input": "x", "tools": [SEARCH], "tool_choice": SEARCH})
        self.error(answer, 400, param="tool_choice")

    def test_what_cannot_be_honoured_is_refused_by_name(self):
        server = self.tools(says("Hi"))
        for tool, code in [
            ({**SEARCH, "filters": {"allowed_domains": ["a.b"]}}, "unsupported_parameter"),
            ({"type": "code_interpreter", "container": {"type": "auto", "file_ids": ["f"]}}, "unsupported_parameter"),
            ({"type": "code_interpreter", "container": "cntr_none"}, "container_not_found"),
            ({"type": "code_interpreter", "container": 7}, None),
            ({"type": "code_interpreter", "container": {"type": "other"}}, None),
        ]:
            answer = server.request("POST", "/v1/responses", {"input": "x", "tools": [tool]})
            self.error(answer, 404 if code == "container_not_found" else 400, code=code, param="tools")
        self.assertEqual("completed", server.post("/v1/responses", {"input": "x", "tools": [{**SEARCH, "search_context_size": "low"}]})["status"])

    def test_serving_nothing_is_refused_at_the_start(self):
        done = self.program.run("serve", "--port", "0", "--api-tools", "--tools", "files", "-m", self.program.script(says("x")))
        self.assertEqual(2, done.returncode)
        self.assertIn("--api-tools offers python, browser and MCP servers", done.stderr)

    # --- Containers --------------------------------------------------------------------------------------------------

    def test_clients_do_not_share_an_interpreter(self):
        server = self.tools(python("try:\n    x += 1\nexcept NameError:\n    x = 1\nprint(x)"), says("ok"), args=("--parallel", "4"))
        outputs = [None] * 8
        def ask(i):
            outputs[i] = server.post("/v1/responses", {"input": f"client {i}", "tools": [CODE], "include": INCLUDE})["output"][0]
        threads = [threading.Thread(target=ask, args=(i,)) for i in range(8)]
        for thread in threads: thread.start()
        for thread in threads: thread.join()
        self.assertEqual({"1"}, {o["outputs"][0]["logs"] for o in outputs})
        self.assertEqual(8, len({o["container_id"] for o in outputs}))

    def test_a_container_is_found_by_the_key_that_opened_it(self):
        server = self.tools(python("print(1)"), says("ok"), args=("--api-key", "one", "--api-key", "two"))
        def ask(key, container):
            body = {"input": "x", "tools": [{"type": "code_interpreter", "container": container}]}
            return server.request("POST", "/v1/responses", body, {"Authorization": f"Bearer {key}"})
        opened = json.loads(ask("one", {"type": "auto"})[2])["output"][0]["container_id"]
        self.error(ask("two", opened), 404, code="container_not_found")
        self.assertEqual(opened, json.loads(ask("one", opened)[2])["output"][0]["container_id"])

    def test_containers_have_a_number_and_an_age(self):
        server = self.tools(python("print(1)"), says("ok"), args=("--containers", "2", "--container-idle", "2"))
        first = [server.post("/v1/responses", {"input": f"{i}", "tools": [CODE]})["output"][0]["container_id"] for i in range(3)]
        by_id = lambda id: server.request("POST", "/v1/responses", {"input": "x", "tools": [{"type": "code_interpreter", "container": id}]})
        self.error(by_id(first[0]), 404, code="container_not_found")  # gave way to the third
        self.assertEqual(200, by_id(first[2])[0])
        before = descendants(server.process.pid)
        deadline = time.monotonic() + 20
        while b"\ntoccata_containers 0\n" not in server.request("GET", "/metrics")[2] and time.monotonic() < deadline:
            time.sleep(0.1)
        while len(descendants(server.process.pid)) > len(before) - 2 and time.monotonic() < deadline:
            time.sleep(0.1)
        self.assertLessEqual(len(descendants(server.process.pid)), len(before) - 2)
        self.error(by_id(first[2]), 404, code="container_not_found")

    def test_a_container_in_use_is_busy_and_all_in_use_are_too_many(self):
        server = self.tools(python("import time; time.sleep(6)"), says("ok"), args=("--containers", "1"))
        thread = threading.Thread(target=server.post, args=("/v1/responses", {"input": "x", "tools": [CODE]}))
        thread.start()
        deadline = time.monotonic() + 10
        answer = None
        while time.monotonic() < deadline:
            time.sleep(0.5)
            answer = server.request("POST", "/v1/responses", {"input": "y", "tools": [CODE]})
            if answer[0] != 200:
                break
        self.error(answer, 429, code="rate_limit_exceeded")
        thread.join()

    # --- Ends --------------------------------------------------------------------------------------------------------

    def open_stream(self, server, body):
        data = json.dumps({**body, "stream": True}).encode()
        connection = socket.create_connection(("127.0.0.1", server.port))
        connection.sendall(b"POST /v1/responses HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % len(data) + data)
        return connection

    def read_until(self, connection, mark: bytes):
        seen = b""
        while mark not in seen:
            piece = connection.recv(65536)
            self.assertTrue(piece, seen[-500:])
            seen += piece
        return seen

    def test_a_client_that_goes_away_in_a_call_leaves_no_process(self):
        server = self.tools(python("import time\nwhile True: time.sleep(0.01)"), says("never"))
        server.post("/v1/responses/input_tokens", {"input": "x"})
        idle = None
        for _ in range(2):
            connection = self.open_stream(server, {"input": "x", "tools": [CODE]})
            self.read_until(connection, b"response.code_interpreter_call.interpreting")
            connection.close()
            self.wait_until_idle(server)
            # What is left are the interpreters that wait to be given out, the same each time.
            time.sleep(1)
            now = len(descendants(server.process.pid))
            self.assertLessEqual(now, idle if idle is not None else now)
            idle = now
        run = json.loads(self.program.run("runs", "show", "last", "--json").stdout)
        self.assertEqual("stopped", run["terminal_reason"])

    def wait_until_idle(self, server):
        deadline = time.monotonic() + 20
        while (busy := server.metric("toccata_requests_running") > 0) and time.monotonic() < deadline:
            time.sleep(0.05)
        self.assertFalse(busy)

    def test_a_background_response_is_followed_again_and_cancelled_in_a_call(self):
        server = self.tools(python("print(1)"), thinks("Go on.") + python("import time\nwhile True: time.sleep(0.01)"), says("never"))
        queued = server.post("/v1/responses", {"input": "x", "tools": [CODE], "background": True})
        path = f"/v1/responses/{queued['id']}"
        connection = socket.create_connection(("127.0.0.1", server.port))
        connection.sendall(f"GET {path}?stream=true HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        seen = self.read_until(connection, b'"Go')
        connection.close()  # the stream is cut, the response goes on
        self.assertIn(b"code_interpreter_call.completed", seen)
        deadline = time.monotonic() + 10
        while json.loads(server.request("GET", path)[2])["status"] != "in_progress" and time.monotonic() < deadline:
            time.sleep(0.05)
        time.sleep(0.5)
        server.request("POST", path + "/cancel", {})
        while json.loads(server.request("GET", path)[2])["status"] == "in_progress" and time.monotonic() < deadline:
            time.sleep(0.05)
        ended = json.loads(server.request("GET", path)[2])
        self.assertEqual("cancelled", ended["status"])
        self.assertEqual(["completed", "completed", "failed"], [item["status"] for item in ended["output"]])
        _, _, data = server.request("GET", path + "?stream=true&starting_after=3")
        events = [json.loads(f.split("data: ", 1)[1]) for f in data.decode().split("\n\n") if f.startswith("event: ")]
        self.assertEqual(list(range(4, 4 + len(events))), [e["sequence_number"] for e in events])
        self.assertEqual("response.failed", events[-1]["type"])
        self.wait_until_idle(server)


if __name__ == "__main__":
    unittest.main()
