"""What nano can compute: one `Kind` per sort of question (standard library only)."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field

WORDS = ("banana apple orange strawberry mississippi harmony python toccata computer elephant bottle "
         "language keyboard mountain chocolate butterfly holiday umbrella notebook sunflower "
         "parallel committee bookkeeper hello world letter monday november rhythm zebra").split()
NAMES = "Tom Anna Ben Maria Lisa Paul Emma Noah Mia John Sara Omar Ivan Nina Leo Ada".split()
THINGS = ("apples books pens tickets cards eggs coins shirts cups stamps marbles chairs bottles "
          "pencils oranges cookies boxes stickers lamps bags").split()


@dataclass
class Kind:
    """Wordings of a kind and the function that draws an instance."""

    name: str
    weight: float
    draw: Callable[[random.Random], dict]
    nouns: list[str] = field(default_factory=list)
    sentences: list[str] = field(default_factory=list)
    held_nouns: list[str] = field(default_factory=list)
    held_sentences: list[str] = field(default_factory=list)
    shout: bool = True


def integer(rng: random.Random, longest: int = 7, negative: float = 0.06) -> str:
    """An operand of 1 to `longest` digits, sometimes negative."""
    digits = rng.randint(1, longest)
    value = rng.randint(10 ** (digits - 1) if digits > 1 else 0, 10 ** digits - 1)
    return str(-value if value and rng.random() < negative else value)


def number(rng: random.Random, decimals: bool) -> str:
    """An operand, with a decimal part when asked for."""
    text = integer(rng, 5 if decimals else rng.choice([3, 5, 7]))
    if decimals and rng.random() < 0.7:
        text += "." + str(rng.randint(1, 9)) if rng.random() < 0.5 else f".{rng.randint(1, 99):02d}"
    return text


SPOKEN = {"+": ["plus"], "-": ["minus"], "*": ["times", "multiplied by"], "/": ["divided by", "over"]}
SIGNS = {"+": ["+"], "-": ["-"], "*": ["*", "*", "*", "x", "x", "×"], "/": ["/", "/", "/", "÷"]}


def arithmetic(ops: str, least: int, most: int) -> Callable[[random.Random], dict]:
    """Expressions of `least` to `most` numbers with operators out of `ops`."""

    def draw(rng: random.Random) -> dict:
        count = rng.randint(least, most)
        decimals = rng.random() < 0.12
        values = [number(rng, decimals) for _ in range(count)]
        chosen = [rng.choice(ops) for _ in range(count - 1)]
        for i, op in enumerate(chosen):
            if op == "-":
                values[i + 1] = values[i + 1].lstrip("-")
            if op == "/":
                values[i + 1] = values[i + 1].lstrip("-")
                if not float(values[i + 1]):
                    values[i + 1] = "7"
        opening = closing = -1
        if count > 2 and rng.random() < 0.4:
            opening = rng.randrange(count - 1)
            closing = rng.randrange(opening + 1, count)
            if opening == 0 and closing == count - 1:
                closing -= 1
        spoken = rng.random() < 0.35
        tight = not spoken and rng.random() < 0.2 and not any(v.startswith("-") for v in values[1:])
        said, code = [], []
        for i, value in enumerate(values):
            piece = "(" * (i == opening) + value + ")" * (i == closing)
            said.append(piece)
            code.append(piece)
            if i < count - 1:
                said.append(rng.choice((SPOKEN if spoken and rng.random() < 0.8 else SIGNS)[chosen[i]]))
                code.append(chosen[i])
        expression = " ".join(code)
        try:
            eval(expression)
        except ZeroDivisionError:
            return draw(rng)
        rounded = decimals or "/" in chosen
        result = {"slots": {"x": ("" if tight else " ").join(said)},
                  "code": f"print(round({expression}, 4))" if rounded else f"print({expression})",
                  "final": lambda out: f"{expression} = {out}"}
        if count == 2 and opening < 0 and rng.random() < 0.4:
            a, b = values
            forms = {"+": ["the sum of {a} and {b}", "{a} and {b} added together", "the total of {a} and {b}"],
                     "-": ["the difference of {a} and {b}", "{a} take away {b}", "{b} subtracted from {a}",
                           "{b} less than {a}", "the difference between {a} and {b}"],
                     "*": ["the product of {a} and {b}", "{a} and {b} multiplied"],
                     "/": ["the quotient of {a} and {b}", "the ratio of {a} to {b}"]}[chosen[0]]
            verbs = {"+": ["Add {a} and {b}.", "Add {b} to {a}.", "Sum {a} and {b}.", "Add up {a} and {b}.",
                           "What do I get if I add {b} to {a}?", "Please add {a} and {b}.",
                           "Increase {a} by {b}."],
                     "-": ["Subtract {b} from {a}.", "Take {b} away from {a}.", "Decrease {a} by {b}.",
                           "What is left if I take {b} from {a}?", "What do I get if I subtract {b} from {a}?"],
                     "*": ["Multiply {a} by {b}.", "Multiply {a} and {b}.", "Multiply {a} with {b}.",
                           "What do I get if I multiply {a} by {b}?", "Please multiply {a} by {b}."],
                     "/": ["Divide {a} by {b}.", "Please divide {a} by {b}.", "Split {a} by {b}.",
                           "What do I get if I divide {a} by {b}?"]}[chosen[0]]
            result["slots"] = {"a": a, "b": b}
            result["cores"] = {"nouns": forms, "sentences": verbs, "only": True}
        return result

    return draw


def simple(make: Callable[[random.Random], dict], code: str, final: str) -> Callable[[random.Random], dict]:
    """A kind whose code and final are formats over the slots; {r} is the output."""

    def draw(rng: random.Random) -> dict:
        slots = make(rng)
        return {"slots": slots, "code": code.format(**slots),
                "final": lambda out: final.format(r=out, **slots)}

    return draw


def number_list(rng: random.Random) -> dict:
    """A list as people type it ({l}) and as code ({c})."""
    longest = rng.choice([2, 2, 3, 4])
    values = [integer(rng, longest, 0.04) for _ in range(rng.randint(3, 6))]
    plain = ", ".join(values)
    said = rng.choice([plain, plain, f"[{plain}]", ", ".join(values[:-1]) + " and " + values[-1], " ".join(values)])
    return {"l": said, "c": plain}


def letters(rng: random.Random) -> str:
    """A common word or a random letter string."""
    if rng.random() < 0.4:
        return rng.choice(WORDS)
    return "".join(rng.choice("abcdefghijklmnopqrstuvwxyz") for _ in range(rng.randint(3, 9)))


def quoted(rng: random.Random) -> dict:
    """A string as typed ({q}) and bare ({w})."""
    word = letters(rng)
    return {"q": rng.choice([word, word, f'"{word}"', f"'{word}'"]), "w": word}


def counted(rng: random.Random) -> dict:
    """A string and one letter, mostly one of its own."""
    slots = quoted(rng)
    letter = rng.choice(slots["w"]) if rng.random() < 0.8 else rng.choice("abcdefghijklmnopqrstuvwxyz")
    return {**slots, "k": letter, "j": rng.choice([letter, letter, f'"{letter}"', f"'{letter}'"])}


def pair(longest: int) -> Callable[[random.Random], dict]:
    """Two positive integers, the second not zero."""

    def draw(rng: random.Random) -> dict:
        return {"a": integer(rng, longest, 0), "b": str(int(integer(rng, max(1, longest - 2), 0)) + 2)}

    return draw


def story(rng: random.Random) -> dict:
    """A word problem of one sentence."""
    a, b = integer(rng, 3, 0), integer(rng, 3, 0)
    if rng.random() < 0.4:
        b = f"{rng.randint(1, 99)}.{rng.randint(1, 99):02d}"
        op, texts = "*", PRICE
    else:
        op = rng.choice("+-*")
        texts = {"+": MORE, "-": LESS, "*": EACH}[op]
    code = f"{a} {op} {b}"
    return {"slots": {"a": a, "b": b, "name": rng.choice(NAMES), "thing": rng.choice(THINGS)},
            "code": f"print(round({code}, 4))" if "." in b else f"print({code})",
            "final": lambda out: f"{code} = {out}",
            "cores": {"nouns": [], "sentences": texts, "only": True}}


PRICE = ["{a} {thing} cost {b} each. What is the total?", "How much do {a} {thing} cost at {b} each?",
         "I buy {a} {thing} at {b} each, how much do I pay?", "What do {a} {thing} at {b} each cost?",
         "{name} buys {a} {thing} for {b} each. How much does {name} pay?",
         "What is the price of {a} {thing} at {b} each?", "If I buy {a} {thing} for {b} each, what is the total?"]
MORE = ["{name} has {a} {thing} and buys {b} more. How many {thing} does {name} have?",
        "{name} has {a} {thing} and gets {b} more. How many now?", "I have {a} {thing} and find {b} more, how many do I have?",
        "There are {a} {thing} and {b} more arrive. How many are there?", "If {name} has {a} {thing} and gets {b} more, how many is that?",
        "I had {a} {thing}, then I got {b} more. How many do I have now?"]
LESS = ["{name} has {a} {thing} and gives away {b}. How many are left?", "{name} had {a} {thing} and lost {b}. How many {thing} are left?",
        "I have {a} {thing} and sell {b}, how many are left?", "There are {a} {thing} and {b} are taken. How many are left?",
        "If {name} has {a} {thing} and eats {b}, how many remain?", "I had {a} {thing}, then I gave {b} away. How many do I have now?"]
EACH = ["There are {a} boxes with {b} {thing} each. How many {thing} are there?", "{a} boxes hold {b} {thing} each. How many {thing} in total?",
        "{name} has {a} bags with {b} {thing} in each. How many {thing} is that?", "If {a} bags hold {b} {thing} each, how many are there?",
        "I have {a} boxes of {b} {thing} each, how many {thing} do I have?"]

