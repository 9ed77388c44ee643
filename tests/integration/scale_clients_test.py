#!/usr/bin/env python3
"""docs/scale.md with what PyPI has: vllm-router and sglang-router in front of two `toccata serve`, and a batch with Ray.

`scale_clients_test.py --install` puts pinned ones (1 GB) below build/clients/scale; without any the test says SKIPPED (77).
"""

import concurrent.futures
import contextlib
import http.client
import json
import os
import pathlib
import re
import subprocess
import sys
import time
import unittest

from clients_test import FOLDER
from live_server import ServerCase
from program import ROOT, SKIPPED, TOCCATA
from scale_test import SUMS, free_port

PINNED = ["vllm-router==0.1.17", "sglang-router==0.3.2", "ray==2.60.0"]
BIN = FOLDER / "scale" / "bin"
# By the prompts that a server has read, until it has this many more requests than the other.
BALANCE = ["--policy", "cache_aware", "--balance-abs-threshold", "4", "--balance-rel-threshold", "1.1"]
ROUTERS = {
    "vllm-router": [BIN / "vllm-router", *BALANCE],
    "sglang-router": [BIN / "python", "-m", "sglang_router.launch_router", *BALANCE],
}


class Routers(ServerCase):
    def check(self, name: str):
        command = ROUTERS[name]
        if not (BIN / name).exists():
            self.skipTest(f"no {name} in {BIN}")
        servers = [self.serve("-m", "nano") for _ in range(2)]
        port, metrics = free_port(), free_port()
        log = self.program.home / "router.log"
        with log.open("w") as out:
            router = subprocess.Popen(
                [*command, "--host", "127.0.0.1", "--port", str(port), "--prometheus-port", str(metrics), "--worker-urls", *(f"http://127.0.0.1:{s.port}" for s in servers)],
                cwd=self.program.home, env={**self.program.env, "NO_PROXY": "127.0.0.1"}, stdout=out, stderr=subprocess.STDOUT,
            )
        self.addCleanup(router.wait)
        self.addCleanup(router.terminate)

        def ask(path: str, body: dict):
            with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=60)) as connection:
                connection.request("POST", path, json.dumps(body), {"Content-Type": "application/json"})
                answer = connection.getresponse()
                return answer.status, answer.read().decode()

        def chat(text: str, **fields):
            return ask("/v1/chat/completions", {"model": "nano", "messages": [{"role": "user", "content": text}], "max_tokens": 30, **fields})

        for _ in range(600):
            self.assertIsNone(router.poll(), log.read_text()[-3000:])
            with contextlib.suppress(OSError, http.client.HTTPException):
                if chat("Hello!")[0] == 200:
                    break
            time.sleep(0.1)
        else:
            self.fail(log.read_text()[-3000:])
        with concurrent.futures.ThreadPoolExecutor(16) as pool:
            for status, text in pool.map(lambda i: chat(f"What is {i} + {i}?", stream=True), range(48)):
                self.assertEqual(200, status, text)
                self.assertTrue(text.rstrip().endswith("data: [DONE]"), text[-300:])
        status, text = ask("/v1/completions", {"model": "nano", "prompt": "Hello", "max_tokens": 4})
        self.assertEqual(200, status, text)
        status, text = ask("/v1/responses", {"model": "nano", "input": "Hello!", "max_output_tokens": 30})
        self.assertEqual(200, status, text)
        self.assertEqual("response", json.loads(text)["object"])
        calls = [server.metric("toccata_model_calls_total") for server in servers]
        self.assertTrue(all(n > 0 for n in calls), calls)
        print(f"{name}: model calls of the two servers {calls}", file=sys.stderr)
        # A server that drains is left out.
        self.assertEqual(0, servers[1].stop())
        deadline = time.monotonic() + 120
        n_in_a_row = 0
        while n_in_a_row < 5:
            n_in_a_row = n_in_a_row + 1 if chat("Hello again!")[0] == 200 else 0
            self.assertLess(time.monotonic(), deadline, log.read_text()[-3000:])

    def test_vllm_router(self):
        self.check("vllm-router")

    def test_sglang_router(self):
        self.check("sglang-router")


@unittest.skipUnless((BIN / "ray").exists(), f"no ray in {BIN}")
class RayBatch(ServerCase):
    def test_shards_on_two_worker_processes(self):
        home = self.program.home
        rows = home / "rows.jsonl"
        rows.write_text("".join(json.dumps({"a": a, "b": 1, "sum": a + 1}) + "\n" for a in range(8)))
        slow = home / "slow.json"
        slow.write_text(json.dumps({"completions": [{"text": "<|channel|>final<|message|>It is 3.<|return|>", "token_delay_us": 50000}]}))
        task = home / "task.yaml"
        task.write_text(SUMS.read_text().replace("model: nano, ", ""))
        (home / "bin").mkdir()
        (home / "bin" / "toccata").symlink_to(TOCCATA)
        env = {**self.program.env, "PATH": f"{home}/bin:{BIN}:{self.program.env['PATH']}", "RAY_USAGE_STATS_ENABLED": "0", "RAY_DEDUP_LOGS": "0"}
        command = [BIN / "python", ROOT / "examples" / "scale" / "ray_batch.py", task, rows, home / "out", "--shards", "4", "--", "-m", f"script:{slow}", "-q"]
        done = subprocess.run(command, env=env, cwd=home, capture_output=True, text=True, check=False, timeout=400)
        self.assertEqual(3, done.returncode, done.stdout + done.stderr)  # seven of eight sums are not 3
        workers = set(re.findall(r"'worker': '([^']+)'", done.stdout))
        self.assertGreaterEqual(len(workers), 2, done.stdout)
        results = [json.loads(line) for line in (home / "out" / "all.jsonl").read_text().splitlines()]
        self.assertEqual(8, len({r["key"] for r in results}))
        self.assertEqual(1, sum(r["status"] == "passed" for r in results))
        self.assertIn("8", (home / "out" / "report.html").read_text())
        print(f"ray: 4 shards on {len(workers)} workers", file=sys.stderr)


def install() -> None:
    import venv

    venv.create(FOLDER / "scale", with_pip=True)
    for package in PINNED:  # each counts on its own
        subprocess.run([BIN / "python", "-m", "pip", "install", "-q", package], check=False)


if __name__ == "__main__":
    if "--install" in sys.argv:
        sys.argv.remove("--install")
        install()
    if not any((BIN / name).exists() for name in (*ROUTERS, "ray")):
        print(f"SKIPPED: none of {', '.join(PINNED)} in {BIN}; install them with {pathlib.Path(__file__).name} --install")
        sys.exit(SKIPPED)
    os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
    unittest.main()
