"""The table of task kinds with their wordings (standard library only)."""

from kinds import (Kind, arithmetic, counted, integer, number_list, pair, quoted, simple, story)


def _n(low: int, high: int):
    return lambda rng: {"n": str(rng.randint(low, high))}


def _degrees(rng):
    return {"n": rng.choice([str(rng.randint(-40, 250)), f"{rng.randint(0, 120)}.{rng.randint(1, 9)}"])}


def _length(rng):
    return {"n": rng.choice([str(rng.randint(1, 999)), str(rng.randint(1, 30000)), f"{rng.randint(0, 120)}.{rng.randint(1, 9)}"])}


def _percent(rng):
    return {"p": str(rng.randint(1, 150)), "n": integer(rng, 6, 0), "s": rng.choice(["%", "%", " percent", " %"])}


def _zero(rng):
    slots = {"a": integer(rng, 5, 0), "o": rng.choice(["/", "/", "÷", "divided by", "over"])}
    return {"slots": slots, "code": f"print(round({slots['a']} / 0, 4))",
            "final": f"{slots['a']} / 0 is undefined: division by zero."}


def _text(code, final):
    return simple(quoted, code, final)


def _prime(rng):
    n = str(rng.choice([rng.randint(2, 200), rng.randint(100, 9999), rng.randint(1000, 999999)]))
    return {"slots": {"n": n}, "code": f"n = {n}; print(n > 1 and all(n % d for d in range(2, int(n ** 0.5) + 1)))",
            "final": lambda out: f"{n} is prime." if out == "True" else f"{n} is not prime."}


