"""Function tools: how they are declared, how people ask for them, the call, what comes back and the answer.

A toolbox has one to three functions. Some are what everybody has (weather, timer, messages) under varying names; most are
invented, verb_noun with invented parameters, so that a name can only be read off the declaration. `declaration` prints
what the program's renderer prints; a test compares the two.
"""

import dataclasses
import json
import random
import re

import lookup
import tasks
import wordings
from function_wordings import CURRENCIES, DAYS, EVENTS, FAMILIAR, GOODS, LANGUAGES, MESSAGES, NAMED_JOINTS, NAMED_OPENINGS, PHRASES_SPOKEN, ROOMS, SPOKEN_JOINTS, SPOKEN_OPENINGS, UNSEEN_HEADS, B, N, S

MISSING = "I have no tool for that."
FAILED = "The tool failed: "

VERBS = "get set find start stop close add create delete update check move print read load build save share copy lock fetch pick drop turn mark rent hire scan wash paint clean test park feed plan paste pack store view trace split merge reset renew invite approve cancel confirm".split()
NOUNS = "engine lamp door room table ticket user file note movie train flight hotel recipe parcel invoice account meeting photo heater camera printer robot pump window oven boat bike tank shelf market folder record journey lesson project contract patient vehicle sensor backup channel profile payment shipment album".split()
TEXTS = "name color title city street owner label brand group place country language mode style topic subject category author model zone".split()
NUMBERS = "speed size price weight height width age level year limit amount duration distance volume power score rate quantity floor pages".split()
SWITCHES = "urgent visible locked private active fast warm loud repeat secure public hidden".split()
LISTS = "tags colors guests parts days scores rooms names labels sizes".split()
OBJECTS = {"address": ["street", "city", "floor"], "owner": ["name", "age", "city"], "box": ["width", "height", "weight"], "range": ["low", "high"], "contact": ["name", "phone"], "options": ["color", "size", "fast"], "place": ["city", "country"]}
VALUES = "red blue green black white small large round flat soft hard north south east west alpha beta gamma delta omega daily weekly manual auto silent basic extra normal spring summer autumn winter jazz rock metal glass wood paper".split()
# Never drawn for training.
UNSEEN_VERBS = "repair launch archive polish measure empty publish water".split()
UNSEEN_NOUNS = "tractor violin kettle bridge balcony coupon dataset antenna".split()
UNSEEN_TEXTS = "flavor captain region material".split()
UNSEEN_NUMBERS = "depth budget angle capacity".split()
UNSEEN_VALUES = "purple copper narrow tidal velvet hourly linen crisp".split()

RESULT_KEYS = "status id total count price level state left code time place".split()
STATES = "ok done sent saved open closed ready waiting booked started stopped full empty sunny cloudy rainy".split()
ERRORS = ["not found", "no such id", "access denied", "out of stock", "the service is down", "wrong password", "try again later", "limit reached", "no connection", "the name is taken", "unknown city", "bad request"]


@dataclasses.dataclass(frozen=True)
class Parameter:
    name: str
    schema: dict
    required: bool = True


@dataclasses.dataclass(frozen=True)
class Function:
    name: str
    description: str
    parameters: list[Parameter]

    def schema(self) -> dict:
        """JSON Schema of the arguments."""
        out = {"type": "object", "properties": {p.name: p.schema for p in self.parameters}}
        required = [p.name for p in self.parameters if p.required]
        return {**out, "required": required} if required else out

    def tool(self) -> dict:
        """As the Chat Completions API takes it."""
        return {"type": "function", "function": {"name": self.name, "description": self.description, "parameters": self.schema()}}


@dataclasses.dataclass(frozen=True)
class Request:
    """One question that one call answers."""

    function: Function
    task: str  # what is asked for in a word or two, told by the question alone
    question: str
    arguments: dict
    result: str  # what the tool answers
    answer: str


def typed(schema: dict, indent: str) -> str:
    if "enum" in schema:
        return " | ".join(json.dumps(v) for v in schema["enum"])
    if schema["type"] == "array":
        return typed(schema["items"], indent) + "[]"
    if schema["type"] == "object":
        return "{\n" + "".join(property_line(n, s, n in schema["required"], indent) for n, s in schema["properties"].items()) + indent + "}"
    return {"integer": "number"}.get(schema["type"], schema["type"])


