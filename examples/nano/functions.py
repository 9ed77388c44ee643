"""Function tools: how they are declared, how people ask for them, the call, what comes back and the answer.

A toolbox has one to three functions. Some are what everybody has (weather, timer, messages) under varying names; most are
invented, verb_noun with invented parameters, so that a name can only be read off the declaration. `declaration` prints
what the program's renderer prints; a test compares the two.
"""

import dataclasses
import json
import random

import lookup
import tasks

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

NAMED_HEADS = """use F with ARGS|call F with ARGS|run F with ARGS|F with ARGS|F: ARGS|F, ARGS|please use F, ARGS|use the tool F with ARGS|call the function F with ARGS|i want F with ARGS|use F. ARGS|call F: ARGS|try F with ARGS|do F with ARGS|use F and give it ARGS|run the function F: ARGS|invoke F with ARGS|please call F with ARGS|can you call F with ARGS?|let F run with ARGS""".split("|")
SPOKEN_HEADS = """VN with ARGS|VN, ARGS|VN: ARGS|please VN with ARGS|can you VN with ARGS?|i need you to VN with ARGS|could you VN, ARGS?|i want to VN with ARGS|please VN. ARGS|VN. ARGS|VN for me, ARGS|i would like to VN with ARGS|now VN with ARGS|we have to VN with ARGS|help me VN with ARGS|you should VN with ARGS|VN - ARGS|let's VN with ARGS""".split("|")
UNSEEN_HEADS = """make F happen with ARGS|have F done with ARGS|it is time to VN with ARGS|go and VN. ARGS|somebody must VN, ARGS""".split("|")
THEN = [" then ", " and then ", ", then ", ". then ", "; then ", ". after that, ", " and after that "]
COMPUTE = [("*", ["multiply the result by {k}", "multiply that by {k}", "take it times {k}", "multiply the number by {k}"]), ("+", ["add {k} to the result", "add {k} to it", "add {k}"]), ("-", ["subtract {k} from the result", "subtract {k}", "take away {k}"]), ("//", ["divide the result by {k} without remainder"]), ("%", ["take the result modulo {k}"])]


ASK_FIELD = ["tell me the {k}", "what is the {k}?", "give me the {k}", "i want to know the {k}", "say what the {k} is", "show me only the {k}", "the {k}, please"]
ASK_FIELD_UNSEEN = ["read out the {k}", "which {k} does it have?"]


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


def pick(rng: random.Random, seen: list[str], unseen: list[str], wording: str) -> str:
    return rng.choice(unseen if wording == "unseen" and rng.random() < 0.6 else seen)


def text_value(rng: random.Random, wording: str) -> str:
    chance = rng.random()
    if chance < 0.3:
        return rng.choice(tasks.NAMES)
    if chance < 0.55:
        return lookup.name(rng)
    if chance < 0.9:
        return pick(rng, VALUES, UNSEEN_VALUES, wording)
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


def invented(rng: random.Random, wording: str) -> tuple[Function, str, dict]:
    """(function, question, arguments)"""
    verb, noun = pick(rng, VERBS, UNSEEN_VERBS, wording), pick(rng, NOUNS, UNSEEN_NOUNS, wording)
    name = verb + "_" + noun if rng.random() < 0.85 else verb + noun.capitalize()
    names: list[str] = []
    for _ in range(rng.choice([0, 1, 1, 1, 2, 2, 2, 3])):
        pool = rng.choices([TEXTS, NUMBERS, SWITCHES, LISTS, list(OBJECTS)], [5, 5, 1.5, 1, 1.5])[0]
        if wording == "unseen" and pool in (TEXTS, NUMBERS) and rng.random() < 0.6:
            pool = UNSEEN_TEXTS if pool is TEXTS else UNSEEN_NUMBERS
        names.append(rng.choice([n for n in pool if n not in names]))
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
    head = rng.choice(UNSEEN_HEADS if wording == "unseen" else NAMED_HEADS if rng.random() < 0.5 else SPOKEN_HEADS)
    if not arguments:
        head = head.replace(" with ARGS", "").replace(" and give it ARGS", "").replace(": ARGS", "").replace(", ARGS", "").replace(" - ARGS", "").replace(". ARGS", "")
    thing = f"{verb} {rng.choice(['the', 'the', 'a', 'my', 'this'])} {noun}"
    return f, head.replace("F", name).replace("VN", thing).replace("ARGS", said_arguments(rng, arguments)), arguments


