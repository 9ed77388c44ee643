#!/usr/bin/env python3
"""The tasks nano is trained and judged on: questions in many wordings, the Python that answers them, the answer.

    python3 examples/nano/tasks.py --n 100 --wording unseen --seed 7     held-out tasks as JSON Lines

A kind of task is a generator of operands, the program nano should write, the sentence it should answer with, and two
lists of wordings: those it is trained on and those it never sees in training. Every answer is what the program printed
when it was executed here. Plain Python, no packages.
"""

import argparse
import contextlib
import dataclasses
import io
import functools
import json
import random
import string

import phrases
import wordings

WORDS = """apple banana river mountain window garden silver purple yellow orange bottle candle pencil market dragon
castle winter summer spring autumn thunder forest bridge hammer kitchen library monkey rabbit tiger planet rocket
guitar violin mirror carpet blanket button basket pepper ginger butter cheese coffee pillow ladder lantern harbor
island desert valley meadow falcon turtle spider beetle mustard velvet copper marble tunnel engine wagon saddle
whisper shadow puzzle riddle ticket parcel letter stamp pocket jacket helmet shovel tractor barrel anchor mississippi
hello world python banana strawberry committee balloon address success grammar""".split()


@dataclasses.dataclass(frozen=True)
class Task:
    kind: str
    question: str
    code: str | None  # what nano should run; None: it answers at once
    output: str  # what the code prints
    answer: str


def number(rng: random.Random, digits: int) -> int:
    """A number of up to `digits` digits, every length equally likely."""
    n = rng.randint(1, digits)
    if n > 2 and rng.random() < 0.1:  # repeated digits are the hardest to copy
        few = [rng.choice("123456789"), rng.choice("0123456789")]
        return int(few[0] + "".join(rng.choice(few) for _ in range(n - 1)))
    return rng.randint(10 ** (n - 1) if n > 1 else 0, 10**n - 1)


def operand(rng: random.Random) -> str:
    """An operand as people type them: mostly whole, at times negative or with decimals."""
    chance = rng.random()
    if chance < 0.06:
        return f"{number(rng, 4)}.{rng.randint(0, 99):02d}".rstrip("0").rstrip(".")
    if chance < 0.11:
        return f"-{rng.randint(1, 999)}"
    return str(number(rng, 7 if chance < 0.4 else 5 if chance < 0.7 else 3))


def word(rng: random.Random) -> str:
    if rng.random() < 0.5:
        return rng.choice(WORDS)
    return "".join(rng.choice(string.ascii_lowercase) for _ in range(rng.randint(3, 9)))


def integers(rng: random.Random) -> list[int]:
    return [number(rng, rng.choice([2, 3, 4])) for _ in range(rng.choice([2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8]))]


SYMBOLS = {
    "+": ["+", "+", "+", "plus", "added to"],
    "-": ["-", "-", "-", "minus"],
    "*": ["*", "*", "x", "times", "multiplied by", "×"],
    "/": ["/", "/", "divided by", "over", "÷"],
    "**": ["**", "^", "to the power of", "raised to"],
    "%": ["%", "mod", "modulo"],
    "//": ["//"],
}


def spelled(rng: random.Random, tokens: list[str]) -> str:
    """An expression as a person may write it: symbols or words, with or without spaces."""
    style = rng.random()
    shown = []
    for token in tokens:
        options = SYMBOLS.get(token)
        if options is None:
            shown.append(token)
        else:
            symbolic = [o for o in options if not o.isalpha() and " " not in o]
            shown.append(rng.choice(symbolic if style < 0.7 else options))
    text = " ".join(shown).replace("( ", "(").replace(" )", ")")
    if style < 0.12:
        text = text.replace(" ", "")
    return text


def tight(tokens: list[str]) -> str:
    """The same as Python: one space round operators, none inside brackets."""
    return " ".join(tokens).replace("( ", "(").replace(" )", ")")


# Wordings. {e} is the expression or the list or the word; others are named below.
EVALUATE = [
    "what is {e}?", "what's {e}?", "whats {e}", "what is {e}", "calculate {e}", "calculate {e}.", "compute {e}", "compute {e}.",
    "work out {e}", "evaluate {e}", "evaluate {e}.", "find {e}", "solve {e}", "{e}", "{e} =", "{e} = ?", "{e}?", "how much is {e}?",
    "how much is {e}", "tell me {e}", "tell me what {e} is", "give me {e}", "i need {e}", "what does {e} equal?", "what does {e} come to?",
    "{e} equals what?", "what is the result of {e}?", "what is the value of {e}?", "give me the result of {e}", "find the value of {e}",
    "i want to know {e}", "do you know what {e} is?", "show me {e}", "figure out {e}", "determine {e}", "what do you get for {e}?",
    "the answer to {e}?", "result of {e}?", "use python to compute {e}", "calculate this: {e}", "compute the following: {e}",
]
EVALUATE_UNSEEN = [
    "what would {e} be?", "let me know the value of {e}", "{e} makes what?", "run the numbers on {e}", "i have to know how much {e} is",
    "what number is {e}?", "please do the math for {e}", "get me {e}", "work out the result of {e} for me",
]
OPENINGS_UNSEEN = ["", "", "good morning, ", "would you ", "kindly ", "one more: "]


