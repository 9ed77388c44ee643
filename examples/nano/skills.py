"""Conversations of an agent with more than one tool: look things up, cite, call functions, compute with what came back,
mend code."""

import dataclasses
import json
import pathlib
import random
import re

import conversations
import function_wordings
import functions
import lookup
import repair
import tasks
import vocabulary
import wordings

LOOKING = "I will look this up."
COMPUTING = "Now I compute."
TASK, USING, THEN, NOW = "Task: ", " I will use ", ", then ", "Now I use "  # see plan()
NO_TOOL_FITS = "No tool here does that."
MISTAKEN = 1e-6  # weight of what the assistant has written and should not have, or not so
NO_BROWSER = "I have no browser here, so I can't look that up."

PHRASES = [
    "\n**viewing lines [0 - ", "**\n\nL0: # Search Results\nL1: \nL2: ", "  * 【0†", "†local】 # ", " (file:///tmp/", "**\n\nL0: \nL1: URL: file:///tmp/", '{"query": "', '{"id": ', "No results.", " to=browser.search code",
    " to=browser.open code", " to=browser.find code", "] Find results for text: `", "/find?pattern=", "†match at L", '{"pattern": "', "browser.find", "browser.search", "browser.open", "NameError: name '", "' is not defined", "SyntaxError: '(' was never closed", "AttributeError: module 'math' has no attribute '", 'TypeError: can only concatenate str (not "int") to str', "It prints ", " 【1†L", "    ~~~~", "    ^^^^",
    "# Tools\n\n## functions\n\nnamespace functions {\n", "\n\n# Tools\n\n## functions\n\nnamespace functions {\n", "# Tools\n\n## ", "\n\nnamespace ", "\n} // namespace functions", "\n} // namespace ", "\ntype ", " = (_: {\n", "}) => any;\n", "\n// ", "// ", " to=functions.", " to=", "commentary",
    ": string,\n", ": number,\n", ": boolean,\n", "?: string,\n", "?: number,\n", "?: boolean,\n", ": string[],\n", ": number[],\n", "?: string[],\n", "?: number[],\n", ": {\n    ", "?: {\n    ", ": string,\n    ", ": number,\n    ", ": boolean,\n    ", ',\n    ', "},\n", '" | "',
    '{"', '": "', '": ', '"}', '", "', '": {"', '": ["', '": [', '"]', "}}", "The result: ", '{"error": "', "The tool failed: ", "I will use ", "I have no tool for that.", "No tool here does that.",
]


