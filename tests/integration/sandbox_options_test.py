#!/usr/bin/env python3
"""What the user says of the sandbox: `toccata tools python`, --python, --mount. No network: packages are made here."""

import json
import os
import pathlib
import sys
import tempfile
import unittest
import zipfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from program import AS_USER, Program, events  # noqa: E402

FINAL = "<|channel|>final<|message|>"
CALL = "<|channel|>analysis to=python code<|message|>"


class OutsideTmp(Program):
    """A home that sessions can see: their own /tmp covers the machine's."""

    def __init__(self):
        super().__init__()
        self._folder.cleanup()
        self._folder = tempfile.TemporaryDirectory(dir="/var/tmp")
        self.home = pathlib.Path(self._folder.name)
        if AS_USER:
            os.chown(self.home, AS_USER["user"], AS_USER["group"])
        self.env["HOME"] = str(self.home)


def make_wheel(folder: pathlib.Path, name: str, version: str, source: str) -> pathlib.Path:
    wheel = folder / f"{name}-{version}-py3-none-any.whl"
    info = f"{name}-{version}.dist-info"
    files = {
        f"{name}.py": source,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    files[f"{info}/RECORD"] = "".join(f"{path},,\n" for path in (*files, f"{info}/RECORD"))
    with zipfile.ZipFile(wheel, "w") as out:
        for path, text in files.items():
            out.writestr(path, text)
    return wheel


class Case(unittest.TestCase):
    def setUp(self):
        self.program = OutsideTmp()
        self.addCleanup(self.program.close)
        self.managed = self.program.home / ".local/share/toccata/python"

    def ok(self, *args, code=0, **kwargs):
        done = self.program.run(*args, **kwargs)
        self.assertEqual(code, done.returncode, done.stdout + done.stderr)
        return done

    def make_folder(self, folder):
        """As the program would, and its user's own."""
        folder.mkdir(parents=True)
        for made in (folder, *folder.parents):
            if AS_USER and made.is_relative_to(self.program.home):
                os.chown(made, AS_USER["user"], AS_USER["group"])

    def sandbox(self, *code, flags=()):
        requests = [{"op": "open"}] + [{"op": "execute", "session": "s1", "code": c} for c in code]
        done = self.ok("dev", "sandbox", *flags, stdin="".join(json.dumps(r) + "\n" for r in requests))
        answers = [json.loads(line) for line in done.stdout.splitlines()]
        self.assertNotIn("error", answers[0], done.stdout)
        return [a["output"] for a in answers[1:]]


class ToolsPythonTest(Case):
    def test_what_is_installed_can_be_imported_in_a_session(self):
        wheels = self.program.home / "wheels"
        wheels.mkdir()
        wheel = make_wheel(wheels, "tuning", "1.2", "def pitch(): return 440\n")
        self.assertIn("no Python environment", self.ok("tools", "python", "path", code=2).stderr)
        done = self.ok("tools", "python", "install", str(wheel))
        self.assertIn("Successfully installed tuning-1.2", done.stdout, "pip's own words pass through")
        self.assertIn(str(self.managed / "bin/python3"), done.stderr)
        self.assertEqual(str(self.managed / "bin/python3") + "\n", self.ok("tools", "python", "path").stdout)
        self.assertEqual("1.2", {p["name"]: p["version"] for p in json.loads(self.ok("tools", "python", "list", "--json").stdout)}["tuning"])
        self.assertEqual(["440"], self.sandbox("import tuning; tuning.pitch()"))
        self.assertIn("ModuleNotFoundError", self.sandbox("import tuning", flags=["--python", "/usr/bin/python3"])[0])
        doctor = json.loads(self.program.run("doctor", "--json").stdout)["sandbox"]
        self.assertEqual(("toccata tools python", str(self.managed / "bin/python3")), (doctor["python_from"], doctor["python"]))
        # By name, from a folder, and with an option of pip's.
        make_wheel(wheels, "tuning", "1.3", "def pitch(): return 442\n")
        self.ok("tools", "python", "install", "--", "--no-index", "--find-links", str(wheels), "--upgrade", "tuning")
        self.assertEqual(["442"], self.sandbox("import tuning; tuning.pitch()"))
        self.ok("tools", "python", "remove", "tuning")
        self.assertIn("ModuleNotFoundError", self.sandbox("import tuning")[0])
        self.ok("tools", "python", "remove")
        self.assertFalse(self.managed.exists())
        self.assertEqual(["1"], self.sandbox("1"))

    def test_what_cannot_be_installed_leaves_no_environment(self):
        empty = self.program.home / "empty"
        empty.mkdir()
        done = self.ok("tools", "python", "install", "--", "--no-index", "--find-links", str(empty), "tuning", code=1)
        self.assertIn("tuning", done.stderr)
        self.assertFalse(self.managed.exists(), "an empty one would take the place of the system's packages")

    def test_an_index_out_of_reach_is_said(self):
        self.program.env["PIP_INDEX_URL"] = "http://127.0.0.1:1/simple"  # respected: nobody else is asked
        self.program.env["PIP_RETRIES"] = "1"
        done = self.ok("tools", "python", "install", "tuning", code=6)
        self.assertIn("package index cannot be reached", done.stderr)
        self.assertIn("127.0.0.1", done.stdout, "pip's own words pass through")

    def test_a_damaged_environment_is_named(self):
        self.make_folder(self.managed / "bin")
        for args in (("run", "-m", self.program.script(FINAL + "1<|return|>"), "x"), ("tools", "python", "list"), ("tools", "python", "install", "x")):
            self.assertIn("toccata tools python remove", self.ok(*args, code=6).stderr)
        self.ok("tools", "python", "remove")
        self.ok("run", "-m", self.program.script(FINAL + "1<|return|>"), "x")


class PythonOptionTest(Case):
    def test_it_is_a_file_or_a_virtual_environment(self):
        for python in ("/usr/bin/python3", "/usr"):
            self.assertEqual(["'/usr/bin/python3'"], self.sandbox("import sys; sys.executable", flags=["--python", python]))
        for python in ("/nowhere/python3", str(self.program.home)):
            done = self.ok("run", "--python", python, "-m", self.program.script(FINAL + "1<|return|>"), "x", code=2)
            self.assertIn("--python is " + python, done.stderr)
        not_python = self.program.home / "sh"
        not_python.symlink_to("/bin/false")
        self.assertIn("not a working Python", self.ok("run", "--python", str(not_python), "x", code=6).stderr)

    def test_it_comes_from_the_environment_and_the_users_file_but_from_no_folder(self):
        model = self.program.script(CALL + "6 * 7<|call|>", FINAL + "42<|return|>")
        self.program.env["TOCCATA_PYTHON"] = "/nowhere/a"
        self.assertIn("/nowhere/a", self.ok("run", "-m", model, "x", code=2).stderr)
        del self.program.env["TOCCATA_PYTHON"]
        (self.program.home / "toccata.toml").write_text('python = "/nowhere/b"\n')
        self.assertIn("belongs into the user's own config.toml", self.ok("run", "-m", model, "x", code=2).stderr)
        # What a folder that somebody may have sent must not decide.
        for line in ('mount = ["/etc"]', 'sandbox = "none"', 'approve = "always"', 'model = "http://127.0.0.1:9/v1"', 'allow_origin = ["http://127.0.0.1:9"]',
                     'prefix_folder = "x"', 'proxy = "http://127.0.0.1:9"'):
            (self.program.home / "toccata.toml").write_text(line + "\n")
            self.assertIn("belongs into the user's own config.toml", self.ok("run", "-m", model, "x", code=2).stderr, line)
        (self.program.home / "toccata.toml").unlink()
        config = self.program.home / ".config/toccata/config.toml"
        config.parent.mkdir(parents=True)
        config.write_text('python = "/nowhere/c"\n')
        self.assertIn("/nowhere/c", self.ok("run", "-m", model, "x", code=2).stderr)
        config.write_text('python = "/usr/bin/python3"\n')
        self.assertEqual("42\n", self.ok("run", "-m", model, "x").stdout)

    def test_a_place_that_sessions_cover_is_refused(self):
        with tempfile.TemporaryDirectory(dir="/tmp") as folder:
            os.chmod(folder, 0o755)
            os.mkdir(folder + "/bin")
            os.symlink("/usr/bin/python3", folder + "/bin/python3")
            pathlib.Path(folder, "pyvenv.cfg").write_text("home = /usr/bin\nversion = 3.11\n")
            done = self.ok("run", "--python", folder, "-m", self.program.script(FINAL + "1<|return|>"), "x", code=2)
            self.assertIn("cannot be seen in the sandbox", done.stderr)


class MountOptionTest(Case):
    def setUp(self):
        super().setUp()
        self.data = self.program.home / "numbers"
        self.make_folder(self.data)
        (self.data / "a.txt").write_text("17\n")

    def test_the_model_is_told_and_its_code_reads(self):
        code = "open('/mnt/numbers/a.txt').read()"
        model = self.program.script(CALL + code + "<|call|>", FINAL + "17<|return|>")
        done = self.ok("run", "-m", model, "--json", "--mount", str(self.data), "--instructions", "Be brief.", "x")
        command = [e["item"] for e in events(done) if e["type"] == "item.completed" and e["item"]["type"] == "command_execution"][0]
        self.assertEqual("'17\\n'", command["aggregated_output"])
        shown = self.ok("runs", "export", "last").stdout
        self.assertIn("/mnt/numbers", shown)
        self.assertIn("Code that you run can read these folders", shown)

    def test_a_run_that_goes_on_has_the_same_folders_and_interpreter(self):
        code = "open('/mnt/n/a.txt').read()"
        model = self.program.script(CALL + code + "<|call|>", CALL + code + "<|call|>", FINAL + "17<|return|>")
        self.ok("run", "-m", model, "--max-turns", "1", "--mount", "numbers:n", "--python", "/usr", "x", code=4)
        run = json.loads(self.ok("runs", "show", "last", "--json").stdout)
        self.assertEqual(([str(self.data.resolve()) + ":n"], "/usr/bin/python3"), (run["params"]["mounts"], run["params"]["python"]))
        done = self.ok("runs", "resume", "last", "--max-turns", "5", "--json", "-C", "/")
        outputs = [e["item"]["aggregated_output"] for e in events(done) if e["type"] == "item.completed" and e["item"]["type"] == "command_execution"]
        self.assertTrue(any(output.endswith("'17\\n'") for output in outputs), outputs)

    def test_what_holds_the_programs_own_records_is_refused(self):
        model = self.program.script(FINAL + "1<|return|>")
        self.make_folder(self.managed.parent)
        for folder in (str(self.program.home), "/", str(self.program.home / ".local"), "~/.local/share/toccata"):
            self.assertIn("cannot be shown to the sandbox", self.ok("run", "-m", model, "--mount", folder, "x", code=2).stderr)
        self.assertIn("cannot be shown", self.ok("run", "-m", model, "--mount", str(self.data), "--ledger", str(self.data / "runs.db"), "x", code=2).stderr)

    def test_dev_sandbox_takes_it_and_forks(self):
        requests = [
            {"op": "open"},
            {"op": "execute", "session": "s1", "code": "x = int(open('/mnt/numbers/a.txt').read())"},
            {"op": "fork", "session": "s1"},
            {"op": "execute", "session": "s2", "code": "x += 1; x"},
            {"op": "close", "session": "s1"},
            {"op": "execute", "session": "s2", "code": "x += 1; x"},
            {"op": "fork", "session": "s1"},
        ]
        done = self.ok("dev", "sandbox", "--mount", str(self.data), stdin="".join(json.dumps(r) + "\n" for r in requests))
        answers = [json.loads(line) for line in done.stdout.splitlines()]
        self.assertEqual("s2", answers[2]["session"])
        self.assertEqual(["18", "19"], [answers[3]["output"], answers[5]["output"]])
        self.assertIn("error", answers[6])


if __name__ == "__main__":
    unittest.main()