def list_wordings(*nouns: str) -> list[str]:
    out = []
    for n in nouns:
        out += [
            f"what is the {n} of {{e}}?", f"what's the {n} of {{e}}?", f"find the {n} of {{e}}", f"compute the {n} of {{e}}.", f"calculate the {n} of {{e}}",
            f"give me the {n} of {{e}}", f"{n} of {{e}}", f"{n} of {{e}}?", f"tell me the {n} of {{e}}", f"i need the {n} of {{e}}",
            f"{n}: {{e}}", f"what is the {n} of these numbers: {{e}}?", f"find the {n} of the numbers {{e}}", f"the {n} of {{e}}, please",
            f"work out the {n} of {{e}}", f"determine the {n} of {{e}}", f"show me the {n} of {{e}}", f"which is the {n} of {{e}}?",
        ]
    return out


def list_unseen(*nouns: str) -> list[str]:
    return [w.replace("NOUN", n) for n in nouns for w in (
        "take {e} and tell me the NOUN", "what would be the NOUN of {e}?", "for the numbers {e}, give the NOUN", "here is a list: {e}. what is its NOUN?",
        "let me have the NOUN of {e}")]


def arithmetic(rng):
    n = rng.choice([2, 2, 2, 3, 3, 4])
    ops = [rng.choice("++--***") for _ in range(n - 1)]
    tokens = [operand(rng)]
    for op in ops:
        tokens += [op, operand(rng).lstrip("-")]
    if n >= 3 and rng.random() < 0.35:
        i = 2 * rng.randrange(n - 1)
        tokens = tokens[:i] + ["("] + tokens[i : i + 3] + [")"] + tokens[i + 3 :]
    e = tight(tokens)
    decimal = "." in e
    slots = {"e": spelled(rng, tokens)}
    if n == 2 and "-" not in tokens[0]:
        named = {"+": phrases.SUM_OF_TWO, "-": phrases.DIFFERENCE, "*": phrases.PRODUCT}[tokens[1]]
        slots |= {"a": tokens[0], "b": tokens[2], "named": named}
    return slots, f"print(round({e}, 4))" if decimal else f"print({e})", e + " = {out}"


def division(rng):
    a, b = number(rng, 6), rng.randint(2, 9999 if rng.random() < 0.3 else 99)
    if rng.random() < 0.06:
        b = 0
    e = f"{a} / {b}"
    if b == 0:
        return {"e": spelled(rng, [str(a), "/", "0"])}, f"print(round({e}, 4))", "Division by zero has no result."
    return {"e": spelled(rng, [str(a), "/", str(b)]), "a": a, "b": b, "named": phrases.RATIO}, f"print(round({e}, 4))", e + " = {out}"


def power(rng):
    a, b = rng.choice([(rng.randint(2, 9), rng.randint(2, 12)), (rng.randint(10, 99), rng.randint(2, 5)), (rng.randint(100, 999), rng.randint(2, 3))])
    return {"e": spelled(rng, [str(a), "**", str(b)]), "a": a, "b": b, "named": phrases.POWER}, f"print({a} ** {b})", f"{a} ** {b} = {{out}}"


def squares(rng):
    a = number(rng, 5)
    exponent, name = rng.choice([(2, "square"), (2, "square"), (3, "cube")])
    return {"a": a, "p": name, "pd": name + "d"}, f"print({a} ** {exponent})", f"{a} ** {exponent} = {{out}}"


def remainder(rng):
    a, b = number(rng, 6), rng.randint(2, 999)
    return {"a": a, "b": b, "e": spelled(rng, [str(a), "%", str(b)])}, f"print({a} % {b})", f"{a} % {b} = {{out}}"


def quotient(rng):
    a, b = number(rng, 6), rng.randint(2, 999)
    return {"a": a, "b": b}, f"print({a} // {b})", f"{a} // {b} = {{out}}"


def shown_list(rng, xs):
    style = rng.random()
    if style < 0.5:
        return ", ".join(map(str, xs))
    if style < 0.75:
        return ", ".join(map(str, xs[:-1])) + f" and {xs[-1]}"
    if style < 0.9:
        return "[" + ", ".join(map(str, xs)) + "]"
    return " ".join(map(str, xs))


def of_list(code, answer):
    def make(rng):
        xs = integers(rng)
        return {"e": shown_list(rng, xs)}, code.replace("LIST", "[" + ", ".join(map(str, xs)) + "]"), answer

    return make


def unary(code, answer, draw):
    def make(rng):
        a = draw(rng)
        return {"a": a}, code.replace("A", str(a)), answer.replace("A", str(a))

    return make


