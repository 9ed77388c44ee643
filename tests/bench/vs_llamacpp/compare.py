#!/usr/bin/env python3
"""Toccata and llama.cpp on one file, one machine, the same minutes.

    tests/bench/vs_llamacpp/compare.py --toccata build/cpu/agent/cli/toccata --limits build/cpu/tests/bench/machine_limits
    ... --shape 20b --rounds 5         gpt-oss-20b's shape: 12 GB on disk, 18 GB of memory for the peer
    ... --threads 2 --under "chrt -r 1"    both on so many processors, before everything else that runs

Writes a random GGUF of the shape (synthetic_gguf.py; kept in --cache), fetches llama.cpp pinned as npm's prebuilt
library (peer.py), then alternates: limits, one engine, the other, each a process of its own; the next round begins with
the other engine. Prints medians with their range, the ratio of the two, and the share of what the machine's memory and
arithmetic allow. Load is until one token was sampled, the file in the page cache. llama.cpp's threads wait for each
other in loops: with other work on the processors it collapses, so compare on an idle machine, or --under. Where the peer cannot be had: SKIPPED, 77.
"""
import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import venv

HERE = pathlib.Path(__file__).resolve().parent
NPM_PACKAGE = "@node-llama-cpp/linux-x64@3.22.1"  # MIT; llama.cpp v0.5.0
NPM_INTEGRITY = "sha512-5uCCDNqWCNfaAm8aR/Uzxbo4HBpKgNF91kCHPepKhgMgV2OAmatoefbOlMihsqCiH2Od35E/eUHQCFbfRBJuOg=="
NUMPY = "numpy==2.4.6"
SKIPPED = 77


class Unavailable(Exception):
    """The peer cannot be had here."""


def run(*command: str, **more) -> str:
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, **more)
    if done.returncode != 0:
        sys.exit(f"compare.py: '{' '.join(command)}' ended with {done.returncode}\n{done.stdout[-1000:]}")
    return done.stdout


def install(*command: str, **more) -> None:
    try:
        if code := subprocess.run(command, **more).returncode:
            raise Unavailable(f"'{' '.join(command)}' ended with {code}")
    except FileNotFoundError as e:
        raise Unavailable(f"{e.filename} is not installed; it fetches the peer") from e


def environment(cache: pathlib.Path, packages: list[str]) -> pathlib.Path:
    """A Python with these packages, pinned."""
    python = cache / "venv" / "bin" / "python"
    marker = cache / "venv" / "installed"
    have = marker.read_text().split() if marker.exists() else []
    if missing := [p for p in packages if p not in have]:
        if not python.exists():
            venv.create(cache / "venv", with_pip=True)
        print(f"installing {' '.join(missing)} into {cache / 'venv'}", file=sys.stderr)
        install(str(python), "-m", "pip", "install", "-q", "--disable-pip-version-check", *missing)
        marker.write_text("\n".join(have + missing))
    return python


def library(cache: pathlib.Path) -> pathlib.Path:
    """The folder of the peer's shared libraries."""
    folder = cache / "llamacpp" / "node_modules" / "@node-llama-cpp" / "linux-x64" / "bins" / "linux-x64"
    lock = cache / "llamacpp" / "package-lock.json"
    if not folder.exists():
        lock.parent.mkdir(parents=True, exist_ok=True)
        (lock.parent / "package.json").write_text("{}")
        install("npm", "install", "--ignore-scripts", "--no-audit", "--no-fund", "--silent", NPM_PACKAGE, cwd=lock.parent)
    found = json.loads(lock.read_text())["packages"]["node_modules/@node-llama-cpp/linux-x64"]["integrity"]
    if found != NPM_INTEGRITY:
        raise Unavailable(f"{NPM_PACKAGE} has integrity {found}, expected {NPM_INTEGRITY}")
    return folder


def synthetic(cache: pathlib.Path, python: pathlib.Path, shape: str) -> pathlib.Path:
    file = cache / f"{shape}.gguf"
    if not file.exists():
        print(run(str(python), str(HERE / "synthetic_gguf.py"), "--shape", shape, "--out", str(file)).strip(), file=sys.stderr)
    return file


def traffic(python: pathlib.Path, shape: str) -> tuple[int, int]:
    code = "import json, synthetic_gguf as g, sys; print(json.dumps(g.traffic(g.SHAPES[sys.argv[1]])))"
    return tuple(json.loads(run(str(python), "-c", code, shape, cwd=HERE)))


def engine_rows(output: str) -> dict[str, float]:
    rows = [json.loads(line) for line in output.splitlines() if line.startswith("{")]
    out = {}
    for row in rows:
        if row["what"] in ("prefill", "decode"):
            out[f"{row['what']} x{row['sessions']}"] = row["tokens_per_second"]
        elif row["what"] == "load":
            out["load s"] = row["seconds"]
        elif row["what"] == "memory":
            out["peak GiB"] = row["peak_bytes"] / 2**30
    return out


