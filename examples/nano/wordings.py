"""How people put a question: a small grammar of frames, and the noise of typing.

A kind of task offers noun phrases ("the gcd of {a} and {b}"), verb phrases ("sort {e}") and whole sentences; frames turn
the first two into questions. Three disjoint sets of wordings:

  train    frames x phrases, with noise
  dev      frames and openings that training never uses; for tuning
  unseen   tasks.py's held-out list, for the final figure alone

`allowed` keeps them apart: no training or dev wording contains the words of a held-out one, and no training wording
uses a dev frame.
"""

import random
import re

NOUN_FRAMES = """what is NP?|what is NP|what's NP?|whats NP|what's NP|NP|NP?|NP =|NP = ?|NP.|calculate NP|compute NP|work out NP|find NP|give me NP|tell me NP
show me NP|i need NP|i want NP|i would like NP|i'd like NP|i want to know NP|i need to know NP|i would like to know NP|do you know NP?|determine NP|figure out NP|evaluate NP|solve NP
can you find NP?|can you compute NP?|can you calculate NP?|can you tell me NP?|can you give me NP?|could you find NP?|could you tell me NP?|could you work out NP?|will you calculate NP?
i am looking for NP|i'm looking for NP|write down NP|return NP|print NP|output NP|say NP|name NP|state NP|report NP|provide NP|fetch NP|obtain NP|derive NP|discover NP|establish NP|estimate NP|check NP
can i have NP?|may i have NP?|could i have NP?|can i get NP?|please provide NP|please send me NP|use python for NP|use python to find NP|use python to compute NP|use python to get NP|use code to find NP|run python and tell me NP|with python, find NP
the task is NP|task: NP|question: NP|my question: NP|my question is NP|exercise: NP|homework: NP|problem: NP|next question: NP|here is my question: NP|the question is NP|quick: NP|calculate this: NP|compute the following: NP|answer this: NP
i must find NP|i have to find NP|i have to compute NP|i should find NP|i am trying to find NP|i try to compute NP|i was asked to find NP|i was asked for NP|i cannot find NP|i can't work out NP|i forgot NP|i wonder about NP|i wonder what NP is
help me with NP|help me find NP|help me compute NP|help me to work out NP|is it possible to compute NP?|how would you compute NP?|how do i compute NP?|how do you find NP?|how can i find NP?
what value has NP?|which value has NP?|which number is NP?|what answer do you get for NP?|what do you get for NP?|what is the answer for NP?|what result does NP have?|what comes out for NP?|what does NP give?|what does NP equal?|what does NP come to?
NP is what?|NP gives what?|NP equals what?|NP makes how much?|NP, what is it?|NP. what is the answer?|NP - what is it?|NP: please answer|NP, anyone?|NP, please|NP is how much?|how much does NP make?|how much is NP?|how much is NP|how many is NP?|how large is NP?|how high is NP?
any idea what NP is?|do you know what NP is?|can you say what NP is?|tell me what NP is|show me what NP is|i need to know what NP is|i want to see what NP is|i would love to know what NP is|find out what NP is|explain what NP is|guess what NP is|say what NP is|could you tell me what NP is?
please answer: NP|solve for NP|let us compute NP|let's find NP|let's compute NP|we need NP|we need to find NP|we have to work out NP|we want NP|my friend wants to know NP|my friend wants NP|my boss needs NP|my boss asks for NP|someone asked me for NP|the teacher wants NP|my son asks what NP is
what will NP be?|what might NP be?|what should NP be?|what must NP be?|what was NP?|so what is NP?|and what is NP?|then what is NP?|now what is NP?|what exactly is NP?|what, then, is NP?|is there a way to get NP?|are you able to find NP?|would it be possible to find NP?
go and find NP|go ahead and compute NP|try to find NP|try to compute NP|just compute NP|just give me NP|simply find NP|quickly compute NP|make sure to find NP|have a look at NP|see what NP is|think about NP|consider NP|look up NP|read off NP
i bet you know NP|you surely know NP|you should know NP|you must find NP|your task: find NP|your job is to find NP|it is your turn: NP|today i need NP|for my work i need NP|for school i need NP|to finish i need NP|all i need is NP|what i need is NP|what i want is NP|i am interested in NP|i'm after NP
the answer to NP?|the value of NP|the result of NP?|result of NP|what is the result of NP?|what is the value of NP?|give me the result of NP|give me the value of NP|find the value of NP|find the result of NP|i need the result of NP|value of NP?|result for NP?|answer for NP?|solution of NP?|what is the solution of NP?|what is the outcome of NP?""".replace("\n", "|").split("|")

