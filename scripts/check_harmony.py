#!/usr/bin/env python3
"""Compares `toccata dev render` and `dev parse --strict` with openai-harmony on generated conversations, tool schemas
and token streams: text, ids, messages and errors.

    scripts/check_harmony.py --toccata build/cpu/agent/cli/toccata [--render 100000] [--parse 100000] [--seed 1]

The peer is installed, pinned, into a virtual environment (--venv); where that is not possible the check says SKIPPED
and returns 77. Returns 1 on any difference that is not one of the deliberate ones:
  - id 201088: the crate's last special id does not exist in the models; an unknown id here
  - id 200018 is spelled <|endofprompt|>, as in Hugging Face's tokenizer.json; the crate says <|reserved_200018|>
  - ids outside the vocabulary give U+FFFD and what follows stays; in the crate they swallow the rest of the message
Streams with such ids are therefore not generated. --show-deliberate prints one example of each.
"""

import argparse
import json
import pathlib
import random
import re
import subprocess
import sys

from check_tokenizer import ROOT, enter_venv, write_ranks

BATCH = 5000

WORDS = ["alpha", "beta γ", "it's", "<|start|>", "a\nb", "x" * 40, "naïve", "日本語", "", "1234567", "tab\tend", "trailing ", "{}", "// c", "null"]


def words(rng):
    return rng.choice(WORDS)


def schema(rng, depth=0):
    kind = rng.choice(["string", "number", "integer", "boolean", "array", "object", "enum", "list", "oneOf", "any", "null"] if depth < 3 else ["string", "number", "boolean"])
    out = {}
    if kind in ("string", "number", "integer", "boolean", "null"):
        out["type"] = kind
    elif kind == "enum":
        out |= {"type": "string", "enum": rng.sample(["a", "b c", 'q"q', "d", 5], rng.randint(1, 4))}
    elif kind == "list":
        out["type"] = rng.sample(["string", "integer", "null", "boolean"], rng.randint(0, 3))
    elif kind == "array":
        out["type"] = "array"
        if rng.random() < 0.8:
            out["items"] = schema(rng, depth + 1)
    elif kind == "oneOf":
        out["oneOf"] = [schema(rng, depth + 1) for _ in range(rng.randint(1, 3))]
    elif kind == "object":
        out["type"] = "object"
        if rng.random() < 0.9:
            names = rng.sample(["x", "y", "zed", "päth", "a-b", "n_1"], rng.randint(0, 4))
            out["properties"] = {n: schema(rng, depth + 1) for n in names}
            if rng.random() < 0.6:
                out["required"] = [n for n in names if rng.random() < 0.5]
    for key, make in (("description", lambda: words(rng)), ("title", lambda: words(rng)), ("nullable", lambda: rng.random() < 0.7),
                      ("default", lambda: rng.choice(["d", 3, 1.5, None, True, {"k": [1]}, "é", [1, "b"]])), ("examples", lambda: rng.choice([[], ["e1", 2], ["e1", "e2"], [3]]))):
        if rng.random() < 0.15:
            out[key] = make()
    return out


def tools(rng):
    out = {}
    for name in rng.sample(["functions", "browser", "python", "zoo"], rng.randint(0, 2)):
        space = {"name": name, "tools": []}
        if rng.random() < 0.5:
            space["description"] = words(rng)
        for i in range(rng.randint(0, 3)):
            tool = {"name": f"tool_{i}", "description": words(rng)}
            if rng.random() < 0.85:
                tool["parameters"] = schema(rng) if rng.random() < 0.3 else {"type": "object", "properties": {"p": schema(rng, 1), "q": schema(rng, 1)}}
            space["tools"].append(tool)
        out[name] = space
    return out


