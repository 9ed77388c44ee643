"""Conversations of an agent with more than one tool: look things up, cite, compute with what was found, mend code."""

import json
import pathlib
import random
import re

import conversations
import lookup
import repair
import tasks
import vocabulary

LOOKING = "I will look this up."
COMPUTING = "Now I compute."
NO_BROWSER = "I have no browser here, so I can't look that up."

PHRASES = [
    "\n**viewing lines [0 - ", "**\n\nL0: # Search Results\nL1: \nL2: ", "  * 【0†", "†local】 # ", " (file:///tmp/", "**\n\nL0: \nL1: URL: file:///tmp/", '{"query": "', '{"id": ', "No results.", " to=browser.search code",
    " to=browser.open code", " to=browser.find code", "] Find results for text: `", "/find?pattern=", "†match at L", '{"pattern": "', "browser.find", "browser.search", "browser.open", "NameError: name '", "' is not defined", "SyntaxError: '(' was never closed", "AttributeError: module 'math' has no attribute '", 'TypeError: can only concatenate str (not "int") to str', "It prints ", " 【1†L", "    ~~~~", "    ^^^^",
]


def load_lookups(path: pathlib.Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def vocabulary_text(rng: random.Random, lookups: list[dict]) -> list[str]:
    """What the vocabulary's further merges are learnt from."""
    out = []
    for r in rng.sample(lookups, min(3000, len(lookups))):
        out += [lookup.question_text(rng, r, "seen"), re.sub(r"/tmp/\w+/", "/tmp/", r["search"] + "\n" + r.get("open", "") + "\n" + r.get("find", "")), lookup.answer_text(r, 1)]
    for _ in range(3000):
        r = repair.draw(rng, 1, "seen")
        out += [r.question, r.answer] + [text for run in r.runs for text in run]
    return out


def shifted(output: str, cursor: int) -> str:
    """A page as it is shown at another place of the browser's stack."""
    return re.sub(r"^\[\d+\]", f"[{cursor}]", output)


class Talk:
    """One conversation as it grows: how many cells ran, how many pages were shown."""

    def __init__(self, rng, v, effort, python, browser):
        self.rng, self.b, self.effort, self.python, self.browser = rng, conversations.Builder(v), effort, python, browser
        self.cells = self.pages = 0

    def think(self, text, train):
        if self.effort != "low":
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
        if r["case"] == "lacking":
            return 0
        # What is cited is the page that was opened; the hits are a page of their own.
        find = shifted(r["find"], self.pages)
        self.b.call("browser.find", json.dumps({"pattern": r["sentence"]}), find, train)
        self.pages += 1
        return self.pages - 2


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
            code = f"print({expression})"
            output = tasks.execute(code)
            answer = f"{expression} = {output} 【{cursor}†L{r['line']}】"
            if train:
                talk.think(COMPUTING, train)
                talk.cells += 1
                b.call("python", code, output, train)
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
    b.user(task.question)
    b.add("<|start|>", "assistant")
    if train:
        talk.compute(task, train)
    b.final(task.answer, train, last)


def conversation(rng: random.Random, v: vocabulary.Vocabulary, lookups: list[dict], wording: str = "train"):
    """(ids, their weights); over half are those of conversations.py."""
    if rng.random() < 0.6:
        return conversations.conversation(rng, v, wording)
    date = f"{rng.randint(2024, 2029)}-{rng.randint(1, 12):02d}-{rng.randint(1, 28):02d}"
    effort = rng.choice(conversations.EFFORTS + ["medium"])
    looking = rng.random() < 0.55
    browser = rng.random() < (0.9 if looking else 0.3)
    python = rng.random() < (0.7 if browser else 0.97)
    talk = Talk(rng, v, effort, python, browser)
    talk.b.system(date, effort, python, browser)
    turns = rng.choices([1, 2], [0.9, 0.1])[0]
    for i in range(turns):
        last = i == turns - 1
        turn(talk, rng, rng.choice(lookups) if looking else None, date, last or rng.random() < 0.8, last, wording)
    return talk.b.ids, talk.b.weights
