#!/usr/bin/env python3
"""kill -9 in the middle of a run: everything that was printed is in the ledger."""

import json
import os
import random
import signal
import sys
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from program import Program  # noqa: E402

ANALYSIS = "<|channel|>analysis<|message|>"
CALL = "<|channel|>analysis to=python code<|message|>"
FINAL = "<|channel|>final<|message|>"


def printed(lines: list[bytes]) -> dict[str, str]:
    """Item id -> the text shown for it, from the complete lines of the event stream."""
    texts: dict[str, str] = {}
    for line in lines:
        event = json.loads(line)
        if event["type"] == "item.updated" and "delta" in event["item"]:
            texts[event["item"]["id"]] = texts.get(event["item"]["id"], "") + event["item"]["delta"]
        elif event["type"] == "item.completed":
            item = event["item"]
            texts[item["id"]] = item.get("text", item.get("aggregated_output", ""))
    return texts


class CrashTest(unittest.TestCase):
    def test_nothing_that_was_printed_is_missing(self):
        rng = random.Random(7)
        words = " ".join(f"word{i}" for i in range(60))
        completions = [
            {"text": f"{ANALYSIS}{words}<|end|><|start|>assistant{CALL}print('cell one')<|call|>", "token_delay_us": 500},
            {"text": f"{ANALYSIS}more {words}<|end|><|start|>assistant{CALL}print('cell two')<|call|>", "token_delay_us": 500},
            {"text": f"{FINAL}{words} the end<|return|>", "token_delay_us": 500},
        ]
        with Program() as program:
            model = program.home / "slow.json"
            model.write_text(json.dumps({"completions": completions}))
            for attempt in range(12):
                running = program.start("run", "-m", f"script:{model}", "--json", "go", stdout=-1, stderr=-1)
                lines = [running.stdout.readline() for _ in range(rng.randrange(2, 260))]
                time.sleep(rng.random() * 0.01)
                running.send_signal(signal.SIGKILL)
                rest, _ = running.communicate(timeout=30)
                seen = b"".join(lines) + rest
                complete = [line for line in seen.split(b"\n")[:-1] if line]

                shown = program.run("runs", "show", "last", "--json")
                self.assertEqual(0, shown.returncode, shown.stderr)
                run = json.loads(shown.stdout)
                if running.returncode == -signal.SIGKILL:
                    self.assertIn(run["status"], ("interrupted", "done"), f"attempt {attempt}")
                recorded = [m["content"] for m in run["messages"]]
                for item, text in printed(complete).items():
                    self.assertTrue(
                        any(text in content for content in recorded), f"attempt {attempt}: {item} {text[-60:]!r} is not in the ledger"
                    )


if __name__ == "__main__":
    sys.exit(unittest.main())