VERB_FRAMES = """VP|VP|VP|VP|please VP|please VP.|can you VP?|could you VP?|will you VP?|can you please VP?|could you please VP?|i want you to VP|i need you to VP|i would like you to VP|i'd like you to VP|i ask you to VP|VP for me|VP, please|VP now|VP and answer|VP and tell me
help me VP|help me to VP|let's VP|let us VP|try to VP|your task: VP|your task is to VP|go ahead and VP|go and VP|use python to VP|use code to VP|write code to VP|run code to VP|how do i VP?|how do you VP?|how can i VP?|how would you VP?|you should VP|you must VP|now VP|just VP|simply VP|quickly VP|do this: VP|next: VP
if you VP, what is the result?|if we VP, what comes out?|if one were to VP, what is it?|when we VP, what is it?|when i VP, what is the answer?|what happens if i VP?|what happens when you VP?|what is the result if you VP?|what is the result when we VP?|what do we obtain when we VP?|what comes out when i VP?|what is it if i VP?|what results when you VP?
i have to VP|i need to VP|i must VP|i want to VP|i would like to VP|i am trying to VP|i was told to VP|we have to VP|we need to VP|my teacher says: VP|the exercise says: VP|is it possible to VP?|are you able to VP?|would it be possible to VP?|be quick and VP|start python and VP|for my homework, VP|exercise: VP|task: VP|question: VP""".replace("\n", "|").split("|")

DATA_FRAMES = """given {e}, find the NOUN|given {e}, what is the NOUN?|here are some numbers: {e}. what is the NOUN?|i have the numbers {e}. what is their NOUN?|i have {e}. find the NOUN|{e}: what is the NOUN?|{e} - what is the NOUN?|{e}: NOUN?|{e}, NOUN?|{e} NOUN|with {e}, compute the NOUN
of {e}, what is the NOUN?|from {e}, find the NOUN|among {e}, find the NOUN|look at {e}. what is the NOUN?|my numbers are {e}. what is the NOUN?|my data: {e}. compute the NOUN|consider {e} and give me the NOUN|we measured {e}. what is the NOUN?|these are my values: {e}. i need the NOUN
the numbers are {e}. tell me the NOUN|read {e} and find the NOUN|suppose we have {e}. what is the NOUN?|the list is {e}. what is the NOUN?|list: {e}. NOUN?|numbers: {e}; wanted: the NOUN|i got the scores {e}. what is the NOUN?|let x be {e}. what is the NOUN of x?|use {e} to find the NOUN|in {e}, what is the NOUN?""".replace("\n", "|").split("|")

DEV_NOUN_FRAMES = ["what could NP be?", "i am curious about NP", "bring me NP", "NP comes to what?", "the number i want is NP", "hand me NP", "please reveal NP", "how does one get NP?"]
DEV_VERB_FRAMES = ["be so kind and VP", "it is time to VP", "what results if one decides to VP?", "i beg you to VP", "somebody should VP"]
DEV_OPENINGS = ["", "", "dear nano, ", "one thing: ", "would you mind: "]