def pair(code, answer, draw):
    def make(rng):
        a, b = draw(rng)
        return {"a": a, "b": b}, code.replace("{a}", str(a)).replace("{b}", str(b)), answer.replace("{a}", str(a)).replace("{b}", str(b))

    return make


def text_task(code, answer):
    def make(rng):
        w = word(rng)
        letter = rng.choice(w) if rng.random() < 0.8 else rng.choice(string.ascii_lowercase)
        shown = rng.choice([w, f'"{w}"', f"'{w}'", w.capitalize() if False else w])
        return {"w": shown, "l": rng.choice([letter, letter, f"'{letter}'", f'"{letter}"'])}, code.replace("W", f'"{w}"').replace("L", f'"{letter}"'), answer.replace("L", letter)

    return make


THINGS = ["apples", "books", "pens", "coins", "eggs", "tickets", "cards", "chairs", "bottles", "stamps", "marbles", "cookies", "pencils", "stones", "cats", "balls", "flowers", "keys", "cups", "toys", "shoes", "lamps", "letters", "boats", "cakes", "birds", "dogs", "trees", "hats", "points", "dollars", "people", "oranges", "candles"]
NAMES = ["Tom", "Anna", "Ben", "Maria", "Sam", "Lucy", "Omar", "Nina", "Paul", "Eva", "Leo", "Mia", "Jack", "Emma", "Noah", "Lena", "Karl", "Ida", "Peter", "Julia", "Ali", "Yuki", "Marco", "Sofia"]


def story(op):
    def make(rng):
        a, b = number(rng, 4) + 2, number(rng, 3) + 1
        if op == "-" and b > a:
            a, b = b, a
        slots = {"a": a, "b": b, "t": rng.choice(THINGS), "n": rng.choice(NAMES)}
        return slots, f"print({a} {op} {b})", f"{a} {op} {b} = {{out}}"

    return make