def property_line(name: str, schema: dict, required: bool, indent: str) -> str:
    comment = f"{indent}// {schema['description']}\n" if "description" in schema else ""
    return f"{comment}{indent}{name}{'' if required else '?'}: {typed(schema, indent + '    ')},\n"


def declaration(space: str, functions: list[Function]) -> str:
    """The developer message's section."""
    out = f"# Tools\n\n## {space}\n\nnamespace {space} {{\n"
    for f in functions:
        out += f"\n// {f.description}" if f.description else ""
        out += f"\ntype {f.name} = (_: {{\n" + "".join(property_line(p.name, p.schema, p.required, "") for p in f.parameters) + "}) => any;\n"
    return out + f"\n}} // namespace {space}"


MADE_UP = [w for w in wordings.FILLERS if w not in {*UNSEEN_VERBS, *UNSEEN_NOUNS, *UNSEEN_TEXTS, *UNSEEN_NUMBERS, *UNSEEN_VALUES, *SWITCHES, *LISTS, *OBJECTS}]


def word(rng: random.Random) -> str:
    """Any word, or one that nobody has seen: what it means must not matter."""
    return rng.choice(MADE_UP) if rng.random() < 0.6 else lookup.name(rng).lower()


def pick(rng: random.Random, seen: list[str], unseen: list[str], wording: str) -> str:
    if wording == "unseen":
        return rng.choice(unseen if rng.random() < 0.6 else seen)
    return word(rng) if rng.random() < 0.18 else rng.choice(seen)


def text_value(rng: random.Random, wording: str) -> str:
    chance = rng.random()
    if chance < 0.3:
        return rng.choice(tasks.NAMES)
    if chance < 0.55:
        return lookup.name(rng)
    if chance < 0.87:
        return pick(rng, VALUES, UNSEEN_VALUES, wording)
    if chance < 0.9:
        return f"{rng.choice(['A', 'B', 'K', 'X', 'inv', 'ab'])}{rng.choice(['-', ''])}{rng.randint(1, 999)}"
    return f"{pick(rng, VALUES, UNSEEN_VALUES, wording)} {rng.choice(NOUNS)}"


def number_value(rng: random.Random):
    if rng.random() < 0.08:
        return rng.randint(1, 99) + rng.choice([0.5, 0.25, 0.1])
    return tasks.number(rng, rng.choice([2, 3, 4]))


def field(rng: random.Random, name: str, wording: str) -> tuple[dict, object]:
    """(schema, value) of a parameter called so."""
    if name in SWITCHES:
        return {"type": "boolean"}, rng.random() < 0.5
    if name in OBJECTS and rng.random() < 0.9:
        inner = OBJECTS[name] if len(OBJECTS[name]) == 2 else rng.sample(OBJECTS[name], 2)
        fields = {n: field(rng, n, wording) for n in inner}
        return {"type": "object", "properties": {n: s for n, (s, _) in fields.items()}, "required": list(fields)}, {n: v for n, (_, v) in fields.items()}
    if name in LISTS:
        numbers = name in ("scores", "sizes", "days") and rng.random() < 0.7
        values = [number_value(rng) if numbers else text_value(rng, wording) for _ in range(rng.randint(2, 3))]
        return {"type": "array", "items": {"type": "number" if numbers else "string"}}, values
    if name in NUMBERS + UNSEEN_NUMBERS + ["low", "high", "phone"]:
        value = number_value(rng)
        return {"type": rng.choice(["number", "number", "integer"]) if isinstance(value, int) else "number"}, value
    if name not in TEXTS + UNSEEN_TEXTS + ["street", "country", "city"] and rng.random() < 0.4:  # what a strange name holds is told by its type alone
        return {"type": "number"}, number_value(rng)
    if rng.random() < 0.12:
        options = rng.sample(VALUES, 3)
        return {"type": "string", "enum": options}, rng.choice(options)
    return {"type": "string"}, text_value(rng, wording)


