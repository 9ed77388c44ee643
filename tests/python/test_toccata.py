#!/usr/bin/env python3
"""The Python package as its users see it: every part once, and what goes wrong."""

import asyncio
import dataclasses
import enum
import http.server
import json
import os
import pathlib
import tempfile
import threading
import unittest
from typing import Annotated, Literal, Optional

import toccata

FINAL = "<|channel|>final<|message|>"


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


@dataclasses.dataclass
class Place:
    city: str
    zip: int = 0


class ToolTest(unittest.TestCase):
    def test_the_schema_comes_from_hints_and_docstring(self):
        @toccata.tool
        def find(
            city: str, days: int = 3, colour: Colour = Colour.RED, tags: Optional[list[str]] = None,
            mode: Literal["a", "b"] = "a", place: Annotated[Place | None, "where"] = None,
        ) -> str:
            """Finds things.

            In two paragraphs.

            Args:
                city: its name, or
                    a part of it
                days (int): how many
            """
            return f"{city} {days} {colour} {tags} {mode} {place}"

        self.assertEqual("Finds things.\n\nIn two paragraphs.", find.description)
        properties = find.parameters["properties"]
        self.assertEqual({"type": "string", "description": "its name, or a part of it"}, properties["city"])
        self.assertEqual({"type": "integer", "description": "how many", "default": 3}, properties["days"])
        self.assertEqual({"enum": ["red", "blue"]}, properties["colour"])
        self.assertEqual({"enum": ["a", "b"], "default": "a"}, properties["mode"])
        self.assertEqual("where", properties["place"]["description"])
        self.assertEqual(["city"], find.parameters["required"])
        toccata.Grammar(find.parameters)  # the masks can enforce it
        self.assertEqual("x 3 Colour.BLUE None a Place(city='y', zip=7)",
                         find._call('{"city": "x", "colour": "blue", "place": {"city": "y", "zip": 7}}'))
        self.assertEqual("x 3 Colour.RED None a None", find("x"))
        with self.assertRaisesRegex(TypeError, "unknown arguments: nope; missing arguments: city"):
            find._call('{"nope": 1}')

    def test_hints_without_a_schema_are_named(self):
        with self.assertRaisesRegex(TypeError, "complex"):
            toccata.tool(lambda x: x, name="f") and toccata.tool(_takes_complex)
        with self.assertRaisesRegex(TypeError, "by name"):
            toccata.tool(lambda *args: None, name="f")


def _takes_complex(x: complex) -> str:
    return str(x)


class AgentTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def agent(self, *completions, **options):
        model = "nano"
        if completions:
            path = self.folder / "script.json"
            path.write_text(json.dumps({"completions": list(completions)}))
            model = f"script:{path}"
        return toccata.Agent(model, ledger=self.folder / "runs.db", **options)

    def test_nano_computes(self):
        result = self.agent(temperature=0).run("What is 48213 * 977 + 5?")
        self.assertTrue(result.ok, result)
        self.assertIn("47104106", result.final)
        self.assertGreater(result.usage["output_tokens"], 0)
        self.assertTrue(result.run_id)

    def test_a_function_is_called_and_answered(self):
        calls = []

        def get_weather(city: str, days: int = 1) -> dict:
            """The forecast."""
            calls.append((city, days, threading.get_ident()))
            return {"sun": days}

        agent = self.agent(
            '<|channel|>commentary to=functions.get_weather <|constrain|>json<|message|>{"city": "Oslo", "days": 2}<|call|>',
            FINAL + "Sunny.<|return|>", tools=[get_weather],
        )
        events = list(agent.stream("Weather?"))
        self.assertEqual(("Oslo", 2), calls[0][:2])
        self.assertEqual("thread.started", events[0]["type"])
        self.assertEqual("turn.completed", events[-1]["type"])
        call = next(e["item"] for e in events if e["type"] == "item.completed" and e["item"]["type"] == "mcp_tool_call")
        self.assertIn("sun", json.dumps(call))

    def test_functions_of_a_file_are_called_and_rules_decide(self):
        path = self.folder / "tools.yaml"
        path.write_text("tools: [{name: say, description: Says it., parameters: {type: object, properties: {what: {type: string}}, required: [what]}, "
                        "command: {where: host, argv: [echo, '<{what}>']}}]")
        calls = [f'<|channel|>commentary to=functions.say <|constrain|>json<|message|>{{"what": "{w}"}}<|call|>' for w in ("a", "b")]
        agent = self.agent(*calls, FINAL + "ok<|return|>", tool_file=path, approve_rule=["say:what=a=allow", "say=deny"])
        seen = []
        self.assertEqual("ok", agent.run("x", on_event=seen.append).final)
        self.assertIn("<a>", json.dumps(seen))
        self.assertIn("was denied by a rule of the user, say=deny", json.dumps(seen))
        answers = self.folder / "answers.yaml"
        answers.write_text("tools: {functions.say: [{result: scripted}]}")
        seen = []
        agent = self.agent(calls[0], FINAL + "ok<|return|>", tool_file=[path], scripted_tools=answers, approve="always")
        agent.run("x", on_event=seen.append)
        self.assertIn("scripted", json.dumps(seen))

    def test_what_a_function_raises_is_told_to_the_model(self):
        def fails() -> str:
            raise ValueError("no such thing")

        agent = self.agent("<|channel|>commentary to=functions.fails<|message|>{}<|call|>", FINAL + "Sorry.<|return|>", tools=[fails])
        seen = []
        self.assertEqual("Sorry.", agent.run("x", on_event=seen.append).final)
        self.assertIn("ValueError: no such thing", json.dumps(seen))

    def test_a_conversation_goes_on_and_a_run_can_be_resumed(self):
        agent = self.agent(FINAL + "one<|return|>", FINAL + "two<|return|>")
        self.assertEqual("one", agent.run("a").final)
        self.assertEqual("two", agent.run("b").final)
        again = self.agent(FINAL + "three<|return|>")
        self.assertEqual("three", again.resume(agent.run_id, "c").final)

    def test_failures_are_results(self):
        result = self.agent(FINAL + "x<|return|>", budget_tokens=3).run("a")
        self.assertEqual((4, False), (result.exit_code, result.ok))
        with self.assertRaisesRegex(toccata.RunFailed, "budget"):
            result.check()

    def test_an_output_schema_is_kept(self):
        schema = {"type": "object", "properties": {"result": {"type": "integer"}}, "required": ["result"], "additionalProperties": False}
        result = self.agent(output_schema=schema, temperature=1.5, seed=3).run("7 + 5?").check()
        self.assertEqual(["result"], list(result.json()))

    def test_leaving_a_stream_early_stops_the_run(self):
        agent = self.agent({"text": "<|channel|>analysis<|message|>on and on ", "then": "repeat"})
        stream = agent.stream("x")
        for event in stream:
            if event["type"] == "item.updated":
                break
        del event
        self.assertEqual(130, stream.result.exit_code)

    def test_async_iteration(self):
        async def main():
            agent = self.agent(FINAL + "one<|return|>", FINAL + "two<|return|>")
            stream = agent.astream("a")
            types = [event["type"] async for event in stream]
            return types, stream.result.final, (await agent.arun("b")).final

        types, one, two = asyncio.run(main())
        self.assertEqual(("turn.completed", "one", "two"), (types[-1], one, two))

    def test_agents_on_several_threads(self):
        finals = []

        def work(n):
            agent = toccata.Agent("nano", ledger=self.folder / f"{n}.db", temperature=0)
            finals.append(agent.run(f"What is {n} + 5?").final)

        threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(4, len(finals))

    def test_wrong_options_are_named(self):
        with self.assertRaisesRegex(TypeError, "temprature"):
            toccata.Agent(temprature=1)
        with self.assertRaisesRegex(ValueError, "unknown tool 'web'"):
            self.agent(tools=["web"])
        with self.assertRaises(FileNotFoundError):
            toccata.Agent("no/such-model", offline=True)