# kind: (weight, generator, trained wordings, held-out wordings)
KINDS = {
    "arithmetic": (6, arithmetic, EVALUATE, EVALUATE_UNSEEN),
    "division": (2, division, EVALUATE + ["divide {e}".replace("{e}", "{e}")], EVALUATE_UNSEEN),
    "power": (1.5, power, EVALUATE, EVALUATE_UNSEEN),
    "square_cube": (1, squares, ["what is {a} {pd}?", "{a} {pd}", "the {p} of {a}", "what is the {p} of {a}?", "find the {p} of {a}", "{pd} {a}?", "compute {a} {pd}", "calculate the {p} of {a}.",
                    "give me the {p} of {a}", "tell me {a} {pd}", "{p} {a}", "please {p} {a}", "what's {a} {pd}?", "{p} of {a}?", "how much is {a} {pd}?", "work out {a} {pd}", "show me the {p} of {a}", "i need the {p} of {a}"],
                    ["what do you get when you {p} {a}?", "take {a} and {p} it", "let me know the {p} of {a}", "if i {p} {a}, what do i get?"]),
    "remainder": (1.5, remainder, EVALUATE[:20] + ["what is the remainder of {a} divided by {b}?", "remainder of {a} / {b}", "find the remainder when {a} is divided by {b}", "what remains when {a} is divided by {b}?",
                  "what is left over when {a} is divided by {b}?", "divide {a} by {b} and give me the remainder", "the remainder of {a} by {b}?", "compute the remainder of {a} and {b}", "what's the remainder of {a} / {b}?",
                  "calculate the remainder of {a} divided by {b}", "tell me the remainder when {a} is divided by {b}", "remainder when {a} is divided by {b}?"] * 2,
                  ["if i divide {a} by {b}, what is the remainder?", "dividing {a} by {b} leaves what remainder?", "let me know the remainder of {a} over {b}"]),
    "quotient": (1, quotient, ["what is the whole number part of {a} / {b}?", "integer division of {a} by {b}", "how many times does {b} fit into {a}?", "how many times does {b} go into {a}?", "{a} // {b}", "what is {a} // {b}?",
                 "compute {a} // {b}", "how often does {b} fit into {a}?", "whole number division of {a} by {b}", "divide {a} by {b} without remainder", "what is the quotient of {a} and {b}?", "find the integer quotient of {a} and {b}",
                 "how many whole times does {b} fit in {a}?", "calculate the integer division of {a} by {b}", "give me the quotient of {a} and {b}", "how many times can i take {b} from {a}?", "what is the integer part of {a} / {b}?"],
                 ["if i divide {a} by {b}, what is the whole part?", "how many times will {b} fit in {a}?", "let me know the integer quotient of {a} by {b}"]),
    "sum": (1.5, of_list("print(sum(LIST))", "The sum is {out}."), list_wordings("sum", "total") + ["add {e}", "add up {e}", "sum {e}", "add these numbers: {e}", "add together {e}", "sum up {e}", "what do {e} add up to?", "total up {e}"] * 2,
            list_unseen("sum", "total") + ["if i add {e}, what do i get?"]),
    "mean": (1.5, of_list("x = LIST\nprint(round(sum(x) / len(x), 4))", "The mean is {out}."), list_wordings("mean", "average") + ["average {e}", "average these: {e}", "what do {e} average?", "mean value of {e}", "on average, how much is {e}?"] * 2,
             list_unseen("mean", "average")),
    "max": (1, of_list("print(max(LIST))", "The largest is {out}."), list_wordings("maximum", "largest", "biggest") + ["which is the largest of {e}?", "which number is biggest: {e}?", "what is the largest number in {e}?", "largest number of {e}", "which of {e} is the greatest?"] * 3,
            list_unseen("maximum", "largest")),
    "min": (1, of_list("print(min(LIST))", "The smallest is {out}."), list_wordings("minimum", "smallest") + ["which is the smallest of {e}?", "which number is smallest: {e}?", "what is the smallest number in {e}?", "smallest number of {e}", "which of {e} is the lowest?"] * 3,
            list_unseen("minimum", "smallest")),
    "sort": (1.5, of_list("print(sorted(LIST))", "Sorted: {out}"), ["sort {e}", "sort these numbers: {e}", "sort the list {e}", "sort the numbers {e}", "put {e} in order", "put these in order: {e}", "order {e}", "arrange {e} in ascending order", "arrange these numbers: {e}",
             "sort {e} from smallest to largest", "sort {e} in ascending order", "can you sort {e}?", "please sort {e}", "i need {e} sorted", "what is {e} sorted?", "give me {e} in order", "order these numbers: {e}", "rank {e} from low to high", "sorted list of {e}?"],
             ["give me a sorted version of {e}", "take {e} and sort it", "list {e} from smallest to biggest", "how does {e} look when sorted?"]),
    "factorial": (1, unary("import math\nprint(math.factorial(A))", "A! = {out}", lambda r: r.randint(2, 15)), ["what is {a}!?", "{a}!", "factorial of {a}", "what is the factorial of {a}?", "compute {a}!", "calculate the factorial of {a}", "find {a} factorial", "{a} factorial",
                  "what's {a} factorial?", "give me {a}!", "tell me the factorial of {a}", "evaluate {a}!", "how much is {a}!?", "compute the factorial of {a}.", "factorial({a})", "work out {a} factorial", "i need the factorial of {a}", "the factorial of {a}, please"],
                  ["let me know the factorial of {a}", "what would {a} factorial be?", "get me the factorial of {a}"]),
    "prime": (1.5, unary("n = A\nprint(n > 1 and all(n % i for i in range(2, int(n ** 0.5) + 1)))", "prime", lambda r: number(r, 5)), ["is {a} prime?", "is {a} a prime number?", "is {a} a prime?", "check if {a} is prime", "check whether {a} is a prime number", "tell me if {a} is prime",
              "prime or not: {a}", "{a} prime?", "is the number {a} prime?", "determine if {a} is prime", "find out if {a} is a prime", "can you check if {a} is prime?", "test if {a} is prime", "i want to know if {a} is prime", "do you know if {a} is prime?", "is {a} prime or not?", "would you say {a} is prime?", "please tell me whether {a} is prime"],
              ["could {a} be a prime number?", "let me know whether {a} is prime", "does {a} count as a prime?", "am i right that {a} is prime?"]),
    "gcd": (1, pair("import math\nprint(math.gcd({a}, {b}))", "gcd({a}, {b}) = {out}", lambda r: (lambda g: (g * r.randint(1, 99), g * r.randint(1, 99)))(r.randint(1, 60))), ["what is the gcd of {a} and {b}?", "gcd of {a} and {b}", "gcd({a}, {b})", "find the greatest common divisor of {a} and {b}",
            "greatest common divisor of {a} and {b}?", "compute the gcd of {a} and {b}", "calculate gcd({a}, {b})", "what is the greatest common divisor of {a} and {b}?", "what's the gcd of {a} and {b}?", "give me the gcd of {a} and {b}", "greatest common factor of {a} and {b}", "what is the greatest common factor of {a} and {b}?",
            "tell me the greatest common divisor of {a} and {b}", "i need the gcd of {a} and {b}", "what is the largest number that divides {a} and {b}?", "find gcd of {a}, {b}"],
            ["let me know the gcd of {a} and {b}", "which greatest common divisor do {a} and {b} have?", "for {a} and {b}, what is the gcd?"]),
    "lcm": (1, pair("import math\nprint(math.lcm({a}, {b}))", "lcm({a}, {b}) = {out}", lambda r: (r.randint(2, 300), r.randint(2, 300))), ["what is the lcm of {a} and {b}?", "lcm of {a} and {b}", "lcm({a}, {b})", "find the least common multiple of {a} and {b}", "least common multiple of {a} and {b}?",
            "compute the lcm of {a} and {b}", "calculate lcm({a}, {b})", "what is the least common multiple of {a} and {b}?", "what's the lcm of {a} and {b}?", "give me the lcm of {a} and {b}", "lowest common multiple of {a} and {b}", "what is the smallest common multiple of {a} and {b}?",
            "tell me the least common multiple of {a} and {b}", "i need the lcm of {a} and {b}", "find lcm of {a}, {b}"],
            ["let me know the lcm of {a} and {b}", "which least common multiple do {a} and {b} have?", "for {a} and {b}, what is the lcm?"]),
    "sqrt": (1, unary("import math\nprint(round(math.sqrt(A), 4))", "sqrt(A) = {out}", lambda r: r.choice([r.randint(2, 300) ** 2, number(r, 6) + 2])), ["what is the square root of {a}?", "square root of {a}", "sqrt({a})", "sqrt {a}", "find the square root of {a}", "compute the square root of {a}", "calculate sqrt({a})",
             "what's the square root of {a}?", "what is sqrt({a})?", "√{a}", "give me the square root of {a}", "tell me the square root of {a}", "root of {a}?", "what is the root of {a}?", "the square root of {a}, please", "i need the square root of {a}", "work out the square root of {a}", "evaluate sqrt({a})"],
             ["let me know the square root of {a}", "which number squared gives {a}?", "take the square root of {a}", "what would the square root of {a} be?"]),
    "percent": (1.5, pair("print(round({b} * {a} / 100, 4))", "{a} % of {b} is {out}.", lambda r: (r.randint(1, 99), number(r, 5) + 1)), ["what is {a}% of {b}?", "{a}% of {b}", "{a} percent of {b}", "what is {a} percent of {b}?", "calculate {a}% of {b}", "compute {a} percent of {b}", "find {a}% of {b}", "how much is {a}% of {b}?",
                "what's {a}% of {b}?", "give me {a}% of {b}", "tell me {a} percent of {b}", "{a} % of {b}?", "work out {a}% of {b}", "i need {a}% of {b}", "how much is {a} percent of {b}?", "take {a}% of {b}", "what does {a}% of {b} come to?", "{a} percent of {b} is what?"],
                ["let me know {a}% of {b}", "if something costs {b}, how much is {a}% of it?", "what would {a} percent of {b} be?", "get me {a}% of {b}"]),
    "digit_sum": (1, unary('print(sum(int(d) for d in "A"))', "The digit sum is {out}.", lambda r: r.randint(10, 99999999)), ["what is the digit sum of {a}?", "digit sum of {a}", "sum of the digits of {a}", "what is the sum of the digits of {a}?", "add the digits of {a}", "add up the digits of {a}", "find the digit sum of {a}",
                  "compute the sum of digits of {a}", "calculate the digit sum of {a}", "sum the digits of {a}", "what do the digits of {a} add up to?", "give me the digit sum of {a}", "tell me the sum of the digits in {a}", "what's the digit sum of {a}?", "sum all digits of {a}", "i need the digit sum of {a}"],
                  ["let me know the digit sum of {a}", "take {a} and add its digits", "if you add the digits of {a}, what do you get?"]),
    "reverse": (1.5, text_task("print(W[::-1])", "Reversed: {out}"), ["reverse {w}", "reverse the word {w}", "reverse the string {w}", "spell {w} backwards", "what is {w} backwards?", "write {w} backwards", "{w} backwards", "what is {w} reversed?", "turn {w} around", "please reverse {w}", "can you reverse {w}?", "how do you spell {w} backwards?",
                "what does {w} look like backwards?", "give me {w} backwards", "flip the word {w}", "say {w} backwards", "{w} in reverse", "show me {w} reversed", "reverse this: {w}", "print {w} backwards"],
                ["let me see {w} backwards", "what do you get if you reverse {w}?", "read {w} from the end to the start", "i want {w} reversed"]),
    "length": (1, text_task("print(len(W))", "The length is {out}."), ["how long is {w}?", "how many letters are in {w}?", "length of {w}", "what is the length of {w}?", "count the letters in {w}", "how many characters does {w} have?", "how many letters does {w} have?", "number of letters in {w}", "how long is the word {w}?", "find the length of {w}",
               "how many characters are in {w}?", "what's the length of {w}?", "tell me how long {w} is", "give me the length of {w}", "letters in {w}?", "count the characters of {w}", "how many letters are there in the word {w}?"],
               ["let me know how many letters {w} has", "the word {w} has how many letters?", "what length does {w} have?"]),
    "count": (1.5, text_task("print(W.count(L))", "The letter L appears {out} times."), ["how many {l} are in {w}?", "how many {l}s are in {w}?", "count the letter {l} in {w}", "how often does {l} appear in {w}?", "how many times does {l} appear in {w}?", "how many times does the letter {l} occur in {w}?", "number of {l} in {w}",
              "count {l} in {w}", "how often does the letter {l} occur in {w}?", "how many letters {l} does {w} have?", "count the {l}s in {w}", "tell me how many {l} are in {w}", "how many {l} in {w}?", "how many times is {l} in {w}?", "in {w}, how many {l} are there?", "find the number of {l} in {w}"],
              ["let me know how often {l} is in {w}", "does {w} have many {l}? count them", "the word {w} has how many {l}?"]),
    "upper": (1, text_task("print(W.upper())", "Uppercase: {out}"), ["uppercase {w}", "{w} in uppercase", "write {w} in capital letters", "convert {w} to uppercase", "make {w} uppercase", "capitalize all letters of {w}", "{w} in capitals", "turn {w} into uppercase", "what is {w} in uppercase?", "put {w} in capitals", "please uppercase {w}",
              "give me {w} in upper case", "show {w} in capital letters", "change {w} to upper case", "print {w} in uppercase", "upper case {w}", "write {w} in all caps", "can you uppercase {w}?"],
              ["let me see {w} in capital letters", "i want {w} in all caps", "shout {w} in uppercase"]),
    "c_to_f": (1, unary("print(round(A * 9 / 5 + 32, 2))", "A C is {out} F.", lambda r: r.randint(-40, 250)), ["convert {a} celsius to fahrenheit", "what is {a} C in F?", "{a} C in fahrenheit", "{a} degrees celsius in fahrenheit", "how many fahrenheit is {a} celsius?", "what is {a} degrees celsius in fahrenheit?", "{a} celsius to fahrenheit", "{a} C to F",
               "convert {a} C to F", "how much is {a} celsius in fahrenheit?", "turn {a} degrees celsius into fahrenheit", "what's {a} celsius in fahrenheit?", "change {a} celsius to fahrenheit", "it is {a} celsius, what is that in fahrenheit?", "fahrenheit for {a} celsius?", "give me {a} celsius in fahrenheit"],
               ["let me know {a} celsius in fahrenheit", "express {a} degrees celsius in fahrenheit", "it's {a} C outside. how much is that in F?"]),
    "f_to_c": (1, unary("print(round((A - 32) * 5 / 9, 2))", "A F is {out} C.", lambda r: r.randint(-40, 450)), ["convert {a} fahrenheit to celsius", "what is {a} F in C?", "{a} F in celsius", "{a} degrees fahrenheit in celsius", "how many celsius is {a} fahrenheit?", "what is {a} degrees fahrenheit in celsius?", "{a} fahrenheit to celsius", "{a} F to C",
               "convert {a} F to C", "how much is {a} fahrenheit in celsius?", "turn {a} degrees fahrenheit into celsius", "what's {a} fahrenheit in celsius?", "change {a} fahrenheit to celsius", "it is {a} fahrenheit, what is that in celsius?", "celsius for {a} fahrenheit?", "give me {a} fahrenheit in celsius"],
               ["let me know {a} fahrenheit in celsius", "express {a} degrees fahrenheit in celsius", "it's {a} F outside. how much is that in C?"]),
    "km_to_mi": (1, unary("print(round(A * 0.621371, 3))", "A km is {out} miles.", lambda r: number(r, 4) + 1), ["convert {a} km to miles", "{a} km in miles", "how many miles is {a} km?", "what is {a} kilometers in miles?", "{a} kilometers to miles", "how far is {a} km in miles?", "convert {a} kilometers to miles", "{a} km to miles", "how many miles are {a} kilometers?",
                 "what is {a} km in miles?", "turn {a} km into miles", "change {a} km to miles", "give me {a} km in miles", "what's {a} kilometers in miles?", "{a} kilometers is how many miles?", "miles in {a} km?"],
                 ["let me know {a} km in miles", "express {a} kilometers in miles", "i ran {a} km. how many miles is that?"]),
    "mi_to_km": (1, unary("print(round(A / 0.621371, 3))", "A miles is {out} km.", lambda r: number(r, 4) + 1), ["convert {a} miles to km", "{a} miles in km", "how many km is {a} miles?", "what is {a} miles in kilometers?", "{a} miles to kilometers", "how far is {a} miles in km?", "convert {a} miles to kilometers", "{a} miles to km", "how many kilometers are {a} miles?",
                 "what is {a} miles in km?", "turn {a} miles into km", "change {a} miles to km", "give me {a} miles in km", "what's {a} miles in kilometers?", "{a} miles is how many kilometers?", "kilometers in {a} miles?"],
                 ["let me know {a} miles in km", "express {a} miles in kilometers", "i ran {a} miles. how many km is that?"]),
    "story_add": (1, story("+"), ["{n} has {a} {t} and gets {b} more. how many {t} does {n} have?", "{n} had {a} {t} and bought {b} more. how many now?", "there are {a} {t} and {b} more arrive. how many are there?", "if i have {a} {t} and find {b} more, how many do i have?", "{n} owns {a} {t}. {n} buys {b} more {t}. how many {t} in all?",
                  "a box holds {a} {t}, another holds {b}. how many {t} together?", "i have {a} {t} and get {b} {t} as a gift. how many {t} are mine?", "{n} collected {a} {t} on monday and {b} on tuesday. how many in total?", "{a} {t} are on the table. {n} adds {b}. how many {t} are there?", "{n} has {a} {t}. a friend gives {n} {b} {t}. how many {t} now?"],
                  ["{n} found {a} {t} yesterday and {b} today. what is the total?", "a shop had {a} {t} and received {b} more. how many {t} are there now?"]),
    "story_sub": (1, story("-"), ["{n} has {a} {t} and gives away {b}. how many are left?", "{n} had {a} {t} and lost {b}. how many {t} remain?", "there were {a} {t}. {b} were sold. how many are left?", "if i have {a} {t} and use {b}, how many remain?", "{n} owns {a} {t}. {n} sells {b} {t}. how many {t} are left?",
                  "of {a} {t}, {b} broke. how many {t} are still whole?", "i had {a} {t} and gave {b} to {n}. how many do i have left?", "{n} bakes {a} {t} and eats {b}. how many {t} are left?", "a shop has {a} {t} and sells {b}. how many {t} remain?", "{a} {t} are on the table. {n} takes {b}. how many are left?"],
                  ["from {a} {t}, {n} took {b}. how many stayed?", "a box had {a} {t} and {b} were removed. how many {t} are left?"]),
    "story_mul": (1, story("*"), ["{n} buys {b} {t} at {a} dollars each. how much does {n} pay?", "one box has {a} {t}. how many {t} are in {b} boxes?", "{b} {t} cost {a} dollars each. what is the total price?", "there are {b} bags with {a} {t} each. how many {t} in all?", "each of {b} children has {a} {t}. how many {t} together?",
                  "if one of the {t} costs {a}, how much do {b} cost?", "{n} sells {a} {t} a day. how many in {b} days?", "a ticket costs {a} dollars. how much are {b} tickets?", "{n} packs {b} boxes with {a} {t} each. how many {t} is that?", "how much do {b} {t} cost at {a} dollars each?"],
                  ["{n} orders {b} {t} for {a} dollars each. what does {n} pay?", "every shelf holds {a} {t}. how many are on {b} shelves?"]),
}

