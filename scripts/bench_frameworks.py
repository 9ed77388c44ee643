#!/usr/bin/env python3
"""What a framework costs: CPU time of one step (one model call, one tool that does nothing), the model being a script.

    scripts/bench_frameworks.py [--steps 100] [--venv FOLDER] [--only toccata,langgraph,...] [--json]

One process serves a scripted model on 127.0.0.1, over Chat Completions for the frameworks and over token ids for
toccata. Each framework runs in a process of its own, once with no step and once with --steps of them; what the second
took more, user and system, divided by the steps, is the figure. The endpoint's own time is measured in its process and
told apart. Each framework has a program in scripts/frameworks and a virtual environment of its own below FOLDER (made
when it is not there), with every package at the version that the list beside the program names; one that cannot be
installed or started is named and left out.
"""

import argparse
import json
import os
import pathlib
import re
import resource
import socketserver
import subprocess
import sys
import tempfile
import threading

ROOT = pathlib.Path(__file__).resolve().parents[1]
TOCCATA = os.environ.get("TOCCATA", str(ROOT / "build" / "cpu" / "agent" / "cli" / "toccata"))
LOOP_BENCH = ROOT / "build" / "cpu" / "tests" / "bench" / "loop_bench"
CALL_TOKEN = 200012  # <|call|>

# What is installed for each, and the program that runs argv[2] steps against argv[1].
FRAMEWORKS = {
    name: (ROOT / "scripts" / "frameworks" / f"{stem}.txt", ROOT / "scripts" / "frameworks" / f"{stem}_agent.py")
    for name, stem in {
        "langgraph": "langgraph",
        "openai-agents": "openai_agents",
        "smolagents": "smolagents",
        "pydantic-ai": "pydantic_ai",
    }.items()
}


# --- The scripted model ----------------------------------------------------------------------------------------------


class Endpoint(socketserver.StreamRequestHandler):
    """Keep-alive HTTP, just enough of it. The history says how many steps were made, the model's name how many to make."""

    disable_nagle_algorithm = True

    def handle(self):
        while (line := self.rfile.readline()) not in (b"", b"\r\n"):
            length = 0
            while (header := self.rfile.readline()) not in (b"", b"\r\n"):
                if header.lower().startswith(b"content-length:"):
                    length = int(header.split(b":")[1])
            request = json.loads(self.rfile.read(length)) if length else {}
            path = line.split()[1].decode()
            if path.endswith("/chat/completions"):
                self.reply(chat_answer(request), "application/json")
            elif path.endswith("/completions"):
                self.reply(b"data: " + token_answer(request, self.server.tokens) + b"\n\ndata: [DONE]\n\n", "text/event-stream")
            else:
                self.reply(json.dumps({"data": [{"id": self.server.model, "max_model_len": 1 << 20}]}).encode(), "application/json")

    def reply(self, body: bytes, kind: str):
        head = f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n"
        self.wfile.write(head.encode() + body)


def chat_answer(request: dict) -> bytes:
    n = sum(m["role"] == "assistant" for m in request["messages"])  # smolagents sends results as the user's words
    left = int(request["model"].rsplit("-", 1)[1]) - n
    names = [t["function"]["name"] for t in request.get("tools", [])]
    message: dict = {"role": "assistant", "content": None}
    if left > 0 or "final_answer" in names:
        call = ("now", "{}") if left > 0 else ("final_answer", '{"answer": "done"}')
        message["tool_calls"] = [{"id": f"call_{n}", "type": "function", "function": {"name": call[0], "arguments": call[1]}}]
    else:
        message["content"] = "done"
    choice = {"index": 0, "message": message, "finish_reason": "tool_calls" if "tool_calls" in message else "stop"}
    usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
    return json.dumps({"id": "c", "object": "chat.completion", "created": 0, "model": request["model"], "choices": [choice], "usage": usage}).encode()


def token_answer(request: dict, tokens: dict) -> bytes:
    n = request["prompt"].count(CALL_TOKEN)
    ids = tokens["calls"][n] if n < int(request["model"].rsplit("-", 1)[1]) else tokens["final"]
    choice = {"index": 0, "text": "", "token_ids": ids, "finish_reason": "stop"}
    return json.dumps({"choices": [choice]}).encode()


class Server(socketserver.ThreadingTCPServer):
    daemon_threads, allow_reuse_address = True, True


def serve() -> None:
    """The endpoint's process: tells its port, then, for each line on stdin (a model's name), its CPU seconds so far."""
    server = Server(("127.0.0.1", 0), Endpoint)
    server.tokens, server.model = json.loads(sys.stdin.readline()), "scripted-0"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(server.server_address[1], flush=True)
    for line in sys.stdin:
        server.model = line.strip()
        used = resource.getrusage(resource.RUSAGE_SELF)
        print(used.ru_utime + used.ru_stime, flush=True)


class EndpointProcess:
    def __init__(self, tokens: dict):
        self.process = subprocess.Popen([sys.executable, __file__, "--serve"], stdin=-1, stdout=-1, text=True)
        self.port = int(self.ask(json.dumps(tokens)))

    def ask(self, line: str) -> str:
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        return self.process.stdout.readline()

    def cpu_seconds(self, next_model: str = "scripted-0") -> float:
        return float(self.ask(next_model))

    def close(self):
        self.process.stdin.close()
        self.process.wait(10)


# --- Measuring -------------------------------------------------------------------------------------------------------


def cpu_of(command: list[str], **kwargs) -> tuple[float, int]:
    """CPU seconds and peak resident KB of a process and those it started; raises when it fails."""
    with tempfile.TemporaryFile("w+") as err:
        child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=err, **kwargs)
        _, status, used = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode != 0:
            err.seek(0)
            raise RuntimeError((err.read().strip().splitlines() or ["no message"])[-1][:300])
        return used.ru_utime + used.ru_stime, used.ru_maxrss