# What everybody has: names, description, parameters (slot, names, schema), questions, held-out questions, keys of the result.
S, N, B = {"type": "string"}, {"type": "number"}, {"type": "boolean"}
FAMILIAR = [
    (["get_weather", "weather", "current_weather", "weather_lookup"], "Weather of a city", [("c", ["city", "location", "place"], S)],
     ["what is the weather in {c}?", "how is the weather in {c}?", "weather in {c}", "what's the weather like in {c} today?", "will it rain in {c} tomorrow?", "is it warm in {c}?", "tell me the weather in {c}", "check the weather for {c}", "i travel to {c}. how is the weather?", "do i need a coat in {c}?"],
     ["how warm is it in {c} now?", "what does the sky over {c} look like?"], [("temperature", "n"), ("sky", "s")]),
    (["convert_currency", "exchange", "convert_money"], "Converts money", [("a", ["amount", "value"], N), ("f", ["from", "source"], S), ("t", ["to", "target"], S)],
     ["convert {a} {f} to {t}", "how much is {a} {f} in {t}?", "what are {a} {f} in {t}?", "change {a} {f} into {t}", "{a} {f} in {t}", "exchange {a} {f} for {t}", "i have {a} {f}. how many {t} is that?"],
     ["what do i get in {t} for {a} {f}?", "swap {a} {f} to {t}"], [("amount", "n")]),
    (["send_message", "message", "send_text"], "Sends a message", [("t", ["to", "recipient", "name"], S), ("m", ["text", "message", "body"], S)],
     ["send {t} the message \"{m}\"", "tell {t} \"{m}\"", "write to {t}: {m}", "message {t}: {m}", "text {t} \"{m}\"", "send a message to {t}: {m}", "let {t} know: {m}"],
     ["drop {t} a line saying \"{m}\"", "please inform {t}: {m}"], [("status", "s"), ("id", "n")]),
    (["set_timer", "timer", "start_timer"], "Starts a timer", [("m", ["minutes", "duration", "time"], N)],
     ["set a timer for {m} minutes", "start a timer of {m} minutes", "timer {m} minutes", "wake me in {m} minutes", "i need a timer for {m} minutes", "count down {m} minutes", "ring in {m} minutes"],
     ["let me know when {m} minutes are over", "{m} minutes on the timer, please"], [("status", "s")]),
    (["book_table", "reserve_table", "reservation"], "Books a table", [("n", ["people", "guests", "seats"], N), ("p", ["restaurant", "place", "name"], S)],
     ["book a table for {n} at {p}", "reserve a table for {n} people at {p}", "i need a table for {n} at {p}", "table for {n} at {p}", "get us a table for {n} at {p}", "we are {n} and want to eat at {p}"],
     ["a place for {n} at {p}, please arrange it", "hold a table for {n} at {p}"], [("status", "s"), ("time", "n")]),
    (["add_item", "add_to_list", "list_add"], "Adds to a list", [("i", ["item", "entry", "thing"], S), ("l", ["list", "list_name"], S)],
     ["add {i} to the {l} list", "put {i} on the {l} list", "put {i} on my {l} list", "add {i} to my list {l}", "write {i} on the {l} list", "the {l} list needs {i}"],
     ["{i} must go on the {l} list", "note {i} in the list {l}"], [("count", "n")]),
    (["get_price", "price", "price_of", "find_price"], "Price of a thing", [("i", ["item", "product", "name"], S)],
     ["what does {i} cost?", "how much is a {i}?", "what is the price of {i}?", "price of {i}", "find the price of {i}", "how expensive is {i}?", "tell me the price of {i}"],
     ["what must i pay for {i}?", "which price has {i}?"], [("price", "n")]),
    (["set_light", "light", "switch_light"], "Switches a light", [("r", ["room", "place"], S), ("o", ["on", "state"], B)],
     ["turn {o} the light in the {r}", "switch {o} the {r} light", "turn the {r} light {o}", "light in the {r} {o}", "please turn {o} the {r} lights", "{r} light {o}"],
     ["have the {r} light {o}", "the light in the {r} must be {o}"], [("status", "s")]),
    (["translate", "translate_text", "translator"], "Translates a text", [("t", ["text", "phrase"], S), ("l", ["language", "to", "target"], S)],
     ["translate \"{t}\" to {l}", "translate \"{t}\" into {l}", "what is \"{t}\" in {l}?", "how do you say \"{t}\" in {l}?", "\"{t}\" in {l}", "say \"{t}\" in {l}", "put \"{t}\" into {l}"],
     ["give me \"{t}\" in {l}", "which words in {l} mean \"{t}\"?"], [("text", "s")]),
    (["get_distance", "distance", "route"], "Distance of two places", [("a", ["from", "start", "origin"], S), ("b", ["to", "end", "destination"], S)],
     ["how far is it from {a} to {b}?", "distance from {a} to {b}", "what is the distance from {a} to {b}?", "how many km are there from {a} to {b}?", "find the way from {a} to {b}", "from {a} to {b}, how far is it?", "i drive from {a} to {b}. how far is that?"],
     ["what lies between {a} and {b} in km?", "how long is the road from {a} to {b}?"], [("km", "n")]),
    (["create_event", "add_event", "plan_meeting"], "Puts an event into the calendar", [("t", ["title", "name", "event"], S), ("d", ["date", "day"], S), ("g", ["guests", "people", "attendees"], {"type": "array", "items": S})],
     ["plan {t} on {d} with {g}", "put {t} on {d} with {g} into my calendar", "create an event {t} on {d} with {g}", "{t} on {d} with {g}, please plan it", "invite for {t} on {d}: {g}", "schedule {t} on {d} with {g}"],
     ["calendar: {t} on {d} with {g}", "keep {d} free for {t}"], [("id", "n"), ("status", "s")]),
    (["order", "place_order", "buy"], "Orders things", [("n", ["quantity", "count", "number"], N), ("i", ["item", "product", "article"], S), ("a", ["address", "ship_to"], {"type": "object", "properties": {"street": S, "number": N}, "required": ["street", "number"]})],
     ["order {n} {i} to {a}", "buy {n} {i} and send them to {a}", "i want {n} {i} sent to {a}", "please order {n} {i}, address {a}", "send {n} {i} to {a}", "ship {n} {i} to {a}"],
     ["let {n} {i} be brought to {a}", "{n} {i} should come to {a}"], [("total", "n"), ("id", "n")]),
    (["find_user", "get_user", "user_info", "lookup_contact"], "Finds a person", [("n", ["name", "user", "who"], S)],
     ["who is {n}?", "find the user {n}", "look up the user {n}", "what do you know about {n}?", "show me {n}", "get the data of {n}", "phone number of {n}?"],
     ["which record has {n}?", "pull up {n}"], [("id", "n"), ("city", "s")]),
    (["get_time", "time_in", "current_time"], "Time in a city", [("c", ["city", "zone", "place"], S)],
     ["what time is it in {c}?", "time in {c}", "how late is it in {c}?", "tell me the time in {c}", "what's the time in {c} now?", "is it late in {c}?"],
     ["what do the clocks in {c} show?", "{c} time, please"], [("time", "n")]),
]
MESSAGES = ["i am late", "see you soon", "happy birthday", "call me back", "the train is late", "dinner is ready", "good luck", "meet me at noon", "i am at home", "thank you for the book", "the door is open", "we won", "bring some bread"]
PHRASES_SPOKEN = ["good morning", "thank you", "where is the station", "how are you", "the cat is black", "i like tea", "see you later", "one more coffee"]
LANGUAGES = ["French", "German", "Spanish", "Italian", "Greek", "Polish", "Dutch", "Finnish"]
CURRENCIES = ["dollars", "euros", "pounds", "yen", "francs", "crowns", "rupees", "pesos"]
ROOMS = ["kitchen", "garden", "bedroom", "hall", "office", "bath", "cellar", "garage"]
DAYS = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]
EVENTS = ["lunch", "dinner", "a meeting", "a party", "tennis", "a walk", "the review", "chess", "a concert"]
GOODS = tasks.THINGS + ["milk", "bread", "butter", "cheese", "salt", "soap", "tea", "rice", "paper"]


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
    """(function, question, arguments, keys of the result)"""
    names, description, slots, questions, unseen, keys = rng.choice(FAMILIAR)
    values = {}
    for slot, _, schema in slots:
        value = familiar_value(rng, description, slot, schema)
        while schema is S and value in values.values():
            value = familiar_value(rng, description, slot, schema)
        values[slot] = value
    question = rng.choice(unseen if wording == "unseen" else questions)
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
    return f, question.format(**shown), arguments, keys


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
        f, question, arguments, keys = familiar(rng, wording)
    else:
        (f, question, arguments), keys = invented(rng, wording), None
    result = result_text(rng, keys, numeric)
    return Request(f, question, arguments, result, answer_text(result))


def long_result(rng: random.Random, wording: str) -> tuple[str, str, str]:
    """(a record of many fields, one of them, its value in JSON)"""
    names = rng.sample(sorted({*RESULT_KEYS, *TEXTS, *NUMBERS}), rng.randint(6, 22))
    record = {n: number_value(rng) if n in NUMBERS or rng.random() < 0.3 else text_value(rng, wording) for n in names}
    chosen = rng.choice(names)
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


def toolbox(rng: random.Random, wanted: list[Function], n: int, wording: str, absent: list[Function] = ()) -> list[Function]:
    """The wanted functions among others, n or more in all: no two of one name or one purpose, none of the absent."""
    out = list({f.name: f for f in wanted}.values())
    taken = {w for f in [*out, *absent] for w in family(f.name)}
    while len(out) < n:
        other = draw(rng, wording).function
        if not taken & family(other.name):
            out.append(other)
            taken |= family(other.name)
    rng.shuffle(out)
    return out


def family(name: str) -> set[str]:
    """Names of functions that would answer the same question."""
    return {name}.union(*(entry[0] for entry in FAMILIAR if name in entry[0]))
