"""Code that people paste, whole or broken: run it as it is, read the error, mend it, run it again.

Errors are the sandbox's own text: `sandbox_output` does what sandbox/interpreter.py does, and a test compares the two.
"""

import contextlib
import dataclasses
import io
import linecache
import random
import traceback

import tasks
import wordings

MISSPELT = {"print": ["prnt", "pirnt", "prin", "printt", "pritn"], "sum": ["summ", "sm", "suum"], "max": ["maxx", "mx"], "min": ["minn", "mim"], "sorted": ["sortd", "sorteed", "srted"],
            "len": ["lenn", "ln", "lem"], "round": ["rond", "roun", "roundd"], "math.sqrt": ["math.squrt", "math.sqr"], "math.gcd": ["math.gdc", "math.gc"], "math.factorial": ["math.factorical", "math.facto"]}
FRAMES = """run CODE|run this: CODE|run this code: CODE|execute CODE|execute this: CODE|what does CODE print?|what is the output of CODE?|what does this print: CODE|please run CODE|can you run CODE?|run the code CODE|run this python: CODE|what comes out of CODE?
try CODE|try this code: CODE|my code is CODE. run it|output of CODE?|what will CODE print?|CODE - what does it print?|show me the output of CODE|tell me what CODE prints|evaluate the code CODE|let python run CODE|start CODE|use python: CODE|give me the output of this code: CODE|i want to run CODE|test this code: CODE|does CODE work?
here is my code: CODE|here is some python: CODE. what does it print?|i wrote CODE. run it please|check what CODE prints|python: CODE|please execute the following code: CODE""".replace("\n", "|").split("|")
UNSEEN_FRAMES = ["what happens when CODE is executed?", "take CODE and run it", "be kind and start the program CODE", "which output has CODE?", "i typed CODE. what should appear?"]
THOUGHT = "I will run this code with python."
MENDING = "The code failed. I will fix it."


@dataclasses.dataclass(frozen=True)
class Repair:
    question: str
    runs: list[tuple[str, str]]  # (code, what the sandbox prints): as given, then mended
    answer: str


def sandbox_output(code: str, cell: int) -> str:
    """What the python tool answers to this code, as the first of its session to define anything."""
    name, names, out = f"<cell {cell}>", {"__name__": "__main__"}, io.StringIO()
    try:
        with contextlib.redirect_stdout(out):
            exec(compile(code, name, "exec"), names)  # noqa: S102: our own generated programs
    except Exception as error:
        trace = error.__traceback__
        while trace and not trace.tb_frame.f_code.co_filename.startswith("<cell"):
            trace = trace.tb_next
        linecache.cache[name] = (len(code), None, (code + "\n").splitlines(True), name)
        out.write("".join(traceback.format_exception(type(error), error, trace)))
    return out.getvalue().rstrip("\n")


def whole_code(rng: random.Random) -> str:
    """A small program that runs; one line of output."""
    kind = rng.choice(["arithmetic", "arithmetic", "division", "power", "sum", "mean", "max", "min", "sort", "sqrt", "gcd", "factorial", "length", "upper", "reverse", "label", "list"])
    if kind == "label":
        return f'print("{rng.choice(["total", "result", "sum", "price", "age", "count"])}: " + str({tasks.number(rng, 3)} {rng.choice("+*")} {tasks.number(rng, 3)}))'
    if kind == "list":
        return f"{rng.choice('abcnxyz')} = {[tasks.number(rng, 3) for _ in range(rng.randint(2, 4))]}\nprint({rng.choice(['sum', 'max', 'min', 'sorted', 'len'])}(V))"
    return tasks.KINDS[kind][1](rng)[1]


def broken(rng: random.Random, code: str) -> str | None:
    """The code with one mistake that its error explains, or None where the drawn mistake has no place."""
    way = rng.choice(["misspell", "misspell", "import", "bracket", "name", "str"])
    if way == "misspell":
        wrong = [(right, bad) for right, bads in MISSPELT.items() for bad in bads if right + "(" in code]
        right, bad = rng.choice(wrong)
        return code.replace(right + "(", bad + "(", 1)
    if way == "import" and code.startswith("import math\n"):
        return code.removeprefix("import math\n")
    if way == "bracket" and "\n" not in code:
        return code[:-1]
    if way == "name" and " = " in code and code[1:4] == " = ":
        head, last = code.split("\n", 1)
        used = rng.choice([c for c in "abcnxyz" if c != head[0]])
        return head + "\n" + last.replace(f"({head[0]})", f"({used})")
    if way == "str" and "str(" in code:
        return code.replace("str(", "(")
    return None


def draw(rng: random.Random, cell: int, wording: str = "train") -> Repair:
    while True:
        code = whole_code(rng)
        if code[1:4] == " = ":
            code = code.replace("(V)", f"({code[0]})")
        given = code if rng.random() < 0.3 else broken(rng, code)
        if given is None:
            continue
        runs = [(given, sandbox_output(given, cell))]
        if given != code:
            if "Error: " not in runs[0][1]:
                continue
            runs.append((code, sandbox_output(code, cell + 1)))
        if "Error" in runs[-1][1] or len(runs[-1][1]) > 60 or "\n" in runs[-1][1]:
            continue
        frame = rng.choice(UNSEEN_FRAMES if wording == "unseen" else FRAMES)
        if wording == "train":
            frame = wordings.noisy(rng, frame.replace("CODE", "{e}")).replace("{e}", "CODE")
        shown = given if "\n" not in given or rng.random() < 0.5 else "\n" + given
        text = frame.replace("CODE", shown)
        first = wordings.opening(rng, "train") if wording == "train" else ""
        return Repair(first + text, runs, f"It prints {runs[-1][1]}")