REFUSALS = ["what is the weather in {c}?", "what's the weather like in {c} today?", "will it rain in {c} tomorrow?", "who is the president of {c}?", "what is the capital of {c}?", "how many people live in {c}?", "what happened in {c} yesterday?", "what is the news from {c}?",
            "send an email to {n}", "call {n} for me", "book a flight to {c}", "book a hotel in {c}", "order a pizza", "translate hello to the language of {c}", "write a poem about {c}", "write a story about {n}", "who is {n}?", "how old is {n}?", "where does {n} live?", "play some music", "set an alarm for 7",
            "who won the match in {c}?", "what is the stock price of {n}?", "open the door", "draw a picture of {c}", "tell me about the history of {c}", "recommend a restaurant in {c}", "what time is it in {c}?", "who wrote the book about {n}?", "turn on the lights", "what is the best film?", "tell me a joke about {n}", "how tall is {n}?", "where is {c}?"]
REFUSALS_UNSEEN = ["is it cold in {c}?", "remind {n} to call me", "find me a flight to {c}", "who rules {c}?", "write a song about {n}"]
REFUSAL = "I can't help with that: I only compute with Python and chat a little."
NO_PYTHON = "I have no Python tool here, so I can't compute that."
CITIES = ["Oslo", "Paris", "Berlin", "Tokyo", "France", "Norway", "Madrid", "Rome", "Kenya", "Brazil", "London", "Chicago", "Peru", "India", "Vienna", "Cairo"]
CHAT = [
    (["hello", "hi", "hey", "hello!", "hi there", "hey there!", "good morning", "good evening", "hello there", "hi!", "greetings", "good day"], "Hello! Give me something to compute."),
    (["who are you?", "what are you?", "who are you", "what is your name?", "what's your name?", "tell me who you are", "introduce yourself", "what model are you?", "are you a robot?"], "I am nano, a tiny model that computes with Python."),
    (["what can you do?", "what can you help with?", "how can you help me?", "what do you do?", "help", "what are you able to do?", "what are your skills?"], "I can compute with Python: arithmetic, lists, words and units."),
    (["thanks", "thank you", "thanks!", "thank you!", "thank you very much", "thanks a lot", "great, thanks", "many thanks", "thx"], "You are welcome!"),
    (["bye", "goodbye", "see you", "bye!", "good night", "see you later", "that's all"], "Goodbye!"),
    (["how are you?", "how are you", "how is it going?", "how do you do?", "are you ok?", "how are you today?"], "I am fine. What shall I compute?"),
]
DATE = ["what is the date?", "what is today's date?", "which day is it?", "what date is it today?", "today's date?", "tell me the date", "what's the date today?", "what day is today?", "date?", "give me today's date", "do you know the date?"]


