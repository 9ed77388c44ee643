#!/usr/bin/env python3
"""Questions about invented places, people and things, and the browser pages that answer them.

    python3 examples/nano/lookup.py --toccata build/cpu/agent/cli/toccata --corpora 800 --out build/nano/lookups.jsonl

Documents are written to a folder, indexed and read by the program itself (`toccata index add`, `toccata dev browser`),
so what nano trains on is what the browser tool answers. One record a line: search, open, find, the line that says it.
"""

import argparse
import json
import pathlib
import random
import re
import subprocess
import tempfile

STARTS = "Bel Tar Mor Vel Kas Dun Fen Gal Hol Ira Jor Kel Lum Mar Nor Osk Pel Quil Ros Sal Tem Ulm Var Wes Yor Zan Ash Bri Cor Dra Eld Fal Gri Har Ing Kra Lor Myr Nev Ost".split()
MIDDLES = ["", "", "a", "e", "i", "o", "an", "en", "or", "ar", "il", "ov", "em", "ul", "is"]
ENDS = "mora vik ton dale stad by heim gard wick ford mar nia dor len sk burg tal ra no ria bek tun ga lo".split()
FIRST = "Tomas Elena Viktor Maren Oskar Lidia Pavel Ingrid Hugo Sara Emil Nadia Felix Clara Anton Rosa Jonas Mina Otto Vera Rafael Linnea Samir Greta".split()
LATIN = re.compile(r"【(\d+)†([^†】]*)†[^】]*】")

# kind of thing -> (introductions, {attribute: (what it is called, sentences of the document, kind of value)})
THINGS = {
    "town": (["{n} is a town in the north.", "{n} is a small town by the sea.", "{n} is an old market town.", "{n} is a town in the hills."], {
        "population": (["the population of {n}", "the number of people in {n}"], ["The population of {n} is {v}.", "{n} has a population of {v}.", "The population is {v}."], "thousands"),
        "mayor": (["the mayor of {n}"], ["The mayor of {n} is {v}.", "The mayor is {v}.", "Its mayor is {v}."], "person"),
        "year": (["the founding year of {n}", "the year {n} was founded"], ["{n} was founded in {v}.", "The town was founded in {v}.", "It was founded in {v}."], "year"),
        "river": (["the river of {n}", "the river in {n}"], ["The river of {n} is the {v}.", "The {v} river flows through {n}.", "Its river is the {v}."], "name")}),
    "mountain": (["{n} is a mountain in the south.", "{n} is a high mountain.", "{n} is a mountain with three peaks."], {
        "height": (["the height of {n}", "the altitude of {n}"], ["The height of {n} is {v} meters.", "{n} is {v} meters high.", "Its height is {v} meters."], "height"),
        "year": (["the year {n} was first climbed"], ["{n} was first climbed in {v}.", "It was first climbed in {v}.", "The first people on it came in {v}."], "year")}),
    "company": (["{n} is a company that makes glass.", "{n} is a company that builds boats.", "{n} is a family company."], {
        "founder": (["the founder of {n}"], ["The founder of {n} is {v}.", "{n} was founded by {v}.", "Its founder is {v}."], "person"),
        "employees": (["the number of employees of {n}", "the staff size of {n}"], ["{n} has {v} employees.", "The company has {v} employees.", "It employs {v} people."], "hundreds"),
        "seat": (["the seat of {n}", "the headquarters of {n}"], ["The seat of {n} is {v}.", "Its seat is in {v}.", "The company has its seat in {v}."], "name")}),
    "book": (["{n} is a novel about the sea.", "{n} is a book for children.", "{n} is a long novel."], {
        "author": (["the author of {n}", "the writer of {n}"], ["The author of {n} is {v}.", "{v} is the author of {n}.", "Its author is {v}."], "person"),
        "pages": (["the number of pages of {n}", "the page count of {n}"], ["{n} has {v} pages.", "The book has {v} pages.", "It has {v} pages."], "hundreds"),
        "year": (["the year {n} was published", "the publication year of {n}"], ["{n} was published in {v}.", "The book was published in {v}.", "It was first published in {v}."], "year")}),
    "river": (["{n} is a river in the west.", "{n} is a wide river.", "{n} is a river full of fish."], {
        "length": (["the length of {n}"], ["The length of {n} is {v} km.", "{n} is {v} km long.", "It is {v} km long."], "hundreds"),
        "source": (["the source of {n}"], ["The source of {n} is {v}.", "Its source is near {v}.", "{n} has its source at {v}."], "name")}),
}
# What `find` is asked for: part of every sentence that says it and of no other on such a page.
PATTERNS = {"population": "population", "mayor": "mayor", "river": "river", "height": "meters", "founder": "founde", "employees": "employ", "seat": "seat", "author": "author", "pages": "pages", "length": "km", "source": "source"}
YEARS = {"town": "founded", "mountain": "first", "book": "published"}  # the patterns of "year"
NUMERIC = {"thousands", "height", "hundreds", "year"}
FILLER = ["Many people visit it every summer.", "The weather is mild in spring.", "There is a small museum.", "It is known in the whole region.", "Every year there is a fair.", "Its history is long.", "Children learn about it at school.", "Little was written about it.",
          "A road leads to the coast.", "The old bridge is made of stone.", "In winter it is quiet.", "Some say it is the oldest of its kind.", "Painters like it.", "There are two inns nearby."]