OPENINGS = """please |can you |could you |hey, |hi, |hello, |now |ok, |okay, |quick question: |so, |hmm, |hi there, |hello there! |hey nano, |nano, |dear model, |good evening, |good afternoon, |good day, |sorry, |excuse me, |well, |right, |alright, |and |then |also, |also |first, |finally, |again: |again, |another one: |next one: |last one: |one question: |a question: |i have a question: |here is one: |try this: |listen, |look, |say, |tell me, |help! |help me: |thanks! now |great. |nice, |perfect. now |for homework: |math: |maths question: |pls |plz |um, |oh, |yo, |if you can, |if possible, |when you can, |i wonder, |just curious: |just wondering, |for fun: |for my class: |quickly: |quick! |easy one: |hard one: |test: |user: |q: |computer, |robot, |friend, |sir, |my friend, |hope you are well. |nice to meet you. |i am back. |me again. |hello again, """.split("|")
ENDINGS = [" please", ", please", " for me", " thanks", "!", " now", ", thanks", ", thank you", " please.", " quickly", " today", " again", " for my homework", ", ok?", " asap", " pls", ", if you can", " right now", ". thanks!", ". thank you", ". please hurry", "...", "??", "!!", " - thanks"]
FILLERS = """about above across after again against all almost alone along already although always among another any around away back because been before behind being below best better between big both bring business but called came cannot car care case cat certain change child city class clear clock close cold color come
common country course cup dark day deep did dog done door down during each early earth easy eat end enough even evening ever every exactly eye face fact family far farm fast father feel few field fine fire fish five floor follow food foot form found free friend front full game gave girl glad goes gold good great green grow
half hand hard head hear heart heavy high hold home hope horse hot house however human idea important indeed inside interest into island keep kind king knew know lady land language last late laugh lead learn leave left less lesson letter life light like likely line little live look lovely low machine made main make man
many map mark matter maybe mean men might mind minute miss money moon more morning most mother move much music must near never new news next night noon north nothing notice office often oil old once only open other our out over own page paper part party past pay people perhaps person piece place plain plan plant play
point poor possible pretty quite rain ran read ready real really red remember rest rich river road rock room round run said same sat school sea second see seem seen sell send sent set several shall she ship short should side simple since sing sir sister sit six size sky sleep slow small snow some song soon sound south
speak stand star start stay step still stop story street strong student study such suddenly summer sun sure table talk teach teacher tell ten than that their them there these they thing think this those though thought thus till time tired today together tomorrow too took town tree true truth try turn under until upon
use useful very voice wait walk wall warm was watch water way weather week well went were west when where which while white whole why wide wife wild will wind window wish with woman wonder wood word work world write wrong yard year yellow yes yesterday yet you young your""".split()
# Fillers that name an operation would make a question ambiguous.
KEY = set("""add added average backwards beginning between big biggest bigger capital capitals caps celsius count c common cube cubed digit digits divide divided divides dividing division divisor each equal f factor factorial fahrenheit fewest first from gcd greatest
hcf highest how integer into km kilometers kilometres large largest lcm least left length letter letters long lower lowest many maximum mean miles mile min max maximal minimal minimum minus mod modulo more most much multiple multiply multiplied number order over part percent plus power prime product quotient raise raised reverse
reversed root rest remain remainder remains remaining s short small smallest sort sorted spell square squared subtract sum take taken than the times total upper uppercase whole without fit fits go goes often occur occurs appear appears characters""".split())
FILLERS = [w for w in FILLERS if w not in KEY]

WORD = re.compile(r"\{\w+\}|[a-z']+|[^\sa-z{}']")


def abstract(wording: str) -> str:
    """Lower case, slots as #, words apart, no punctuation: what "the same wording" means."""
    words = ["#" if w[0] == "{" else w for w in WORD.findall(wording.lower())]
    return " " + " ".join(w for w in words if w == "#" or w[0].isalpha()) + " "


class HeldOut:
    """The wordings that training must not use."""

    def __init__(self, wordings: list[str]):
        self.cores = sorted({abstract(w) for w in wordings})

    def allowed(self, wording: str) -> bool:
        text = abstract(wording)
        return not any(core in text for core in self.cores)