def spoken(name: str, rng: random.Random) -> str:
    return name.replace("_", " ") if rng.random() < 0.7 else name


def said(rng: random.Random, value, style: str) -> str:
    """A value as people type it."""
    if isinstance(value, bool):
        return rng.choice(["true", "yes", "on"] if value else ["false", "no", "off"])
    if isinstance(value, dict):
        return " and ".join(f"{n}{style}{said(rng, v, style)}" for n, v in value.items())
    if isinstance(value, list):
        texts = [str(v) for v in value]
        if len(texts) == 1:
            return texts[0]
        return "[" + ", ".join(texts) + "]" if rng.random() < 0.2 else ", ".join(texts[:-1]) + " and " + texts[-1]
    return f'"{value}"' if isinstance(value, str) and rng.random() < 0.12 else str(value)


def said_arguments(rng: random.Random, arguments: dict) -> str:
    style = rng.choice([" ", " ", " ", "=", ": ", " is ", " = "])
    parts = []
    for name, value in arguments.items():
        between = rng.choice([" with ", ": ", " of "]) if isinstance(value, dict) else style
        parts.append(f"{spoken(name, rng)}{between}{said(rng, value, style)}")
    return ", ".join(parts) if len(parts) < 2 or rng.random() < 0.4 else ", ".join(parts[:-1]) + " and " + parts[-1]


def slots(head: str) -> str:
    """A head as wordings.HeldOut compares it, up to its arguments."""
    return re.sub(r"\bF\b|VN", "{x}", head.split("ARGS")[0])


HELD_OUT_HEADS = wordings.HeldOut([slots(h) for h in UNSEEN_HEADS])


def head_of(rng: random.Random, named: bool, wording: str, arguments: bool = True) -> str:
    """How a call is asked for, with F or VN and, where it has arguments, ARGS. In training, words that do not matter stand in the place of some."""
    if wording == "unseen":
        head = rng.choice(UNSEEN_HEADS)
        return head if arguments else re.sub(r"( with|[.,]) ARGS$", "", head)
    strange = lambda: " ".join(rng.choice(wordings.FILLERS) for _ in range(rng.randint(1, 3)))  # noqa: E731
    noise = lambda chance: wording == "train" and rng.random() < chance  # noqa: E731
    opening = strange() if noise(0.2) else rng.choice(NAMED_OPENINGS if named else SPOKEN_OPENINGS)
    joint = f" {strange()} " if noise(0.04) else rng.choice(NAMED_JOINTS if named else SPOKEN_JOINTS)
    if noise(0.1):
        joint = f" {strange()}{joint}"
    head = f"{opening} {'F' if named else 'VN'}".strip() + (joint + "ARGS" if arguments else "")
    return head if HELD_OUT_HEADS.allowed(slots(head)) else head_of(rng, named, wording, arguments)


