#!/usr/bin/env python3
"""openai-python, openai-agents and anthropic against `toccata serve`.

They are installed, pinned, into a virtual environment below build/ by `clients_test.py --install`; without it the test
says SKIPPED (77).
"""

import argparse
import os
import pathlib
import subprocess
import sys

from program import ROOT, SKIPPED

PINNED = ["openai==3.51", "openai-agents==0.24", "anthropic==2.14"]
FOLDER = ROOT / "build" / "clients"
PYTHON = FOLDER / "bin" / "python"


def install() -> bool:
    import venv

    venv.create(FOLDER, with_pip=True)
    return subprocess.run([PYTHON, "-m", "pip", "install", "-q", *PINNED], check=False).returncode == 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--install", action="store_true")
    if parser.parse_args().install and not install():
        print("SKIPPED: cannot install " + ", ".join(PINNED))
        return SKIPPED
    have = PYTHON.exists() and subprocess.run([PYTHON, "-c", "import agents, anthropic, openai"], capture_output=True, check=False).returncode == 0
    if not have:
        print(f"SKIPPED: no clients in {FOLDER}; install them with {pathlib.Path(__file__).name} --install")
        return SKIPPED
    check = pathlib.Path(__file__).with_name("clients_check.py")
    return subprocess.run([PYTHON, check], env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
