"""Frames around a question, and the noise real people type (standard library only).

Everything named HELD is kept out of training: the unseen test draws from it.
"""

import random
import re

FRAMES = """What is {e}?|What's {e}?|what is {e}|Calculate {e}.|Compute {e}.|Work out {e}.|Evaluate {e}.
Find {e}.|Tell me {e}.|Give me {e}.|{e}|{e} =|{e} = ?|{e}?|How much is {e}?|Determine {e}.|Solve {e}.
I need {e}.|I want to know {e}.|Do you know {e}?|Show me {e}.|Get {e}.|{e} is what?|{e} equals what?
What does {e} equal?|What is the value of {e}?|What is the result of {e}?|Work this out: {e}
Answer this: {e}|Solve this: {e}|What do I get for {e}?|What do you get for {e}?|Return {e}.
I want {e}.|Compute the value of {e}.|Find the value of {e}.|Calculate the result of {e}.|Say {e}.
Tell me what {e} is.|Do you know what {e} is?|I want to know what {e} is.|What would {e} be?
How much would {e} be?|Please calculate {e}.|Can you compute {e}?|Can you tell me what {e} is?
Could you work out {e}?|Use python to compute {e}.|Use python: {e}|Run this: {e}|Result of {e}?
My question: {e}|I am looking for {e}.|Help me with {e}.|Let us compute {e}.|{e}, what is it?
Check {e} for me.|How big is {e}?|I wonder what {e} is.|Print {e}.|What number is {e}?|Try {e}."""
FRAMES = [f for line in FRAMES.splitlines() for f in line.split("|")]
HELD_FRAMES = ["Figure out {e}.", "What would {e} come to?", "Let me know {e}.", "May I have {e}?",
               "I would like {e}, can you do it?", "Run the numbers on {e}.",
               "How do I get {e}? Just the answer.", "My boss wants to hear {e}."]

OPENERS = """please|can you|could you|would you|hey,|hi,|hello,|ok,|ok|so|now|and now|um,|well,|also|then
next:|next|quick question:|question:|task:|a small one:|I have a question:|for my homework:|hey there,
could you please|can you please|one more:|again:|good morning,|dear assistant,|let me see,|math time:
right,|great,|thanks, now|another one:|hmm,|I need help:|for school:|listen up:|for the report,|yo
I forgot this:|just for fun,|here it comes:|so tell me,|be quick:|help me:|I am at work, so|first,
in python,|using python,|with your tool,|we have a test:|my son asks this:|before I go,|sorry,"""
OPENERS = [o for line in OPENERS.splitlines() for o in line.split("|")]
HELD_OPENERS = ["excuse me,", "my friend asks:", "one thing:", "I was wondering,", "kindly",
                "last question today:"]
TAILS = """please|for me|thanks|thank you|now|quickly|right now|exactly|if you can|with python|asap
thanks a lot|please and thank you|for my homework|I need it today|it is for work|in your head or not
just the number|no rush|be exact|and hurry|okay|you can use a tool|use python|use your tool|my friend"""
TAILS = [t for line in TAILS.splitlines() for t in line.split("|")]
HELD_TAILS = ["when you have a moment", "before lunch", "I cannot do it myself", "would be lovely"]

FILLER = ("time day people way thing man world life hand part child eye place week case point company "
          "group problem fact good new first last long great little own other old right big high small "
          "large next early young few public bad same able about after back because come could even "
          "from give go here into just know like look make most my no not only our out over people "
          "see she some take than their them then there these they think this two up use want we well "
          "when which who will with work would year your door green house water light table river "
          "paper music garden coffee window train school kitchen letter market winter summer").split()

SLOT = re.compile(r"(\{[^}]*\})")


def noisy(rng: random.Random, template: str, shout: bool = True) -> str:
    """Case, punctuation and typing noise on everything outside the {slots}."""
    roll = rng.random()
    if roll < 0.30:
        template = template.rstrip("?. =") if rng.random() < 0.7 else template.rstrip("?.")
    parts = SLOT.split(template)
    case = rng.random()
    for i in range(0, len(parts), 2):
        text = parts[i]
        if case < 0.25:
            text = text.lower()
        elif case < 0.28 and shout:
            text = text.upper()
        if rng.random() < 0.06 and len(text) > 4:
            at = rng.randrange(1, len(text) - 2)
            if text[at:at + 2].isalpha():
                text = text[:at] + text[at + 1] + text[at] + text[at + 2:] \
                    if rng.random() < 0.5 else text[:at] + text[at + 1:]
        parts[i] = text
    text = "".join(parts).strip()
    if rng.random() < 0.1:
        text += rng.choice(["!", " ?", "??", "...", " .", " :)"])
    return text


def wrap(rng: random.Random, sentence: str, held: str = "") -> str:
    """Openers and tails around a sentence; `held` may name "opener" or "tail" to use held-out ones."""
    roll = rng.random()
    body = sentence.rstrip()
    if held == "opener" or roll < 0.30:
        opener = rng.choice(HELD_OPENERS if held == "opener" else OPENERS)
        if held != "opener" and rng.random() < 0.25:
            opener = " ".join(rng.choices(FILLER, k=rng.randint(1, 6))) + rng.choice([",", ".", ":", " -"])
        low = body[:1].lower() + body[1:] if body[:2] not in ("I ", "I'") else body
        body = f"{opener} {low}"
        if rng.random() < 0.6:
            body = body[:1].upper() + body[1:]
    roll = rng.random()
    if held == "tail" or roll < 0.2:
        tail = rng.choice(HELD_TAILS if held == "tail" else TAILS)
        if held != "tail" and rng.random() < 0.25:
            tail = " ".join(rng.choices(FILLER, k=rng.randint(1, 6)))
        end = body[-1:]
        if end in "?." and rng.random() < 0.4:
            body = f"{body} {tail[:1].upper() + tail[1:]}."
        else:
            body = f"{body.rstrip('?.=: ')}{rng.choice([' ', ', '])}{tail}{end if end in '?.' else ''}"
    return body


def ask(rng: random.Random, nouns: list[str], sentences: list[str], held_nouns: list[str],
        held_sentences: list[str], unseen: bool, shout: bool = True) -> str:
    """A template with the kind's {slots}: a noun phrase in a frame, or a whole sentence.

    With `unseen` at least one part of the wording is a held-out one.
    """
    part = ""
    if unseen:
        ways = ["opener", "tail"] + ["frame"] * 4 * bool(nouns) \
            + ["core"] * 4 * bool(held_nouns or held_sentences)
        part = rng.choice(ways)
    if part == "core":
        pool = [(True, n) for n in held_nouns] + [(False, s) for s in held_sentences]
        framed, core = rng.choice(pool)
    elif part == "frame":
        framed, core = True, rng.choice(nouns)
    else:
        share = len(nouns) and max(0.4, len(nouns) / (len(nouns) + len(sentences)))
        framed = rng.random() < share
        core = rng.choice(nouns if framed else sentences) if sentences or framed else rng.choice(nouns)
        framed = core in nouns
    if framed:
        frame = rng.choice(HELD_FRAMES if part == "frame" else FRAMES)
        core = frame.replace("{e}", core)
        core = core[:1].upper() + core[1:] if rng.random() < 0.7 else core
    return noisy(rng, wrap(rng, core, part), shout)
