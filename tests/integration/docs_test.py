#!/usr/bin/env python3
"""README.md and docs/*.md do what they say: every fenced block is run, compiled, parsed, or marked as shown only.

The words after ``` are a kind and its marks:

  console            `$ command` lines are run, in order, in a folder with the examples; lines below a command must stand in
                     its output in that order (numbers with a decimal point, ids and dates apart; `...` skips lines)
  console scripted   the same, with a model that answers "Done." in place of the one that is named
  console elsewhere  needs weights, the network or root: not run; every toccata option in it must exist
  python             run with the built package; `python continued` goes on from the block before it
  cpp, cmake         a program and its CMakeLists.txt: built against the installed library and run
  json, toml, yaml   parsed; toml is also given to the program as config.toml, yaml as a task file; `yaml tools` is a file of tools, `yaml answers` one
                     of --scripted-tools for those of the tools block before it
  text               shown only: output, pictures in letters

Another kind is a failure, and so is docs/cli.md when the program has changed: scripts/write_cli_docs.
"""

import contextlib
import json
import os
import pathlib
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
import unittest
import urllib.request

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from program import ROOT, TOCCATA, Program  # noqa: E402

BUILD = pathlib.Path(os.environ.get("TOCCATA_BUILD", ROOT / "build" / "cpu"))
PYTHON = os.environ.get("TOCCATA_DOCS_PYTHON", sys.executable)  # the one that the package was built for
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
FENCE = re.compile(r"^```(.*)$")
KINDS = {
    "console": {"scripted", "elsewhere"}, "python": {"continued"}, "cpp": set(), "cmake": set(),
    "json": set(), "toml": set(), "yaml": {"tools", "answers"}, "text": set(),
}
# What differs from run to run.
VARYING = re.compile(r"\b(?=[a-z0-9]*\d)[a-z0-9]{8,}\b|\d+\.\d+|\d{4}-\d\d-\d\d|\d\d:\d\d:\d\d|\d+ ms\b|:\d{4,5}\b|\b\d+ tokens\b")


class Block:
    def __init__(self, page: pathlib.Path, line: int, info: str, text: str):
        self.name = f"{page.relative_to(ROOT)}:{line}"
        self.page, self.text = page, text
        words = info.split()
        self.kind, self.marks = (words[0] if words else ""), set(words[1:])

    @property
    def sound(self) -> bool:
        return self.kind in KINDS and self.marks <= KINDS[self.kind]

    def commands(self) -> list:
        """[(command line, lines shown below it)] of a console block."""
        found = []
        for line in self.text.splitlines():
            if line.startswith("$ "):
                found.append((line[2:], []))
            elif found and found[-1][0].endswith("\\"):
                found[-1] = (found[-1][0][:-1] + line.strip(), [])
            elif found and line.strip():
                found[-1][1].append(line)
        return found


def blocks_of(page: pathlib.Path, text: str = None) -> list:
    found, opened, lines = [], None, []
    for number, line in enumerate((page.read_text() if text is None else text).splitlines(), 1):
        fence = FENCE.match(line.strip())
        if fence and opened is None:
            opened, lines = (number, fence[1]), []
        elif fence:
            found.append(Block(page, *opened, "\n".join(lines) + "\n"))
            opened = None
        elif opened:
            lines.append(line)
    assert opened is None, f"{page}: the block at line {opened[0]} is not closed"
    return found


def toccata_calls(command: str) -> list:
    """The words of each call of toccata in a shell line."""
    lexer = shlex.shlex(command, posix=True, punctuation_chars="|&;<>")
    lexer.whitespace_split = True
    lexer.commenters = "#"
    calls, here = [], None
    for word in lexer:
        if set(word) <= set("|&;<>("):
            here = None
        elif word == "toccata" or word.endswith("/toccata"):
            here = []
            calls.append(here)
        elif here is not None:
            here.append(word)
    return calls


class DocsTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.program = Program()
        cls.addClassCleanup(cls.program.close)
        cls.bin = cls.program.home / "bin"
        cls.bin.mkdir()
        (cls.bin / "toccata").symlink_to(TOCCATA)
        script = cls.program.script("<|channel|>final<|message|>Done.<|return|>")
        cls.env = {**cls.program.env, "PATH": f"{cls.bin}:{cls.program.env['PATH']}"}
        cls.scripted = script

    def folder(self) -> pathlib.Path:
        """A fresh folder with what the pages take for granted."""
        folder = self.program.home / f"work{len(list(self.program.home.glob('work*')))}"
        shutil.copytree(ROOT / "examples" / "tasks", folder)
        for name in ("tasks", "evals", "agents", "tools", "notes"):
            shutil.copytree(ROOT / "examples" / name, folder / "examples" / name)
        (folder / "rows.csv").write_text("a,b,sum\n12,30,42\n7,5,12\n")
        (folder / "schema.json").write_text('{"type": "object", "properties": {"result": {"type": "integer"}}, "required": ["result"], "additionalProperties": false}')
        for name in ("project", "notes"):
            (self.program.home / name).mkdir(exist_ok=True)
            (self.program.home / name / "dns.md").write_text("# DNS\nThe resolver is 192.0.2.1.\n")
        return folder

    @staticmethod
    def each(kind: str) -> list:
        return [block for page in PAGES for block in blocks_of(page) if block.kind == kind]

    def test_every_block_is_of_a_known_kind(self):
        wrong = [f"{b.name}: ```{b.kind} {' '.join(b.marks)}" for page in PAGES for b in blocks_of(page) if not b.sound]
        self.assertEqual([], wrong, __doc__)

    def test_an_unknown_kind_is_found(self):
        for info in ("", "sh", "console later"):
            self.assertFalse(blocks_of(ROOT / "README.md", f"```{info}\nls\n```\n")[0].sound, info)

    def test_links_lead_somewhere(self):
        for page in PAGES:
            outside = page.read_text()
            for block in blocks_of(page):
                outside = outside.replace(block.text, "")
            for target in re.findall(r"\]\(([^)#]+)[^)]*\)", outside):
                if "://" not in target:
                    self.assertTrue((page.parent / target).exists(), f"{page.name} links to {target}")

    def test_the_reference_of_the_command_line_is_current(self):
        done = subprocess.run([TOCCATA, "dev", "manual", "markdown"], env={"HOME": "/nonexistent"}, capture_output=True, text=True, check=True)
        if "## toccata serve" not in done.stdout:
            self.skipTest("built without the server")
        self.assertEqual(done.stdout, (ROOT / "docs" / "cli.md").read_text(), "run scripts/write_cli_docs")

    # console

    def test_a_wrong_line_is_found(self):
        self.compare(["run 0tevw19vva  done", "...", "  12.5 ms"], "first\nrun 1aaaa22bbb  done\nmore\n13.75 ms\n", "x")
        for shown in (["other"], ["b", "a"]):
            with self.assertRaisesRegex(AssertionError, "not in the output"):
                self.compare(shown, "a\nb\n", "x")
        self.check_options(["runs", "list", "--limit", "1"])
        for words in (["run", "--nonesuch", "x"], ["runs", "list", "--reasoning=low"]):
            with self.assertRaisesRegex(AssertionError, "no such option"):
                self.check_options(words)

    def test_console_blocks(self):
        for block in self.each("console"):
            with self.subTest(block.name):
                commands = block.commands()
                self.assertTrue(commands, "no `$ command` in it")
                for command, _ in commands:
                    for words in toccata_calls(command):
                        self.check_options(words)
                if "elsewhere" in block.marks:
                    continue
                self.assertTrue(any(toccata_calls(c) for c, _ in commands), "nothing of toccata in it: mark it elsewhere, or text")
                self.run_commands(commands, "scripted" in block.marks)

    def check_options(self, words: list):
        """Every -x and --x of the call is one its verb has."""
        def usage(*path):
            return subprocess.run([TOCCATA, *path, "--help"], env=self.env, capture_output=True, text=True, check=False).stdout

        path = []
        for word in words:
            # A verb answers with its own usage, an argument with that of its verb.
            if not re.fullmatch(r"[a-z]+(-[a-z]+)*", word) or f"toccata {' '.join([*path, word])} " not in usage(*path, word).partition("Usage: ")[2].split("\n")[0] + " ":
                break
            path.append(word)
        known = {"-C", "--cd", "--version"}
        for names in re.findall(r"^ +(-\S+)", usage(*path), re.MULTILINE):
            known.update(names.split(","))
        for word in words[: words.index("--")] if "--" in words else words:  # behind it: another program's
            if re.match(r"--?[a-zA-Z]", word):
                self.assertIn(word.split("=")[0], known, f"toccata {' '.join(path)} has no such option")

    def run_commands(self, commands: list, scripted: bool):
        folder = self.folder()
        env = self.env | ({"TOCCATA_MODEL": self.scripted} if scripted else {})
        port = None
        with contextlib.ExitStack() as stack:
            for command, shown in commands:
                if port:
                    command = command.replace(":8080", f":{port}")
                calls = toccata_calls(command)
                if scripted and calls and calls[0][0] in ("run", "chat"):
                    command = re.sub(r"(-m|--model) \S+", "", command)
                if command.startswith("curl ") and not shutil.which("curl"):
                    self.skipTest("no curl here")
                if calls and calls[0][0] == "serve":
                    port = self.serve(stack, calls[0][1:], folder, env)
                    continue
                done = subprocess.run(["bash", "-c", command], cwd=folder, env=env, capture_output=True, text=True, check=False, timeout=300)
                self.assertEqual(0, done.returncode, f"{command}\n{done.stdout}\n{done.stderr}")
                self.compare(shown, done.stderr + done.stdout, command)

    def serve(self, stack, words: list, folder, env) -> int:
        """Starts the server on a port of its own; it ends with the block."""
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        if " serve " not in subprocess.run([TOCCATA, "--help"], env=env, capture_output=True, text=True, check=True).stdout:
            self.skipTest("built without the server")
        server = subprocess.Popen([TOCCATA, "serve", *words, "--port", str(port)], cwd=folder, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

        def end():
            server.send_signal(signal.SIGKILL)
            server.wait()

        stack.callback(end)
        for _ in range(600):
            with contextlib.suppress(OSError):
                urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5).close()
                return port
            self.assertIsNone(server.poll(), "the server ended")
            time.sleep(0.1)
        raise AssertionError("the server did not answer")

    def compare(self, shown: list, said: str, command: str):
        lines = [VARYING.sub("#", line.rstrip()) for line in said.splitlines()]
        at = 0
        for line in shown:
            if line.strip() == "...":
                continue
            wanted = VARYING.sub("#", line.rstrip())
            where = next((i for i in range(at, len(lines)) if lines[i].strip() == wanted.strip()), None)
            self.assertIsNotNone(where, f"{command}: not in the output, or not in this order: {line}\n{said}")
            at = where + 1

    def test_the_figures_name_commands_that_exist(self):
        """The last column of README's table: scripts have what is asked of them, other programs are built by the tree."""
        rows = (ROOT / "README.md").read_text().partition("| how to see it |\n")[2].partition("\n\n")[0].splitlines()[1:]
        commands = [c for row in rows for c in re.findall(r"`([^`]+)`", row.rstrip("| ").rpartition("|")[2])]
        self.assertTrue(commands)
        built = "".join(p.read_text() for p in (ROOT / "tests").rglob("CMakeLists.txt"))
        for command in commands:
            with self.subTest(command):
                words = [w for w in shlex.split(command) if not re.fullmatch(r"[A-Z_]+=\S*", w)]
                by_python = words[0] == "python3"
                name, *rest = words[1:] if by_python else words
                if name == "toccata":
                    continue  # other tests run it
                if "/" not in name:
                    self.assertRegex(built, rf"\b{name}\b")
                    continue
                self.assertTrue(by_python or os.access(ROOT / name, os.X_OK), "not executable")
                help_ = subprocess.run([sys.executable, ROOT / name, "--help"], env=self.env, capture_output=True, text=True, check=True).stdout
                for flag in (w for w in rest if w.startswith("-")):
                    self.assertRegex(help_, rf"(?m)[\s\[,]{flag}\b")
                usage = help_.partition("\n\n")[0]
                while (without_optional := re.sub(r"\[[^\[\]]*\]", "", usage)) != usage:
                    usage = without_optional
                self.assertLessEqual(set(re.findall(r"--[\w-]+", usage)), set(rest), "needs more than is shown")

    def test_every_option_of_run_is_one_of_the_libraries(self):
        """docs/python.md and docs/cpp.md promise it: agent/cli/agent_options_json.cpp and Agent of _agent.py list them."""
        package = BUILD / "agent" / "python"
        if not list(package.glob("toccata/_toccata*.so")):
            self.skipTest("the Python package is not built")
        shown = subprocess.run([TOCCATA, "run", "--help"], env=self.env, capture_output=True, text=True, check=True).stdout
        options = {name.replace("-", "_") for name in re.findall(r"^ +(?:-\w,)?--([\w-]+)", shown, re.MULTILINE)}
        options -= {"help", "json", "quiet", "no_color", "no_project_notes", "resume"}  # of a terminal, or another call's
        code = "import inspect, toccata; print(*inspect.signature(toccata.Agent).parameters)"
        env = {**self.env, "PYTHONPATH": str(package), "PYTHONDONTWRITEBYTECODE": "1"}
        said = subprocess.run([PYTHON, "-c", code], env=env, capture_output=True, text=True, check=True).stdout
        self.assertEqual(options, set(said.split()))

    # python, C++

    def test_python_blocks(self):
        package = BUILD / "agent" / "python"
        if not list(package.glob("toccata/_toccata*.so")):
            self.skipTest("the Python package is not built")
        programs = []
        for block in self.each("python"):
            if "continued" in block.marks:
                self.assertTrue(programs, "continues nothing")
                programs[-1] = (programs[-1][0], programs[-1][1] + block.text)
            else:
                programs.append((block.name, block.text))
        self.assertTrue(programs)
        for name, text in programs:
            with self.subTest(name):
                env = {**self.env, "PYTHONPATH": str(package), "PYTHONDONTWRITEBYTECODE": "1"}
                done = subprocess.run([PYTHON, "-c", text], cwd=self.folder(), env=env, capture_output=True, text=True, check=False, timeout=300)
                self.assertEqual(0, done.returncode, f"{name}\n{done.stdout}\n{done.stderr}")

    def test_cpp_and_cmake_blocks(self):
        programs = list(self.each("cpp"))
        projects = list(self.each("cmake"))
        self.assertTrue(programs and projects)
        if not (BUILD / "agent" / "library" / "libtoccata.a").exists() or "TOCCATA_SANITIZE:STRING=\n" not in (BUILD / "CMakeCache.txt").read_text():
            self.skipTest("the library is not built, or with a sanitizer")
        prefix = self.program.home / "prefix"
        subprocess.run(["cmake", "--install", BUILD, "--prefix", prefix, "--component", "dev"], check=True, capture_output=True)
        for project in projects:
            for number, program in enumerate(programs):
                with self.subTest(program.name):
                    source = self.folder()
                    (source / "CMakeLists.txt").write_text("cmake_minimum_required(VERSION 3.25)\nproject(app LANGUAGES CXX)\nadd_executable(app app.cpp)\n" + project.text)
                    (source / "app.cpp").write_text(program.text)
                    for command in (
                        ["cmake", "-S", ".", "-B", "build", "-G", "Ninja", f"-DCMAKE_PREFIX_PATH={prefix}"], ["cmake", "--build", "build"], ["build/app"],
                    ):
                        done = subprocess.run(command, cwd=source, env=self.env, capture_output=True, text=True, check=False, timeout=300)
                        self.assertEqual(0, done.returncode, f"{program.name}: {command}\n{done.stdout}\n{done.stderr}")

    # data

    def test_data_blocks(self):
        for block in self.each("json") + self.each("toml") + self.each("yaml"):
            with self.subTest(block.name):
                if block.marks:
                    self.check_tools(block)
                else:
                    getattr(self, f"check_{block.kind}")(block.text)

    def check_json(self, text: str):
        json.loads(text)

    def check_toml(self, text: str):
        try:
            import tomllib
        except ImportError:
            self.skipTest("no tomllib: Python 3.11 has it")
        tomllib.loads(text)
        home = self.program.home / "configured"
        (home / ".config" / "toccata").mkdir(parents=True, exist_ok=True)
        (home / ".config" / "toccata" / "config.toml").write_text(text)
        done = subprocess.run([TOCCATA, "models"], env={**self.env, "HOME": str(home)}, capture_output=True, text=True, check=False)
        self.assertEqual(0, done.returncode, done.stderr)

    def check_tools(self, block):
        path = self.program.home / f"{min(block.marks)}.yaml"
        path.write_text(block.text)
        command = ["tools", "check", str(path)]
        if "answers" in block.marks:
            command = ["run", "-m", self.scripted, "--tool-file", str(self.program.home / "tools.yaml"), "--scripted-tools", str(path), "go"]
        done = self.program.run(*command)
        self.assertEqual(0, done.returncode, done.stdout + done.stderr)

    def check_yaml(self, text: str):
        path = self.folder() / "block.yaml"
        path.write_text(text)
        done = self.program.run("task", "validate", str(path))
        self.assertEqual(0, done.returncode, done.stdout + done.stderr)


if __name__ == "__main__":
    sys.exit(unittest.main())
