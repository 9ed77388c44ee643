#!/usr/bin/env python3
"""Masks of this project next to llguidance and xgrammar: one run, one thread, one vocabulary (o200k), the same texts.

    scripts/bench_grammar.py [--bench build/cpu/tests/bench/mask_bench] [--functions 300] [--generated 150] [--xgrammar 25]

Schemas: the functions of BFCL (PyPI bfcl-eval), the configuration schemas of check-jsonschema (PyPI), generated ones
(tests/core/grammar/schema_generator.py) and, where Debian's json-schema-test-suite is installed, the official draft 7
suite. Texts: instances made for each schema, and mutations of them; python's jsonschema says which are valid. Compile
and mask times are the engine's own work as far as its interface lets one see it: for the peers a call from Python
(under 1 us) is in it. xgrammar compiles so slowly that it gets fewer schemas; what the others took for these is printed
too. Times are CPU time of the thread. The peers are installed, pinned, into a virtual environment (--venv); exit 77 where that is not possible.
"""

import argparse
import glob
import json
import pathlib
import random
import subprocess
import sys
import time
import zipfile

from check_tokenizer import ROOT, SKIPPED, write_ranks

PEERS = ["tiktoken==0.14.0", "llguidance==1.9.1", "numpy", "jsonschema==4.26.0", "rfc3339-validator==0.1.4"]
XGRAMMAR = ["torch==2.13.0", "xgrammar==0.2.8"]
DATA = ["bfcl-eval==2026.3.23", "check-jsonschema==0.39.0"]
SUITE = "/usr/share/json-schema-test-suite/tests/draft7/*.json"
WORDS = "Paris red 2024-05-01 hello@example.com the quick brown fox jumps over a lazy dog San Francisco, CA".split()


def install(folder, packages, download=False):
    python = folder / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    what = ["download", "--no-deps", "-d", folder / "data"] if download else ["install"]
    return subprocess.run([python, "-m", "pip", "-q", *what, *packages], stderr=subprocess.DEVNULL).returncode == 0


# --- Schemas and texts ---------------------------------------------------------------------------------------------


def plain(schema):
    """BFCL's names of types -> JSON Schema's."""
    if isinstance(schema, list):
        return [plain(s) for s in schema]
    if not isinstance(schema, dict):
        return schema
    names = {"dict": "object", "float": "number", "tuple": "array", "any": None, "String": "string", "Boolean": "boolean",
             "HashMap": "object", "ArrayList": "array", "Array": "array", "long": "integer", "double": "number",
             "char": "string", "Hashtable": "object", "Integer": "integer", "byte": "integer", "short": "integer", "Set": "array"}
    out = {k: plain(v) for k, v in schema.items() if k in ("type", "required", "items", "enum")}
    if isinstance(schema.get("properties"), dict):
        out["properties"] = {name: plain(sub) for name, sub in schema["properties"].items()}
    if isinstance(out.get("type"), str) and out["type"] in names:
        out["type"] = names[out["type"]]
        if out["type"] is None:
            del out["type"]
    return out


def bfcl_schemas(data, n, rng):
    seen = {}
    wheel = zipfile.ZipFile(next(data.glob("bfcl_eval*.whl")))
    for name in sorted(wheel.namelist()):
        if "/data/BFCL_v4" not in name or not name.endswith(".json") or "multi_turn" in name:
            continue
        for line in wheel.read(name).decode().splitlines():
            try:
                functions = json.loads(line).get("function", [])
            except json.JSONDecodeError:
                continue
            for function in functions if isinstance(functions, list) else [functions]:
                schema = plain(function.get("parameters", {}))
                if isinstance(schema.get("properties"), dict):
                    seen[json.dumps(schema)] = schema
    schemas = list(seen.values())
    rng.shuffle(schemas)
    return schemas[:n]


