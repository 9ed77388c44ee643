"""What people say to function tools: openings and joints of a call, what comes after it, and the questions to functions
that everybody has. Lists are texts with | between; UNSEEN_* and the second list of each family are never drawn for training."""

import tasks

S, N, B = {"type": "string"}, {"type": "number"}, {"type": "boolean"}


def split(text: str) -> list[str]:
    return text.replace("\n", "|").split("|")


# A call is asked for by an opening, the function's name or what it does, a joint and the arguments.
NAMED_OPENINGS = split("""use|call|run||please use|please call|please run|use the tool|use the function|call the function|run the function|call the tool|run the tool|i want|i need|try|do|invoke|let's use|let's run|let's call|let us try|start
execute|trigger|perform|apply|take|fire|activate|request|ask for|go with|we want|we need|can you call|can you use|can you run|could you use|could you call|would you run|will you call|i want you to use|i want you to call
i need you to run|i would like|i would like you to call|i'd like to use|you should use|you can use|you may call|you must call|your tool is|the tool is|the function is|tool:|function:|now|now use|now call|next, use|next:
first|just call|just use|quickly run|simply use|go on with|continue with|work with|with the tool|by means of|test|test the function|show me|give me|get me|make a call of|make the call|send a call to|put a call to
answer with|reply by|solve it with|we should call|we have to run|i have to call|it needs|this needs|this calls for|remember to use|don't forget to call|be sure to use|help me run|help me with""")
NAMED_JOINTS = split(""" with | with | with |: |: |, |, |. | - | using | where | given | and give it | and set | and pass | passing | giving | having | taking | for | on | by |; | where it has | with the arguments | with these values: 
 with this: | whose | and use | and tell it | and put in """)
SPOKEN_OPENINGS = split("""please||||please|can you|can you please|could you|could you please|would you|will you|i need you to|i want you to|i want to|i need to|i have to|i must|i would like to|i'd like to|i'd like you to|i would like you to
i'd love to|now|now please|next,|first|we have to|we need to|we must|we want to|we should|you should|you must|you can|you may|help me|help me to|help us to|let's|let us|try to|just|simply|quickly|kindly|your task is to
your job is to|the task is to|the plan is to|my plan is to|i plan to|i ask you to|i am asking you to|i was told to|they told me to|my boss wants me to|my boss wants you to|my friend asks you to|time to|remember to
don't forget to|make sure to|be sure to|be so good and|hurry and|go ahead and|start to|begin to|is it possible to|are you able to|would it be possible to|how do i|how can i|how do you|do|use your tools to|use a tool to
call a tool to|find a way to|do you know how to|it would be nice to|it is my wish to|it is important to|i hope you can|maybe you can|perhaps you could|what if you|why don't you|why not|who can|who will|someone should
it is your turn to|today we|tomorrow we|request:|task:|to do:|job:|wanted:|please do this:""")
SPOKEN_JOINTS = split(""" with | with | with |, |, |: |: |. | - | using | where | given | and set | and use |; | whose | for | by | by using | with the values | - use | having | so that |. use |. it has |. take |. values: |, that is, 
, and make it | and make it | like this: """)
# Whole ones, with F for the name and VN for what it does.
UNSEEN_HEADS = split("make F happen with ARGS|have F done with ARGS|it is time to VN with ARGS|go and VN. ARGS|somebody must VN, ARGS")
THEN = split(" then | and then |, then |. then |; then |. after that, | and after that ") * 3 + split(""". next, |. next | and next |; next |. also | and also |. afterwards | and afterwards |, and then |. when that is done, |. once this is done, |. as a second step, |. second, |. finally, | and finally |; after that 
, after that |. later | and later | followed by this: |. and then |, and |; and |. now | - then """)
COMPUTE = [
    ("*", ["multiply the result by {k}", "multiply that by {k}", "take it times {k}", "multiply the number by {k}", "multiply it by {k}", "take {k} times the result", "compute the result times {k}", "multiply by {k}", "tell me {k} times that"]),
    ("+", ["add {k} to the result", "add {k} to it", "add {k}", "add {k} to the number", "tell me the result plus {k}", "compute the result plus {k}", "put {k} on top of it", "increase it by {k}"]),
    ("-", ["subtract {k} from the result", "subtract {k}", "take away {k}", "subtract {k} from it", "take {k} away from the result", "compute the result minus {k}", "reduce it by {k}", "tell me that minus {k}"]),
    ("//", ["divide the result by {k} without remainder", "divide it by {k} without remainder", "divide that by {k}, without remainder"]), ("%", ["take the result modulo {k}", "compute it modulo {k}", "tell me the result modulo {k}"])]
