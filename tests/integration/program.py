"""Runs the built program in a home of its own; shared by the end-to-end tests.

With TOCCATA_TEST_UID set, root runs the program as that user; where that cannot be, the tests say so and are skipped.
"""

import json
import os
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
TOCCATA = os.environ.get("TOCCATA", str(ROOT / "build" / "cpu" / "agent" / "cli" / "toccata"))
SKIPPED = 77
TEST_UID = os.environ.get("TOCCATA_TEST_UID")
AS_USER = {"user": int(TEST_UID), "group": int(TEST_UID), "extra_groups": []} if TEST_UID else {}


def skip_unless_runnable():
    """Another user may lack the rights to reach the build folder, and only root can become one."""
    try:
        subprocess.run([TOCCATA, "--version"], check=True, capture_output=True, cwd="/", **AS_USER)
    except (PermissionError, subprocess.SubprocessError) as error:
        print(f"SKIPPED: cannot run {TOCCATA} as user {TEST_UID}: {error}")
        sys.exit(SKIPPED)


if TEST_UID:
    skip_unless_runnable()


class Program:
    """`toccata` with a private XDG home, so tests neither read nor write the user's ledger and configuration."""

    def __init__(self):
        self._folder = tempfile.TemporaryDirectory()
        self.home = pathlib.Path(self._folder.name)
        if TEST_UID:
            os.chown(self.home, int(TEST_UID), int(TEST_UID))
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
        return subprocess.Popen([TOCCATA, *args], env=self.env, cwd=self.home, **AS_USER, **kwargs)

    def run(self, *args, stdin: str = "", timeout: float = 120) -> subprocess.CompletedProcess:
        """The finished process, output as text."""
        return subprocess.run(
            [TOCCATA, *args], env=self.env, cwd=self.home, input=stdin, capture_output=True, text=True, timeout=timeout, **AS_USER
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