def instance(schema, rng, root, depth=0):
    if schema is True or schema == {} or depth > 6:
        return rng.choice([1, "x", None, True, [], {}])
    if "$ref" in schema and schema["$ref"].startswith("#/"):
        target = root
        for part in schema["$ref"][2:].split("/"):
            target = target[part]
        return instance(target, rng, root, depth + 1)
    for key in ("const", "enum"):
        if key in schema:
            return schema[key] if key == "const" else rng.choice(schema[key])
    for key in ("anyOf", "oneOf"):
        if key in schema:
            return instance(rng.choice(schema[key]), rng, root, depth + 1)
    kind = schema.get("type", "object" if "properties" in schema else "string")
    if isinstance(kind, list):
        kind = rng.choice(kind)
    if kind == "object":
        out = {}
        for name, sub in schema.get("properties", {}).items():
            if name in schema.get("required", []) or rng.random() < 0.5:
                out[name] = instance(sub, rng, root, depth + 1)
        return out
    if kind == "array":
        return [instance(schema.get("items", {}), rng, root, depth + 1) for _ in range(rng.randint(schema.get("minItems", 0), schema.get("minItems", 0) + 3))]
    if kind == "integer":
        return rng.randint(int(schema.get("minimum", 0)), int(schema.get("maximum", 1000)))
    if kind == "number":
        return round(rng.uniform(schema.get("minimum", -5), schema.get("maximum", 500)), 2)
    if kind == "string":
        text = " ".join(rng.choice(WORDS) for _ in range(rng.randint(1, 6)))
        return (text + "x" * schema.get("minLength", 0))[: schema.get("maxLength", 200)]
    return {"boolean": rng.random() < 0.5, "null": None}.get(kind)


def mutated(value, rng):
    """Something near `value` that may well be invalid."""
    if isinstance(value, dict) and value:
        key = rng.choice(list(value))
        choice = rng.randrange(4)
        if choice == 0:
            return {k: v for k, v in value.items() if k != key}
        if choice == 1:
            return {**value, "extra_" + key: 1}
        return {**value, key: mutated(value[key], rng)}
    if isinstance(value, list) and value and rng.random() < 0.7:
        return [mutated(value[0], rng), *value[1:]]
    return rng.choice([1, 1.5, -7, "text", None, True, [], {}, [1, "a"], {"a": 1}])


def cases(arguments, rng):
    """[(group, schema, texts, valid)]"""
    import jsonschema

    data = arguments.venv / "data"
    groups = [("functions", s) for s in bfcl_schemas(data, arguments.functions, rng)]
    wheel = zipfile.ZipFile(next(data.glob("check_jsonschema*.whl")))
    groups += [("config files", json.loads(wheel.read(n))) for n in sorted(wheel.namelist()) if "/vendor/" in n and n.endswith(".json")]
    generator = ROOT / "tests" / "core" / "grammar" / "schema_generator.py"
    lines = subprocess.run([sys.executable, str(generator), str(arguments.generated), "23"], capture_output=True, text=True, check=True).stdout
    groups += [("generated", json.loads(line)) for line in lines.splitlines()]
    out = []
    for group, schema in groups:
        values = []
        for _ in range(3):
            try:
                values.append(instance(schema, rng, schema))
                values += [mutated(values[-1], rng) for _ in range(2)]
            except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
                pass
        texts, valid = [], []
        for value in values:
            try:
                draft = jsonschema.validators.validator_for(schema, default=jsonschema.Draft202012Validator)
                ok = draft(schema, format_checker=draft.FORMAT_CHECKER).is_valid(value)
            except Exception:  # a schema or reference that jsonschema does not take
                continue
            texts.append(json.dumps(value, ensure_ascii=False))
            valid.append(ok)
        out.append((group, schema, texts, valid))
    for path in sorted(glob.glob(SUITE)):
        for group in json.loads(pathlib.Path(path).read_text()):
            tests = group["tests"]
            schema = group["schema"]
            if isinstance(schema, dict):
                schema = {"$schema": "http://json-schema.org/draft-07/schema#", **schema}
            out.append(("official suite", schema, [json.dumps(t["data"], ensure_ascii=False) for t in tests], [t["valid"] for t in tests]))
    return out