class PartsTest(unittest.TestCase):
    def test_tokenizer(self):
        tokenizer = toccata.Tokenizer.o200k_harmony()
        self.assertEqual("naïve <|start|> 日本", tokenizer.decode(tokenizer.encode("naïve <|start|> 日本")))
        self.assertEqual([200006], tokenizer.encode("<|start|>", specials=True))
        self.assertEqual(201088, tokenizer.n_vocab)
        with self.assertRaisesRegex(ValueError, "300000"):
            tokenizer.decode([300000])

    def test_harmony(self):
        tokens = toccata.harmony.render([{"role": "user", "content": "Hi"}])
        self.assertEqual("<|start|>user<|message|>Hi<|end|><|start|>assistant", toccata.Tokenizer.o200k_harmony().decode(tokens))
        said = toccata.Tokenizer.o200k_harmony().encode("<|channel|>final<|message|>Hello<|return|>", specials=True)
        parsed = toccata.harmony.parse(said)
        self.assertEqual(("final", "Hello"), (parsed.messages[0]["channel"], parsed.messages[0]["content"]))
        self.assertEqual([], parsed.warnings)
        with self.assertRaises(ValueError):
            toccata.harmony.render([{"role": "wizard", "content": ""}])

    def test_grammar(self):
        tokenizer = toccata.Tokenizer.o200k_harmony()
        matcher = toccata.Grammar({"enum": ["yes", "no"]}).matcher(tokenizer)
        quote = tokenizer.encode('"')[0]
        self.assertTrue(matcher.allows(quote))
        self.assertEqual(1, matcher.mask()[quote // 8] >> quote % 8 & 1)
        self.assertTrue(matcher.accept(quote))
        self.assertFalse(matcher.accept(quote))
        self.assertTrue(matcher.accept_text("y"))
        self.assertEqual(b'es"', matcher.forced_text())
        matcher.rollback(2)
        with self.assertRaises(ValueError):
            matcher.rollback(1)
        with self.assertRaisesRegex(NotImplementedError, "uniqueItems at /properties/a"):
            toccata.Grammar({"properties": {"a": {"uniqueItems": True}}})
        self.assertTrue(toccata.Grammar.regex("a+b").matches("aab"))

    def test_sandbox(self):
        with toccata.Sandbox() as sandbox:
            sandbox.execute("x = 6 * 7")
            outcome = sandbox.execute("x")
            self.assertEqual(("ok", "42"), (outcome.status, outcome.output.strip()))
            self.assertEqual("error", sandbox.execute("1 / 0").status)
            sandbox.upload("a.txt", b"hello")
            self.assertEqual({"a.txt": 5}, sandbox.list_files())
            self.assertEqual(b"hello", sandbox.download("a.txt"))
            self.assertEqual("timeout", sandbox.execute("while True: pass", timeout=0.5).status)
        with self.assertRaisesRegex(ValueError, "closed"):
            sandbox.execute("1")
        with self.assertRaisesRegex(ValueError, "fortress"):
            toccata.Sandbox("fortress")

    def test_a_fork_of_a_sandbox_has_its_own_variables(self):
        with toccata.Sandbox() as sandbox:
            sandbox.execute("x = 1")
            with sandbox.fork() as branch:
                self.assertEqual("2", branch.execute("x += 1; x").output)
                branch.upload("a.txt", b"shared")
            self.assertEqual("(1, 'shared')", sandbox.execute("x, open('a.txt').read()").output)
            branch = sandbox.fork()
        self.assertEqual("1", branch.execute("x").output, "it outlives its origin")
        branch.close()
        with self.assertRaisesRegex(ValueError, "closed"):
            branch.fork()

    def test_a_sandbox_reaches_the_hosts_it_is_given(self):
        class Hello(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(200)
                self.send_header("Content-Length", "5")
                self.end_headers()
                self.wfile.write(b"hello")

            def log_message(self, *_):
                pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hello)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        host = f"127.0.0.1:{server.server_port}"
        try:
            with toccata.Sandbox(net=host) as sandbox:
                outcome = sandbox.execute(f"import urllib.request\nurllib.request.urlopen('http://{host}/').read()")
                self.assertEqual("b'hello'", outcome.output)
                self.assertEqual([("127.0.0.1", server.server_port, True, 5)], [(h["host"], h["port"], h["allowed"], h["received"] and 5) for h in outcome.hosts])
            with self.assertRaisesRegex(ValueError, "--sandbox-net is '\\*'"):
                toccata.Sandbox(net=["*"])
        finally:
            server.shutdown()
            server.server_close()

    def test_a_sandbox_shows_folders_and_runs_other_interpreters(self):
        with tempfile.TemporaryDirectory() as folder:
            os.chmod(folder, 0o755)
            pathlib.Path(folder, "a.txt").write_text("17")
            with toccata.Sandbox(python=pathlib.Path("/usr/bin/python3"), mount=folder + ":numbers") as sandbox:
                self.assertEqual("'17'", sandbox.execute("open('/mnt/numbers/a.txt').read()").output)
                self.assertEqual("error", sandbox.execute("open('/mnt/numbers/b.txt', 'w')").status)
            with self.assertRaisesRegex(FileNotFoundError, "/nowhere"):
                toccata.Agent("nano", python="/nowhere", ledger=folder + "/runs.db")
        with self.assertRaisesRegex(ValueError, "whole file system"):
            toccata.Sandbox(mount=["/"])
        with self.assertRaisesRegex(FileNotFoundError, "/nowhere"):
            toccata.Sandbox(python="/nowhere")


if __name__ == "__main__":
    os.environ.setdefault("XDG_DATA_HOME", tempfile.mkdtemp())
    unittest.main()