def load_lookups(path: pathlib.Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def vocabulary_text(rng: random.Random) -> list[str]:
    """What the vocabulary's further merges are learnt from."""
    out = []
    for _ in range(600):
        documents = lookup.corpus(rng, 6)
        out += [d["text"] for d in documents]
        out += [lookup.question_text(rng, r, "seen") for r in lookup.questions(rng, documents, 8)]
    for _ in range(3000):
        r = repair.draw(rng, 1, "seen")
        out += [r.question, r.answer] + [text for run in r.runs for text in run]
    for _ in range(6000):
        r = functions.draw(rng, "seen")
        out += [r.question, functions.declaration("functions", [r.function]), json.dumps(r.arguments), r.result, r.answer]
    return out


def shifted(output: str, cursor: int) -> str:
    """A page as it is shown at another place of the browser's stack."""
    return re.sub(r"^\[\d+\]", f"[{cursor}]", output)


class Talk:
    """One conversation as it grows: how many cells ran, how many pages were shown."""

    def __init__(self, rng, v, effort, python, browser):
        self.rng, self.b, self.effort, self.python, self.browser = rng, conversations.Builder(v), effort, python, browser
        self.cells = self.pages = 0
        self.forgets = False  # what was thought of earlier questions, as an API's clients make it do

    def think(self, text, train):
        if self.effort != "low" and not self.forgets:
            self.b.thought(text, train)

    def compute(self, task, train):
        self.think(conversations.THOUGHT if task.code else conversations.THOUGHT_PLAIN, train)
        if task.code:
            self.cells += 1
            self.b.call("python", task.code, task.output or conversations.traceback(task, self.cells), train)

    def mend(self, r, train):
        self.think(repair.THOUGHT, train)
        for i, (code, output) in enumerate(r.runs):
            if i:
                self.think(repair.MENDING, train)
            self.cells += 1
            # A cell's number stands in its traceback.
            self.b.call("python", code, output.replace('"<cell 1>"', f'"<cell {self.cells}>"'), train)

    def look(self, r, train) -> int:
        """Search, open, find the line; the cursor of the page."""
        self.think(LOOKING, train)
        self.b.call("browser.search", json.dumps({"query": r["name"]}), shifted(r["search"], self.pages), train)
        self.pages += 1
        if r["case"] == "nothing":
            return 0
        self.b.call("browser.open", json.dumps({"id": r["id"]}), shifted(r["open"], self.pages), train)
        self.pages += 1
        # What is cited is the page that was opened; the hits are a page of their own.
        self.b.call("browser.find", json.dumps({"pattern": r["pattern"]}), shifted(r["find"], self.pages), train)
        self.pages += 1
        return self.pages - 2

    def use(self, r: functions.Request, space: str, thought: str, train):
        self.think(thought, train)
        self.b.function_call(f"{space}.{r.function.name}", json.dumps(r.arguments), r.result, train)

    def use_misnamed(self, r: functions.Request, space: str, thought: str, box: list[functions.Function]):
        """A call of a function that is not there, and what the program says to it."""
        name = f"{space}.{functions.misnamed(self.rng, r.function, box)}"
        self.think(thought, MISTAKEN)
        there = (["python"] if self.python else []) + [f"{space}.{f.name}" for f in box]
        self.b.function_call(name, json.dumps(r.arguments), f"Unknown tool {name}. Available: {', '.join(there)}.", MISTAKEN)

    def calculate(self, expression: str, train) -> str:
        """What came back, taken further with python."""
        code = f"print({expression})"
        output = tasks.execute(code)
        self.think(COMPUTING, train)
        self.cells += 1
        self.b.call("python", code, output, train)
        return output


def turn(talk: Talk, rng: random.Random, r: dict | None, date: str, train: bool, last: bool, wording: str) -> None:
    """One question and what answers it. r: a recorded lookup, or None for computing and mending."""
    b = talk.b
    if r is not None:
        two = r["case"] == "fact" and lookup.is_numeric(r) and talk.python and rng.random() < 0.45
        question, expression = lookup.two_tool_text(rng, r, wording) if two else (lookup.question_text(rng, r, wording), "")
        b.user(tasks.dressed(rng, question, wording))
        b.add("<|start|>", "assistant")
        if not talk.browser:
            if train:
                talk.think(conversations.THOUGHT_PLAIN, train)
            b.final(NO_BROWSER, train, last)
            return
        cursor = talk.look(r, train) if train else 0
        answer = lookup.answer_text(r, cursor)
        if two:
            output = talk.calculate(expression, train) if train else tasks.execute(f"print({expression})")
            answer = f"{expression} = {output} 【{cursor}†L{r['line']}】"
        b.final(answer, train, last)
        return
    if talk.python and rng.random() < 0.4:
        fix = repair.draw(rng, 1, wording)
        b.user(fix.question)
        b.add("<|start|>", "assistant")
        if train:
            talk.mend(fix, train)
        b.final(fix.answer, train, last)
        return
    task = conversations.draw_turn(rng, date, talk.python, wording)
    while task.kind == "refusal" and talk.browser:  # what the browser may know is no refusal
        task = conversations.draw_turn(rng, date, talk.python, wording)
    b.user(conversations.asked(rng, task.question))
    b.add("<|start|>", "assistant")
    if train:
        talk.compute(task, train)
    b.final(task.answer, train, last)


SPACES = ["home", "shop", "office", "city", "files", "demo", "tools", "server", "music", "travel", "crm", "assistant", "bank", "weather", "store", "lab"]


@dataclasses.dataclass(frozen=True)
class Errand:
    """What one turn asks of the functions."""

    case: str  # one, field, two, compute, misnamed, missing, plain
    question: str
    requests: list[functions.Request]
    answer: str = ""
    expression: str = ""  # what python is to compute


CASES = {"one": 9, "field": 4, "two": 6.5, "compute": 3, "misnamed": 0.5, "missing": 3, "plain": 1.2}


def errand(rng: random.Random, python: bool, wording: str, case: str | None = None) -> Errand:
    case = case or rng.choices(list(CASES), [0 if c == "compute" and not python else w for c, w in CASES.items()])[0]
    if case == "plain":
        return Errand(case, "", [])
    r = functions.draw(rng, wording, case == "compute")
    joined = lambda tail: wordings.unpunctuated(r.question) + rng.choice(function_wordings.THEN) + tail  # noqa: E731
    if case == "two":
        other = functions.draw(rng, wording)
        while functions.family(other.function.name) & functions.family(r.function.name):
            other = functions.draw(rng, wording)
        return Errand(case, joined(other.question), [r, other], f"{r.answer} {other.answer}")
    if case == "compute":
        op, ways = rng.choice(function_wordings.COMPUTE)
        k = rng.randint(2, 99)
        expression = f"{functions.number_of(r.result)} {op} {k}"
        return Errand(case, joined(rng.choice(ways).format(k=k)), [r], f"{expression} = {tasks.execute(f'print({expression})')}", expression)
    if case == "field":
        result, key, value = functions.long_result(rng, wording)
        ask = rng.choice(function_wordings.ASK_FIELD_UNSEEN if wording == "unseen" else function_wordings.ASK_FIELD).format(k=key)
        return Errand(case, joined(ask), [dataclasses.replace(r, result=result)], f'The result says "{key}": {value}.')
    return Errand(case, r.question, [r], functions.MISSING if case == "missing" else r.answer)


def plan(e: Errand) -> str:
    """The first thought: what is asked for, which the question tells; then what does it, which the toolbox tells."""
    computing = ["compute"] if e.expression else []
    asked = TASK + THEN.join([r.task for r in e.requests] + computing) + "."
    if e.case == "missing":
        return f"{asked} {NO_TOOL_FITS}"
    return asked + USING + THEN.join([r.function.name for r in e.requests] + ["python"] * len(computing)) + "."


def do_errand(talk: Talk, e: Errand, space: str, box: list[functions.Function], date: str, train: bool, last: bool, wording: str) -> None:
    b, rng = talk.b, talk.rng
    if e.case == "plain":
        task = conversations.draw_turn(rng, date, talk.python, wording)
        while task.kind == "refusal":  # what functions may do is no refusal
            task = conversations.draw_turn(rng, date, talk.python, wording)
        b.user(conversations.asked(rng, task.question))
        b.add("<|start|>", "assistant")
        if train:
            talk.compute(task, train)
        b.final(task.answer, train, last)
        return
    b.user(tasks.dressed(rng, e.question, wording))
    b.add("<|start|>", "assistant")
    if train and e.case == "missing":
        talk.think(plan(e), train)
    elif train:
        if e.case == "misnamed":
            talk.use_misnamed(e.requests[0], space, plan(e), box)
        for i, r in enumerate(e.requests):
            talk.use(r, space, f"{NOW}{r.function.name}." if i else plan(e), train)
        if e.expression:
            talk.calculate(e.expression, train)
    b.final(e.answer, train, last)


def with_functions(rng: random.Random, v: vocabulary.Vocabulary, date: str, effort: str, wording: str = "train"):
    python = rng.random() < 0.4
    talk = Talk(rng, v, effort, python, False)
    forgetful = not python and rng.random() < 0.75
    # Where earlier thoughts are gone, only the last turn can be learnt from.
    turns = rng.choices([1, 2, 3, 4], [0.3, 0.55, 0.15, 0] if forgetful else [0.35, 0.25, 0.2, 0.2])[0]
    errands = [errand(rng, python, wording) for _ in range(turns)]
    space = "functions" if rng.random() < 0.6 else rng.choice(SPACES)
    wanted = [r.function for e in errands if e.case != "missing" for r in e.requests]
    absent = [r.function for e in errands if e.case == "missing" for r in e.requests]
    box = functions.toolbox(rng, wanted, rng.choice([1, 2, 2, 3, 4, 5, 6]), wording, absent, 0.15)
    if not box or any(e.question.count(f.name) for e in errands if e.case == "missing" for f in box):
        return with_functions(rng, v, date, effort, wording)
    talk.b.system(date, effort, python, False, space == "functions")
    instructions = f"# Instructions\n\n{rng.choice(conversations.INSTRUCTIONS)}\n\n" if rng.random() < 0.1 else ""
    talk.b.developer(instructions + functions.declaration(space, box))
    for i, e in enumerate(errands):
        last = i == turns - 1
        talk.forgets = forgetful and not last
        do_errand(talk, e, space, box, date, MISTAKEN if talk.forgets else last or rng.random() < 0.8, last, wording)
    return talk.b.ids, talk.b.weights


RESULT_NAMES = ["result", "answer", "value", "total", "number", "out", "sum"]


def response_format(schema: dict) -> str:
    """The developer message of a run whose answer has a schema."""
    return "# Instructions\n\n# Response Formats\n\n## answer\n\n" + json.dumps(schema, separators=(",", ":"))


def computed_by_schema(rng: random.Random, wording: str) -> tuple[tasks.Task, dict, str]:
    """(a computation of one value, the schema of its answer, the answer)"""
    name = rng.choice(RESULT_NAMES)
    while True:
        task = tasks.draw_task(rng, tasks.draw_kind(rng), wording)
        if task.code and task.output and "\n" not in task.output:
            break
    number = re.fullmatch(r"-?\d+(\.\d+)?", task.output)
    kind = "string" if not number else "number" if "." in task.output or rng.random() < 0.4 else "integer"
    schema = {"type": "object", "properties": {name: {"type": kind}}, "required": [name], "additionalProperties": False}
    if rng.random() < 0.2:
        del schema["additionalProperties"]
    value = json.dumps(task.output) if kind == "string" else task.output
    return task, schema, "{" + f'"{name}": {value}' + "}"


def with_schema(rng: random.Random, v: vocabulary.Vocabulary, date: str, effort: str, wording: str = "train"):
    """A computation whose answer is JSON by a schema, as `--output-schema` puts it."""
    talk = Talk(rng, v, effort, True, False)
    talk.b.system(date, effort, True, False)
    task, schema, answer = computed_by_schema(rng, wording)
    talk.b.developer(response_format(schema))
    talk.b.user(conversations.asked(rng, task.question))
    talk.b.add("<|start|>", "assistant")
    talk.compute(task, True)
    talk.b.final(answer, True, True)
    return talk.b.ids, talk.b.weights


SCHEMA_SHARE = 0.05
COMPUTING_SHARE = 0.28  # of all conversations
FUNCTIONS_SHARE = 0.85  # of the others
LOOKING_SHARE = 0.57  # of those that are neither


def conversation(rng: random.Random, v: vocabulary.Vocabulary, lookups: list[dict], wording: str = "train"):
    """(ids, their weights); most are those of conversations.py."""
    if rng.random() < COMPUTING_SHARE:
        return conversations.conversation(rng, v, wording)
    date = f"{rng.randint(2024, 2029)}-{rng.randint(1, 12):02d}-{rng.randint(1, 28):02d}"
    effort = rng.choice(conversations.EFFORTS + ["medium"])
    if rng.random() < SCHEMA_SHARE:
        return with_schema(rng, v, date, effort, wording)
    if rng.random() < FUNCTIONS_SHARE:
        return with_functions(rng, v, date, effort, wording)
    looking = bool(lookups) and rng.random() < LOOKING_SHARE
    browser = rng.random() < (0.82 if looking else 0.3)
    python = rng.random() < (0.7 if browser else 0.97)
    talk = Talk(rng, v, effort, python, browser)
    talk.b.system(date, effort, python, browser)
    turns = rng.choices([1, 2], [0.9, 0.1])[0]
    for i in range(turns):
        last = i == turns - 1
        turn(talk, rng, rng.choice(lookups) if looking else None, date, last or rng.random() < 0.8, last, wording)
    return talk.b.ids, talk.b.weights
