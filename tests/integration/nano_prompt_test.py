#!/usr/bin/env python3
"""nano is trained on exactly what runs: the generator's tokens, tracebacks and pages against the program's own."""

import json
import pathlib
import random
import re
import sys
import tempfile
import unittest

import nano_function_cases as function_cases
from live_server import Server
from program import ROOT, TOCCATA, Program

sys.path.insert(0, str(ROOT / "examples/nano"))
sys.dont_write_bytecode = True
import conversations  # noqa: E402
import functions  # noqa: E402
import lookup  # noqa: E402
import repair  # noqa: E402
import skills  # noqa: E402
import vocabulary  # noqa: E402

V = vocabulary.load(ROOT / "examples/nano/weights/tokenizer.json")


def token_log(program: Program) -> list[tuple[str, list[int]]]:
    """(kind, tokens) of every segment of the last run."""
    run = json.loads(program.run("runs", "show", "last", "--json").stdout)
    return [(segment["kind"], segment["tokens"]) for segment in run["segments"]]


class Prompt(unittest.TestCase):
    def test_opening_of_a_run_in_every_combination_of_tools(self):
        for tools in ("none", "python", "browser", "python,browser"):
            for effort in ("low", "medium", "high"):
                with self.subTest(tools=tools, effort=effort), Program() as program, tempfile.TemporaryDirectory() as folder:
                    (pathlib.Path(folder) / "a.md").write_text("# A\n")
                    program.run("index", "add", "--index", f"{folder}/i.db", f"{folder}/a.md")
                    program.run("run", "--tools", tools, "--index", f"{folder}/i.db", "--reasoning", effort, "--max-turns", "1", "--max-step-tokens", "2", "What is 12 * 34?")
                    ours = conversations.Builder(V)
                    segments = token_log(program)
                    opening = [t for kind, tokens in segments for t in tokens if kind != "sampled"]
                    date = re.search(r"Current date: ([0-9-]+)", V.decode(opening))[1]
                    ours.system(date, effort, "python" in tools, "browser" in tools)
                    ours.user("What is 12 * 34?")
                    ours.add("<|start|>", "assistant")
                    self.assertEqual(V.decode(opening[: len(ours.ids)]), V.decode(ours.ids))
                    self.assertEqual(opening[: len(ours.ids)], ours.ids)

    def test_opening_of_a_run_whose_answer_has_a_schema(self):
        schema = {"type": "object", "properties": {"total": {"type": "integer"}}, "required": ["total"], "additionalProperties": False}
        with Program() as program:
            (program.home / "schema.json").write_text(json.dumps(schema))
            done = program.run("run", "--temperature", "0", "--output-schema", str(program.home / "schema.json"), "What is 12 * 34?")
            opening = [t for _, tokens in token_log(program) for t in tokens]
        ours = conversations.Builder(V)
        ours.system(re.search(r"Current date: ([0-9-]+)", V.decode(opening))[1], "medium", True, False)
        ours.developer(skills.response_format(schema))
        ours.user("What is 12 * 34?")
        ours.add("<|start|>", "assistant")
        self.assertEqual(V.decode(opening[: len(ours.ids)]), V.decode(ours.ids))
        self.assertEqual(opening[: len(ours.ids)], ours.ids)
        self.assertIsInstance(json.loads(done.stdout)["total"], int)

    def test_a_whole_run_with_a_call(self):
        with Program() as program:
            done = program.run("run", "--temperature", "0", "--reasoning", "low", "what is 12 * 34?")
            self.assertEqual(done.stdout.strip(), "12 * 34 = 408")
            log = [t for _, tokens in token_log(program) for t in tokens]
        ours = conversations.Builder(V)
        ours.system(re.search(r"Current date: ([0-9-]+)", V.decode(log))[1], "low", True, False)
        ours.user("what is 12 * 34?")
        ours.add("<|start|>", "assistant")
        ours.call("python", "print(12 * 34)", "408", True)
        ours.final("12 * 34 = 408", True, True)
        self.assertEqual(V.decode(log), V.decode(ours.ids))
        self.assertEqual(log, ours.ids)