KINDS = [
    Kind("add", 1.2, arithmetic("+", 2, 4), ["{x}"]),
    Kind("subtract", 1.2, arithmetic("-", 2, 3), ["{x}"]),
    Kind("multiply", 1.4, arithmetic("*", 2, 3), ["{x}"]),
    Kind("divide", 1.2, arithmetic("/", 2, 2), ["{x}"]),
    Kind("mixed", 3.0, arithmetic("+-**/", 3, 4), ["{x}"]),
    Kind("power", 1.0, simple(lambda r: {"a": str(r.randint(2, 99)), "b": str(r.randint(2, 12))}, "print({a} ** {b})", "{a} ** {b} = {r}"),
         ["{a} ** {b}", "{a}^{b}", "{a} ^ {b}", "{a} to the power of {b}", "{a} to the power {b}", "{a} raised to the power of {b}",
          "the power {a}^{b}", "{a} raised to {b}", "{a} power {b}"], ["Raise {a} to the power of {b}.", "Raise {a} to the power {b}."],
         ["the power of {a} to {b}"], ["Take {a} and raise it to the power of {b}."]),
    Kind("modulo", 0.9, simple(pair(6), "print({a} % {b})", "{a} % {b} = {r}"),
         ["{a} % {b}", "{a} mod {b}", "{a} modulo {b}", "the remainder of {a} divided by {b}", "the remainder of {a} / {b}",
          "the remainder when {a} is divided by {b}", "the rest of {a} divided by {b}", "the remainder of dividing {a} by {b}"],
         ["What is left over when {a} is divided by {b}?", "Divide {a} by {b} and give the remainder.", "Which remainder does {a} / {b} leave?"],
         ["the remainder after {a} is divided by {b}"], ["Divide {a} by {b}, what is the remainder?"]),
    Kind("intdiv", 0.9, simple(pair(6), "print({a} // {b})", "{a} // {b} = {r}"),
         ["{a} // {b}", "the integer division of {a} by {b}", "{a} div {b}", "the whole part of {a} divided by {b}", "the integer part of {a} / {b}",
          "the integer quotient of {a} and {b}", "the whole quotient of {a} and {b}"],
         ["How many times does {b} fit into {a}?", "How often does {b} go into {a}?", "Divide {a} by {b} without the rest.", "Integer divide {a} by {b}.",
          "How many whole times does {b} go into {a}?"], ["the integer result of {a} divided by {b}"], ["How many times will {b} go into {a}?"]),
    Kind("sum_list", 1.0, simple(number_list, "print(sum([{c}]))", "The sum is {r}."),
         ["the sum of {l}", "the sum of the list {l}", "the total of {l}", "the sum of these numbers: {l}", "sum({l})", "the sum of the numbers {l}"],
         ["Add up {l}.", "Add these numbers: {l}", "Sum up {l}", "Sum the list {l}.", "Add all of these: {l}", "{l}: what is the sum?", "Total of {l}?"],
         ["the sum of all these: {l}"], ["These numbers, {l}, what is the sum?"]),
    Kind("mean", 1.0, simple(number_list, "n = [{c}]; print(round(sum(n) / len(n), 4))", "The mean is {r}."),
         ["the mean of {l}", "the average of {l}", "the mean of the list {l}", "the average of these numbers: {l}", "the arithmetic mean of {l}", "mean({l})",
          "the average value of {l}"],
         ["Average {l}", "Take the average of {l}.", "Average these numbers: {l}", "{l}: what is the mean?", "{l}: what is the average?"],
         ["the mean of all these: {l}"], ["These numbers, {l}, what is the average?"]),
    Kind("max_list", 0.8, simple(number_list, "print(max([{c}]))", "The largest is {r}."),
         ["the maximum of {l}", "the largest of {l}", "the biggest number in {l}", "the largest number in {l}", "the max of {l}", "max({l})", "the highest of {l}",
          "the biggest of these: {l}", "the greatest of {l}"],
         ["Which is the largest: {l}?", "Which number is the biggest in {l}?", "{l}: which is the largest?", "{l}: what is the maximum?"],
         ["the largest one of these: {l}"], ["Which of {l} is the biggest?"]),
    Kind("min_list", 0.8, simple(number_list, "print(min([{c}]))", "The smallest is {r}."),
         ["the minimum of {l}", "the smallest of {l}", "the lowest number in {l}", "the smallest number in {l}", "the min of {l}", "min({l})", "the lowest of {l}",
          "the smallest of these: {l}", "the least of {l}"],
         ["Which is the smallest: {l}?", "Which number is the smallest in {l}?", "{l}: which is the smallest?", "{l}: what is the minimum?"],
         ["the smallest one of these: {l}"], ["Which of {l} is the lowest?"]),
    Kind("sort", 1.0, simple(number_list, "print(sorted([{c}]))", "Sorted: {r}"), ["{l} sorted", "the sorted list of {l}", "the list {l} in order", "sorted({l})"],
         ["Sort {l}", "Sort the list {l}", "Sort these numbers: {l}", "Put {l} in order.", "Order {l}", "Arrange {l} from small to large.", "Bring {l} into order.",
          "Sort the numbers {l} please"], ["the numbers {l} in sorted order"], ["Put these into order: {l}"]),
    Kind("factorial", 0.9, simple(_n(0, 25), "import math; print(math.factorial({n}))", "{n}! = {r}"),
         ["{n}!", "{n} factorial", "the factorial of {n}", "factorial({n})", "factorial {n}", "factorial of {n}"], ["Take the factorial of {n}."],
         ["the factorial value of {n}"], ["For {n}, what is the factorial?"]),
    Kind("prime", 1.0, _prime, [], ["Is {n} prime?", "Is {n} a prime number?", "Is {n} a prime?", "Check if {n} is prime.", "Tell me if {n} is a prime number.",
         "{n} prime?", "Is the number {n} prime?", "Test whether {n} is prime.", "Prime test for {n}", "Is {n} prime or not?", "Do you know if {n} is prime?",
         "Is it true that {n} is prime?", "{n}: prime or not?", "Find out if {n} is a prime.", "Whether {n} is prime, tell me."],
         [], ["Could {n} be a prime number?", "Say if {n} is prime or not."]),
    Kind("gcd", 0.8, simple(pair(5), "import math; print(math.gcd({a}, {b}))", "gcd({a}, {b}) = {r}"),
         ["the gcd of {a} and {b}", "gcd({a}, {b})", "the greatest common divisor of {a} and {b}", "gcd {a} {b}", "the gcd of {a}, {b}", "the greatest common factor of {a} and {b}",
          "the largest common divisor of {a} and {b}", "the gcd for {a} and {b}"],
         ["Which is the largest number that divides {a} and {b}?"], ["the common divisor of {a} and {b}, the greatest one,"], ["For {a} and {b}, what is the gcd?"]),
    Kind("lcm", 0.8, simple(pair(4), "import math; print(math.lcm({a}, {b}))", "lcm({a}, {b}) = {r}"),
         ["the lcm of {a} and {b}", "lcm({a}, {b})", "the least common multiple of {a} and {b}", "lcm {a} {b}", "the lcm of {a}, {b}", "the lowest common multiple of {a} and {b}",
          "the smallest common multiple of {a} and {b}", "the lcm for {a} and {b}"],
         ["Which is the smallest number that {a} and {b} divide?"], ["the common multiple of {a} and {b}, the least one,"], ["For {a} and {b}, what is the lcm?"]),
    Kind("sqrt", 0.9, simple(_n(2, 99999), "import math; print(round(math.sqrt({n}), 4))", "sqrt({n}) = {r}"),
         ["the square root of {n}", "sqrt({n})", "√{n}", "sqrt of {n}", "the root of {n}", "sqrt {n}", "square root of {n}", "square root {n}", "the square root from {n}"],
         ["Take the square root of {n}.", "Which number squared is {n}?"], ["the square root value of {n}"], ["For {n}, what is the square root?"]),
    Kind("percent", 1.0, simple(_percent, "print(round({p} * {n} / 100, 4))", "{p}% of {n} is {r}."),
         ["{p}{s} of {n}", "{p}{s} from {n}", "{p} per cent of {n}"], ["If I take {p}{s} of {n}, what do I get?", "How many is {p}{s} of {n}?", "Take {p}{s} of {n}.",
          "Of {n}, how much is {p}{s}?"], ["{p}{s} out of {n}"], ["From {n} I want {p}{s}, how much is it?"]),
    Kind("digit_sum", 0.9, simple(lambda r: {"n": integer(r, 9, 0)}, "print(sum(map(int, str({n}))))", "The digit sum of {n} is {r}."),
         ["the digit sum of {n}", "the sum of the digits of {n}", "the sum of digits of {n}", "the digit sum for {n}", "digit sum {n}", "the cross sum of {n}",
          "the sum of all digits in {n}", "the sum of the digits in {n}"], ["Add the digits of {n}.", "Add up the digits of {n}.", "Sum the digits of {n}", "Sum up all digits of {n}"],
         ["the digits sum of {n}"], ["Take {n} and add its digits."]),
    Kind("reverse", 1.0, _text('print("{w}"[::-1])', "{w} reversed is {r}."),
         ["{q} reversed", "{q} backwards", "the reverse of {q}", "the word {q} reversed", "{q} in reverse", "the string {q} reversed", "{q} spelled backwards", "the word {q} backwards"],
         ["Reverse {q}", "Reverse the word {q}", "Reverse the string {q}.", "Turn {q} around.", "Write {q} backwards.", "Spell {q} backwards.", "How do you spell {q} backwards?",
          "Flip the letters of {q}", "Reverse this: {q}"], ["the letters of {q} reversed"], ["Write the word {q} in reverse."], False),
    Kind("length", 0.9, _text('print(len("{w}"))', "{w} has {r} letters."),
         ["the length of {q}", "the length of the word {q}", "the number of letters in {q}", "the length of the string {q}", "len({q})", "the letter count of {q}", "the number of characters in {q}"],
         ["How many letters are in {q}?", "How many letters does {q} have?", "How long is the word {q}?", "How many characters does {q} have?", "Count the letters in {q}.", "How long is {q}?",
          "Count the letters of the word {q}", "How many letters has {q}?"], ["the number of letters that {q} has"], ["The word {q} has how many letters?"], False),
    Kind("count", 0.9, simple(counted, 'print("{w}".count("{k}"))', '{w} contains {r} "{k}".'),
         ["the number of {j} in {q}", "the count of {j} in {q}", "the number of times {j} is in {q}", "the number of letters {j} in {q}"],
         ["How many {j} are in {q}?", "How many times does {j} appear in {q}?", "Count the letter {j} in {q}.", "How often does {j} occur in {q}?", "How many letters {j} are in {q}?",
          "How many {j} does {q} have?", "Count the {j} in {q}", "How many times is {j} in {q}?", "How often is {j} in the word {q}?", "In {q}, how many {j} are there?"],
         ["the count of the letter {j} in the word {q}"], ["In the word {q}, how often does {j} appear?"], False),
    Kind("upper", 0.9, _text('print("{w}".upper())', "In upper case: {r}"),
         ["{q} in upper case", "{q} in uppercase", "{q} in capitals", "the word {q} in capital letters", "{q} in capital letters", "{q} in big letters", "the uppercase of {q}", "{q} as uppercase"],
         ["Write {q} in capitals.", "Make {q} uppercase.", "Turn {q} into upper case", "Put {q} in capital letters.", "Uppercase {q}", "Convert {q} to uppercase.", "Capitalize all of {q}",
          "Convert the word {q} to upper case"], ["the word {q} with capital letters"], ["Turn the word {q} into capitals."], False),
    Kind("c_to_f", 0.8, simple(_degrees, "print(round({n} * 9 / 5 + 32, 2))", "{n} C is {r} F."),
         ["{n} C in F", "{n} degrees Celsius in Fahrenheit", "{n}°C in °F", "{n} Celsius in Fahrenheit", "{n} C to F", "{n} celsius to fahrenheit", "{n} °C in Fahrenheit", "{n} degrees C in F"],
         ["Convert {n} C to F.", "Convert {n} degrees Celsius to Fahrenheit.", "Convert {n} Celsius to Fahrenheit", "Turn {n} C into F", "How many Fahrenheit is {n} Celsius?", "It is {n} C, how much is that in F?",
          "Convert {n}°C to °F"], ["{n} degrees of Celsius as Fahrenheit"], ["In Fahrenheit, what is {n} Celsius?"], False),
    Kind("f_to_c", 0.8, simple(_degrees, "print(round(({n} - 32) * 5 / 9, 2))", "{n} F is {r} C."),
         ["{n} F in C", "{n} degrees Fahrenheit in Celsius", "{n}°F in °C", "{n} Fahrenheit in Celsius", "{n} F to C", "{n} fahrenheit to celsius", "{n} °F in Celsius", "{n} degrees F in C"],
         ["Convert {n} F to C.", "Convert {n} degrees Fahrenheit to Celsius.", "Convert {n} Fahrenheit to Celsius", "Turn {n} F into C", "How many Celsius is {n} Fahrenheit?", "It is {n} F, how much is that in C?",
          "Convert {n}°F to °C"], ["{n} degrees of Fahrenheit as Celsius"], ["In Celsius, what is {n} Fahrenheit?"], False),
    Kind("km_to_miles", 0.8, simple(_length, "print(round({n} / 1.609344, 3))", "{n} km is {r} miles."),
         ["{n} km in miles", "{n} kilometers in miles", "{n} kilometres in miles", "{n} km to miles", "{n} kilometers to miles", "{n} km as miles", "{n}km in miles"],
         ["Convert {n} km to miles.", "Convert {n} kilometers to miles.", "How many miles is {n} km?", "How many miles are {n} kilometers?", "Turn {n} km into miles", "I ran {n} km, how many miles is that?", "How far is {n} km in miles?"],
         ["{n} kilometers as miles"], ["In miles, what is {n} km?"], False),
    Kind("miles_to_km", 0.8, simple(_length, "print(round({n} * 1.609344, 3))", "{n} miles is {r} km."),
         ["{n} miles in km", "{n} miles in kilometers", "{n} miles in kilometres", "{n} miles to km", "{n} miles to kilometers", "{n} miles as km", "{n} mi in km"],
         ["Convert {n} miles to km.", "Convert {n} miles to kilometers.", "How many km is {n} miles?", "How many kilometers are {n} miles?", "Turn {n} miles into km", "I ran {n} miles, how many km is that?", "How far is {n} miles in km?"],
         ["{n} miles as kilometers"], ["In km, what is {n} miles?"], False),
    Kind("story", 1.4, story),
    Kind("zero", 0.7, _zero, ["{a} {o} 0"], ["Divide {a} by 0.", "Divide {a} by zero.", "What happens if I divide {a} by 0?", "Split {a} by 0.", "What do I get if I divide {a} by zero?"],
         ["the quotient of {a} and 0"], ["I divide {a} by 0, what comes out?"]),
]