def execute(code: str) -> str:
    """What the program prints; '' when it fails."""
    out = io.StringIO()
    try:
        with contextlib.redirect_stdout(out):
            exec(code, {})  # noqa: S102: our own generated programs
    except ZeroDivisionError:
        return ""
    return out.getvalue().rstrip("\n")


@functools.cache
def held_out() -> wordings.HeldOut:
    return wordings.HeldOut([w for _, _, _, unseen in KINDS.values() for w in unseen] + REFUSALS_UNSEEN)


def story_sentence(rng: random.Random, kind: str) -> str:
    if kind == "story_mul":
        text = rng.choice(phrases.EACH)
    else:
        change, ask = (phrases.MORE, phrases.TOTAL) if kind == "story_add" else (phrases.LESS, phrases.REST)
        joint = rng.choice([". ", ". ", " and ", ", then ", "; ", ", "])
        text = rng.choice(phrases.THERE) + joint + rng.choice(change) + rng.choice([". ", ". ", ". ", "; ", ", "]) + rng.choice(ask)
        if rng.random() < 0.15:
            text = "if " + text
    text = text.replace("PLACEs", rng.choice(PLURAL_PLACES)).replace("PLACE", rng.choice(phrases.PLACES))
    while "WHO" in text:
        text = text.replace("WHO", rng.choice(phrases.WHO), 1)
    return text