def spelled(ids: list[int]) -> str:
    """Text with the control tokens' spellings."""
    names = {i: name.encode() for name, i in V.special.items()}
    return b"".join(names.get(i) or V.bytes[i] for i in ids).decode()


def completions_of(builder: conversations.Builder) -> list[str]:
    """What the assistant writes in it, a text a model call."""
    out, part = [], []
    for token, weight in zip(builder.ids, builder.weights):
        if weight:
            part.append(token)
        elif part:
            out.append(spelled(part))
            part = []
    return [*out, spelled(part)]


class WholeConversation(unittest.TestCase):
    """A scripted model says what the generator's assistant says; the program's token log is the generator's text."""

    def play(self, talk, question, *options):
        builder = talk.b
        done = self.program.run("run", "-m", self.program.script(*completions_of(builder)), "--reasoning", talk.effort, *options, question)
        self.assertEqual(done.returncode, 0, done.stderr)
        log = [t for _, tokens in token_log(self.program) for t in tokens]
        text = self.program.dev("decode", requests=[{"id": 0, "tokens": log}])[0]["text"]
        date = re.search(r"Current date: ([0-9-]+)", text)[1]
        self.assertEqual(text, spelled(builder.ids).replace("2020-02-20", date))

    def setUp(self):
        self.program = Program()
        self.addCleanup(self.program.close)

    def test_pasted_code_that_fails(self):
        rng = random.Random(4)
        mended = [r for r in (repair.draw(rng, 1) for _ in range(40)) if len(r.runs) == 2][:6]
        for r in mended:
            talk = skills.Talk(rng, V, "high", True, False)
            talk.b.system("2020-02-20", "high", True, False)
            talk.b.user(r.question)
            talk.b.add("<|start|>", "assistant")
            talk.mend(r, True)
            talk.b.final(r.answer, True, True)
            self.play(talk, r.question)

    def test_functions_of_an_mcp_server(self):
        rng = random.Random(8)
        for i, case in enumerate(["one", "field", "two", "compute", "misnamed", "missing"] * 2):
            e, box = function_cases.errand_of(rng, case, "seen")
            talk = skills.Talk(random.Random(9), V, ["low", "high"][i % 2], True, False)
            talk.b.system("2020-02-20", talk.effort, True, False)
            talk.b.developer(functions.declaration("shop", box))
            skills.do_errand(talk, e, "shop", box, "2020-02-20", True, True, "seen")
            question = re.findall(r"<\|start\|>user<\|message\|>(.*?)<\|end\|>", spelled(talk.b.ids), re.S)[0]
            with self.subTest(question=question), tempfile.TemporaryDirectory() as folder:
                calls = [{"name": r.function.name, "arguments": r.arguments, "result": r.result} for r in e.requests if case != "missing"]
                config = function_cases.mcp_config(pathlib.Path(folder), "shop", box, calls)
                self.play(talk, question, "--tools", "python", "--mcp", str(config))

    def test_functions_of_a_client_of_the_server(self):
        rng = random.Random(10)
        server = Server(self.program, "-m", "nano")
        self.addCleanup(server.close)
        for i in range(40):
            e, box = function_cases.errand_of(rng, "one", "seen")
            r, effort = e.requests[0], ["low", "medium", "high"][i % 3]
            talk = skills.Talk(rng, V, effort, False, False)
            talk.b.system("2020-02-20", effort, False, False, True)
            talk.b.developer(functions.declaration("functions", box))
            talk.b.user(e.question)
            talk.b.add("<|start|>", "assistant")
            talk.use(r, "functions", skills.plan(e), True)
            thought = {} if effort == "low" else {"reasoning": skills.plan(e)}
            call = {"id": "a", "type": "function", "function": {"name": r.function.name, "arguments": json.dumps(r.arguments)}}
            messages = [{"role": "user", "content": e.question}, {"role": "assistant", **thought, "tool_calls": [call]}, {"role": "tool", "tool_call_id": "a", "content": r.result}]
            rendered = server.post("/render", {"messages": messages, "tools": [f.tool() for f in box], "reasoning_effort": effort})
            date = re.search(r"Current date: ([0-9-]+)", rendered["text"])[1]
            self.assertEqual(rendered["text"], spelled(talk.b.ids).replace("2020-02-20", date))

    def test_looking_up_and_computing(self):
        with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as elsewhere:
            records = lookup.recorded(TOCCATA, random.Random(5), 12, 120, pathlib.Path(folder))
            index = f"{elsewhere}/i.db"
            self.program.run("index", "add", "--index", index, folder)
            for case in ("fact", "nothing", "lacking"):
                r = next(r for r in records if r["case"] == case and (case != "fact" or lookup.is_numeric(r)))
                talk = skills.Talk(random.Random(6), V, "medium", True, True)
                talk.b.system("2020-02-20", "medium", True, True)
                skills.turn(talk, random.Random(6), r, "2020-02-20", True, True, "seen")
                question = re.findall(r"<\|start\|>user<\|message\|>(.*?)<\|end\|>", spelled(talk.b.ids), re.S)[0]
                self.play(talk, question, "--tools", "python,browser", "--index", index)


