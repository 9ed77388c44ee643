#!/usr/bin/env python3
"""scripts/package: what is in the .debs, what they ask for, and that what they unpack works. Nothing is installed."""

import gzip
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

from installed import BUILD, ROOT, run

SKIPPED = 77


class DebTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.folder = pathlib.Path(folder.name)
        cls.foreign = cls.folder / "debs" / "toccatina_1.0_all.deb"
        cls.foreign.parent.mkdir()
        cls.foreign.touch()
        paths = run(ROOT / "scripts" / "package", "--build", BUILD, cls.folder / "debs").split()
        cls.debs = {re.match(r"[a-z-]+", pathlib.Path(p).name)[0]: pathlib.Path(p) for p in paths}
        cls.tree = cls.folder / "tree"
        for deb in cls.debs.values():
            run("dpkg-deb", "-x", deb, cls.tree)

    def files(self, name: str) -> dict:
        """Path -> (mode, owner) of the regular files of a package."""
        lines = [line.split(None, 5) for line in run("dpkg-deb", "-c", self.debs[name]).splitlines()]
        return {words[5].removeprefix("."): (words[0], words[1]) for words in lines if not words[5].endswith("/")}

    def field(self, name: str, field: str) -> str:
        return run("dpkg-deb", "-f", self.debs[name], field).strip()

    def test_two_packages_of_this_version(self):
        self.assertEqual({"toccata", "libtoccata-dev"}, set(self.debs))
        self.assertTrue(self.foreign.exists(), "a package of somebody else was removed")
        for name in self.debs:
            self.assertEqual(name, self.field(name, "Package"))
            self.assertRegex(self.debs[name].name, rf"^{name}_{self.field(name, 'Version')}_\w+\.deb$")

    def test_the_program_with_manual_and_completions(self):
        self.assertEqual(
            {
                "/usr/bin/toccata", "/usr/share/man/man1/toccata.1.gz", "/usr/share/doc/toccata/copyright",
                "/usr/share/bash-completion/completions/toccata", "/usr/share/zsh/vendor-completions/_toccata",
                "/usr/share/fish/vendor_completions.d/toccata.fish",
            },
            set(self.files("toccata")),
        )
        modes = {path: mode for path, mode in self.files("toccata").items()}
        self.assertEqual(("-rwxr-xr-x", "root/root"), modes.pop("/usr/bin/toccata"))
        self.assertEqual({("-rw-r--r--", "root/root")}, set(modes.values()))

    def test_the_library_without_the_program(self):
        files = set(self.files("libtoccata-dev"))
        self.assertIn("/usr/include/toccata/agent.h", files)
        self.assertTrue(any(path.endswith("/libtoccata.a") for path in files))
        self.assertTrue(any(path.endswith("/toccataConfig.cmake") for path in files))
        self.assertEqual(set(), files & set(self.files("toccata")))

    def test_dependencies(self):
        needed = self.field("toccata", "Depends")
        for library in ("libc6 (>= ", "libsqlite3-0", "libseccomp2", "libssl3"):
            self.assertIn(library, needed)
        self.assertIn("libcurl4", self.field("toccata", "Recommends"), "libcurl is loaded at first use")
        # What toccataConfig.cmake looks for is what the package asks for.
        config = next(self.tree.rglob("toccataConfig.cmake")).read_text()
        libraries = re.search(r"^foreach\(library (.*)\)$", config, re.MULTILINE)[1].split()
        asked = {word.split()[0] for word in self.field("libtoccata-dev", "Depends").split(", ")}
        owners = {"libc6-dev"}
        for library in libraries:
            link = next((p for p in pathlib.Path("/usr/lib").glob(f"*/lib{library}.so")), None)
            link = link or next(p for p in pathlib.Path("/usr/lib").glob(f"*/lib{library}.a"))
            owners.add(run("dpkg", "-S", link).split(":")[0])
        self.assertEqual(owners, asked)

    def test_the_unpacked_program_answers(self):
        program = self.tree / "usr" / "bin" / "toccata"
        env = {"HOME": str(self.folder), "PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"}
        self.assertEqual(f"toccata {self.field('toccata', 'Version')}\n", run(program, "--version", env=env, cwd=self.folder))
        said = run(program, "run", "--temperature", "0", "What is 48213 * 977 + 5?", env=env, cwd=self.folder)
        self.assertIn("47104106", said)

    def test_the_manual_page(self):
        text = gzip.decompress((self.tree / "usr/share/man/man1/toccata.1.gz").read_bytes()).decode()
        self.assertTrue(text.startswith('.\\"'))
        for verb in ("run", "chat", "serve", "task run", "runs resume", "pull"):
            self.assertIn(f'.SS "toccata {verb}'.replace("-", "\\-"), text)
        self.assertEqual(1, text.count("\\-\\-max\\-turns\\fR"), "the options of run are written once")
        self.assertNotRegex(text, r"(?m)^'", "a line that begins with ' is a request to roff")
        if shutil.which("groff"):
            done = subprocess.run(["groff", "-man", "-Tutf8", "-ww", "-z"], input=text, capture_output=True, text=True, check=False, timeout=60)
            self.assertEqual((0, ""), (done.returncode, done.stderr))

    def test_the_completions_are_those_of_the_program(self):
        for shell, path in (("bash", "bash-completion/completions/toccata"), ("zsh", "zsh/vendor-completions/_toccata"), ("fish", "fish/vendor_completions.d/toccata.fish")):
            text = (self.tree / "usr/share" / path).read_text()
            self.assertEqual(run(self.tree / "usr/bin/toccata", "completion", shell, env={"HOME": "/nonexistent"}), text)


if __name__ == "__main__":
    for tool in ("dpkg-deb", "dpkg-shlibdeps", "cpack"):
        if not shutil.which(tool):
            print(f"SKIPPED: no {tool} here")
            sys.exit(SKIPPED)
    sys.exit(unittest.main())
