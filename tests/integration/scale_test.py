#!/usr/bin/env python3
"""The recipes of docs/scale.md that need nothing but the program (and HAProxy, where Debian's is installed): agents on
another machine's model by every kind of endpoint, shards that are killed and merged, the SLURM script, the Kubernetes Job."""

import contextlib
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from live_server import ServerCase  # noqa: E402
from program import ROOT, TOCCATA  # noqa: E402

SCALE = ROOT / "examples" / "scale"
SUMS = ROOT / "examples" / "tasks" / "sums.yaml"
CALL = (
    "<|channel|>analysis<|message|>Python can do this.<|end|><|start|>assistant<|channel|>commentary "
    'to=functions.python <|constrain|>json<|message|>{"code": "print(6 * 7)"}<|call|>'
)
FINAL = "<|channel|>analysis<|message|>There it is.<|end|><|start|>assistant<|channel|>final<|message|>It is 42.<|return|>"
# As a server must not do: the answer to a request with a result in it is the last one.
ENDPOINTS = {"token ids": "/v1", "Chat Completions": "/v1/chat/completions", "Responses": "/v1/responses"}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class RemoteEndpoints(ServerCase):
    def test_an_agent_on_a_server_by_messages_runs_its_own_tools(self):
        for kind in ("Chat Completions", "Responses"):
            with self.subTest(kind):
                server = self.scripted(CALL, FINAL)
                done = self.program.run("run", "--json", "-m", f"http://127.0.0.1:{server.port}{ENDPOINTS[kind]}", "--tools", "python", "6 times 7?")
                self.assertEqual(0, done.returncode, done.stderr)
                items = [e["item"] for e in map(json.loads, done.stdout.splitlines()) if e["type"] == "item.completed"]
                self.assertEqual(["reasoning", "command_execution", "reasoning", "agent_message"], [i["type"] for i in items])
                self.assertEqual(("print(6 * 7)", "42"), (items[1]["command"], items[1]["aggregated_output"].strip()))
                self.assertEqual("It is 42.", items[-1]["text"])
                # The second request has the first one's words and calls in it, and the server knows its tokens again.
                self.assertGreater(server.metric("toccata_cached_tokens_total"), 0)

    def test_nano_answers_over_every_kind_of_endpoint(self):
        server = self.serve("-m", "nano")
        said = {}
        for kind, path in ENDPOINTS.items():
            model = f"http://127.0.0.1:{server.port}{path}" + ("" if kind == "token ids" else "#nano")
            done = self.program.run("run", "-q", "-m", model, "--tools", "none", "--temperature", "0", "Hello!")
            if kind == "token ids":  # another vocabulary than o200k's: told, not garbled
                self.assertEqual(7, done.returncode, done.stdout)
                continue
            self.assertEqual(0, done.returncode, done.stderr)
            said[kind] = done.stdout
        self.assertEqual(1, len(set(said.values())), said)
        self.assertTrue(next(iter(said.values())).strip())

    def test_a_run_on_messages_goes_on_after_its_end(self):
        url = f"http://127.0.0.1:{self.scripted(CALL, FINAL, FINAL.replace('42', '43')).port}/v1/chat/completions"
        self.assertEqual(0, self.program.run("run", "-m", url, "--tools", "python", "6 times 7?").returncode)
        done = self.program.run("runs", "resume", "last", "-m", url, "And one more?")
        self.assertEqual((0, "It is 43.\n"), (done.returncode, done.stdout), done.stderr)

    def test_a_server_that_is_gone_is_a_model_error(self):
        done = self.program.run("run", "-m", f"http://127.0.0.1:{free_port()}/v1/responses#m", "Hello")
        self.assertEqual(7, done.returncode, done.stderr)
        self.assertIn("127.0.0.1", done.stderr)

    def test_a_server_in_front_of_a_chat_endpoint(self):
        """Old clients, another machine's model: `toccata serve -m .../chat/completions`."""
        inner = self.scripted(FINAL)
        outer = self.serve("-m", f"http://127.0.0.1:{inner.port}/v1/chat/completions")
        message = outer.chat([{"role": "user", "content": "6 times 7?"}])["choices"][0]["message"]
        self.assertEqual(("It is 42.", "There it is."), (message["content"], message["reasoning"]))


