#!/usr/bin/env python3
"""`toccata pull` against a hub on loopback: layout, resumption, checks, and everything a network does."""

import json
import os
import pathlib
import random
import signal
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from fake_hub import COMMIT, Hub, git_id, sha256, wait_until  # noqa: E402
from program import Program  # noqa: E402

REPO = "openai/gpt-oss-20b"
MIB = 1 << 20


def noise(n: int, seed: int) -> bytes:
    return random.Random(seed).randbytes(n)


def model_files(weights: int = 5 * MIB + 123) -> dict:
    return {
        "README.md": b"# a model\n",
        "LICENSE": b"Apache",
        "config.json": b'{"model_type": "gpt_oss"}',
        "tokenizer.json": noise(70_000, 1),
        "model.safetensors.index.json": b"{}",
        "model-00000-of-00001.safetensors": noise(weights, 2),
        "original/config.json": b'{"num_hidden_layers": 24}',
        "original/model.safetensors": noise(2000, 3),
        "metal/model.bin": noise(3000, 4),
    }


class PullTest(unittest.TestCase):
    def setUp(self):
        self.program = Program()
        self.addCleanup(self.program.close)

    def hub(self, files=None, repo: str = REPO, **behaviour) -> Hub:
        hub = Hub(repo, files if files is not None else model_files())
        self.addCleanup(hub.close)
        for name, value in behaviour.items():
            assert hasattr(hub, name)
            setattr(hub, name, value)
        self.program.env["HF_ENDPOINT"] = hub.url
        return hub

    def pull(self, *args, **kwargs):
        return self.program.run("pull", *(args or ["20b"]), **kwargs)

    def pulled(self, *args) -> pathlib.Path:
        done = self.pull(*args)
        self.assertEqual(0, done.returncode, done.stderr)
        return pathlib.Path(done.stdout.strip())

    def failed(self, code: int, *args) -> str:
        done = self.pull(*args)
        self.assertEqual((code, ""), (done.returncode, done.stdout), done.stderr)
        return done.stderr

    @property
    def cache(self) -> pathlib.Path:
        return self.program.home / ".cache" / "huggingface" / "hub"

    @property
    def repository(self) -> pathlib.Path:
        return self.cache / "models--openai--gpt-oss-20b"

    def assert_whole(self, hub: Hub, folder: pathlib.Path, *paths):
        for path in paths:
            self.assertEqual(hub.files[path], (folder / path).read_bytes(), path)

    # What comes, and where it lies.

    def test_the_cache_is_laid_out_as_huggingface_hub_does(self):
        hub = self.hub()
        folder = self.pulled()
        self.assertEqual(self.repository / "snapshots" / COMMIT, folder)
        names = {str(p.relative_to(folder)) for p in folder.rglob("*")}
        wanted = {"LICENSE", "config.json", "tokenizer.json", "model.safetensors.index.json", "model-00000-of-00001.safetensors"}
        self.assertEqual(wanted, names)
        self.assert_whole(hub, folder, *wanted)
        self.assertEqual(COMMIT, (self.repository / "refs" / "main").read_text())
        weights = folder / "model-00000-of-00001.safetensors"
        self.assertEqual(f"../../blobs/{sha256(hub.files[weights.name])}", os.readlink(weights))
        self.assertEqual(f"../../blobs/{git_id(b'Apache')}", os.readlink(folder / "LICENSE"))
        self.assertEqual({hub.etag(p) for p in wanted}, {p.name for p in (self.repository / "blobs").iterdir()})

    def test_a_second_pull_fetches_nothing_and_the_model_is_listed(self):
        hub = self.hub()
        folder = self.pulled()
        before = hub.bytes_served()
        self.assertEqual(folder, self.pulled(REPO))
        self.assertEqual(before, hub.bytes_served())
        self.assertIn(REPO, self.program.run("models").stdout)
        self.assertEqual(folder, self.pulled("20b", "--offline"))

    def test_weights_come_in_parallel_ranges(self):
        hub = self.hub()
        self.pulled("20b", "--jobs", "4")
        ranges = [r[2] for r in hub.requests if "safetensors?" in r[1]]
        self.assertGreaterEqual(len(set(ranges)), 5)
        self.assertEqual(len(hub.files["model-00000-of-00001.safetensors"]), hub.served["model-00000-of-00001.safetensors"])

    def test_original_include_exclude_and_a_plain_folder(self):
        hub = self.hub()
        folder = self.pulled("20b", "--original")
        self.assertEqual("original", folder.name)
        self.assert_whole(hub, folder.parent, "original/config.json", "original/model.safetensors")
        self.assertEqual("../../../blobs/" + hub.etag("original/config.json"), os.readlink(folder / "config.json"))
        plain = self.pulled("20b", "--include", "*.json", "--include", "README.md", "--exclude", "original/", "--to", "here")
        self.assertEqual(self.program.home / "here", plain)
        names = {p.name for p in plain.iterdir()}
        self.assertEqual({"README.md", "config.json", "tokenizer.json", "model.safetensors.index.json"}, names)
        self.assertFalse((plain / "config.json").is_symlink())
        (plain / "config.json").write_bytes(b'{"model_type": "gpt_bad"}')  # the size is right
        self.pulled("20b", "--include", "config.json", "--to", "here")
        self.assert_whole(hub, plain, "config.json")
        self.assertIn("no file of this repository", self.failed(2, "20b", "--include", "*.bin2"))

    def test_gguf(self):
        files = {"README.md": b"x", "gpt-oss-20b-mxfp4.gguf": noise(5000, 5), "gpt-oss-20b-Q8_0.gguf": noise(4000, 6)}
        hub = self.hub(files, repo="ggml-org/gpt-oss-20b-GGUF")
        path = self.pulled("20b", "--gguf")
        self.assertEqual("gpt-oss-20b-mxfp4.gguf", path.name)
        self.assert_whole(hub, path.parent, path.name)
        self.assertEqual("gpt-oss-20b-Q8_0.gguf", self.pulled("20b", "--gguf", "q8").name)
        self.assertIn("2 GGUF models", self.failed(2, "20b", "--gguf", "20b"))

    def test_a_revision_by_name(self):
        self.hub()
        self.pulled("20b", "--revision", "v1/a")
        self.assertEqual(COMMIT, (self.repository / "refs" / "v1" / "a").read_text())
        self.assertIn("no such revision", self.failed(2, "20b", "--revision", "v9"))

    def test_a_listing_without_ids_is_completed_by_head_requests(self):
        hub = self.hub(listing_says_ids=False)
        self.assert_whole(hub, self.pulled(), "config.json", "tokenizer.json")
        self.assertIn("HEAD", {r[0] for r in hub.requests})
        self.assertNotIn(("HEAD", "storage"), {(r[0], r[4]) for r in hub.requests})

    def test_events_for_programs_and_the_dry_run(self):
        hub = self.hub()
        done = self.pull("20b", "--json", "--dry-run")
        self.assertEqual(["plan", "done"], [json.loads(line)["event"] for line in done.stdout.splitlines()])
        self.assertEqual(0, hub.bytes_served())
        self.assertFalse(self.cache.exists())
        done = self.pull("20b", "--json")
        events = [json.loads(line) for line in done.stdout.splitlines()]
        self.assertEqual(("plan", "done"), (events[0]["event"], events[-1]["event"]))
        self.assertEqual(5, sum(e["event"] == "file" for e in events))
        self.assertEqual(events[0]["bytes"], events[-1]["bytes_fetched"])

    def test_run_says_how_to_get_a_model(self):
        for name in ("gpt-oss-20b", "20b", REPO):
            done = self.program.run("run", "-m", name, "hello")
            self.assertEqual(2, done.returncode, done.stderr)
            self.assertIn("`toccata pull gpt-oss-20b`", done.stderr)

    # What a network does.

    def test_overload_is_waited_out(self):
        hub = self.hub(fail_listing=[(503, {"Retry_After": 0})], fail_next=[(429, {"Retry_After": 0}), (503, {})])
        self.assert_whole(hub, self.pulled(), "tokenizer.json", "model-00000-of-00001.safetensors")

    def test_a_long_retry_after_is_told_not_waited_for(self):
        self.hub(fail_listing=[(429, {"Retry_After": 86400})])
        self.assertIn("86400 s", self.failed(6))

    def test_cut_and_silent_answers_are_taken_up_where_they_broke(self):
        hub = self.hub(truncate_times=2, stall_times=2)
        folder = self.pulled("20b", "--stall-timeout", "2")
        self.assert_whole(hub, folder, "tokenizer.json", "model-00000-of-00001.safetensors")
        begins = [int(r[2].removeprefix("bytes=").split("-")[0]) for r in hub.requests if r[2]]
        self.assertGreaterEqual(sum(begin % MIB != 0 for begin in begins), 2, "not from the beginning of a chunk again")

    def test_a_server_without_ranges(self):
        hub = self.hub(knows_ranges=False, truncate_times=1)
        self.assert_whole(hub, self.pulled(), "tokenizer.json", "model-00000-of-00001.safetensors")

    def test_an_expired_storage_address_is_asked_for_again(self):
        hub = self.hub(pause_after=2 * MIB)
        process = self.program.start("pull", "20b", "--jobs", "1", stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        wait_until(lambda: hub.bytes_served() >= 2 * MIB)
        with hub.lock:
            hub.fail_next, hub.pause_after = [(403, {})], None
        hub.go_on.set()
        out, err = process.communicate(timeout=120)
        self.assertEqual(0, process.returncode, err)
        self.assertEqual(2, sum("/resolve/" in r[1] and "safetensors" in r[1] and "index" not in r[1] for r in hub.requests))

    def test_wrong_bytes_once_are_fetched_again(self):
        hub = self.hub(wrong_times=1)
        done = self.pull("20b")
        self.assertEqual(0, done.returncode, done.stderr)
        self.assertIn("fetching it again", done.stderr)
        self.assert_whole(hub, pathlib.Path(done.stdout.strip()), "LICENSE", "config.json", "tokenizer.json", "model-00000-of-00001.safetensors")

    def test_wrong_bytes_always_are_an_error_and_not_kept(self):
        hub = self.hub(wrong_times=10**6)
        self.assertIn("twice", self.failed(1))
        self.assertFalse((self.repository / "snapshots").exists())
        blobs = self.repository / "blobs"
        self.assertEqual([], [p.name for p in blobs.iterdir() if len(p.name) in (40, 64)])
        hub.wrong_times = 0
        self.assert_whole(hub, self.pulled(), "tokenizer.json", "model-00000-of-00001.safetensors")

    def test_verify_finds_a_blob_that_rotted(self):
        hub = self.hub()
        weights = self.pulled() / "model-00000-of-00001.safetensors"
        with open(weights.resolve(), "r+b") as file:
            file.seek(1000)
            file.write(b"rot")
        self.pulled()
        self.assertNotEqual(hub.files[weights.name], weights.read_bytes(), "a name vouches unless asked")
        self.pulled("20b", "--verify")
        self.assert_whole(hub, weights.parent, weights.name)

    def test_the_token_goes_to_the_hub_and_to_nobody_else(self):
        hub = self.hub(token="hf_secret")
        error = self.failed(5)
        self.assertIn("HF_TOKEN", error)
        home = self.program.home / ".cache" / "huggingface"
        home.mkdir(parents=True, exist_ok=True)
        (home / "token").write_text("hf_secret\n")
        hub.requests.clear()
        self.pulled()
        self.assertEqual({"Bearer hf_secret"}, {r[3] for r in hub.requests if r[4] == "hub"})
        self.assertEqual({None}, {r[3] for r in hub.requests if r[4] == "storage"})
        self.program.env["HF_TOKEN"] = "hf_wrong"
        error = self.failed(5)
        self.assertIn("refused", error)
        self.assertNotIn("hf_wrong", error)

    def test_gated_and_unknown_models_say_what_to_do(self):
        self.hub(gated=True)
        self.assertIn("accept its conditions", self.failed(5))
        self.assertIn("check its name", self.failed(2, "openai/gpt-oss-21b"))
        self.assertIn("owner/name", self.failed(2, "../etc"))

    def test_names_that_lead_out_are_refused(self):
        for name in ("../../evil", "/etc/evil", "a/../../evil", "a\nb", ""):
            with self.subTest(name):
                hub = self.hub(extra_siblings=[{"rfilename": name, "size": 3, "blobId": git_id(b"abc")}])
                self.assertIn("refused the file name", self.failed(1))
                self.assertEqual(0, hub.bytes_served())

    def test_offline(self):
        hub = self.hub()
        self.program.env["HF_HUB_OFFLINE"] = "1"
        self.assertIn("is not in", self.failed(6))
        self.assertEqual([], hub.requests)

    def test_nobody_listens_and_a_signal_ends_the_waiting(self):
        self.program.env["HF_ENDPOINT"] = "http://127.0.0.1:1"
        process = self.program.start("pull", "20b", stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.assertIn("trying again", process.stderr.readline())
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
        self.assertEqual(130, process.returncode, err)

    # What a machine does.

    def test_kill_9_then_only_the_missing_bytes_are_fetched(self):
        weights = "model-00000-of-00001.safetensors"
        hub = self.hub(pause_after=3 * MIB)
        process = self.program.start("pull", "20b", "--jobs", "4", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        # Sent is not yet received: what the counters of the killed process say it has.
        done_file = self.repository / "blobs" / (hub.etag(weights) + ".toccata.done")

        def written() -> int:
            state = done_file.read_bytes()[64:] if done_file.exists() else b""
            return sum(int.from_bytes(state[i : i + 8], "little") for i in range(0, len(state), 16))

        wait_until(lambda: hub.bytes_served() >= 3 * MIB and written() >= 2 * MIB)
        process.kill()
        process.wait()
        kept = written()
        self.assertGreaterEqual(kept, 2 * MIB)
        self.assertFalse((self.repository / "snapshots").exists())
        hub.pause_after = None
        hub.go_on.set()
        hub.served.clear()
        hub.requests.clear()
        done = self.pull("20b", "--json")
        self.assertEqual(0, done.returncode, done.stderr)
        last = json.loads(done.stdout.splitlines()[-1])
        self.assert_whole(hub, pathlib.Path(last["path"]), weights)
        asked = [r[2].removeprefix("bytes=").split("-") for r in hub.requests if weights in r[1] and r[4] == "storage"]
        self.assertEqual(len(hub.files[weights]) - kept, sum(int(end) + 1 - int(begin) for begin, end in asked))

    def test_a_beginning_that_huggingface_hub_left_is_used(self):
        hub = self.hub()
        weights = "model-00000-of-00001.safetensors"
        blobs = self.repository / "blobs"
        blobs.mkdir(parents=True)
        (blobs / (hub.etag(weights) + ".incomplete")).write_bytes(hub.files[weights][: 4 * MIB])
        self.assert_whole(hub, self.pulled(), weights)
        self.assertEqual(MIB + 123, hub.served[weights])
        self.assertEqual([], list(blobs.glob("*incomplete")))

    def test_two_pulls_at_once_fetch_each_file_once(self):
        hub = self.hub(pause_after=2 * MIB)
        first = self.program.start("pull", "20b", stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        wait_until(lambda: hub.bytes_served() >= 2 * MIB)
        second = self.program.start("pull", "20b", stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for line in second.stderr:
            if "waiting for another download" in line:
                break
        hub.go_on.set()
        for process in (first, second):
            out, err = process.communicate(timeout=120)
            self.assertEqual(0, process.returncode, err)
            self.assert_whole(hub, pathlib.Path(out.strip()), "tokenizer.json", "model-00000-of-00001.safetensors")
        self.assertEqual({len(v) for v in [hub.files["model-00000-of-00001.safetensors"]]}, {hub.served["model-00000-of-00001.safetensors"]})

    def test_a_disk_too_small_is_told_before_anything_is_fetched(self):
        if os.getuid() != 0:
            self.skipTest("mounting a small disk takes root")
        with tempfile.TemporaryDirectory() as disk:
            mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", disk], capture_output=True, text=True)
            if mounted.returncode != 0:
                self.skipTest("no mount here: " + mounted.stderr.strip())
            try:
                hub = self.hub()
                error = self.failed(4, "20b", "--to", disk)
            finally:
                subprocess.run(["umount", disk], check=True)
            self.assertRegex(error, r"needs 5\.3 MB more in .*, where 4\.\d MB are free")
            self.assertEqual(0, hub.bytes_served())


if __name__ == "__main__":
    sys.exit(unittest.main())