def message(rng):
    role = rng.choice(["user", "assistant", "assistant", "assistant", "system", "developer", "tool"])
    out = {"role": role, "content": words(rng)}
    if role == "tool" and rng.random() < 0.97:
        out["name"] = rng.choice(["functions.f", "python", "browser.search"])
    elif rng.random() < 0.1:
        out["name"] = "bob"
    if role == "system" and rng.random() < 0.7:
        part = {"type": "system_content"}
        for key, value in (("model_identity", words(rng)), ("reasoning_effort", rng.choice(["Low", "Medium", "High"])), ("conversation_start_date", "2026-01-02"), ("knowledge_cutoff", "2024-06"),
                           ("channel_config", {"valid_channels": rng.sample(["analysis", "commentary", "final"], rng.randint(0, 3)), "channel_required": rng.random() < 0.5}), ("tools", tools(rng))):
            # An absent field is none on the wire; the Python package would fill in a default, so none is said aloud.
            part[key] = value if rng.random() < 0.6 else None
        out["content"] = [part]
    if role == "developer" and rng.random() < 0.7:
        part = {"type": "developer_content"}
        if rng.random() < 0.7:
            part["instructions"] = words(rng)
        if rng.random() < 0.7:
            part["tools"] = tools(rng)
        out["content"] = [part]
    if rng.random() < 0.01:
        out["content"] = [{"type": "developer_content", "instructions": "x"}, {"type": "text", "text": "y"}]
    if role in ("assistant", "tool"):
        if rng.random() < 0.8:
            out["channel"] = rng.choice(["analysis", "commentary", "final", "final"])
        if rng.random() < 0.3:
            out["recipient"] = rng.choice(["functions.f", "all", "user", "assistant", "python"])
        if rng.random() < 0.3:
            out["content_type"] = rng.choice(["json", "code", "<|constrain|>json", "<|constrain|> json", "<|constrain|>"])
    return out


def request(rng, i):
    mode = rng.choice(["completion", "conversation", "training", "message"])
    if mode == "message":
        return {"id": i, "mode": mode, "message": message(rng), "render_options": {"conversation_has_function_tools": rng.random() < 0.5}}
    out = {"id": i, "mode": mode, "conversation": {"messages": [message(rng) for _ in range(rng.randint(1, 6))]}, "config": {"auto_drop_analysis": rng.random() < 0.5}}
    if mode == "completion":
        out["next_role"] = rng.choice(["assistant", "user", "tool"])
    return out


def reference_render(encoding, harmony, r):
    if r["mode"] == "message":
        options = harmony.RenderOptions(conversation_has_function_tools=r["render_options"]["conversation_has_function_tools"])
        return encoding.render(harmony.Message.from_dict(r["message"]), options)
    conversation = harmony.Conversation.from_json(json.dumps(r["conversation"]))
    config = harmony.RenderConversationConfig(auto_drop_analysis=r["config"]["auto_drop_analysis"])
    if r["mode"] == "completion":
        return encoding.render_conversation_for_completion(conversation, harmony.Role(r["next_role"]), config)
    if r["mode"] == "training":
        return encoding.render_conversation_for_training(conversation, config)
    return encoding.render_conversation(conversation, config)


HEADERS = ["<|channel|>analysis<|message|>", "<|channel|>final<|message|>", "<|channel|>commentary<|message|>", "<|channel|>commentary to=functions.f <|constrain|>json<|message|>",
           " to=functions.f<|channel|>commentary json<|message|>", "<|channel|>analysis to=browser.search code<|message|>", "<|message|>", "<|channel|>final <|constrain|>json<|message|>",
           "<|channel|>commentary to=functions.f<|constrain|>json<|message|>", " to=python<|channel|>analysis code<|message|>"]
BODIES = ["Hello", '{"a": 1}', "print(1)\n", "日本 💖 naïve", "", " ", "<|start|> as text is not written here", "to=functions.x json{}", "a\u00a0b"]
ROLES = ["assistant", "assistant", "assistant", "user", "system", "developer", "functions.f to=assistant", "python to=assistant", "bob", "tool", "assistant:bob", "to=x"]
JUNK = ["<|start|>", "<|end|>", "<|message|>", "<|channel|>", "<|constrain|>", "<|return|>", "<|call|>", "<|endoftext|>", " ", "\n", "\t", "\u00a0", "\u2003", "\x0b", "\x1c", "\x85", "assistant", "final", "analysis", " to=", " to=functions.f", "to=x",
        " json", " code", "<", ">", "=", "functions.f", " a b", "commentary", "<|reserved_200000|>", "<|startoftext|>", "é", "assistantassistant", " to=to=x", "user", "tool"]


