"""Runs the built program in a home of its own; shared by the end-to-end tests."""

import json
import os
import pathlib
import subprocess
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
TOCCATA = os.environ.get("TOCCATA", str(ROOT / "build" / "cpu" / "agent" / "cli" / "toccata"))


class Program:
    """`toccata` with a private XDG home, so tests neither read nor write the user's ledger and configuration."""

    def __init__(self):
        self._folder = tempfile.TemporaryDirectory()
        self.home = pathlib.Path(self._folder.name)
        self.env = {
            "HOME": str(self.home),
            "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
            "LANG": "C.UTF-8",
            **{k: v for k, v in os.environ.items() if k.startswith(("ASAN_", "UBSAN_", "TSAN_", "LSAN_"))},
        }

    def close(self):
        self._folder.cleanup()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    @property
    def ledger(self) -> pathlib.Path:
        return self.home / ".local" / "share" / "toccata" / "runs.db"

    def start(self, *args, **kwargs) -> subprocess.Popen:
        return subprocess.Popen([TOCCATA, *args], env=self.env, cwd=self.home, **kwargs)

    def run(self, *args, stdin: str = "", timeout: float = 120) -> subprocess.CompletedProcess:
        """The finished process, output as text."""
        return subprocess.run(
            [TOCCATA, *args], env=self.env, cwd=self.home, input=stdin, capture_output=True, text=True, timeout=timeout
        )

    def dev(self, *args, requests: list[dict]) -> list[dict]:
        """Requests through a `toccata dev` interface; the results in order."""
        done = self.run("dev", *args, stdin="".join(json.dumps(r) + "\n" for r in requests))
        assert done.returncode == 0, done.stderr
        return [json.loads(line)["result"] for line in done.stdout.splitlines()]

    def script(self, *completions: str) -> str:
        """A scripted model that gives these completions, one a model call: what to pass after -m."""
        path = self.home / f"script{len(list(self.home.glob('script*.json')))}.json"
        path.write_text(json.dumps({"completions": list(completions)}))
        return f"script:{path}"


def events(done: subprocess.CompletedProcess) -> list[dict]:
    return [json.loads(line) for line in done.stdout.splitlines()]
