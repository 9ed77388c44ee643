#!/usr/bin/env python3
"""`toccata pull` and huggingface_hub share a cache: each finds what the other downloaded.

huggingface_hub is installed, pinned, into a virtual environment below build/ by `pull_client_test.py --install`; without it
the test says SKIPPED (77).
"""

import json
import os
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from fake_hub import Hub  # noqa: E402
from program import ROOT, SKIPPED, Program  # noqa: E402
from pull_test import REPO, model_files  # noqa: E402

PINNED = ["huggingface_hub==2.4.0"]
FOLDER = ROOT / "build" / "hub_client"
PYTHON = FOLDER / "bin" / "python"


def install() -> bool:
    import venv

    venv.create(FOLDER, with_pip=True)
    return subprocess.run([PYTHON, "-m", "pip", "install", "-q", *PINNED], check=False).returncode == 0


class SharedCacheTest(unittest.TestCase):
    def setUp(self):
        self.program = Program()
        self.addCleanup(self.program.close)
        self.hub = Hub(REPO, model_files())
        self.addCleanup(self.hub.close)
        self.program.env |= {"HF_ENDPOINT": self.hub.url, "HF_HUB_DISABLE_TELEMETRY": "1", "HF_HUB_DISABLE_XET": "1"}

    def theirs(self, call: str) -> str:
        """What a call of huggingface_hub returns, in the home of the program."""
        code = f"import huggingface_hub as h; print(h.{call})"
        done = subprocess.run([PYTHON, "-c", code], env=self.program.env, capture_output=True, text=True, check=False, timeout=120)
        self.assertEqual(0, done.returncode, done.stderr)
        return done.stdout.strip()

    def ours(self, *args) -> dict:
        done = self.program.run("pull", REPO, "--json", *args)
        self.assertEqual(0, done.returncode, done.stderr)
        return json.loads(done.stdout.splitlines()[-1])

    def test_they_find_ours(self):
        path = self.ours()["path"]
        self.hub.requests.clear()
        self.assertEqual(path, self.theirs(f"snapshot_download('{REPO}', local_files_only=True)"))
        self.assertEqual(path + "/config.json", self.theirs(f"hf_hub_download('{REPO}', 'config.json', local_files_only=True)"))
        self.assertEqual([], self.hub.requests)
        before = self.hub.bytes_served()
        patterns = "['*.json', '*.safetensors']"
        self.assertEqual(path, self.theirs(f"snapshot_download('{REPO}', allow_patterns={patterns}, ignore_patterns='original/*')"))
        self.assertEqual(before, self.hub.bytes_served(), "they take our blobs for theirs")
        self.assertTrue(any("/tree/" in r[1] for r in self.hub.requests), "they did ask")
        self.assertIn(REPO, self.theirs("scan_cache_dir().repos"))
        self.assertEqual("[]", self.theirs("scan_cache_dir().warnings"))

    def test_we_find_theirs(self):
        path = self.theirs(f"snapshot_download('{REPO}')")
        before = self.hub.bytes_served()
        last = self.ours()
        self.assertEqual((path, 0), (last["path"], last["bytes_fetched"]))
        self.assertEqual(before, self.hub.bytes_served())
        self.ours("--verify")
        self.assertEqual(before, self.hub.bytes_served())


def main() -> int:
    if "--install" in sys.argv and not install():
        print("SKIPPED: cannot install " + ", ".join(PINNED))
        return SKIPPED
    sys.argv = [a for a in sys.argv if a != "--install"]
    if not PYTHON.exists() or subprocess.run([PYTHON, "-c", "import huggingface_hub"], capture_output=True, check=False).returncode:
        print(f"SKIPPED: no huggingface_hub in {FOLDER}; install it with pull_client_test.py --install")
        return SKIPPED
    return 0 if unittest.main(exit=False).result.wasSuccessful() else 1


if __name__ == "__main__":
    sys.exit(main())