def stream(rng, encode):
    """Ids of a completion, most of them mutated. Token by token, so that characters and names are cut anywhere."""
    role = rng.choice(["assistant", "assistant", None, "user", "tool"])
    ids = []
    for i in range(rng.randint(1, 4)):
        if i > 0 or role is None:
            ids += encode("<|start|>") + encode(rng.choice(ROLES))
        ids += encode(rng.choice(HEADERS)) + encode(rng.choice(BODIES)) + encode(rng.choice(["<|end|>", "<|call|>", "<|return|>", ""]))
    if rng.random() < 0.15:
        return role, ids
    for _ in range(rng.choice([1, 1, 1, 2, 4])):
        at = rng.randrange(len(ids) + 1)
        kind = rng.random()
        if kind < 0.45:
            ids[at:at] = encode(rng.choice(JUNK))
        elif kind < 0.65:
            del ids[at : at + rng.randint(1, 3)]
        elif kind < 0.8 and at < len(ids):
            ids[at] = rng.choice([9552, 9559, 31446, 244, 222, rng.randrange(199998), rng.randrange(199998, 200018)])
        elif kind < 0.9:
            other = rng.randrange(len(ids) + 1)
            ids[at:at] = ids[min(at, other) : max(at, other)][:12]
        else:
            del ids[at:]
        if not ids:
            ids = encode("<|end|>")
    return role, [id for id in ids if id != 200018]


def reference_parse(encoding, harmony, r):
    role = harmony.Role(r["role"]) if r["role"] else None
    messages = encoding.parse_messages_from_completion_tokens(r["tokens"], role, strict=True)
    return [json.loads(m.to_json()) for m in messages]


def plain(m):
    """A message with its text content as one string and without absent fields."""
    if isinstance(m.get("content"), list):
        m = m | {"content": "".join(part["text"] for part in m["content"])}
    return {key: value for key, value in m.items() if value is not None}


def unescaped(error):
    """Rust's \\u{...} in a quoted header, which characters it chooses being a matter of its Unicode version."""
    return re.sub(r"\\u\{([0-9a-f]+)\}", lambda m: chr(int(m[1], 16)), error)


def ask(program, verb, requests):
    done = subprocess.run([program, "dev", *verb], input="".join(json.dumps(r) + "\n" for r in requests), capture_output=True, text=True, check=True)
    return [json.loads(line)["result"] for line in done.stdout.split("\n")[:-1]]


def compare(kind, n, make, verb, program, reference, same):
    different = errors = 0
    for begin in range(0, n, BATCH):
        requests = [make(i) for i in range(begin, min(n, begin + BATCH))]
        for r, ours in zip(requests, ask(program, verb, requests), strict=True):
            try:
                theirs = {"value": reference(r)}
            except Exception as e:  # noqa: BLE001: the library's own errors
                theirs = {"error": str(e)}
                errors += 1
            if not same(ours, theirs):
                different += 1
                if different <= 5:
                    print(f"{kind} {json.dumps(r, ensure_ascii=False)}\n  theirs {theirs}\n  ours   {ours}")
    print(f"{kind}: {n} cases, {errors} of them refused by the library, {different} differences")
    return different


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--toccata", default="build/cpu/agent/cli/toccata")
    parser.add_argument("--render", type=int, default=2000)
    parser.add_argument("--parse", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--show-deliberate", action="store_true")
    parser.add_argument("--venv", type=pathlib.Path, default=ROOT / "build/tokenizer-peers")
    args = parser.parse_args()
    enter_venv(args.venv)
    write_ranks(args.venv / "ranks")
    import openai_harmony as harmony

    encoding = harmony.load_harmony_encoding(harmony.HarmonyEncodingName.HARMONY_GPT_OSS)
    rng = random.Random(args.seed)

    def encode(text):
        return encoding.encode(text, allowed_special="all")

    def make_stream(i):
        role, tokens = stream(rng, encode)
        return {"id": i, "tokens": tokens, "role": role, "eos": True}

    def same_render(ours, theirs):
        return "error" in ours if "error" in theirs else ours.get("tokens") == theirs["value"]

    def same_parse(ours, theirs):
        if "error" in theirs:
            return unescaped(ours.get("error", "")) == unescaped(theirs["error"])
        return "messages" in ours and [plain(m) for m in ours["messages"]] == [plain(m) for m in theirs["value"]]

    if args.show_deliberate:
        head = encode("<|start|>assistant<|message|>")
        for ids in ([201088], [200018], [300000] + encode("after")):
            r = {"id": 0, "tokens": head + ids, "role": None}
            print(ids, "theirs", reference_parse(encoding, harmony, r)[0]["content"], "ours", ask(args.toccata, ["parse", "--strict"], [r])[0]["messages"][0]["content"])
    different = compare("render", args.render, lambda i: request(rng, i), ["render"], args.toccata, lambda r: reference_render(encoding, harmony, r), same_render)
    different += compare("parse --strict", args.parse, make_stream, ["parse", "--strict"], args.toccata, lambda r: reference_parse(encoding, harmony, r), same_parse)
    return 1 if different else 0


if __name__ == "__main__":
    sys.exit(main())
