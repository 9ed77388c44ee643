#!/usr/bin/env python3
"""How `toccata serve` bears a crowd, on loopback and the built-in model: many streams at once of which some hang up.

  server_load.py [--streams 200] [--rounds 5] [--leave 0.2]

Each stream's events are checked: one id, numbers without a gap, and the very text that the same request gives alone. Between
rounds the server's resident memory is read. A probe asks for /health all the while. Then the processor time of the server
for each streamed token is measured with a scripted model, which costs next to nothing itself.
"""

import argparse
import asyncio
import json
import os
import pathlib
import random
import resource
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "integration"))
from live_server import Server  # noqa: E402
from program import Program  # noqa: E402

PROMPTS = [f"What is {n} + {n * 7 + 3}?" for n in range(11, 61)]
TICKS = os.sysconf("SC_CLK_TCK")


def body_of(api: str, prompt: str) -> dict:
    if api == "chat":
        return {"messages": [{"role": "user", "content": prompt}], "stream": True, "max_tokens": 80, "temperature": 0}
    return {"input": prompt, "stream": True, "max_output_tokens": 80, "temperature": 0, "store": False}


PATHS = {"chat": "/v1/chat/completions", "responses": "/v1/responses"}


async def frames(port: int, path: str, body: dict, leave_after: int | None = None):
    """The data of each event; hangs up after so many bytes of the answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 22)
    try:
        data = json.dumps(body).encode()
        writer.write(f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nContent-Length: {len(data)}\r\n\r\n".encode() + data)
        head = await reader.readuntil(b"\r\n\r\n")
        assert b" 200 " in head.split(b"\r\n")[0], head
        if leave_after is not None:
            await reader.read(leave_after)
            return None
        raw = await reader.read(-1)
        text = unchunked(raw) if b"chunked" in head.lower() else raw
        return [f.split("data: ", 1)[1] for f in text.decode().split("\n\n") if "data: " in f]
    finally:
        writer.close()


def unchunked(raw: bytes) -> bytes:
    whole, at = b"", 0
    while True:
        end = raw.index(b"\r\n", at)
        size = int(raw[at:end], 16)
        if size == 0:
            return whole
        whole += raw[end + 2 : end + 2 + size]
        at = end + 2 + size + 2


def read_chat(data: list) -> str:
    assert data[-1] == "[DONE]", data[-1]
    chunks = [json.loads(d) for d in data[:-1]]
    assert len({c["id"] for c in chunks}) == 1, "events of two streams"
    assert chunks[-1]["choices"][0]["finish_reason"], "the end is missing"
    deltas = [c["choices"][0]["delta"] for c in chunks]
    return "".join(d.get("reasoning", "") for d in deltas) + "|" + "".join(d.get("content") or "" for d in deltas)


def read_responses(data: list) -> str:
    events = [json.loads(d) for d in data if d != "[DONE]"]
    assert [e["sequence_number"] for e in events] == list(range(len(events))), "events were lost"
    response = events[-1]["response"]
    assert {e["response"]["id"] for e in events if "response" in e} == {response["id"]}, "events of two streams"

    def joined(kind: str) -> str:
        return "".join(e["delta"] for e in events if e["type"] == f"response.{kind}.delta")

    return joined("reasoning_text") + "|" + joined("output_text")


READERS = {"chat": read_chat, "responses": read_responses}


class Tally:
    def __init__(self):
        self.whole = self.left = 0
        self.wrong = []
        self.health = []
        self.late = []  # how much later than asked for a timer of the probe woke it: what the machine itself takes


async def one_stream(port: int, known: dict, rng: random.Random, leave: float, tally: Tally):
    api, prompt = rng.choice(["chat", "responses"]), rng.choice(PROMPTS)
    leaves = rng.randrange(1, 4000) if rng.random() < leave else None
    try:
        data = await frames(port, PATHS[api], body_of(api, prompt), leaves)
        if data is None:
            tally.left += 1
            return
        text = READERS[api](data)
        tally.whole += 1
        if text != known[api, prompt]:
            tally.wrong.append(f"{api} {prompt}: {text!r} instead of {known[api, prompt]!r}")
    except Exception as error:  # noqa: BLE001: counted
        tally.wrong.append(f"{api} {prompt}: {error!r}")


async def probe(port: int, tally: Tally, done: asyncio.Event):
    while not done.is_set():
        start = time.perf_counter()
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
        answer = await reader.read(-1)
        writer.close()
        tally.health.append(time.perf_counter() - start)
        if b" 200 " not in answer.split(b"\r\n")[0]:
            tally.wrong.append(f"/health: {answer[:80]!r}")
        start = time.perf_counter()
        await asyncio.sleep(0.02)
        tally.late.append(time.perf_counter() - start - 0.02)


def resident_kib(pid: int) -> int:
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    raise AssertionError("no VmRSS")


def cpu_seconds(pid: int) -> float:
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


async def crowd(server: Server, args) -> bool:
    port, pid = server.port, server.process.pid
    known = {}
    for prompt in PROMPTS:
        for api in PATHS:
            known[api, prompt] = READERS[api](await frames(port, PATHS[api], body_of(api, prompt)))
    rng = random.Random(args.seed)
    tally = Tally()
    # The probe lives in a process of its own: here it would wait for this program's own parsing.
    watcher = await asyncio.create_subprocess_exec(sys.executable, __file__, "--probe", str(port), stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE)
    memory = []
    started = time.perf_counter()
    for _ in range(args.rounds):
        await asyncio.gather(*(one_stream(port, known, rng, args.leave, tally) for _ in range(args.streams)))
        memory.append(resident_kib(pid) / 1024)
    seconds = time.perf_counter() - started
    watcher.stdin.close()
    said = json.loads(await watcher.stdout.read())
    await watcher.wait()
    health, late = sorted(said["health"]), sorted(said["late"])
    tally.wrong += said["wrong"]
    for _ in range(500):
        if server.metric("toccata_requests_running") == 0:
            break
        await asyncio.sleep(0.02)
    running = server.metric("toccata_requests_running")
    print(f"{args.rounds} x {args.streams} streams in {seconds:.1f} s: {tally.whole} whole, {tally.left} hung up, {len(tally.wrong)} lost or crossed")
    for wrong in tally.wrong[:5]:
        print("  " + wrong[:400])
    print("memory after each round, MiB: " + ", ".join(f"{m:.1f}" for m in memory))
    print(f"/health p50 {1e3 * health[len(health) // 2]:.1f} ms, p99 {1e3 * health[int(len(health) * 0.99)]:.1f} ms of {len(health)}; "
          f"a bare timer beside it was late by p99 {1e3 * late[int(len(late) * 0.99)]:.1f} ms")
    print(f"requests still running: {running:.0f}; load average {os.getloadavg()[0]:.1f}")
    return not tally.wrong and running == 0


async def watch(port: int):
    tally, done = Tally(), asyncio.Event()
    task = asyncio.create_task(probe(port, tally, done))
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    done.set()
    await task
    print(json.dumps({"health": tally.health, "late": tally.late, "wrong": tally.wrong}))


async def overhead(program: Program) -> None:
    """Processor time a token, of everything between the model and the socket."""
    n = 4000
    script = program.script("<|channel|>final<|message|>" + " word" * n + "<|return|>")
    server = Server(program, "-m", script)
    try:
        for api in PATHS:
            body = body_of(api, "Go") | {"max_tokens" if api == "chat" else "max_output_tokens": n + 100}
            await frames(server.port, PATHS[api], body)
            before, n_streams = cpu_seconds(server.process.pid), 12
            for _ in range(n_streams):
                data = await frames(server.port, PATHS[api], body)
                assert len(data) > n, len(data)
            spent = cpu_seconds(server.process.pid) - before
            print(f"{api}: {1e6 * spent / (n_streams * n):.1f} us of processor time a streamed token")
    finally:
        server.close()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--streams", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--leave", type=float, default=0.2, help="share of clients that hang up at a random byte")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--probe", type=int, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.probe:
        asyncio.run(watch(args.probe))
        return 0
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, 4 * args.streams + 256)), hard))
    with Program() as program:
        server = Server(program, "-m", "nano", "--queue", str(2 * args.streams))
        try:
            sound = asyncio.run(crowd(server, args))
        finally:
            server.close()
        asyncio.run(overhead(program))
    return 0 if sound else 1


if __name__ == "__main__":
    sys.exit(main())
