"""nano's tokenizer: bytes, digit pairs, merges learnt from the tasks, whole phrases of the prompt, harmony's specials.

Ids: 0-255 the bytes by value; then merges in rank order; then the phrases; the seven control tokens last.
"""

import collections
import json
import pathlib
import random
import re

import tasks

ROOT = pathlib.Path(__file__).resolve().parents[2]
PATTERN = r"[A-Za-z]+|[0-9]{1,2}| |\n|[^A-Za-z0-9\s]+|\s"
SPLIT = re.compile(PATTERN)
SPECIALS = ["<|start|>", "<|end|>", "<|message|>", "<|channel|>", "<|constrain|>", "<|return|>", "<|call|>"]
N_VOCAB = 1024

IDENTITY = "You are ChatGPT, a large language model trained by OpenAI.\nKnowledge cutoff: 2024-06\nCurrent date: "
CHANNELS = "\n\n# Valid channels: analysis, commentary, final. Channel must be included for every message."
FUNCTIONS = "\nCalls to these tools must go to the commentary channel: 'functions'."
NO_OUTPUT = "[WARN] No output available. Use print() to output anything to stdout to receive the output"


def python_section() -> str:
    return "\n\n## python\n\n" + (ROOT / "prompts/python_tool.txt").read_text().rstrip("\n")


def browser_section() -> str:
    """The browser declaration as the renderer writes it (see prompts/browser_tool.json)."""
    spec = json.loads((ROOT / "prompts/browser_tool.json").read_text())
    lines = [f"// {line}" for line in spec["description"].split("\n")] + ["namespace browser {", ""]
    for tool in spec["tools"]:
        lines += [f"// {line}" for line in tool["description"].split("\n")] + [f"type {tool['name']} = (_: {{"]
        for name, schema in tool["parameters"]["properties"].items():
            kind = schema["type"] if isinstance(schema["type"], str) else " | ".join(schema["type"])
            mark = "" if name in tool["parameters"].get("required", []) else "?"
            note = f" // default: {json.dumps(schema['default'])}" if "default" in schema else ""
            lines.append(f"{name}{mark}: {kind},{note}")
        lines += ["}) => any;", ""]
    return "\n\n## browser\n\n" + "\n".join([*lines, "} // namespace browser"])


def phrases() -> list[str]:
    return [
        IDENTITY, "\n\nReasoning: ", "\n\n# Tools", python_section(), browser_section(), CHANNELS, FUNCTIONS, NO_OUTPUT,
        "# Instructions\n\n", " to=python", " to=assistant", 'Traceback (most recent call last):\n  File "<cell ', ", line 1, in <module>\n",
    ]


def task_text(seed: int) -> collections.Counter:
    """Pieces of the computing tasks' text, counted."""
    rng = random.Random(seed)
    counts: collections.Counter[str] = collections.Counter()
    header = "assistant analysis final commentary python code user system developer low medium high " * 40
    for _ in range(30000):
        task = tasks.draw_task(rng, tasks.draw_kind(rng), "seen")
        counts.update(SPLIT.findall(task.question + "\n" + task.code + "\n" + task.answer))
    for _ in range(3000):
        for task in (tasks.refusal(rng), tasks.chat(rng), tasks.date_question(rng, "2026-11-24")):
            counts.update(SPLIT.findall(task.question + "\n" + task.answer))
    counts.update(SPLIT.findall(header))
    return counts


def joined(parts: tuple[bytes, ...], pair: tuple[bytes, bytes]) -> tuple[bytes, ...]:
    out: list[bytes] = []
    for part in parts:
        if out and (out[-1], part) == pair:
            out[-1] += part
        else:
            out.append(part)
    return tuple(out)