# --- Engines -------------------------------------------------------------------------------------------------------
# Each: schema, tokens of the texts -> (compile us, [accepted], [us of each mask + commit]), or None when refused.


def ours(arguments, rows):
    lines = "".join(json.dumps({"schema": schema, "texts": texts}) + "\n" for _, schema, texts, _ in rows)
    path = arguments.venv / "cases.jsonl"
    path.write_text(lines)
    done = subprocess.run([arguments.bench, "--replay", str(path)], capture_output=True, text=True, check=True)
    return [None if "error" in r else (r["compile_us"], r["accepted"], r["mask_us"]) for r in map(json.loads, done.stdout.splitlines())]


def llguidance_engine(encoding):
    import llguidance.numpy
    import llguidance.tiktoken
    from llguidance import LLMatcher

    tokenizer = llguidance.tiktoken.lltokenizer_from_encoding(encoding, n_vocab=201089, eos_token=199999)
    mask = llguidance.numpy.allocate_token_bitmask(1, tokenizer.vocab_size)

    def run(schema, texts):
        begin = time.thread_time()
        matcher = LLMatcher(tokenizer, LLMatcher.grammar_from_json_schema(json.dumps(schema)))
        if matcher.is_error():
            return None
        compile_us = (time.thread_time() - begin) * 1e6
        accepted, times = [], []
        for tokens in texts:
            matcher.reset()
            ok = True
            for token in tokens:
                begin = time.thread_time()
                llguidance.numpy.fill_next_token_bitmask(matcher, mask)
                ok = bool(mask[0, token >> 5] >> (token & 31) & 1) and matcher.consume_token(token)
                times.append((time.thread_time() - begin) * 1e6)
                if not ok:
                    break
            accepted.append(ok and matcher.is_accepting())
        return compile_us, accepted, times

    return run


def xgrammar_engine(encoding):
    import torch
    import xgrammar

    torch.set_num_threads(1)
    vocabulary = [b""] * 201088
    for text, rank in encoding._mergeable_ranks.items():
        vocabulary[rank] = text
    info = xgrammar.TokenizerInfo(vocabulary, xgrammar.VocabType.RAW, vocab_size=201088, stop_token_ids=[199999])
    compiler = xgrammar.GrammarCompiler(info, max_threads=1, cache_enabled=False)
    mask = xgrammar.allocate_token_bitmask(1, 201088)

    def run(schema, texts):
        begin = time.thread_time()
        try:
            compiled = compiler.compile_json_schema(json.dumps(schema), any_whitespace=True, strict_mode=False)
        except Exception:  # its errors have no common type
            return None
        compile_us = (time.thread_time() - begin) * 1e6
        accepted, times = [], []
        for tokens in texts:
            matcher = xgrammar.GrammarMatcher(compiled, terminate_without_stop_token=False)
            ok = True
            for token in tokens:
                begin = time.thread_time()
                matcher.fill_next_token_bitmask(mask)
                ok = matcher.accept_token(token)
                times.append((time.thread_time() - begin) * 1e6)
                if not ok:
                    break
            accepted.append(ok and matcher.accept_token(199999))
        return compile_us, accepted, times

    return run


# --- Table ---------------------------------------------------------------------------------------------------------


def quantiles(times):
    times = sorted(times)
    if not times:
        return "-"
    at = [times[min(len(times) - 1, int(q * len(times)))] for q in (0.5, 0.95, 0.99)]
    return f"{sum(times) / len(times):.1f} / " + " / ".join(f"{t:.1f}" for t in at)