PLURAL_PLACES = [p + ("es" if p[-1] in "sx" else "s") for p in phrases.PLACES]


def draw_wording(rng: random.Random, kind: str, named: dict | None, wording: str) -> str:
    """A wording with its slots open. wording: "seen" or "train" (seen with noise), "dev", "unseen"."""
    _, _, listed, unseen = KINDS[kind]
    if wording == "unseen":
        return rng.choice(unseen)
    while True:
        if kind.startswith("story"):
            text = rng.choice(listed) if rng.random() < 0.3 else story_sentence(rng, kind)
        elif named and rng.random() < 0.25:
            text = wordings.compose(rng, named, "dev" if wording == "dev" else "train")
        elif wording != "dev" and rng.random() < 0.25:
            text = rng.choice(listed)
        else:
            text = wordings.compose(rng, phrases.PHRASES[kind], "dev" if wording == "dev" else "train")
        if wording == "train":
            text = wordings.noisy(rng, text)
        if held_out().allowed(text):
            return text


def dressed(rng: random.Random, question: str, wording: str) -> str:
    if wording == "unseen":
        first = rng.choice(OPENINGS_UNSEEN)
        if first == "would you " and question.split(" ")[0] not in ("get", "let", "take", "express", "please", "work", "list", "read", "give"):
            first = ""
        return wordings.dressed(rng, question, "train", first)
    return wordings.dressed(rng, question, "dev" if wording == "dev" else "train")


