#!/usr/bin/env python3
"""The package as editors and readers see it: stubs, annotations, docstrings, and what a notebook shows."""

import ast
import inspect
import json
import pathlib
import re
import tempfile
import types
import unittest

import toccata
from toccata import _toccata

FINAL = "<|channel|>final<|message|>"


def public_members(kind: type) -> dict:
    """The public methods and properties a class defines itself."""
    return {name: value for name, value in vars(kind).items() if not name.startswith("_") and (callable(value) or isinstance(value, (property, classmethod, staticmethod)))}


class StubTest(unittest.TestCase):
    """_toccata.pyi and the built extension module name the same things, with the same arguments."""

    def setUp(self):
        stub = pathlib.Path(toccata.__file__).with_name("_toccata.pyi")
        self.tree = ast.parse(stub.read_text())

    @staticmethod
    def arguments(function: ast.FunctionDef) -> list:
        return [argument.arg for argument in function.args.args if argument.arg != "self"]

    @staticmethod
    def built_arguments(function) -> list:
        """From pybind11's first line of the docstring: "encode(self: X, text: str, specials: bool = False) -> list[int]"."""
        inside = function.__doc__.split("\n")[0].split("(", 1)[1].rsplit(") ->", 1)[0]
        inside = re.sub(r"\[[^\[\]]*\]", "", re.sub(r"\[[^\[\]]*\]", "", inside))
        return [n for n in re.findall(r"(\w+): ", inside) if n != "self"]

    def test_the_names_are_the_same(self):
        stubbed = {n.name for n in self.tree.body if isinstance(n, (ast.ClassDef, ast.FunctionDef))}
        built = {n for n, v in vars(_toccata).items() if not n.startswith("_") and not isinstance(v, types.ModuleType)}
        self.assertEqual(built, stubbed)

    def test_the_members_and_arguments_are_the_same(self):
        for node in self.tree.body:
            if isinstance(node, ast.FunctionDef):
                self.assertEqual(self.built_arguments(getattr(_toccata, node.name)), self.arguments(node), node.name)
            if not isinstance(node, ast.ClassDef):
                continue
            kind = getattr(_toccata, node.name)
            members = {n.name: n for n in node.body if isinstance(n, ast.FunctionDef)}
            built = {n for n in vars(kind) if not n.startswith("_")}
            self.assertEqual(built, {n for n in members if not n.startswith("_")}, node.name)
            for name, member in members.items():
                value = inspect.getattr_static(kind, name)
                if isinstance(value, property):
                    self.assertIn("property", [d.id for d in member.decorator_list], name)
                elif not name.startswith("__") or name == "__init__":
                    self.assertEqual(self.built_arguments(getattr(kind, name)), self.arguments(member), f"{node.name}.{name}")


class DocumentationTest(unittest.TestCase):
    def documented(self):
        """(name, object) of everything a user may call or read."""
        for name in toccata.__all__:
            value = getattr(toccata, name)
            if name.startswith("__") or not (inspect.isclass(value) or inspect.isroutine(value) or inspect.ismodule(value)):
                continue
            yield name, value
            members = public_members(value) if inspect.isclass(value) else {}
            if inspect.ismodule(value):
                members = {n: v for n, v in vars(value).items() if not n.startswith("_") and getattr(v, "__module__", "") == value.__name__}
            for member, inner in members.items():
                yield f"{name}.{member}", inner

    def test_every_public_name_is_documented(self):
        names = dict(self.documented())
        self.assertIn("Agent.astream", names)
        self.assertIn("harmony.render", names)
        bare = [name for name, value in names.items() if not (inspect.getdoc(value) or "").strip()]
        self.assertEqual([], bare)

    def test_errors_are_named_where_there_are_any(self):
        for name in ("Agent", "Agent.run", "Grammar", "Grammar.regex", "Matcher.rollback", "Sandbox", "Sandbox.download", "Tool", "harmony.parse", "harmony.render"):
            self.assertRegex(inspect.getdoc(dict(self.documented())[name]), r"[Rr]aise|\w+Error", name)

    def test_every_public_function_of_the_package_is_annotated(self):
        for name, value in self.documented():
            functions = [value.fget] if isinstance(value, property) else [getattr(value, "__func__", value)]
            if inspect.isclass(value):
                functions = [value.__init__]
            for function in functions:
                if not inspect.isfunction(function) or getattr(function, "__module__", "") == "typing":
                    continue
                signature = inspect.signature(function)
                missing = [p.name for p in signature.parameters.values() if p.annotation is p.empty and p.name not in ("self", "cls", "_cls")]
                if function.__name__ not in ("__init__", "__new__") and signature.return_annotation is signature.empty:
                    missing.append("return")
                self.assertEqual([], missing, name)

    def test_the_package_says_that_it_is_typed(self):
        self.assertTrue(pathlib.Path(toccata.__file__).with_name("py.typed").exists())


class OptionsTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def agent(self, *completions, **options):
        path = self.folder / "script.json"
        path.write_text(json.dumps({"completions": list(completions)}))
        return toccata.Agent(f"script:{path}", ledger=self.folder / "runs.db", **options)

    def test_the_keywords_are_the_options_of_the_extension(self):
        keywords = set(inspect.signature(toccata.Agent).parameters)
        with self.assertRaises(ValueError) as caught:
            _toccata.Agent('{"nonesuch": 1}', [])
        self.assertEqual(set(str(caught.exception).split("known: ")[1].split(", ")), keywords)

    def test_files_and_shell_work_in_their_places(self):
        (self.folder / "notes.txt").write_text("the moon")
        call = '<|channel|>commentary to=files.read <|constrain|>json<|message|>{"path": "notes.txt"}<|call|>'
        shell = '<|channel|>commentary to=functions.shell <|constrain|>json<|message|>{"command": "echo $((6 * 7))"}<|call|>'
        agent = self.agent(call, shell, FINAL + "ok<|return|>", tools=["files", "shell"], workspace=self.folder, sandbox="landlock")
        result = agent.run("x").check()
        said = json.dumps(result.items)
        self.assertIn("the moon", said)
        self.assertIn("42", said)
        self.assertIn(agent.sandbox_level, ("full", "full-nocg", "noproc", "landlock"))

    def test_the_browser_keeps_to_its_hosts(self):
        call = '<|channel|>commentary to=browser.open <|constrain|>json<|message|>{"id": "http://example.com/"}<|call|>'
        agent = self.agent(
            call, FINAL + "ok<|return|>", tools=["browser"], allow_domain="example.org", allow_origin=["http://127.0.0.1:9"],
            page_text="main", search=["searxng=http://127.0.0.1:9"], proxy="none",
        )
        self.assertIn("example.org", json.dumps(agent.run("x").check().items))

    def test_options_are_refused_by_name(self):
        for option, wrong, said in (
            ("search", "nonesuch", "nonesuch"), ("proxy", "ftp://x", "proxy is no URL"), ("page_text", "half", "half"),
            ("allow_origin", "not an origin", "not an origin"),
        ):
            with self.assertRaisesRegex(ValueError, said):
                self.agent(tools=["browser"], **{option: wrong})
        for option, wrong, said in (("temperature", "hot", "temperature"), ("offline", 1, "true or false"), ("max_turns", 1.5, "whole number"), ("approve", "yes", "never, on-request, trusted, always"), ("sandbox", "fortress", "fortress")):
            with self.assertRaisesRegex(ValueError, said):
                self.agent(**{option: wrong})
        with self.assertRaisesRegex(TypeError, "output_schema"):
            self.agent(output_schema="{}")


class NotebookTest(unittest.TestCase):
    HOSTILE = "</pre><script>alert('x')</script>&\"<img src=x onerror=alert(1)>"

    def test_a_run_is_shown_with_what_led_to_it(self):
        with tempfile.TemporaryDirectory() as folder:
            html = toccata.Agent("nano", ledger=f"{folder}/runs.db", temperature=0).run("What is 48213 * 977 + 5?")._repr_html_()
        self.assertIn("print(48213 * 977 + 5)", html)
        self.assertGreaterEqual(html.count("47104106"), 2, "in the output and in the answer")
        self.assertIn("<summary>code</summary>", html)

    def test_nothing_of_a_run_becomes_markup(self):
        text = self.HOSTILE
        items = [
            {"type": "reasoning", "text": text},
            {"type": "agent_message", "phase": "preamble", "text": text},
            {"type": "command_execution", "command": text, "aggregated_output": text, "status": "failed"},
            {"type": "mcp_tool_call", "server": text, "tool": text, "arguments": {text: text}, "result": {"content": [{"text": text}]}},
            {"type": "mcp_tool_call", "server": "f", "tool": "g", "arguments": text, "error": {"message": text}},
            {"type": "web_search", "query": text, "result": text},
            {"type": "error", "message": text},
            {"type": text},
        ]
        for code in (0, 1):
            html = toccata.Result(text, code, text, text, text, {}, items)._repr_html_()
            self.assertNotIn("<script", html)
            self.assertNotIn("<img", html)
            self.assertEqual(html.count("<pre"), html.count("</pre>"))
            self.assertIn("&lt;script&gt;", html)

    def test_it_is_bounded(self):
        items = [{"type": "reasoning", "text": "a" * 100_000}] * 1000
        self.assertLess(len(toccata.Result("", 0, "", "", "", {}, items)._repr_html_()), 5_000_000)

    def test_a_cut_character_does_not_break_the_display(self):
        with toccata.Sandbox() as sandbox:
            self.assertIn("Outcome ok", repr(sandbox.execute("print('a' + 'é' * 100)")))


if __name__ == "__main__":
    unittest.main()