class Shards(ServerCase):
    def setUp(self):
        super().setUp()
        self.rows = self.program.home / "rows.jsonl"
        self.rows.write_text("".join(json.dumps({"a": a, "b": a * a, "sum": a + a * a}) + "\n" for a in range(11)))
        self.script = self.program.script("<|channel|>final<|message|>0<|return|>")
        self.out = self.program.home / "out"
        self.out.mkdir()

    def task(self, *words, **options):
        return self.program.run("task", "run", str(SUMS), "--dataset", str(self.rows), *words, **options)

    def keys(self, path: pathlib.Path) -> list:
        return [json.loads(line)["key"] for line in path.read_text().splitlines()]

    def merged(self, n: int) -> pathlib.Path:
        merged = self.out / "all.jsonl"
        merged.write_text("".join((self.out / f"shard-{i}.jsonl").read_text() for i in range(n)))
        return merged

    def test_shards_do_every_row_once_and_are_merged_by_one_more_start(self):
        running = [
            self.program.start("task", "run", str(SUMS), "--dataset", str(self.rows), "-q", "--shard", f"{i}/3", "--results", str(self.out / f"shard-{i}.jsonl"))
            for i in range(3)
        ]
        codes = [process.wait(300) for process in running]
        self.assertTrue(set(codes) <= {0, 3}, codes)
        merged = self.merged(3)
        self.assertEqual(11, len(set(self.keys(merged))))
        self.assertEqual(11, len(self.keys(merged)))
        # With another model, which is not asked: nothing is left to be done.
        done = self.task("--results", str(merged), "--junit", str(self.out / "junit.xml"))
        self.assertIn("11 done before", done.stderr)
        self.assertEqual(max(codes), done.returncode, done.stderr)
        self.assertEqual(11, (self.out / "junit.xml").read_text().count("<testcase "))

    def test_a_shard_that_is_terminated_goes_on(self):
        slow = self.program.home / "slow.json"
        slow.write_text(json.dumps({"completions": [{"text": "<|channel|>final<|message|>It comes to some number.<|return|>", "token_delay_us": 30000}]}))
        words = ["task", "run", str(SUMS), "--dataset", str(self.rows), "-m", f"script:{slow}", "--shard", "1/2", "--results", str(self.out / "shard-1.jsonl")]
        first = self.program.start(*words, stderr=subprocess.PIPE, text=True)
        results = self.out / "shard-1.jsonl"
        for _ in range(3000):
            if results.exists() and results.read_text().count("\n") >= 1:
                break
            time.sleep(0.01)
        first.send_signal(signal.SIGTERM)
        _, said = first.communicate(timeout=60)
        self.assertEqual(143, first.returncode, said)
        n_before = len(self.keys(results))
        self.assertIn(n_before, range(1, 5))
        again = self.program.run(*words)
        self.assertIn(f"{n_before} done before", again.stderr)
        self.assertEqual(5, len(set(self.keys(results))))

    def test_a_wrong_shard_says_what_is_expected(self):
        for shard in ("3/3", "x"):
            done = self.task("--shard", shard)
            self.assertEqual(2, done.returncode)
            self.assertIn("expected i/n with i from 0", done.stderr)
        done = self.program.run("task", "run", str(SUMS), "-p", "a=1", "-p", "b=2", "--shard", "0/2")
        self.assertEqual(2, done.returncode)
        # More shards than rows: nothing to do is no error.
        self.assertEqual(0, self.task("--shard", "11/12").returncode)

    def test_an_eval_in_shards_sums_up_to_one(self):
        data = self.program.home / "sums.jsonl"
        data.write_text("".join(json.dumps({"question": f"{i} + {i}?", "answer": 42}) + "\n" for i in range(5)))
        words = ["eval", "numeric", str(data), "-m", self.program.script("<|channel|>final<|message|>42<|return|>"), "--json"]
        for i in range(2):
            done = self.program.run(*words, "--shard", f"{i}/2", "--out", str(self.out / f"{i}"))
            self.assertEqual((0, 3 - i), (done.returncode, json.loads(done.stdout)["answers"]), done.stderr)
        (self.out / "all").mkdir()
        (self.out / "all" / "results.jsonl").write_text("".join((self.out / f"{i}" / "results.jsonl").read_text() for i in range(2)))
        done = self.program.run(*words, "--out", str(self.out / "all"))
        self.assertEqual((0, 5), (done.returncode, json.loads(done.stdout)["answers"]), done.stderr)
        self.assertIn("5 answers were there before", done.stderr)

    # What a cluster does with the files of examples/scale, done here: the same variables, the same signals.

    def environment(self, **more) -> dict:
        folder = self.program.home / "bin"
        folder.mkdir(exist_ok=True)
        if not (folder / "toccata").exists():
            (folder / "toccata").symlink_to(TOCCATA)
        return {**self.program.env, "PATH": f"{folder}:{self.program.env['PATH']}", "TOCCATA_MODEL": self.script, **more}

    def test_the_slurm_script(self):
        task = self.program.home / "task.yaml"
        task.write_text(re.sub(r"model: nano, ", "", SUMS.read_text()))
        for i in range(2):
            env = self.environment(TASK=str(task), ROWS=str(self.rows), OUT=str(self.out), SLURM_ARRAY_TASK_ID=str(i), SLURM_ARRAY_TASK_COUNT="2")
            done = subprocess.run(["bash", SCALE / "slurm.sbatch"], env=env, cwd=self.program.home, capture_output=True, text=True, check=False, timeout=300)
            self.assertEqual(3, done.returncode, done.stderr)  # the sums are wrong
            self.assertTrue((self.out / f"runs-{i}.db").exists())
        self.assertEqual(11, len(set(self.keys(self.merged(2)))))
        bare = subprocess.run(["bash", SCALE / "slurm.sbatch"], env=self.environment(TASK="t", ROWS="r", OUT="o"), capture_output=True, text=True, check=False)
        self.assertIn("is this an array job?", bare.stderr)

    def test_the_kubernetes_job(self):
        text = (SCALE / "kubernetes-job.yaml").read_text()
        n = int(re.search(r"completions: (\d+)", text)[1])
        args = json.loads(re.search(r"args: (\[.*\])", text)[1])
        command = json.loads(re.search(r"command: (\[.*\])", text)[1])
        task = self.out / "task.yaml"
        task.write_text(re.sub(r"model: nano, ", "", SUMS.read_text()))
        shutil.copy(self.rows, self.out / "rows.jsonl")
        for i in range(n):
            words = [w.replace("$(JOB_COMPLETION_INDEX)", str(i)).replace("/data", str(self.out)) for w in command + args]
            done = subprocess.run(words, env=self.environment(), cwd=self.program.home, capture_output=True, text=True, check=False, timeout=300)
            self.assertEqual(3, done.returncode, done.stderr)
        self.assertEqual(11, len(set(self.keys(self.merged(n)))))


