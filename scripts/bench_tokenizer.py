#!/usr/bin/env python3
"""Encoding with o200k_harmony: us, tiktoken from PyPI (Rust) and from npm (WASM), MB/s of CPU time, one thread, the same
texts, in turn.

    scripts/bench_tokenizer.py --bench build/cpu/tests/bench/tokenizer_bench [prose=FILE code=FILE cjk=FILE mixed=FILE]

Without files: English prose and code from Python's own library (its documentation strings; its sources), Chinese and
Japanese manual pages where Debian's packages can be had, and words drawn from the vocabulary (cjk_words), which are
harder than any text. Exit 77 where tiktoken cannot be installed; without node its column is empty. Also printed: one-megabyte texts
of a single piece, where time has to be linear in length.
"""

import argparse
import ast
import gzip
import json
import pathlib
import random
import re
import shutil
import statistics
import subprocess
import sys
import sysconfig
import time

from check_tokenizer import ROOT, enter_venv, write_ranks

ROUNDS = 5
SIZE = 2 << 20


def library_files():
    files = sorted(pathlib.Path(sysconfig.get_paths()["stdlib"]).glob("*.py"))
    random.Random(1).shuffle(files)
    return files


def prose():
    out = []
    for path in library_files():
        try:
            tree = ast.parse(path.read_text())
        except (SyntaxError, UnicodeDecodeError):
            continue
        for node in ast.walk(tree):
            if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)):
                text = ast.get_docstring(node)
                if text and ">>>" not in text and sum(c.isalpha() or c == " " for c in text) > 0.9 * len(text):
                    out.append(text)
    return "\n\n".join(out)


def code():
    return "\n".join(path.read_text(errors="ignore") for path in library_files())


def man_pages(folder):
    """Lines of Chinese and Japanese out of manpages-zh and manpages-ja; None where they cannot be had."""
    folder.mkdir(parents=True, exist_ok=True)
    command = ["apt-get", "download", "-qq", "manpages-zh", "manpages-ja"]
    if not list(folder.glob("*.deb")) and (not shutil.which("apt-get") or subprocess.run(command, cwd=folder, capture_output=True).returncode):
        return None
    lines = []
    for deb in sorted(folder.glob("*.deb")):
        subprocess.run(["dpkg-deb", "-x", deb, folder / "x"], check=True)
    for page in sorted((folder / "x").rglob("man*/*.gz")):
        if not page.is_symlink():
            lines += gzip.decompress(page.read_bytes()).decode(errors="ignore").splitlines()
    lines = [re.sub(r"\\f.|\\", "", line) for line in lines if not line.startswith((".", "'"))]
    lines = [line for line in lines if len(line) > 8 and sum("\u3000" <= c <= "\u9fff" for c in line) > 0.6 * len(line)]
    random.Random(3).shuffle(lines)
    return "\n".join(lines)


NODE = """
const { get_encoding } = require("tiktoken"), fs = require("fs"), encoding = get_encoding("o200k_base"), out = {};
for (const path of process.argv.slice(1)) {
  const text = fs.readFileSync(path, "utf8"), begin = process.cpuUsage();
  encoding.encode_ordinary(text);
  const used = process.cpuUsage(begin);
  out[path] = Buffer.byteLength(text) / (used.user + used.system);
}
console.log(JSON.stringify(out));
"""


def npm_peer(folder):
    """A function from paths to {path: MB/s} by npm's tiktoken, or None."""
    folder.mkdir(parents=True, exist_ok=True)
    if not shutil.which("npm"):
        return None
    if not (folder / "node_modules/tiktoken").exists():
        command = ["npm", "install", "--no-audit", "--no-fund", "tiktoken@1.0.22"]
        if subprocess.run(command, cwd=folder, capture_output=True).returncode:
            return None
    return lambda paths: json.loads(subprocess.check_output(["node", "-e", NODE, *map(str, paths)], cwd=folder))


