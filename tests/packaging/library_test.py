#!/usr/bin/env python3
"""What `cmake --install` puts down is enough to build and run an agent with: find_package, link, run."""

import os
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

from installed import BUILD, run

HERE = pathlib.Path(__file__).resolve().parent
HEADERS = {
    "toccata/agent.h", "toccata/agent/loop/citation.h", "toccata/agent/loop/events.h", "toccata/core/base/error.h",
    "toccata/tools/provenance.h",
}


class LibraryTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.folder = pathlib.Path(folder.name)
        cls.prefix = cls.folder / "prefix"
        for component in ("runtime", "dev"):
            run("cmake", "--install", BUILD, "--prefix", cls.prefix, "--component", component)

    def test_the_public_headers_are_few_and_need_only_each_other(self):
        include = self.prefix / "include"
        self.assertEqual(HEADERS, {str(p.relative_to(include)) for p in include.rglob("*") if p.is_file()})
        for header in HEADERS:
            for named in re.findall(r'#include "([^"]+)"', (include / header).read_text()):
                self.assertIn(f"toccata/{named}", HEADERS, f"{header} includes {named}, which is not installed")

    def test_nothing_installed_names_the_tree_it_was_built_in(self):
        root = str(HERE.parents[1])
        for path in self.prefix.rglob("*.cmake"):
            self.assertNotIn(root, path.read_text(), path)

    def test_a_program_of_another_project_is_built_and_runs(self):
        env = {**os.environ, "HOME": str(self.folder)}
        build = self.folder / "consumer"
        run("cmake", "-S", HERE / "consumer", "-B", build, "-G", "Ninja", f"-DCMAKE_PREFIX_PATH={self.prefix}", env=env)
        run("cmake", "--build", build, env=env)
        said = run(build / "app", self.folder / "runs.db", env=env, cwd=self.folder)
        self.assertRegex(said, r"^0\.1\.0 .*47104106")
        listed = run(self.prefix / "bin" / "toccata", "runs", "list", "--ledger", self.folder / "runs.db", env=env)
        self.assertIn("48213 * 977", listed, "the installed program reads the ledger of the library")

    def test_another_version_is_refused(self):
        source = self.folder / "newer"
        source.mkdir()
        (source / "CMakeLists.txt").write_text(
            "cmake_minimum_required(VERSION 3.25)\nproject(newer LANGUAGES CXX)\nfind_package(toccata 9.0 REQUIRED)\n"
        )
        done = subprocess.run(
            ["cmake", "-S", source, "-B", self.folder / "newer-build", "-G", "Ninja", f"-DCMAKE_PREFIX_PATH={self.prefix}"],
            capture_output=True, text=True, check=False, timeout=60,
        )
        self.assertNotEqual(0, done.returncode)
        self.assertIn("0.1.0", done.stderr)


if __name__ == "__main__":
    sys.exit(unittest.main())