def measure(args: argparse.Namespace) -> tuple[dict, dict, dict]:
    python = environment(args.cache, [NUMPY])
    peer, model = library(args.cache), synthetic(args.cache, python, args.shape)
    sizes = ["--prompt", str(args.prompt), "--decode", str(args.decode), "--sessions", args.sessions]
    pinned = ["taskset", "-c", f"0-{args.threads - 1}", *args.under.split()]
    engines = {
        "toccata": [str(args.toccata), "bench", "--json", "--repeats", "1", "--device", "cpu", "--precision", args.precision, "-m", str(model), *sizes],
        "llama.cpp": [str(python), str(HERE / "peer.py"), "--library", str(peer), "--model", str(model), "--threads", str(args.threads), *sizes],
    }
    with open(model, "rb", buffering=0) as file:  # into the page cache, so that "load" is not the disk
        while file.read(1 << 24):
            pass
    seen = {name: {} for name in engines}
    limits: dict[str, list] = {}
    for n in range(args.rounds):
        for name in (list(engines), list(reversed(engines)))[n % 2]:
            for key, value in json.loads(run(*pinned, str(args.limits), "0.5")).items():
                limits.setdefault(key, []).append(value)
            rows = engine_rows(run(*pinned, *engines[name], stderr=subprocess.DEVNULL if not args.verbose else None))
            for key, value in rows.items():
                seen[name].setdefault(key, []).append(value)
            print(f"round {n + 1} of {args.rounds}, {name}: " + ", ".join(f"{k} {v:.3g}" for k, v in rows.items()), file=sys.stderr, flush=True)
    return seen["toccata"], seen["llama.cpp"], limits


def report(args: argparse.Namespace, ours: dict, peers: dict, limits: dict) -> None:
    n_bytes, macs = traffic(args.cache / "venv" / "bin" / "python", args.shape)
    median = {key: statistics.median(values) for key, values in limits.items()}
    read, f32, int8 = (median[k] for k in ("read_bytes_per_second", "f32_flop_per_second", "int8_op_per_second"))
    print(f"\n{args.shape}, {args.threads} threads, {args.rounds} rounds, precision {args.precision}; medians [range]")
    print(f"machine in the same minutes: reads {read / 1e9:.1f} GB/s, f32 {f32 / 1e9:.0f} GFLOP/s, int8 {int8 / 1e9:.0f} GOP/s")
    print(f"a decoded token reads {n_bytes / 1e9:.3f} GB of weights: {read / n_bytes:.2f} tok/s at most")
    print(f"a prompt token takes {2 * macs / 1e9:.2f} G operations: {f32 / 2 / macs:.1f} tok/s at most in f32, {int8 / 2 / macs:.1f} in int8\n")
    print("| what | toccata | llama.cpp | toccata : llama.cpp | toccata of limit | llama.cpp of limit |\n|---|---:|---:|---:|---:|---:|")
    for key in ours:
        cells = [f"{statistics.median(side[key]):.3g} [{min(side[key]):.3g}-{max(side[key]):.3g}]" for side in (ours, peers)]
        a, b = (statistics.median(side[key]) for side in (ours, peers))
        bound = {"prefill x1": int8 / 2 / macs, "decode x1": read / n_bytes}.get(key)
        shares = [f"{100 * x / bound:.0f} %" if bound else "" for x in (a, b)]
        print(f"| {key} | {cells[0]} | {cells[1]} | {a / b:.2f} | {shares[0]} | {shares[1]} |")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--toccata", type=pathlib.Path, required=True)
    parser.add_argument("--limits", type=pathlib.Path, required=True, help="the machine_limits program")
    parser.add_argument("--shape", default="20b-4layers", choices=["20b", "20b-4layers", "small"])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--prompt", type=int, default=512)
    parser.add_argument("--decode", type=int, default=64)
    parser.add_argument("--sessions", default="1,8")
    parser.add_argument("--precision", default="fast", choices=["fast", "f32"])
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--under", default="", help="a command that runs the engines, such as 'chrt -r 1'")
    parser.add_argument("--cache", type=pathlib.Path, default=pathlib.Path(os.environ.get("TMPDIR", "/tmp")) / "toccata-vs-llamacpp")
    parser.add_argument("--verbose", action="store_true")
    args = parser.parse_args()
    args.toccata, args.limits = args.toccata.resolve(), args.limits.resolve()
    args.cache.mkdir(parents=True, exist_ok=True)
    try:
        results = measure(args)
    except Unavailable as e:
        print(f"SKIPPED: {e}")
        return SKIPPED
    report(args, *results)
    return 0


if __name__ == "__main__":
    sys.exit(main())