def draw_task(rng: random.Random, kind: str, wording: str) -> Task:
    """One task of this kind; wording as in draw_wording."""
    slots, code, answer = KINDS[kind][1](rng)
    template = draw_wording(rng, kind, slots.pop("named", None), wording)
    question = dressed(rng, template.format(**slots), wording)
    out = execute(code)
    if kind == "prime":
        a = slots["a"]
        answer = f"Yes, {a} is prime." if out == "True" else f"No, {a} is not prime."
    return Task(kind, question, code, out, answer.replace("{out}", out))


def draw_kind(rng: random.Random) -> str:
    kinds = list(KINDS)
    return rng.choices(kinds, [KINDS[k][0] for k in kinds])[0]


def refusal(rng: random.Random, wording: str = "seen") -> Task:
    while True:
        template = rng.choice(REFUSALS_UNSEEN if wording == "unseen" else REFUSALS)
        if wording == "train":
            template = wordings.noisy(rng, template)
        if wording == "unseen" or held_out().allowed(template):
            break
    question = template.format(c=rng.choice(CITIES), n=rng.choice(NAMES))
    return Task("refusal", dressed(rng, question, wording), None, "", REFUSAL)


def chat(rng: random.Random) -> Task:
    questions, answer = rng.choice(CHAT)
    question = rng.choice(questions)
    return Task("chat", question[:1].upper() + question[1:] if rng.random() < 0.5 else question, None, "", answer)


def date_question(rng: random.Random, date: str) -> Task:
    return Task("date", wordings.dressed(rng, rng.choice(DATE), "train"), None, "", f"Today is {date}.")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, default=100)
    parser.add_argument("--wording", choices=["seen", "dev", "unseen"], default="seen")
    parser.add_argument("--seed", type=int, default=7)
    args = parser.parse_args()
    rng = random.Random(f"held-out {args.seed}")  # training draws from integer seeds
    for i in range(args.n):
        kind = list(KINDS)[i % len(KINDS)] if i < len(KINDS) else draw_kind(rng)
        task = draw_task(rng, kind, args.wording)
        print(json.dumps({"id": f"{args.wording}-{i}", "kind": task.kind, "wording": args.wording, "question": task.question, "expected_final": task.answer}, ensure_ascii=False))


if __name__ == "__main__":
    main()