def print_rows(title, rows, results):
    n_texts = sum(len(r[2]) for r in rows)
    print(f"\n{title}: {len(rows)} schemas, {n_texts} texts, {sum(sum(r[3]) for r in rows)} of them valid")
    print("| engine | schemas refused | wholly right | texts right | valid rejected | invalid accepted | compile us avg / p50 / p95 / p99 | mask + commit us avg / p50 / p95 / p99 |")
    print("|---|---:|---:|---:|---:|---:|---|---|")
    for name, outcomes in results.items():
        refused = whole = right = rejected = let_in = 0
        compile_us, masks = [], []
        for (_, _, _, valid), outcome in zip(rows, outcomes, strict=True):
            if outcome is None:
                refused += 1
                continue
            compile_us.append(outcome[0])
            masks += outcome[2]
            whole += outcome[1] == valid
            for ok, accepted in zip(valid, outcome[1], strict=True):
                right += ok == accepted
                rejected += ok and not accepted
                let_in += accepted and not ok
        print(f"| {name} | {refused} | {whole} ({100 * whole / max(1, len(rows)):.1f} %) | {right} ({100 * right / max(1, n_texts):.1f} %) | {rejected} | {let_in} | {quantiles(compile_us)} | {quantiles(masks)} |")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bench", default=ROOT / "build/cpu/tests/bench/mask_bench", help="the program mask_bench")
    parser.add_argument("--functions", type=int, default=300)
    parser.add_argument("--generated", type=int, default=150)
    parser.add_argument("--xgrammar", type=int, default=25, help="schemas for xgrammar; 0 leaves it out")
    parser.add_argument("--show", action="store_true", help="print our wrong verdicts")
    parser.add_argument("--venv", type=pathlib.Path, default=ROOT / "build/grammar-peers")
    arguments = parser.parse_args()
    wanted = PEERS + (XGRAMMAR if arguments.xgrammar else [])
    if not install(arguments.venv, wanted) or not install(arguments.venv, DATA, download=True):
        print("SKIPPED: cannot install", *wanted, *DATA)
        return SKIPPED
    python = arguments.venv / "bin" / "python"
    if pathlib.Path(sys.prefix).resolve() != arguments.venv.resolve():
        return subprocess.run([python, *sys.argv]).returncode
    write_ranks(arguments.venv / "ranks")
    import tiktoken

    encoding = tiktoken.get_encoding("o200k_harmony")
    rows = cases(arguments, random.Random(3))
    outcomes = {"toccata": ours(arguments, rows)}
    tokens = [[encoding.encode(text, disallowed_special=()) for text in row[2]] for row in rows]
    peers = {"llguidance": (llguidance_engine(encoding), len(rows))}
    slow = [i for group in ("functions", "generated") for i, row in enumerate(rows) if row[0] == group][:: max(1, (arguments.functions + arguments.generated) // max(1, arguments.xgrammar))]
    for name, (engine, n) in peers.items():
        outcomes[name] = [engine(row[1], t) for row, t in zip(rows[:n], tokens[:n], strict=True)]
    for group in dict.fromkeys(row[0] for row in rows):
        chosen = [i for i, row in enumerate(rows) if row[0] == group]
        print_rows(group, [rows[i] for i in chosen], {name: [o[i] for i in chosen] for name, o in outcomes.items()})
    print_rows("all", rows, outcomes)
    if arguments.show:
        for (group, schema, texts, valid), outcome in zip(rows, outcomes["toccata"], strict=True):
            for text, ok, accepted in zip(texts, valid, outcome[1] if outcome else [], strict=bool(outcome)):
                if ok != accepted:
                    print(f"{'valid rejected' if ok else 'invalid accepted'} ({group}): {text}\n    {json.dumps(schema)[:2000]}")
    if arguments.xgrammar:
        engine = xgrammar_engine(encoding)
        few = {name: [o[i] for i in slow] for name, o in outcomes.items()}
        few["xgrammar"] = [engine(rows[i][1], tokens[i]) for i in slow]
        print_rows("the schemas that xgrammar got", [rows[i] for i in slow], few)
    return 0


if __name__ == "__main__":
    sys.exit(main())