def from_vocabulary(encoding, wanted):
    words = [w for w in (encoding.decode_single_token_bytes(i) for i in range(256, 199998)) if wanted(w)]
    rng = random.Random(2)
    out, size = [], 0
    while size < SIZE:
        word = words[int(len(words) ** rng.random()) - 1]  # frequency 1/rank
        out.append(word)
        if rng.random() < 0.15:
            out.append("\u3002".encode() if rng.random() < 0.4 else "\uff0c".encode())
        size += len(word)
    return b"".join(out).decode(errors="ignore")


def is_cjk(word):
    try:
        return all("\u4e00" <= c <= "\u9fff" for c in word.decode())
    except UnicodeDecodeError:
        return False


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bench", default="build/cpu/tests/bench/tokenizer_bench")
    parser.add_argument("--venv", type=pathlib.Path, default=ROOT / "build/tokenizer-peers")
    parser.add_argument("files", nargs="*", help="NAME=FILE")
    args = parser.parse_args()
    enter_venv(args.venv)
    write_ranks(args.venv / "ranks")
    import tiktoken

    begin = time.process_time()
    encoding = tiktoken.get_encoding("o200k_harmony")
    load_ms = (time.process_time() - begin) * 1000
    texts = {name: pathlib.Path(path).read_text() for name, path in (f.split("=", 1) for f in args.files)}
    if not texts:
        texts = {"prose": prose(), "code": code(), "cjk": man_pages(args.venv.resolve() / "man"), "cjk_words": from_vocabulary(encoding, is_cjk)}
        texts = {name: text for name, text in texts.items() if text}
        texts["mixed"] = "".join(text[i : i + 2000] for i in range(0, SIZE, 2000) for text in list(texts.values()))
    paths = {}
    for name, text in texts.items():
        paths[name] = args.venv / f"text-{name}.txt"
        text = text.encode()[:SIZE].decode(errors="ignore")
        texts[name] = text
        paths[name].write_text(text)
    worst = {"one_letter_1MB": "a" * (1 << 20), "spaces_1MB": " " * (1 << 20), "equals_1MB": "=" * (1 << 20)}
    paths = {name: path.resolve() for name, path in paths.items()}
    npm = npm_peer(args.venv / "npm")
    rates = {name: ([], [], []) for name in [*texts, *worst]}
    loads = []
    for _ in range(ROUNDS):
        if npm:
            for path, rate in npm(paths.values()).items():
                rates[next(name for name, own in paths.items() if str(own) == path)][2].append(rate)
        done = subprocess.run(
            [args.bench, *map(str, paths.values()), "--benchmark_format=json", "--benchmark_min_time=0.2", "--benchmark_filter=^encode/|^load"],
            capture_output=True, text=True, check=True,
        )
        for row in json.loads(done.stdout)["benchmarks"]:
            if row["name"].startswith("load"):
                loads.append(row["real_time"])
            for name in rates:
                if row["name"] in (f"encode/{paths.get(name)}", f"encode/{name}"):
                    rates[name][0].append(row["bytes_per_second"] / 1e6)
        for name, text in texts.items():
            begin = time.process_time()
            encoding.encode_ordinary(text)
            rates[name][1].append(len(text.encode()) / 1e6 / (time.process_time() - begin))
    print(f"median of {ROUNDS} rounds, MB/s of CPU time, one thread\n")
    print("| text | us | tiktoken 0.14 (PyPI) | ratio | tiktoken 1.0.22 (npm) | ratio |\n|---|---:|---:|---:|---:|---:|")
    for name, (us, *peers) in rates.items():
        ours = statistics.median(us)
        cells = [f"{statistics.median(peer):.2f} | {ours / statistics.median(peer):.1f}x" if peer else "- | -" for peer in peers]
        print(f"| {name} | {ours:.1f} | " + " | ".join(cells) + " |")
    print(f"\nloading: tiktoken {load_ms:.0f} ms; us {statistics.median(loads):.0f} ms")
    return 0


if __name__ == "__main__":
    sys.exit(main())