def learn_merges(counts: collections.Counter, n: int, known: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """The known merges and then the most frequent pairs of the text, one by one, until there are n."""
    merges, made = list(known), {a + b for a, b in known}
    pieces: collections.Counter = collections.Counter()
    for piece, c in counts.items():
        # Pieces seen once are random letters: merges learnt from them would be noise.
        if not piece[0].isdigit() and c > 3:
            pieces[tuple(bytes([b]) for b in piece.encode())] += c
    for pair in known:
        pieces = relabelled(pieces, pair)
    while len(merges) < n:
        pairs: collections.Counter = collections.Counter()
        for piece, c in pieces.items():
            for pair in zip(piece, piece[1:]):
                if pair[0] + pair[1] not in made:
                    pairs[pair] += c
        if not pairs:
            break
        best = max(pairs, key=lambda p: (pairs[p], p))
        if pairs[best] < 8:
            break
        merges.append(best)
        made.add(best[0] + best[1])
        pieces = relabelled(pieces, best)
    return merges


def relabelled(pieces: collections.Counter, pair: tuple[bytes, bytes]) -> collections.Counter:
    out: collections.Counter = collections.Counter()
    for piece, c in pieces.items():
        out[joined(piece, pair) if pair[0] in piece else piece] += c
    return out


def digit_pairs() -> list[tuple[bytes, bytes]]:
    return [(str(a).encode(), str(b).encode()) for a in range(10) for b in range(10)]


def byte_letters() -> dict[int, str]:
    """GPT-2's spelling of bytes as printable characters."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    letters = {b: chr(b) for b in plain}
    for b in range(256):
        if b not in letters:
            letters[b] = chr(256 + len(letters) - len(plain))
    return letters


class Vocabulary:
    def __init__(self, merges, phrase_list, size: int = N_VOCAB):
        self.merges, self.size = merges, size
        tokens = [bytes([b]) for b in range(256)] + [a + b for a, b in merges]
        self.rank = {t: i for i, t in enumerate(tokens)}
        assert len(self.rank) == len(tokens), "a merge makes a token that is there already"
        self.n_ordinary = len(tokens)
        self.phrases = {p: self.n_ordinary + i for i, p in enumerate(phrase_list)}
        first = size - len(SPECIALS)
        assert self.n_ordinary + len(phrase_list) <= first
        self.special = {s: first + i for i, s in enumerate(SPECIALS)}
        self.bytes = {i: t for t, i in self.rank.items()} | {i: p.encode() for p, i in self.phrases.items()}
        self._phrase = re.compile("|".join(re.escape(p) for p in sorted(phrase_list, key=len, reverse=True)))
        self._cache: dict[str, list[int]] = {}

    def piece(self, text: str) -> list[int]:
        if text in self._cache:
            return self._cache[text]
        parts = [bytes([b]) for b in text.encode()]
        while len(parts) > 1:
            ranked = [(self.rank.get(a + b, 1 << 30), i) for i, (a, b) in enumerate(zip(parts, parts[1:]))]
            best, i = min(ranked)
            if best == 1 << 30:
                break
            parts[i : i + 2] = [parts[i] + parts[i + 1]]
        ids = [self.rank[p] for p in parts]
        if len(self._cache) < 50000:
            self._cache[text] = ids
        return ids

    def encode(self, text: str) -> list[int]:
        ids, at = [], 0
        for match in self._phrase.finditer(text):
            for p in SPLIT.findall(text[at : match.start()]):
                ids += self.piece(p)
            ids.append(self.phrases[match.group()])
            at = match.end()
        for p in SPLIT.findall(text[at:]):
            ids += self.piece(p)
        return ids

    def decode(self, ids: list[int]) -> str:
        return b"".join(self.bytes.get(i, b"") for i in ids).decode(errors="replace")

    def to_hf_json(self) -> dict:
        letters = byte_letters()
        spell = lambda b: "".join(letters[x] for x in b)  # noqa: E731
        vocab = {spell(t): i for t, i in sorted(self.rank.items(), key=lambda x: x[1])}
        # The ids between the phrases and the control tokens are unused: the file names them all the same.
        unused = range(self.n_ordinary + len(self.phrases), self.size - len(SPECIALS))
        added = [(p, i, False) for p, i in self.phrases.items()] + [(f"<|unused_{i}|>", i, True) for i in unused] + [(s, i, True) for s, i in self.special.items()]
        return {
            "version": "1.0", "truncation": None, "padding": None,
            "added_tokens": [{"id": i, "content": t, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": s} for t, i, s in added],
            "normalizer": None,
            "pre_tokenizer": {"type": "Sequence", "pretokenizers": [
                {"type": "Split", "pattern": {"Regex": PATTERN}, "behavior": "Isolated", "invert": False},
                {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}]},
            "post_processor": None, "decoder": {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True},
            "model": {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None, "end_of_word_suffix": None, "fuse_unk": False,
                      "byte_fallback": False, "ignore_merges": False, "vocab": vocab, "merges": [f"{spell(a)} {spell(b)}" for a, b in self.merges]},
        }

    def to_json(self) -> str:
        """tokenizer.json"""
        return json.dumps(self.to_hf_json(), ensure_ascii=False, indent=0) + "\n"


def build() -> Vocabulary:
    p = phrases()
    return Vocabulary(learn_merges(task_text(5), N_VOCAB - 256 - len(SPECIALS) - len(p), digit_pairs()), p)


def extended(v: Vocabulary, more_phrases: list[str], text: list[str], size: int) -> Vocabulary:
    """v with further phrases and merges learnt from more text; what v joined stays joined."""
    p = list(v.phrases) + [x for x in more_phrases if x not in v.phrases]
    whole = re.compile("|".join(re.escape(x) for x in sorted(p, key=len, reverse=True)))
    counts: collections.Counter[str] = collections.Counter()
    for t in text:
        for rest in whole.split(t):
            counts.update(SPLIT.findall(rest))
    return Vocabulary(learn_merges(counts, size - 256 - len(SPECIALS) - len(p), v.merges), p, size)


def load(tokenizer_json: pathlib.Path) -> Vocabulary:
    """From the file, so that training goes on with the vocabulary the weights were made for."""
    data = json.loads(tokenizer_json.read_text())
    back = {c: b for b, c in byte_letters().items()}
    merges = [tuple(bytes(back[c] for c in side) for side in m.split(" ")) for m in data["model"]["merges"]]
    added = data["added_tokens"]
    return Vocabulary(merges, [t["content"] for t in added if not t["special"]], max(t["id"] for t in added) + 1)