FRAMES = """what is NP?|what's NP?|NP?|NP|find NP|look up NP|tell me NP|search for NP|give me NP|i need NP|i want to know NP|do you know NP?|can you find NP?|could you look up NP?|please find NP|find out NP|who or what is NP?|which is NP?|show me NP|can you tell me NP?|use the browser to find NP|search the documents for NP
look for NP|i am looking for NP|what do the documents say about NP?|read up on NP|please search for NP|can you check NP?|check NP|tell me about NP|what was NP?|i wonder what NP is|i would like to know NP|could you tell me NP?|help me find NP|where can i read NP?|my question is NP|question: NP|say what NP is|name NP""".replace("\n", "|").split("|")
SPECIAL = {
    ("town", "population"): ["how many people live in {n}?", "how many inhabitants has {n}?", "how big is the population of {n}?", "how many people are there in {n}?"],
    ("town", "mayor"): ["who is the mayor of {n}?", "who is mayor in {n}?", "who runs {n} as mayor?", "which person is the mayor of {n}?"],
    ("town", "year"): ["when was {n} founded?", "in which year was {n} founded?", "since when does {n} exist?", "what year was {n} founded in?"],
    ("town", "river"): ["which river flows through {n}?", "what river is in {n}?", "what is the river in {n} called?"],
    ("mountain", "height"): ["how high is {n}?", "how tall is {n}?", "how many meters high is {n}?", "how many meters is {n}?"],
    ("mountain", "year"): ["when was {n} first climbed?", "in which year was {n} climbed first?", "when did people first climb {n}?"],
    ("company", "founder"): ["who founded {n}?", "who started {n}?", "by whom was {n} founded?", "who is the founder of {n}?"],
    ("company", "employees"): ["how many people work at {n}?", "how many employees does {n} have?", "how many people does {n} employ?"],
    ("company", "seat"): ["where is the seat of {n}?", "where is {n} based?", "in which place is the headquarters of {n}?"],
    ("book", "author"): ["who wrote {n}?", "who is the author of {n}?", "by whom was {n} written?", "who is the writer of {n}?"],
    ("book", "pages"): ["how many pages does {n} have?", "how many pages are in {n}?", "how long is the book {n}?"],
    ("book", "year"): ["when was {n} published?", "in which year was {n} published?", "when did {n} come out?"],
    ("river", "length"): ["how long is the river {n}?", "how many km long is {n}?", "how long is {n} in km?"],
    ("river", "source"): ["where does {n} rise?", "where does the river {n} begin?", "where is the source of {n}?"],
}
UNSEEN = ["somebody asked me about NP", "NP, do you have it?", "please dig up NP", "go through the files and report NP", "what can you read about NP?"]
TWO_TOOL = [("*", ["NP times {k}", "{k} times NP", "NP multiplied by {k}"]), ("+", ["NP plus {k}", "the sum of NP and {k}"]), ("-", ["NP minus {k}", "NP reduced by {k}"]), ("//", ["NP // {k}"]), ("%", ["NP modulo {k}"])]
TWO_TOOL_FRAMES = ["what is NP?", "how much is NP?", "compute NP", "calculate NP", "NP?", "find NP", "tell me NP", "look it up: what is NP?", "work out NP", "i need NP", "can you compute NP?", "please calculate NP"]
TWO_TOOL_UNSEEN = ["what would come out as NP?", "go and determine NP for me"]