@unittest.skipUnless(shutil.which("haproxy"), "no haproxy: apt-get install haproxy")
class BehindHaproxy(ServerCase):
    def test_conversations_stay_and_a_server_that_ends_is_left_out(self):
        servers = [self.serve("-m", "nano") for _ in range(2)]
        port = free_port()
        env = {**os.environ, "LISTEN": f"127.0.0.1:{port}", **{f"SERVER_{n}": f"127.0.0.1:{s.port}" for n, s in zip("AB", servers)}}
        proxy = subprocess.Popen(["haproxy", "-db", "-f", SCALE / "haproxy.cfg"], env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.addCleanup(proxy.wait)
        self.addCleanup(proxy.terminate)
        through = lambda *a, **k: type(servers[0]).request(_At(port), *a, **k)  # noqa: E731
        for _ in range(200):
            with contextlib.suppress(OSError):
                if through("GET", "/health/ready")[0] == 200:
                    break
            time.sleep(0.05)

        def ask(session: str, text: str) -> list:
            body = {"messages": [{"role": "user", "content": text}], "stream": True, "max_tokens": 20}
            status, headers, data = through("POST", "/v1/chat/completions", body, {"x-session-id": session})
            self.assertEqual((200, "text/event-stream"), (status, headers["Content-Type"]), data)
            self.assertTrue(data.endswith(b"data: [DONE]\n\n"))

        def calls() -> list:
            return [server.metric("toccata_model_calls_total") for server in servers]

        for i in range(12):
            ask(f"s{i}", f"What is {i} + 1?")
        self.assertTrue(all(n > 0 for n in calls()), calls())
        before = calls()
        for _ in range(6):
            ask("s3", "Hello!")
        self.assertIn(0, [now - then for now, then in zip(calls(), before)], "a conversation went to both")
        self.assertEqual(0, servers[0].stop())
        deadline = time.monotonic() + 30
        for i in range(12):
            while True:
                try:
                    ask(f"s{i}", "Hello!")
                    break
                except AssertionError:  # until the check has seen it
                    self.assertLess(time.monotonic(), deadline)
                    time.sleep(0.2)


class _At:
    """What Server.request() needs of a server."""

    def __init__(self, port: int):
        self.port = port

    def connection(self) -> "http.client.HTTPConnection":
        import http.client

        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)


if __name__ == "__main__":
    sys.exit(unittest.main())
