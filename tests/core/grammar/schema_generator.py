#!/usr/bin/env python3
"""Random JSON Schemas, one a line: schema_generator.py N SEED. Half of them look like the parameters of functions."""

import json
import random
import sys

WORDS = "city unit date name id count tags limit user email url status items price from to query é key_1 a.b".split()
PATTERNS = ["^[a-z]+$", "^\\d{3}-\\d{4}$", "[A-Z]", "^(foo|bar)?\\w*$", "^.{2,6}$", "^\\S+@\\S+$", "x$", "^[^\\s,]+$", "^#[0-9a-fA-F]{6}$"]
FORMATS = ["date-time", "date", "time", "email", "ipv4", "ipv6", "uuid", "uri", "hostname", "duration"]


class Generator:
    def __init__(self, seed):
        self.r = random.Random(seed)

    def string(self):
        r, s = self.r, {"type": "string"}
        kind = r.randrange(6)
        if kind == 0:
            s["enum"] = r.sample(["red", "green", "blue", "a\"b", "ü", "x\\y", "redder"], r.randint(1, 5))
        elif kind == 1:
            s["pattern"] = r.choice(PATTERNS)
        elif kind == 2:
            s["format"] = r.choice(FORMATS)
        elif kind == 3:
            s["minLength"] = r.randint(0, 6)
            s["maxLength"] = s["minLength"] + r.choice([0, 1, 5, 40, 100000])
        if r.random() < 0.1 and "pattern" in s:
            s["maxLength"] = r.randint(8, 30)
        return s

    def number(self):
        r = self.r
        s = {"type": r.choice(["integer", "integer", "number"])}
        whole = s["type"] == "integer" or r.random() < 0.5
        low = r.randint(-1000, 1000) if whole else round(r.uniform(-100, 100), r.randint(0, 3))
        if r.random() < 0.5:
            s[r.choice(["minimum", "exclusiveMinimum"])] = low
        if r.random() < 0.5:
            s[r.choice(["maximum", "exclusiveMaximum"])] = low + (r.randint(2, 3000) if whole else round(r.uniform(0.1, 50), 2))
        if r.random() < 0.15:
            s["multipleOf"] = r.choice([1, 2, 3, 5, 7, 10])
        return s

    def object(self, depth):
        r = self.r
        names = r.sample(WORDS, r.randint(0, 5))
        s = {"type": "object", "properties": {n: self.schema(depth - 1) for n in names}}
        if names and r.random() < 0.8:
            s["required"] = r.sample(names, r.randint(0, len(names)))
        kind = r.random()
        if kind < 0.5:
            s["additionalProperties"] = False
        elif kind < 0.65:
            s["additionalProperties"] = self.schema(depth - 1)
        if r.random() < 0.1:
            s["patternProperties"] = {r.choice(["^x-", "_id$", "^[0-9]+$"]): self.schema(depth - 1)}
        if r.random() < 0.1:
            s["maxProperties"] = len(names) + r.randint(0, 2)
        if r.random() < 0.1:
            s["minProperties"] = 1
        if len(names) > 1 and r.random() < 0.1 and "maxProperties" not in s:
            s["dependentRequired"] = {names[0]: [names[1]]}
        if r.random() < 0.05:
            s["propertyNames"] = {"pattern": "^[a-z]"}
        return s

    def array(self, depth):
        r = self.r
        s = {"type": "array", "items": self.schema(depth - 1)}
        if r.random() < 0.4:
            s["minItems"] = r.randint(0, 3)
        if r.random() < 0.4:
            s["maxItems"] = s.get("minItems", 0) + r.randint(0, 3)
        if r.random() < 0.15:
            s["prefixItems"] = [self.schema(depth - 1) for _ in range(r.randint(1, 2))]
            s["items"] = r.choice([False, s["items"]])
        return s

    def schema(self, depth):
        r = self.r
        kind = r.random()
        if depth <= 0 or kind < 0.45:
            return r.choice([self.string, self.string, self.number, lambda: {"type": "boolean"}, lambda: {"const": r.choice([1, "k", None, True, {"a": [1]}])},
                             lambda: {"type": ["string", "null"]}, lambda: {"enum": ["a", 1, None, 2.5]}])()
        if kind < 0.65:
            return self.object(depth)
        if kind < 0.78:
            return self.array(depth)
        if kind < 0.86:
            return {"anyOf": [self.schema(depth - 1) for _ in range(r.randint(1, 3))]}
        if kind < 0.91:
            return {"allOf": [self.object(depth - 1), self.object(depth - 1)]}
        if kind < 0.96:
            tags = r.sample(WORDS, 2)
            return {"oneOf": [{**self.object(depth - 1), "properties": {"kind": {"const": t}}, "required": ["kind"]} for t in tags]}
        if kind < 0.98:
            return {"not": {"enum": ["a", "b"]}, "type": "string"}
        return {"type": "object", "properties": {"v": self.schema(0), "next": {"anyOf": [{"$ref": "#"}, {"type": "null"}]}}, "additionalProperties": False}

    def function(self):
        r = self.r
        names = r.sample(WORDS, r.randint(1, 6))
        def prop():
            kind = r.randrange(7)
            p = [lambda: {"type": "string"}, lambda: {"type": "integer"}, lambda: {"type": "number"}, lambda: {"type": "boolean"},
                 lambda: {"type": "string", "enum": r.sample(["asc", "desc", "none", "both"], 2)},
                 lambda: {"type": "array", "items": {"type": r.choice(["string", "number", "integer"])}},
                 lambda: {"type": "object", "properties": {"lat": {"type": "number"}, "lon": {"type": "number"}}, "required": ["lat"]}][kind]()
            p["description"] = "what it is"
            return p
        return {"type": "object", "properties": {n: prop() for n in names}, "required": r.sample(names, r.randint(0, len(names)))}


def main():
    n, seed = int(sys.argv[1]), int(sys.argv[2])
    g = Generator(seed)
    for i in range(n):
        print(json.dumps(g.function() if i % 2 else g.schema(3)))


if __name__ == "__main__":
    main()