ASK_FIELD = split("""tell me the {k}|what is the {k}?|give me the {k}|i want to know the {k}|say what the {k} is|show me only the {k}|the {k}, please|i need the {k}|what {k} is in it?|how about the {k}?|report the {k}|answer with the {k}
find the {k} in it|look for the {k}|i only need the {k}|just the {k}|what does it say about the {k}?|write the {k}|what {k} do you see?|let me know the {k}|pick out the {k}|return the {k}|state the {k}
please show the {k}|what value has the {k}?|tell me its {k}|give me its {k}|what is its {k}?|and its {k}?|name the {k}""")
ASK_FIELD_UNSEEN = ["read out the {k}", "which {k} does it have?"]

# What everybody has: what it is about in a word, names, description, parameters (slot, names, schema), questions, held-out questions, keys of the result.
FAMILIAR = [
    ("weather", ["get_weather", "weather", "current_weather", "weather_lookup"], "Weather of a city", [("c", ["city", "location", "place"], S)],
     split("""what is the weather in {c}?|how is the weather in {c}?|weather in {c}|what's the weather like in {c} today?|will it rain in {c} tomorrow?|is it warm in {c}?|tell me the weather in {c}|check the weather for {c}
i travel to {c}. how is the weather?|do i need a coat in {c}?|weather report for {c}|weather of {c}|give me the weather for {c}|what is the forecast for {c}?|forecast for {c}|is it raining in {c}?|is it cold in {c}?
is it hot in {c} today?|does the sun shine in {c}?|sunny in {c}?|how hot is it in {c}?|how cold does it get in {c}?|will there be snow in {c}?|is there wind in {c}?|what temperature is it in {c}?
what is the temperature in {c} right now?|temperature in {c}?|shall i take an umbrella to {c}?|i am in {c}. will it rain?|we fly to {c}. is it sunny there?|are there clouds over {c}?|look up the weather in {c}
find out how the weather in {c} is|what can you say about the weather in {c}?|is the weather good in {c}?"""),
     ["how warm is it in {c} now?", "what does the sky over {c} look like?"], [("temperature", "n"), ("sky", "s")]),
    ("money", ["convert_currency", "exchange", "convert_money"], "Converts money", [("a", ["amount", "value"], N), ("f", ["from", "source"], S), ("t", ["to", "target"], S)],
     split("""convert {a} {f} to {t}|how much is {a} {f} in {t}?|what are {a} {f} in {t}?|change {a} {f} into {t}|{a} {f} in {t}|exchange {a} {f} for {t}|i have {a} {f}. how many {t} is that?|convert {a} {f} into {t}
turn {a} {f} into {t}|what is {a} {f} in {t}?|how many {t} are {a} {f}?|how many {t} do i get for {a} {f}?|i want to change {a} {f} to {t}|please exchange {a} {f} to {t}|give me the value of {a} {f} in {t}|{a} {f} to {t}
{a} {f} make how many {t}?|can you convert {a} {f} to {t}?|my {a} {f} in {t}, please|express {a} {f} in {t}|calculate {a} {f} in {t}|what would {a} {f} be in {t}?|if i pay {a} {f}, how many {t} is it?
{a} {f} are worth how many {t}?|tell me {a} {f} in {t}"""),
     ["what do i get in {t} for {a} {f}?", "swap {a} {f} to {t}"], [("amount", "n")]),
    ("message", ["send_message", "message", "send_text"], "Sends a message", [("t", ["to", "recipient", "name"], S), ("m", ["text", "message", "body"], S)],
     split("""send {t} the message "{m}"|tell {t} "{m}"|write to {t}: {m}|message {t}: {m}|text {t} "{m}"|send a message to {t}: {m}|let {t} know: {m}|send {t} this: {m}|send "{m}" to {t}|say "{m}" to {t}|write {t} a message: {m}
write "{m}" to {t}|tell {t}: {m}|tell {t} that {m}|notify {t}: {m}|a message for {t}: {m}|message for {t}: {m}|text {t}: {m}|send a text to {t}: "{m}"|{t} should read "{m}"|{t} should know: {m}|i want to tell {t} "{m}"
pass this on to {t}: {m}|forward "{m}" to {t}|mail {t}: {m}|ping {t}: {m}|answer {t} with "{m}"|get word to {t}: {m}"""),
     ["drop {t} a line saying \"{m}\"", "please inform {t}: {m}"], [("status", "s"), ("id", "n")]),
    ("timer", ["set_timer", "timer", "start_timer"], "Starts a timer", [("m", ["minutes", "duration", "time"], N)],
     split("""set a timer for {m} minutes|start a timer of {m} minutes|timer {m} minutes|wake me in {m} minutes|i need a timer for {m} minutes|count down {m} minutes|ring in {m} minutes|set the timer to {m} minutes
set a {m} minute timer|{m} minute timer|a timer for {m} minutes|timer: {m} minutes|remind me in {m} minutes|alarm in {m} minutes|i want an alarm in {m} minutes|call me in {m} minutes|beep after {m} minutes
wait {m} minutes and ring|start counting {m} minutes|run a timer for {m} minutes|begin a timer of {m} minutes|my tea needs {m} minutes|the eggs need {m} minutes|make it ring in {m} minutes|time {m} minutes for me
clock {m} minutes|tell me when {m} minutes have passed"""),
     ["let me know when {m} minutes are over", "{m} minutes on the timer, please"], [("status", "s")]),
    ("table", ["book_table", "reserve_table", "reservation"], "Books a table", [("n", ["people", "guests", "seats"], N), ("p", ["restaurant", "place", "name"], S)],
     split("""book a table for {n} at {p}|reserve a table for {n} people at {p}|i need a table for {n} at {p}|table for {n} at {p}|get us a table for {n} at {p}|we are {n} and want to eat at {p}|reserve a table for {n} at {p}
book {p} for {n}|book {p} for {n} people|reserve {p} for {n}|reserve seats for {n} at {p}|can we eat at {p}? we are {n}|{n} people want to eat at {p}|dinner for {n} at {p}|lunch for {n} at {p}|a table at {p} for {n}
table at {p}, {n} people|i want to book a table at {p} for {n} people|find a table for {n} at {p}|ask {p} for a table for {n}|reservation at {p} for {n}|make a reservation for {n} at {p}|seats for {n} at {p}, please
we need {n} seats at {p}|get a table at {p}. we are {n}"""),
     ["a place for {n} at {p}, please arrange it", "hold a table for {n} at {p}"], [("status", "s"), ("time", "n")]),
    ("list", ["add_item", "add_to_list", "list_add"], "Adds to a list", [("i", ["item", "entry", "thing"], S), ("l", ["list", "list_name"], S)],
     split("""add {i} to the {l} list|put {i} on the {l} list|put {i} on my {l} list|add {i} to my list {l}|write {i} on the {l} list|the {l} list needs {i}|add {i} to my {l} list|add {i} to {l}|append {i} to the {l} list
include {i} in the {l} list|the {l} list: add {i}|{l} list: {i}|put {i} onto the {l} list|set {i} on the {l} list|save {i} in the {l} list|enter {i} in the {l} list|i need {i} on the {l} list|i want {i} on my {l} list
we need {i}. add it to the {l} list|{i} for the {l} list|extend the {l} list by {i}|the list {l} gets {i}|remember {i} on the {l} list|write down {i} on my {l} list"""),
     ["{i} must go on the {l} list", "note {i} in the list {l}"], [("count", "n")]),
    ("price", ["get_price", "price", "price_of", "find_price"], "Price of a thing", [("i", ["item", "product", "name"], S)],
     split("""what does {i} cost?|how much is a {i}?|what is the price of {i}?|price of {i}|find the price of {i}|how expensive is {i}?|tell me the price of {i}|what is the cost of {i}?|cost of {i}?|how much does {i} cost?
how much do {i} cost?|how much is {i}?|how much are {i}?|what do {i} cost?|i want to buy {i}. what is the price?|give me the price of {i}|price for {i}|price check: {i}|look up the price of {i}|get the price for {i}
are {i} expensive?|is {i} cheap?|how cheap are {i}?|what do they want for {i}?|tell me what {i} cost|tell me how much {i} is|what is {i} worth?|how many dollars is {i}?"""),
     ["what must i pay for {i}?", "which price has {i}?"], [("price", "n")]),
    ("light", ["set_light", "light", "switch_light"], "Switches a light", [("r", ["room", "place"], S), ("o", ["on", "state"], B)],
     split("""turn {o} the light in the {r}|switch {o} the {r} light|turn the {r} light {o}|light in the {r} {o}|please turn {o} the {r} lights|{r} light {o}|light {o} in the {r}|lights {o} in the {r}|turn {o} the {r} light
turn {o} the lights in the {r}|switch the light in the {r} {o}|switch the {r} light {o}|switch {o} the light in the {r}|put the {r} light {o}|put {o} the light in the {r}|i want the {r} light {o}
i want the light in the {r} {o}|set the {r} light to {o}|set the light in the {r} to {o}|make the {r} light go {o}|{r}: light {o}|please switch the {r} lights {o}|the {r} light should be {o}|can the {r} light be {o}?
in the {r}, turn the light {o}"""),
     ["have the {r} light {o}", "the light in the {r} must be {o}"], [("status", "s")]),
    ("language", ["translate", "translate_text", "translator"], "Translates a text", [("t", ["text", "phrase"], S), ("l", ["language", "to", "target"], S)],
     split("""translate "{t}" to {l}|translate "{t}" into {l}|what is "{t}" in {l}?|how do you say "{t}" in {l}?|"{t}" in {l}|say "{t}" in {l}|put "{t}" into {l}|translate "{t}" from English to {l}|i need "{t}" in {l}
i want to say "{t}" in {l}|how is "{t}" said in {l}?|how does one say "{t}" in {l}?|what do you call "{t}" in {l}?|what does "{t}" become in {l}?|"{t}" to {l}|"{t}" into {l}, please|{l} for "{t}"|{l} translation of "{t}"
what is the {l} for "{t}"?|write "{t}" in {l}|turn "{t}" into {l}|please translate into {l}: "{t}"|translate to {l}: "{t}"|show me "{t}" in {l}|tell me how to say "{t}" in {l}"""),
     ["give me \"{t}\" in {l}", "which words in {l} mean \"{t}\"?"], [("text", "s")]),
    ("distance", ["get_distance", "distance", "route"], "Distance of two places", [("a", ["from", "start", "origin"], S), ("b", ["to", "end", "destination"], S)],
     split("""how far is it from {a} to {b}?|distance from {a} to {b}|what is the distance from {a} to {b}?|how many km are there from {a} to {b}?|find the way from {a} to {b}|from {a} to {b}, how far is it?
i drive from {a} to {b}. how far is that?|how far is {a} from {b}?|how far away is {a} from {b}?|how far from {a} to {b}?|distance between {a} and {b}|what is the distance between {a} and {b}?
how many kilometers is it from {a} to {b}?|how many miles from {a} to {b}?|km from {a} to {b}?|route from {a} to {b}|show me the route from {a} to {b}|find a route from {a} to {b}|how do i get from {a} to {b}?
the way from {a} to {b}, please|i go from {a} to {b}. how far is it?|we travel from {a} to {b}. how many km?|tell me how far {a} is from {b}|is it far from {a} to {b}?|what is the way from {a} to {b}?
{a} to {b}: how far?|{a} to {b}, distance?|i walk from {a} to {b}. how far?"""),
     ["what lies between {a} and {b} in km?", "how long is the road from {a} to {b}?"], [("km", "n")]),
    ("event", ["create_event", "add_event", "plan_meeting"], "Puts an event into the calendar", [("t", ["title", "name", "event"], S), ("d", ["date", "day"], S), ("g", ["guests", "people", "attendees"], {"type": "array", "items": S})],
     split("""plan {t} on {d} with {g}|put {t} on {d} with {g} into my calendar|create an event {t} on {d} with {g}|{t} on {d} with {g}, please plan it|invite for {t} on {d}: {g}|schedule {t} on {d} with {g}
add {t} on {d} with {g} to my calendar|add an event: {t} on {d} with {g}|new event: {t} on {d} with {g}|make an event {t} on {d} with {g}|set up {t} on {d} with {g}|arrange {t} on {d} with {g}
organize {t} on {d} with {g}|book {t} on {d} with {g}|we have {t} on {d} with {g}|i have {t} on {d} with {g}. put it in|plan {t} for {d} with {g}|enter {t} on {d} with {g}|save {t} on {d} with {g}
note {t} on {d} with {g}|i want {t} on {d} with {g}|there is {t} on {d} with {g}|put {t} into the calendar on {d} with {g}|{t} is on {d} with {g}"""),
     ["calendar: {t} on {d} with {g}", "keep {d} free for {t}"], [("id", "n"), ("status", "s")]),
    ("order", ["order", "place_order", "buy"], "Orders things", [("n", ["quantity", "count", "number"], N), ("i", ["item", "product", "article"], S), ("a", ["address", "ship_to"], {"type": "object", "properties": {"street": S, "number": N}, "required": ["street", "number"]})],
     split("""order {n} {i} to {a}|buy {n} {i} and send them to {a}|i want {n} {i} sent to {a}|please order {n} {i}, address {a}|send {n} {i} to {a}|ship {n} {i} to {a}|please buy {n} {i} for {a}|order {n} {i}. they go to {a}
order {n} {i} and ship them to {a}|i need {n} {i} at {a}|i would like {n} {i} at {a}|deliver {n} {i} to {a}|have {n} {i} shipped to {a}|place an order of {n} {i} to {a}|{n} {i} to {a}|{n} {i} to {a}, please
get {n} {i} to {a}|we need {n} {i} at {a}|purchase {n} {i} for {a}|{a} needs {n} {i}|{a} wants {n} {i}|bring {n} {i} to {a}|buy {n} {i}. the address is {a}|i order {n} {i}. send them to {a}"""),
     ["let {n} {i} be brought to {a}", "{n} {i} should come to {a}"], [("total", "n"), ("id", "n")]),
    ("user", ["find_user", "get_user", "user_info", "lookup_contact"], "Finds a person", [("n", ["name", "user", "who"], S)],
     split("""who is {n}?|find the user {n}|look up the user {n}|what do you know about {n}?|show me {n}|get the data of {n}|phone number of {n}?|find {n}|find the person {n}|search the user {n}|search for {n}|look for {n}|look up {n}
get the user {n}|get me {n}|get {n}'s data|give me the data of {n}|give me the user {n}|who is the user {n}?|user {n}|info about {n}|information on {n}|do you know {n}?|where does {n} live?|which user is {n}?
open the record of {n}|show the user {n}|tell me about {n}|what is the number of {n}?|contact of {n}|i need the data of {n}"""),
     ["which record has {n}?", "pull up {n}"], [("id", "n"), ("city", "s")]),
    ("time", ["get_time", "time_in", "current_time"], "Time in a city", [("c", ["city", "zone", "place"], S)],
     split("""what time is it in {c}?|time in {c}|how late is it in {c}?|tell me the time in {c}|what's the time in {c} now?|is it late in {c}?|what is the time in {c}?|what is the time in {c} now?|current time in {c}
current time for {c}?|time now in {c}|local time in {c}?|what is the local time in {c}?|give me the time in {c}|get the time in {c}|how late is it now in {c}?|what hour is it in {c}?|is it morning in {c}?
is it night in {c}?|is it early in {c}?|i call {c}. what time is it there?|do people in {c} sleep now?|i want to know the time in {c}|say the time in {c}|the time in {c}, please|look at the clock in {c}
when it is noon here, what time is it in {c}?"""),
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