def step_cost(endpoint: EndpointProcess, run, steps: int) -> dict:
    """`run(n)` makes n steps and gives what cpu_of() gives."""
    first, _ = run(0)
    before = endpoint.cpu_seconds()
    whole, peak_kb = run(steps)
    return {
        "step_us": (whole - first) / steps * 1e6,
        "start_ms": first * 1e3,
        "peak_mb": peak_kb / 1024,
        "endpoint_us": (endpoint.cpu_seconds() - before) / (steps + 1) * 1e6,
    }


def encoded(*texts: str) -> list[list[int]]:
    lines = "".join(json.dumps({"id": i, "text": t, "allowed_special": "all"}) + "\n" for i, t in enumerate(texts))
    done = subprocess.run([TOCCATA, "dev", "encode"], input=lines, capture_output=True, text=True, check=True)
    return [json.loads(line)["result"]["tokens"] for line in done.stdout.splitlines()]


def run_toccata(endpoint: EndpointProcess, folder: pathlib.Path, n: int) -> tuple[float, int]:
    endpoint.cpu_seconds(f"scripted-{n}")  # what GET /v1/models names
    for i in range(n):
        (folder / f"note{i}.txt").write_text("noon\n")
    env = {"HOME": str(folder), "PATH": os.environ["PATH"]}
    command = [TOCCATA, "run", "-m", f"http://127.0.0.1:{endpoint.port}/v1", "--tools", "files", "--workspace", str(folder)]
    return cpu_of([*command, "--max-turns", str(n + 5), "--json", "go"], env=env, cwd=folder)


def in_process() -> dict:
    """Steps without HTTP: loop_bench, per step."""
    if not LOOP_BENCH.exists():
        return {}
    out = subprocess.run([LOOP_BENCH], capture_output=True, text=True, check=True).stdout
    return {
        {"File": "in a file", "Memory": "in memory"}[m[1]]: 1e6 * 1.0 / (float(m[2]) * {"k": 1e3, "": 1.0}[m[3]])
        for m in re.finditer(r"LedgerInA?(File|Memory).*items_per_second=([\d.]+)(k?)/s", out)
    }


def install(environment: pathlib.Path, requirements: pathlib.Path) -> pathlib.Path:
    """The environment's Python, with exactly what the list says."""
    python, done = environment / "bin" / "python3", environment / requirements.name
    if not done.exists() or done.read_text() != requirements.read_text():
        subprocess.run([sys.executable, "-m", "venv", "--clear", environment], check=True)
        pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", "-r", requirements]
        subprocess.run(pip, check=True, capture_output=True)
        done.write_text(requirements.read_text())
    return python


def version_of(python: pathlib.Path, program: pathlib.Path) -> str:
    """Of the package that the program's name begins with."""
    package = {"pydantic_ai": "pydantic-ai-slim"}.get(stem := program.stem.removesuffix("_agent"), stem)
    code = f"import importlib.metadata as m; print(m.version({package!r}))"
    return subprocess.run([python, "-c", code], check=True, capture_output=True, text=True).stdout.strip()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--venv", type=pathlib.Path, help="a folder of environments, kept for the next time; default: a temporary one")
    parser.add_argument("--only", default=",".join(["toccata", *FRAMEWORKS]))
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve()
        return 0
    only, rows, left_out = options.only.split(","), {}, {}
    # Each call another one: toccata stops a model that goes round in circles.
    calls = [f'<|channel|>commentary to=files.read <|constrain|>json<|message|>{{"path":"note{i}.txt"}}<|call|>' for i in range(options.steps)]
    *calls, final = encoded(*calls, "<|channel|>final<|message|>done<|return|>")
    endpoint = EndpointProcess({"calls": calls, "final": final})
    try:
        with tempfile.TemporaryDirectory() as temporary:
            folder = pathlib.Path(temporary)
            if "toccata" in only:
                rows["toccata"] = step_cost(endpoint, lambda n: run_toccata(endpoint, folder, n), options.steps)
            environments = options.venv or folder / "environments"
            for name, (requirements, program) in FRAMEWORKS.items():
                if name not in only:
                    continue
                try:
                    python = install(environments / name, requirements)
                    url = f"http://127.0.0.1:{endpoint.port}/v1"
                    run = lambda n: cpu_of([str(python), "-B", str(program), url, str(n)], cwd=folder)  # noqa: E731
                    rows[f"{name} {version_of(python, program)}"] = step_cost(endpoint, run, options.steps)
                except (RuntimeError, subprocess.CalledProcessError, OSError) as error:
                    left_out[name] = str(error)
    finally:
        endpoint.close()
    ours = in_process()
    if options.json:
        print(json.dumps({"steps": options.steps, "over_http": rows, "in_process_us": ours, "left_out": left_out}))
        return 0
    print(f"CPU (user + system) of one step, {options.steps} steps against none, model over HTTP on loopback:")
    print(f"{'':28}{'a step':>12}{'start':>10}{'peak':>9}{'endpoint, a call':>19}")
    for name, row in rows.items():
        print(f"{name:28}{row['step_us']:>9.0f} us{row['start_ms']:>7.0f} ms{row['peak_mb']:>6.0f} MB{row['endpoint_us']:>16.0f} us")
    for where, us in ours.items():
        print(f"toccata, no HTTP, ledger {where}: {us:.0f} us a step (loop_bench)")
    for name, why in left_out.items():
        print(f"left out: {name}: {why}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