def name(rng: random.Random) -> str:
    return rng.choice(STARTS) + rng.choice(MIDDLES) + rng.choice(ENDS)


def name_like(rng: random.Random, other: str) -> str:
    """Another name that begins as `other` does."""
    start = next((s for s in STARTS if other.startswith(s)), "") or rng.choice(STARTS)
    while (drawn := start + rng.choice(MIDDLES) + rng.choice(ENDS)) == other:
        pass
    return drawn


def value(rng: random.Random, kind: str) -> str:
    if kind == "person":
        return rng.choice(FIRST) + " " + name(rng)
    if kind == "name":
        return name(rng)
    return str({"thousands": lambda: rng.randint(200, 99999), "height": lambda: rng.randint(800, 6000), "hundreds": lambda: rng.randint(40, 3000), "year": lambda: rng.randint(1201, 1999)}[kind]())


def corpus(rng: random.Random, n: int) -> list[dict]:
    """Documents: {"title", "text", "facts": [{kind, attribute, value, sentence}]}; some titles begin with another's."""
    documents, titles = [], set()
    while len(documents) < n:
        kind = rng.choice(list(THINGS))
        title = name(rng)
        if documents and rng.random() < 0.2:
            title = rng.choice(documents)["title"].split(" ")[0] + " " + rng.choice(["Bridge", "Museum", "Fair", "Castle"])
            kind = "mountain" if rng.random() < 0.1 else "book"
        if title in titles:
            continue
        titles.add(title)
        introductions, attributes = THINGS[kind]
        facts, lines = [], [rng.choice(introductions).format(n=title)]
        chosen = rng.sample(list(attributes), rng.randint(1, len(attributes)))
        for attribute in chosen:
            _, sentences, of = attributes[attribute]
            v = value(rng, of)
            sentence = rng.choice(sentences).format(n=title, v=v)
            facts.append({"kind": kind, "attribute": attribute, "value": v, "sentence": sentence})
            lines.append(sentence)
        for _ in range(rng.randint(0, 4)):
            lines.insert(rng.randint(1, len(lines)), rng.choice(FILLER))
        if documents and rng.random() < 0.25:
            lines.append(f"It is not far from {rng.choice(documents)['title']}.")
        text = f"# {title}\n\n" + "".join(line + rng.choice(["\n", "\n", "\n\n"]) for line in lines)
        documents.append({"title": title, "text": text, "facts": facts, "kind": kind})
    return documents


def questions(rng: random.Random, documents: list[dict], n: int) -> list[dict]:
    """What to ask of a corpus: a fact that is there, one that its page lacks, or a thing that nobody wrote about."""
    out = []
    for _ in range(n):
        chance = rng.random()
        document = rng.choice(documents)
        if chance < 0.12:
            kind = rng.choice(list(THINGS))
            out.append({"name": name(rng) + "ix", "kind": kind, "attribute": rng.choice(list(THINGS[kind][1])), "case": "nothing"})
            continue
        have = {f["attribute"]: f for f in document["facts"]}
        lacking = [a for a in THINGS[document["kind"]][1] if a not in have]
        if chance < 0.3 and lacking:
            out.append({"name": document["title"], "kind": document["kind"], "attribute": rng.choice(lacking), "case": "lacking"})
            continue
        fact = rng.choice(document["facts"])
        out.append({"name": document["title"], "case": "fact", **fact})
    return out


