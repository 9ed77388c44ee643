#!/usr/bin/env python3
"""The folders depend on each other in one direction only.

Reads every #include "..." of the tree and checks it against the table below, which is ARCHITECTURE.md's picture in
data. A new dependency is a decision: change the table and the page together.
"""

import pathlib
import re
import sys
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]

# folder -> folders it may include, besides itself. `prompts` is text and may be used by anything above core.
ALLOWED = {
    "core/base": [],
    "core/net": ["core/base"],
    "core/digest": ["core/base"],
    "core/hub": ["core/base", "core/digest", "core/net"],
    "core/tokenizer": ["core/base"],
    "core/grammar": ["core/base", "core/tokenizer"],
    "core/model": ["core/base"],
    "core/cuda": ["core/base"],
    "core/ops": ["core/base", "core/model", "core/cuda"],
    "core/engine": ["core/base", "core/model", "core/ops", "core/cuda"],
    "sandbox": ["core/base"],
    "prompts": [],
    "tools": ["core/base", "core/digest", "core/net", "sandbox", "prompts"],
    "agent/harmony": ["core/base", "core/tokenizer", "core/grammar"],
    "agent/model": ["core/base", "core/tokenizer", "core/net", "agent/harmony"],
    "agent/store": ["core/base"],
    "agent/loop": ["core/base", "core/tokenizer", "core/grammar", "agent/harmony", "agent/model", "agent/store", "tools", "prompts"],
    "agent/telemetry": ["core/base", "core/net", "agent/loop"],
    "agent/task": ["core/base", "core/digest", "core/tokenizer", "core/grammar"],
    "agent/toolfile": ["core/base", "agent/task", "tools"],
    "agent/eval": ["core/base", "agent/task"],
    "agent/server": ["core/base", "core/digest", "core/tokenizer", "core/grammar", "agent/harmony", "agent/model", "agent/store", "agent/loop"],
    "agent/mcp": ["core/base", "core/tokenizer", "tools", "sandbox", "agent/server"],
    "agent/python": ["core", "agent", "tools", "sandbox"],
    "agent/library": ["core", "agent", "tools", "sandbox"],
    "agent/cli": ["core", "agent", "tools", "sandbox", "prompts"],
}
# The only files that join agent and engine.
EXCEPTIONS = {
    "agent/model/engine_model.h": ["core/model", "core/engine"],
    "agent/model/engine_model.cpp": ["core/model", "core/engine", "core/ops", "core/cuda"],
    "agent/model/nano.h": ["core/model", "core/engine"],
    "agent/model/nano.cpp": ["core/model", "core/engine"],
}
INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"', re.MULTILINE)


def folder_of(path: str) -> str:
    """The row of the table that `path` belongs to: the longest matching prefix."""
    matches = [f for f in ALLOWED if path.startswith(f + "/")]
    return max(matches, key=len, default="")


def violations(root: pathlib.Path) -> list[str]:
    found = []
    for top in ("core", "agent", "tools", "sandbox", "prompts"):
        for source in sorted((root / top).rglob("*")):
            if source.suffix not in {".h", ".cpp", ".cu", ".cuh"}:
                continue
            name = source.relative_to(root).as_posix()
            here = folder_of(name)
            allowed = [*ALLOWED.get(here, []), *EXCEPTIONS.get(name, [])]
            for included in INCLUDE.findall(source.read_text(encoding="utf-8")):
                if not included.startswith(("core/", "agent/", "tools/", "sandbox/", "prompts/", "examples/")):
                    found.append(f'{name}: "{included}" is not named from the root of the tree')
                elif not any(included.startswith(a + "/") for a in [here, *allowed]):
                    found.append(f"{name} includes {included}: {here} may not depend on {folder_of(included)}")
    return found


class LayeringTest(unittest.TestCase):
    def test_includes_point_one_way(self):
        self.assertEqual([], violations(ROOT))

    def test_a_wrong_include_is_found(self):
        import tempfile

        with tempfile.TemporaryDirectory() as folder:
            bad = pathlib.Path(folder) / "core" / "ops" / "x.cpp"
            bad.parent.mkdir(parents=True)
            bad.write_text('#include "agent/harmony/message.h"\n#include "y.h"\n')
            self.assertEqual(2, len(violations(pathlib.Path(folder))))

    def test_every_folder_has_a_row(self):
        folders = {
            "/".join(p.relative_to(ROOT).parts[:2]) for top in ("core", "agent") for p in (ROOT / top).iterdir() if p.is_dir()
        }
        self.assertEqual(set(), folders - set(ALLOWED))

    def test_only_device_files_include_cuda_headers(self):
        for source in [*ROOT.glob("core/**/*.h"), *ROOT.glob("core/**/*.cpp")]:
            if "core/cuda" not in source.as_posix():
                self.assertNotRegex(source.read_text(encoding="utf-8"), r"#\s*include\s+<(cuda|cublas)", source)


if __name__ == "__main__":
    sys.exit(unittest.main())