class Evaluation(unittest.TestCase):
    """nano_skills_eval.py's client of the server calls right what is right, and nothing else."""

    def judged(self, case: str, edit) -> bool:
        rng = random.Random(f"evaluation {case}")
        e, box = function_cases.errand_of(rng, case, "seen")
        talk = skills.Talk(rng, V, "medium", False, False)
        skills.do_errand(talk, e, "functions", box, "2020-02-20", True, True, "seen")
        with Program() as program:
            server = Server(program, "-m", program.script(*[edit(text) for text in completions_of(talk.b)]))
            try:
                return function_cases.through_chat(server, function_cases.task_of(rng, "call", [(e, box)], "seen"))["right"]
            finally:
                server.close()

    def test_right_calls_and_answers(self):
        for case in ("one", "field", "two", "missing"):
            self.assertTrue(self.judged(case, lambda text: text), case)

    def test_a_wrong_answer_and_a_wrong_argument(self):
        self.assertFalse(self.judged("missing", lambda text: text.replace("no tool", "a tool")))
        self.assertFalse(self.judged("one", lambda text: text.replace('": ', '_x": ', 1)))


class ToolText(unittest.TestCase):
    def test_output_of_pasted_code_is_the_sandbox_s(self):
        rng = random.Random(1)
        runs = [run for _ in range(150) for run in repair.draw(rng, 1).runs]
        with Program() as program:
            for code, output in runs[:120]:
                # A fresh session each: in the generator a program defines what it uses itself.
                if not hasattr(self, "sandbox"):
                    self.sandbox = program.start("dev", "sandbox", stdin=-1, stdout=-1, text=True)
                session = self.ask(op="open")["session"]
                real = self.ask(op="execute", session=session, code=code)["output"].rstrip("\n")
                self.ask(op="close", session=session)
                self.assertEqual(real, output, code)
            self.sandbox.stdin.close()
            self.sandbox.wait()
            self.sandbox.stdout.close()

    def ask(self, **request) -> dict:
        self.sandbox.stdin.write(json.dumps(request) + "\n")
        self.sandbox.stdin.flush()
        return json.loads(self.sandbox.stdout.readline())

    def test_recorded_pages_hold_the_answer_where_it_is_cited(self):
        with tempfile.TemporaryDirectory() as folder:
            records = lookup.recorded(TOCCATA, random.Random(2), 8, 40, pathlib.Path(folder))
        self.assertGreater(len(records), 30)
        facts = [r for r in records if r["case"] == "fact"]
        for r in facts:
            self.assertIn(f"\nL{r['line']}: {r['sentence']}\n", r["open"] + "\n")
            self.assertTrue(skills.shifted(r["open"], 5).startswith("[5] " + r["name"]))
        self.assertTrue(all("No results." in r["search"] for r in records if r["case"] == "nothing"))


if __name__ == "__main__":
    unittest.main()