def invented(rng: random.Random, wording: str, like: str = "") -> tuple[Function, str, str, dict]:
    """(function, task, question, arguments); `like` verb_noun shares one of both"""
    verb, noun = pick(rng, VERBS, UNSEEN_VERBS, wording), pick(rng, NOUNS, UNSEEN_NOUNS, wording)
    if like.count("_") == 1:
        verb, noun = (like.split("_")[0], noun) if rng.random() < 0.5 else (verb, like.split("_")[1])
    name = verb + "_" + noun if rng.random() < 0.85 else verb + noun.capitalize()
    names: list[str] = []
    for _ in range(rng.choice([0, 1, 1, 1, 2, 2, 2, 3])):
        pool = rng.choices([TEXTS, NUMBERS, SWITCHES, LISTS, list(OBJECTS)], [5, 5, 1.5, 1, 1.5])[0]
        if wording == "unseen" and pool in (TEXTS, NUMBERS) and rng.random() < 0.6:
            pool = UNSEEN_TEXTS if pool is TEXTS else UNSEEN_NUMBERS
        strange = wording != "unseen" and pool in (TEXTS, NUMBERS) and rng.random() < 0.2
        names.append(word(rng) if strange else rng.choice([n for n in pool if n not in names]))
    if len(set(names)) < len(names):
        return invented(rng, wording, like)
    names.sort(key=lambda n: n in OBJECTS or n in LISTS)  # what has "and" in it comes last
    parameters, arguments = [], {}
    for n in names:
        schema, value = field(rng, n, wording)
        shown = f"{n}_{rng.choice(['name', 'value', 'to', 'of', 'id', 'two'])}" if rng.random() < 0.08 else n
        if schema["type"] != "object" and rng.random() < 0.15:
            schema = {"description": rng.choice([f"The {n}", f"{n.capitalize()} of the {noun}", f"Which {n}"]), **schema}
        parameters.append(Parameter(shown, schema, rng.random() < 0.75))
        arguments[shown] = value
    for p in parameters[:]:
        if not p.required and rng.random() < 0.4:
            del arguments[p.name]
    if rng.random() < 0.2:
        rng.shuffle(parameters)
    description = rng.choice(["", f"{verb.capitalize()} a {noun}", f"{verb.capitalize()} the {noun}.", f"Tool to {verb} a {noun}"])
    f = Function(name, description, parameters)
    head = head_of(rng, rng.random() < 0.5, wording, bool(arguments))
    thing = f"{verb} {rng.choice(['the', 'the', 'a', 'my', 'this'])} {noun}"
    question = re.sub(r"\bF\b", name, head).replace("VN", thing).replace("ARGS", said_arguments(rng, arguments))
    return f, name if "VN" not in head else f"{verb} {noun}", question, arguments


def familiar_value(rng: random.Random, family: str, slot: str, schema: dict):
    """What people fill into a slot."""
    if schema is B:
        return rng.random() < 0.5
    if schema is N:
        return tasks.number(rng, 2) + 1 if slot in "nm" else number_value(rng)
    if schema.get("type") == "array":
        return rng.sample(tasks.NAMES, rng.randint(1, 3))
    if schema.get("type") == "object":
        return {"street": lookup.name(rng), "number": rng.randint(1, 199)}
    of = {"Converts money": CURRENCIES, "Translates a text": {"t": PHRASES_SPOKEN, "l": LANGUAGES}, "Switches a light": ROOMS, "Sends a message": {"t": tasks.NAMES, "m": MESSAGES}, "Finds a person": tasks.NAMES,
          "Puts an event into the calendar": {"t": EVENTS, "d": DAYS}, "Adds to a list": {"i": GOODS, "l": ["shopping", "todo", "party", "work", "wish"]}, "Price of a thing": GOODS, "Orders things": GOODS}.get(family)
    if isinstance(of, dict):
        of = of[slot]
    if of is None or (of is tasks.NAMES and rng.random() < 0.3):
        return rng.choice(tasks.CITIES) if of is None and rng.random() < 0.4 else lookup.name(rng)
    return rng.choice(of)


def familiar(rng: random.Random, wording: str):
    """(function, task, question, arguments, keys of the result)"""
    task, names, description, slots, questions, unseen, keys = rng.choice(FAMILIAR)
    values = {}
    for slot, _, schema in slots:
        value = familiar_value(rng, description, slot, schema)
        while schema is S and value in values.values():
            value = familiar_value(rng, description, slot, schema)
        if wording == "train" and task == "distance" and values and rng.random() < 0.3:  # names that begin alike are what is hard to copy
            value = lookup.name_like(rng, values["a"])
        values[slot] = value
    question = rng.choice(unseen if wording == "unseen" else questions)
    if wording == "train" and rng.random() < 0.25:
        question = wordings.noisy(rng, question)
    shown = {}
    for slot, _, schema in slots:
        value = values[slot]
        shown[slot] = ("on" if value else "off") if schema is B else f"{value['street']} {value['number']}" if isinstance(value, dict) else said(rng, value, " ") if isinstance(value, list) else str(value)
    chosen = {slot: rng.choice(called) for slot, called, _ in slots}
    asked = [slot for slot, _, _ in slots if "{" + slot + "}" in question]
    parameters = [Parameter(chosen[slot], schema, slot in asked) for slot, _, schema in slots]
    # Arguments stand in the order in which they were said.
    arguments = {chosen[slot]: values[slot] for slot in sorted(asked, key=lambda s: question.index("{" + s + "}"))}
    f = Function(rng.choice(names), description if rng.random() < 0.6 else "", parameters)
    return f, task, question.format(**shown), arguments, keys


