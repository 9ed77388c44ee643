#!/usr/bin/env python3
"""kill -9 at any moment of a start, while zygote and sessions are being made: no process of the sandbox stays behind.

TOCCATA_ORPHAN_CYCLES sets how often (30).
"""

import ctypes
import os
import pathlib
import random
import signal
import sys
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from program import Program  # noqa: E402

CYCLES = int(os.environ.get("TOCCATA_ORPHAN_CYCLES", "30"))
LATEST_S = 0.4  # of a kill, since the start
PR_SET_CHILD_SUBREAPER = 36


def children() -> list[str]:
    """Command line and place in the kernel of each child of this process, those that were given to it included."""
    found = []
    for task in pathlib.Path("/proc/self/task").iterdir():
        for pid in (task / "children").read_text().split():
            try:
                place = pathlib.Path("/proc", pid)
                line = (place / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")[:200]
                found.append(f"{pid}: {line} [{(place / 'wchan').read_text()}]")
            except (FileNotFoundError, ProcessLookupError, PermissionError):
                pass
    return found


def reap() -> bool:
    """True: there is no child left."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
        return False
    except ChildProcessError:
        return True


class OrphansTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        # Whoever loses its parent below this process becomes its child.
        if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
            raise unittest.SkipTest("this process cannot become a subreaper")

    def test_a_killed_program_leaves_no_process(self):
        rng = random.Random(CYCLES)
        with Program() as program:
            script = program.script("<|channel|>analysis to=python code<|message|>input()<|call|>", "<|channel|>final<|message|>x<|return|>")
            for cycle in range(CYCLES):
                # Both ways of a session: afresh while the zygote is not up yet, and from it.
                running = program.start("run", "-m", script, "-q", "go", stdin=-3, stdout=-3, stderr=-3)
                delay = rng.random() * LATEST_S
                time.sleep(delay)
                running.send_signal(signal.SIGKILL)
                running.wait()
                for _ in range(200):
                    if reap():
                        break
                    time.sleep(0.01)
                self.assertTrue(reap(), f"cycle {cycle}, killed after {delay * 1000:.0f} ms: left {children()}")


if __name__ == "__main__":
    sys.exit(unittest.main())