def compose(rng: random.Random, phrases: dict[str, list[str]], frames: str) -> str:
    """A wording from a kind's phrases: "nouns", "verbs", "sentences", "data" (nouns of a list). frames: train or dev."""
    train = frames == "train"
    weights = {"nouns": 5, "verbs": 3, "sentences": 4 if train else 1, "data": 3 if train else 0}
    parts = [p for p in phrases if phrases[p] and weights[p]]
    part = rng.choices(parts, [weights[p] for p in parts])[0]
    phrase = rng.choice(phrases[part])
    if part == "nouns":
        return rng.choice(NOUN_FRAMES if train else DEV_NOUN_FRAMES).replace("NP", phrase)
    if part == "verbs":
        return rng.choice(VERB_FRAMES if train else DEV_VERB_FRAMES).replace("VP", phrase)
    if part == "data":
        return rng.choice(DATA_FRAMES).replace("NOUN", phrase)
    return phrase


def misspelt(rng: random.Random, word: str) -> str:
    i = rng.randrange(len(word) - 1)
    return rng.choice([word[:i] + word[i + 1 :], word[:i] + word[i + 1] + word[i] + word[i + 2 :], word[:i] + word[i] + word[i:]])


def noisy(rng: random.Random, wording: str) -> str:
    """The wording with words that do not matter replaced, dropped or misspelt: the model must live with unknown ones."""
    if rng.random() < 0.5:
        return wording
    out = []
    for token in wording.split(" "):
        bare = token.strip("?.,:!;").lower()
        chance = rng.random()
        if chance < 0.25 and bare.isalpha() and len(bare) > 1 and bare not in KEY and bare not in KEPT:
            if chance < 0.12:
                token = token.lower().replace(bare, rng.choice(FILLERS))
            elif chance < 0.16:
                continue
            elif len(bare) > 3:
                token = misspelt(rng, token)
        elif chance < 0.02 and len(bare) > 4 and bare.isalpha():
            token = misspelt(rng, token)
        out.append(token)
    return " ".join(out)


KEPT = {"and", "of", "by", "is", "what", "in", "to", "with", "on", "a", "at", "for", "not", "or", "if", "when", "sqrt"}


def filler_clause(rng: random.Random) -> str:
    words = " ".join(rng.choice(FILLERS) for _ in range(rng.randint(1, 4)))
    return words + rng.choice([", ", ": ", " ", ". ", "! ", " - "])


def opening(rng: random.Random, frames: str) -> str:
    if frames == "dev":
        return rng.choice(DEV_OPENINGS)
    chance = rng.random()
    if chance < 0.5:
        return ""
    if chance < 0.6:
        return filler_clause(rng)
    first = rng.choice(OPENINGS)
    if rng.random() < 0.1:
        first += rng.choice(OPENINGS)
    return first


def unpunctuated(text: str) -> str:
    """Without the closing mark, but 5! keeps its own."""
    text = text.rstrip("?. ")
    return text.rstrip("! ") if not re.search(r"[\d})]\s*!$", text) else text


def dressed(rng: random.Random, question: str, frames: str, first: str | None = None) -> str:
    """The question as somebody types it: an opening, an ending, capitals, punctuation."""
    text = (opening(rng, frames) if first is None else first) + question
    chance = rng.random()
    if chance < 0.2:
        ending = rng.choice(ENDINGS)
        bare = unpunctuated(text)
        if not (bare[-1:].isdigit() and ending[0] in "!.") and text[-1:] != "=":
            text = bare + ending
    elif chance < 0.32:
        text = unpunctuated(text)
    elif chance < 0.42 and text[-1:] not in "?.!=":
        text += rng.choice("?.")
    if rng.random() < 0.55 and text[:1].islower():
        text = text[:1].upper() + text[1:]
    return text