def result_text(rng: random.Random, keys: list[tuple[str, str]] | None, numeric: bool) -> str:
    """What a function answers: JSON, a number, a word, an error."""
    if not numeric and rng.random() < 0.1:
        return json.dumps({"error": rng.choice(ERRORS)})
    if keys is None:
        keys = [(k, rng.choice("ns")) for k in rng.sample(RESULT_KEYS, rng.choice([1, 1, 2]))]
    if numeric:
        keys = [([k for k in keys if k[1] == "n"] or [("value", "n")])[0]]
    if rng.random() < 0.12:
        return str(number_value(rng)) if numeric or rng.random() < 0.5 else rng.choice(STATES)
    return json.dumps({k: number_value(rng) if of == "n" else rng.choice(STATES) if rng.random() < 0.7 else lookup.name(rng) for k, of in keys})


def answer_text(result: str) -> str:
    """The sentence that reports a result."""
    try:
        value = json.loads(result)
    except ValueError:
        return f"The result: {result}."
    if not isinstance(value, dict):
        return f"The result: {result}."
    if "error" in value:
        return f"{FAILED}{value['error']}."
    return "The result: " + ", ".join(f"{k} {v}" for k, v in value.items()) + "."


def draw(rng: random.Random, wording: str, numeric: bool = False) -> Request:
    """One question with the function that answers it."""
    if rng.random() < 0.4:
        f, task, question, arguments, keys = familiar(rng, wording)
    else:
        (f, task, question, arguments), keys = invented(rng, wording), None
    result = result_text(rng, keys, numeric)
    return Request(f, task, question, arguments, result, answer_text(result))


def long_result(rng: random.Random, wording: str) -> tuple[str, str, str]:
    """(a record of many fields, one of them, its value in JSON)"""
    names = rng.sample(sorted({*RESULT_KEYS, *TEXTS, *NUMBERS}), rng.randint(6, 22))
    record = {n: number_value(rng) if n in NUMBERS or rng.random() < 0.3 else text_value(rng, wording) for n in names}
    chosen = rng.choice(names)
    if wording == "train":  # long values are what is hard to copy
        chosen = max(chosen, rng.choice(names), key=lambda n: len(str(record[n])))
    return json.dumps(record), chosen, json.dumps(record[chosen])


def misnamed(rng: random.Random, f: Function, box: list[Function]) -> str:
    """A name that is not in the box for something that is."""
    while True:
        verb, noun = rng.choice(VERBS), rng.choice(NOUNS)
        name = rng.choice([f"{verb}_{noun}", f"{f.name}_{noun}", f"{verb}_{f.name}", f.name + "s", f.name.replace("_", "") + "2"])
        if name not in {g.name for g in box}:
            return name


def number_of(result: str) -> str:
    """The number in a result."""
    value = json.loads(result)
    return json.dumps(next(iter(value.values())) if isinstance(value, dict) else value)


def toolbox(rng: random.Random, wanted: list[Function], n: int, wording: str, absent: list[Function] = (), alike: float = 0) -> list[Function]:
    """The wanted functions among others, n or more in all: no two of one name or one purpose, none of the absent. Of the
    others, the share `alike` has half its name in common with one that is asked for."""
    out = list({f.name: f for f in wanted}.values())
    asked = [f.name for f in [*out, *absent]]
    taken = {w for f in [*out, *absent] for w in family(f.name)}
    while len(out) < n:
        other = invented(rng, wording, rng.choice(asked))[0] if asked and rng.random() < alike else draw(rng, wording).function
        if not taken & family(other.name):
            out.append(other)
            taken |= family(other.name)
    rng.shuffle(out)
    return out


def family(name: str) -> set[str]:
    """Names of functions that would answer the same question."""
    return {name}.union(*(entry[1] for entry in FAMILIAR if name in entry[1]))