class Browser:
    """The built program's browser tool over a folder of documents."""

    def __init__(self, toccata: str, folder: pathlib.Path, index: pathlib.Path):
        subprocess.run([toccata, "index", "add", "--index", str(index), str(folder)], check=True, capture_output=True)
        self.process = subprocess.Popen([toccata, "dev", "browser", "--index", str(index)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def call(self, session: int, function: str, arguments: dict) -> str:
        request = {"id": 0, "session": session, "recipient": f"browser.{function}", "content": json.dumps(arguments)}
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())["result"]["output"]

    def close(self):
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


def pattern(kind: str, attribute: str) -> str:
    return YEARS[kind] if attribute == "year" else PATTERNS[attribute]


def record(browser: Browser, session: int, question: dict) -> dict | None:
    """The question with what the browser answers; None when the answer cannot be reached this way."""
    out = {**question, "search": browser.call(session, "search", {"query": question["name"]})}
    links = {title: int(number) for number, title in LATIN.findall(out["search"].replace("\n", ""))}
    links = {re.sub(r"L\d+: ", "", title): number for title, number in links.items()}
    if question["case"] == "nothing":
        return out if "No results." in out["search"] else None
    if question["name"] not in links:
        return None
    out["id"] = links[question["name"]]
    out["open"] = browser.call(session, "open", {"id": out["id"]})
    # `find` says the line in one place, where a small model can read it off, or that it is not there.
    out["pattern"] = pattern(question["kind"], question["attribute"])
    out["find"] = browser.call(session, "find", {"pattern": out["pattern"]})
    line = re.search(r"†match at L(\d+)】\n(?:L\d+: )(.*)", out["find"])
    if question["case"] == "lacking":
        return None if line else out
    return {**out, "line": int(line[1])} if line and line[2] == question["sentence"] else None


def recorded(toccata: str, rng: random.Random, n_documents: int, n_questions: int, folder: pathlib.Path) -> list[dict]:
    documents = corpus(rng, n_documents)
    for i, d in enumerate(documents):
        (folder / f"{rng.choice(['doc', 'page', 'note', 'text'])}{i}.md").write_text(d["text"])
    with tempfile.TemporaryDirectory() as elsewhere:
        browser = Browser(toccata, folder, pathlib.Path(elsewhere) / "index.db")
        records = [record(browser, i, q) for i, q in enumerate(questions(rng, documents, n_questions))]
        browser.close()
    return [r for r in records if r]


def question_text(rng: random.Random, r: dict, wording: str) -> str:
    nouns = THINGS[r["kind"]][1][r["attribute"]][0]
    special = SPECIAL[r["kind"], r["attribute"]]
    if wording == "unseen":
        return rng.choice(UNSEEN).replace("NP", nouns[0]).format(n=r["name"])
    if rng.random() < 0.45:
        return rng.choice(special).format(n=r["name"])
    return rng.choice(FRAMES).replace("NP", rng.choice(nouns)).format(n=r["name"])


def two_tool_text(rng: random.Random, r: dict, wording: str) -> tuple[str, str]:
    """(question, expression to compute)"""
    nouns = THINGS[r["kind"]][1][r["attribute"]][0]
    op, ways = rng.choice(TWO_TOOL)
    k = rng.randint(2, 99)
    frame = rng.choice(TWO_TOOL_UNSEEN if wording == "unseen" else TWO_TOOL_FRAMES)
    text = frame.replace("NP", rng.choice(ways).replace("NP", nouns[0])).format(n=r["name"], k=k)
    return text, f"{r['value']} {op} {k}"


def is_numeric(r: dict) -> bool:
    return THINGS[r["kind"]][1][r["attribute"]][2] in NUMERIC


def answer_text(r: dict, cursor: int) -> str:
    if r["case"] == "nothing":
        return f"I found nothing about {r['name']}."
    if r["case"] == "lacking":
        return f"The page about {r['name']} does not say that."
    return f"{r['sentence']} 【{cursor}†L{r['line']}】"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--toccata", default="build/cpu/agent/cli/toccata")
    parser.add_argument("--corpora", type=int, default=800)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    args = parser.parse_args()
    args.out.parent.mkdir(parents=True, exist_ok=True)
    n = 0
    with open(args.out, "w") as out:
        for i in range(args.corpora):
            rng = random.Random(f"lookup {args.seed} {i}")
            with tempfile.TemporaryDirectory(prefix=rng.choice(["docs", "notes", "files", "wiki"])) as folder:
                for r in recorded(args.toccata, rng, rng.randint(3, 9), 16, pathlib.Path(folder)):
                    out.write(json.dumps(r, ensure_ascii=False) + "\n")
                    n += 1
    print(f"{args.out}: {n} lookups")


if __name__ == "__main__":
    main()
