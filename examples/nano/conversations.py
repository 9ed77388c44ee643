"""Whole conversations as token ids, with a weight on the tokens the model writes (0: it reads them)."""

import random

import tasks
import vocabulary

EFFORTS = ["low", "medium", "high"]
THOUGHT = "I will compute this with python."
THOUGHT_PLAIN = "No computation is needed."
CITED = 6  # weight of a cited line's number
INSTRUCTIONS = ["Be brief.", "Answer in English.", "You are a helpful assistant.", "Always be polite.", "Use tools when needed."]

BELOW = ["End with the final answer, a number alone in \\boxed{}.", "End with the final answer.", "Answer with a number alone.", "Give only the result.", "Answer in one line.", "Answer briefly.", "Put the answer in the last line.",
         "Think step by step.", "Do not explain anything.", "Write the answer as a number.", "Be exact.", "Use your tools.", "Reply in English.", "The answer is a single value.", "Please be careful.", "Show the final answer in \\boxed{}.", "Your answer must end with the result."]


class Builder:
    def __init__(self, v: vocabulary.Vocabulary):
        self.v, self.s = v, v.special
        self.ids: list[int] = []
        self.weights: list[float] = []

    def add(self, *parts, train: float = 0):
        """Text is encoded part by part; a control token is named by its spelling."""
        for part in parts:
            ids = [self.s[part]] if part in self.s else self.v.encode(part)
            self.ids += ids
            self.weights += [float(train)] * len(ids)

    def system(self, date, effort, python, browser, functions=False):
        text = vocabulary.IDENTITY + date + "\n\nReasoning: " + effort
        if python or browser:
            text += "\n\n# Tools"
        if browser:
            text += vocabulary.browser_section()
        if python:
            text += vocabulary.python_section()
        text += vocabulary.CHANNELS + (vocabulary.FUNCTIONS if functions else "")
        self.add("<|start|>", "system", "<|message|>", text, "<|end|>")

    def developer(self, text):
        self.add("<|start|>", "developer", "<|message|>", text, "<|end|>")

    def user(self, text):
        self.add("<|start|>", "user", "<|message|>", text, "<|end|>")

    def thought(self, text, train):
        self.add("<|channel|>", "analysis", "<|message|>", text, "<|end|>", "<|start|>", "assistant", train=train)

    def call(self, recipient, content, output, train, author=None):
        """A call of a built-in tool, its answer, and the opening of what the assistant writes next."""
        self.add("<|channel|>", f"analysis to={recipient} code", "<|message|>", content, "<|call|>", train=train)
        self.add("<|start|>", author or recipient, " to=assistant", "<|channel|>", "analysis", "<|message|>", output or vocabulary.NO_OUTPUT, "<|end|>")
        self.add("<|start|>", "assistant")

    def function_call(self, recipient, arguments, result, train):
        """The same for a function: JSON arguments on the commentary channel."""
        self.add("<|channel|>", "commentary", f" to={recipient}", " ", "<|constrain|>", "json", "<|message|>", arguments, "<|call|>", train=train)
        self.add("<|start|>", recipient, " to=assistant", "<|channel|>", "commentary", "<|message|>", result, "<|end|>")
        self.add("<|start|>", "assistant")

    def final(self, text, train, last):
        self.add("<|channel|>", "final", "<|message|>", train=train)
        sentence, mark, line = text.partition("†L")  # a cited line's number is the rarest token and the hardest
        self.add(sentence + mark, train=train)
        self.add(line, train=CITED * train)
        if last:
            self.add("<|return|>", train=train)
        else:
            self.add("<|end|>")


def asked(rng, question):
    """What programs and careful people put below a question; the answer stays the same."""
    return question + rng.choice(["\n\n", "\n\n", "\n", " "]) + rng.choice(BELOW) if rng.random() < 0.08 else question


def draw_turn(rng, date, python, wording):
    chance = rng.random()
    if chance < 0.86:
        task = tasks.draw_task(rng, tasks.draw_kind(rng), wording)
        if not python:
            task = tasks.Task("no_python", task.question, None, "", tasks.NO_PYTHON)
        return task
    if chance < 0.93:
        return tasks.refusal(rng, wording)
    if chance < 0.97:
        return tasks.chat(rng)
    return tasks.date_question(rng, date)


def traceback(task, cell):
    """What the sandbox says of a division by zero."""
    line = task.code
    start = line.index("round(") + 6 if "round(" in line else line.index("(") + 1
    expression = line[start : line.index(", 4)")]
    a, op, b = expression.split(" ")
    carets = " " * start + "~" * len(a + " ") + "^" * len(op) + "~" * len(" " + b)
    return f'Traceback (most recent call last):\n  File "<cell {cell}>", line 1, in <module>\n    {line}\n    {carets}\nZeroDivisionError: division by zero'


def conversation(rng: random.Random, v: vocabulary.Vocabulary, wording: str = "train"):
    """(ids, their weights) of one conversation of one to three turns."""
    b = Builder(v)
    date = f"{rng.randint(2024, 2029)}-{rng.randint(1, 12):02d}-{rng.randint(1, 28):02d}"
    effort = rng.choice(EFFORTS + ["medium"])
    python = rng.random() < 0.95
    browser = rng.random() < 0.08
    b.system(date, effort, python, browser)
    if rng.random() < 0.04:
        b.developer("# Instructions\n\n" + rng.choice(INSTRUCTIONS))
    turns = rng.choices([1, 2, 3], [0.8, 0.14, 0.06])[0]
    whole_log = rng.random() < 0.7  # else earlier turns keep only user and final
    cell = 0
    for i in range(turns):
        last = i == turns - 1
        task = draw_turn(rng, date, python, wording)
        while browser and task.kind == "refusal":  # with a browser, much of it is no refusal
            task = draw_turn(rng, date, python, wording)
        b.user(asked(rng, task.question))
        b.add("<|start|>", "assistant")
        if last or whole_log:
            if effort != "low":
                b.thought(THOUGHT if task.code else THOUGHT_PLAIN, True)
            if task.code:
                cell += 1
                b.call("python", task.code, task.output or traceback(task, cell), True)
        b.final(task.answer, last or whole_log, last)
    return b.ids, b.weights
