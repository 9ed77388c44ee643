#!/usr/bin/env python3
"""Compares `toccata dev render` with openai-harmony on random conversations and tool schemas, text and ids.

    scripts/check_harmony.py --toccata build/cpu/agent/cli/toccata --n 3000

Needs the PyPI package openai-harmony==0.0.8 and o200k_base.tiktoken (TIKTOKEN_ENCODINGS_BASE names its folder); says
SKIPPED where they are not to be had. Exit 1 on any difference.
"""

import argparse
import json
import random
import subprocess
import sys

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
    if role == "tool":
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
    if role in ("assistant", "tool"):
        if rng.random() < 0.8:
            out["channel"] = rng.choice(["analysis", "commentary", "final", "final"])
        if rng.random() < 0.3:
            out["recipient"] = rng.choice(["functions.f", "all", "user", "assistant", "python"])
        if rng.random() < 0.3:
            out["content_type"] = rng.choice(["json", "code", "<|constrain|>json", "<|constrain|> json", "<|constrain|>"])
    return out


def request(rng, i):
    mode = rng.choice(["completion", "conversation", "training"])
    out = {"id": i, "mode": mode, "conversation": {"messages": [message(rng) for _ in range(rng.randint(1, 6))]}, "config": {"auto_drop_analysis": rng.random() < 0.5}}
    if mode == "completion":
        out["next_role"] = rng.choice(["assistant", "user", "tool"])
    return out


def reference(encoding, harmony, r):
    conversation = harmony.Conversation.from_json(json.dumps(r["conversation"]))
    config = harmony.RenderConversationConfig(auto_drop_analysis=r["config"]["auto_drop_analysis"])
    if r["mode"] == "completion":
        return encoding.render_conversation_for_completion(conversation, harmony.Role(r["next_role"]), config)
    if r["mode"] == "training":
        return encoding.render_conversation_for_training(conversation, config)
    return encoding.render_conversation(conversation, config)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--toccata", default="build/cpu/agent/cli/toccata")
    parser.add_argument("--n", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    try:
        import openai_harmony as harmony

        encoding = harmony.load_harmony_encoding(harmony.HarmonyEncodingName.HARMONY_GPT_OSS)
    except Exception as e:  # noqa: BLE001: no package, no vocabulary, no network
        print(f"SKIPPED: openai-harmony is not usable here: {e}")
        return 0
    rng = random.Random(args.seed)
    requests = [request(rng, i) for i in range(args.n)]
    done = subprocess.run([args.toccata, "dev", "render"], input="".join(json.dumps(r) + "\n" for r in requests), capture_output=True, text=True, check=True)
    different = 0
    for r, line in zip(requests, done.stdout.splitlines(), strict=True):
        ours = json.loads(line)["result"]
        try:
            wanted = reference(encoding, harmony, r)
        except Exception as e:  # noqa: BLE001: the library's own errors
            if "error" not in ours:
                different += 1
                print(f"id {r['id']}: the library refuses ({e}), ours renders")
            continue
        if ours.get("tokens") != wanted:
            different += 1
            if different <= 5:
                print(f"id {r['id']} ({r['mode']}):\n  theirs {encoding.decode(wanted)!r}\n  ours   {ours.get('text', ours)!r}")
    print(f"{args.n} conversations, {different} differences")
    return 1 if different else 0


if __name__ == "__main__":
    sys.exit(main())
