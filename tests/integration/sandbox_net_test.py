#!/usr/bin/env python3
"""--sandbox-net: the hosts that sandboxed code may reach, over servers on loopback."""

import http.server
import json
import os
import pathlib
import shutil
import ssl
import subprocess
import sys
import threading
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from program import Program, events  # noqa: E402
from sandbox_options_test import make_wheel  # noqa: E402

FINAL = "<|channel|>final<|message|>"
CALL = "<|channel|>analysis to=python code<|message|>"
SHELL = "<|channel|>commentary to=functions.shell <|constrain|>json<|message|>"
# As most code asks; prints the status line of what was refused.
FETCH = "import urllib.request\ndef get(url):\n    return urllib.request.urlopen(url, timeout=20).read().decode()\n"


class Site:
    """Serves a folder on 127.0.0.1 and remembers what was asked."""

    def __init__(self, folder: pathlib.Path, tls: pathlib.Path | None = None):
        asked = self.asked = []

        class Handler(http.server.SimpleHTTPRequestHandler):
            def __init__(self, *args, **kwargs):
                super().__init__(*args, directory=str(folder), **kwargs)

            def log_message(self, *_):
                asked.append((self.path, dict(self.headers)))

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(tls)
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.host = f"127.0.0.1:{self.server.server_port}"
        self.url = ("https://" if tls else "http://") + self.host
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


class Case(unittest.TestCase):
    def setUp(self):
        self.program = Program()
        self.addCleanup(self.program.close)
        self.folder = self.program.home / "site"
        self.folder.mkdir()
        (self.folder / "a.txt").write_text("from the site\n")
        self.site = Site(self.folder)
        self.addCleanup(self.site.close)

    def ok(self, *args, code=0, **kwargs):
        done = self.program.run(*args, **kwargs)
        self.assertEqual(code, done.returncode, done.stdout + done.stderr)
        return done

    def outputs(self, done):
        return [e["item"]["aggregated_output"] for e in events(done) if e["type"] == "item.completed" and e["item"]["type"] == "command_execution"]

    def run_code(self, *cells, flags=(), tools="python"):
        model = self.program.script(*(CALL + cell + "<|call|>" for cell in cells), FINAL + "done<|return|>")
        return self.outputs(self.ok("run", "-m", model, "--json", "--tools", tools, *flags, "x"))

    def recorded(self):
        run = json.loads(self.ok("runs", "show", "last", "--json").stdout)
        return run, [call["result"]["metadata"] for call in run["calls"]]


class RunTest(Case):
    def test_allowed_hosts_are_reached_and_others_refused(self):
        output = self.run_code(FETCH + f"print(get('{self.site.url}/a.txt'))\nget('http://evil.example/')", flags=["--sandbox-net", self.site.host])[0]
        self.assertIn("from the site", output)
        self.assertIn("HTTP Error 403: Forbidden: evil.example:80 is refused", output)
        self.assertIn(f"[network: the connection to evil.example:80 was refused: it is not on the list of hosts that this session may reach: {self.site.host}]", output)
        self.assertEqual(["/a.txt"], [path for path, _ in self.site.asked])
        run, (metadata,) = self.recorded()
        self.assertEqual([self.site.host], run["params"]["sandbox_net"])
        network = metadata["network"]
        self.assertEqual([self.site.host], network["allowed"])
        used = {use["host"]: use for use in network["used"]}
        self.assertEqual({"127.0.0.1", "evil.example"}, set(used))
        self.assertEqual((True, "", 1), tuple(used["127.0.0.1"][k] for k in ("allowed", "reason", "connections")))
        self.assertGreater(used["127.0.0.1"]["sent"], 50)
        self.assertGreater(used["127.0.0.1"]["received"], 100)
        self.assertEqual((False, 0, 0), tuple(used["evil.example"][k] for k in ("allowed", "sent", "received")))
        self.assertEqual({"trust": "untrusted", "origin": "code that read 127.0.0.1", "private": True, "composed": True}, metadata["provenance"])
        shown = self.ok("runs", "show", "last").stdout
        self.assertIn(f"network, call 1: {self.site.host}, 1 connections", shown)
        self.assertIn("network, call 1: refused evil.example:80", shown)
        self.assertIn("can reach these hosts", shown + self.ok("runs", "export", "last").stdout)

    def test_without_it_there_is_no_network(self):
        output = self.run_code(FETCH + f"get('{self.site.url}/a.txt')")[0]
        self.assertIn("PermissionError", output)
        self.assertEqual([], self.site.asked)
        _, (metadata,) = self.recorded()
        self.assertNotIn("network", metadata)
        self.assertEqual({"trust": "trusted"}, metadata["provenance"])

    def test_nothing_of_the_users_goes_out(self):
        self.program.env |= {"http_proxy_password": "secret", "MY_API_KEY": "secret"}
        self.run_code(FETCH + f"print(get('{self.site.url}/a.txt'))", flags=["--sandbox-net", self.site.host])
        (_, headers), = self.site.asked
        self.assertEqual({"Host", "User-Agent", "Accept-Encoding", "Connection"}, set(headers))
        self.assertNotIn("secret", str(headers))

    def test_shell_commands_and_curl(self):
        command = f"curl -sS {self.site.url}/a.txt; curl -sS http://evil.example/" if shutil.which("curl") else f"python3 -c \"{FETCH}print(get('{self.site.url}/a.txt'))\""
        model = self.program.script(SHELL + json.dumps({"command": command}) + "<|call|>", FINAL + "done<|return|>")
        output = self.outputs(self.ok("run", "-m", model, "--json", "--tools", "shell", "--sandbox-net", self.site.host, "x"))[0]
        self.assertIn("from the site", output)
        if shutil.which("curl"):
            self.assertIn("toccata: evil.example:80 is refused", output)

    @unittest.skipUnless(shutil.which("openssl"), "no openssl to make a certificate with")
    def test_https_goes_through_a_tunnel(self):
        pem = self.program.home / "site.pem"
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", pem, "-out", str(pem) + ".crt", "-days", "1", "-subj", "/CN=x",
             "-addext", "subjectAltName=IP:127.0.0.1"], check=True, capture_output=True)
        pem.write_text(pem.read_text() + pathlib.Path(str(pem) + ".crt").read_text())
        secure = Site(self.folder, tls=pem)
        self.addCleanup(secure.close)
        code = f"import ssl, urllib.request\nprint(urllib.request.urlopen('{secure.url}/a.txt', context=ssl._create_unverified_context()).read())"
        self.assertIn("b'from the site\\n'", self.run_code(code, flags=["--sandbox-net", secure.host])[0])
        self.assertIn("Tunnel connection failed: 403 Forbidden", self.run_code(code, flags=["--sandbox-net", self.site.host])[0])

    def test_pip_installs_from_an_allowed_index(self):
        simple = self.folder / "simple" / "tuning"
        simple.mkdir(parents=True)
        wheel = make_wheel(simple, "tuning", "1.0", "def pitch(): return 440\n")
        (simple / "index.html").write_text(f'<a href="{wheel.name}">{wheel.name}</a>')
        pip = f"[sys.executable, '-m', 'pip', 'install', '-q', '--no-cache-dir', '--disable-pip-version-check', '--target', '/tmp/got', '--index-url', '{self.site.url}/simple', '--trusted-host', '127.0.0.1', 'tuning']"
        code = f"import subprocess, sys\ndone = subprocess.run({pip}, capture_output=True, text=True)\nprint(done.stdout, done.stderr)\nsys.path.insert(0, '/tmp/got')\nimport tuning\nprint(tuning.pitch())"
        output = self.run_code(code, flags=["--sandbox-net", self.site.host])[0]
        if "No module named pip" in output:
            self.skipTest("the system's Python has no pip")
        self.assertIn("440", output)

    def test_a_run_that_goes_on_has_the_same_hosts(self):
        fetch = FETCH + f"print(get('{self.site.url}/a.txt'))"
        model = self.program.script(CALL + fetch + "<|call|>", CALL + fetch + "<|call|>", FINAL + "1<|return|>")
        self.ok("run", "-m", model, "--max-turns", "1", "--sandbox-net", self.site.host, "x", code=4)
        fork = self.ok("runs", "fork", "last", "--no-run").stdout.strip().split()[-1]
        done = self.ok("runs", "resume", "last", "--max-turns", "5", "--json")
        self.assertTrue(any("from the site" in output for output in self.outputs(done)), done.stdout)
        self.assertEqual(2, len(self.site.asked))
        self.assertTrue(fork)
        closed = self.ok("runs", "fork", "last", "--step", "1", "--max-turns", "5", "--json", "--offline")
        self.assertEqual(2, len(self.site.asked), closed.stdout)

    def test_text_of_this_machine_stands_in_no_address_that_strangers_may_have_asked_for(self):
        secret = "sessiontoken12345"
        get = f"print(get('{self.site.url}/a.txt'))"
        outputs = self.run_code(f"print('{secret[:7]}' + '{secret[7:]}')", FETCH + get, f"get('{self.site.url}/?q={secret}')", get, flags=["--sandbox-net", self.site.host])
        self.assertIn("from the site", outputs[-1], "other addresses can still be opened")
        self.assertEqual(["/a.txt", "/a.txt"], [path for path, _ in self.site.asked])
        self.assertIn("The call was not made: its address carries text", self.ok("runs", "show", "last").stdout)

    def test_files_that_came_from_outside_are_strangers_words(self):
        model = self.program.script(
            CALL + FETCH + f"open('got.txt', 'w').write(get('{self.site.url}/a.txt'))<|call|>",
            "<|channel|>commentary to=files.read <|constrain|>json<|message|>" + json.dumps({"path": "/mnt/data/got.txt"}) + "<|call|>",
            FINAL + "done<|return|>")
        self.ok("run", "-m", model, "--tools", "python,files", "--sandbox-net", self.site.host, "x")
        _, metadata = self.recorded()
        self.assertEqual(["untrusted", "untrusted"], [m["provenance"]["trust"] for m in metadata])

    def test_the_users_own_proxy_is_gone_through(self):
        asked = []

        class Proxy(http.server.BaseHTTPRequestHandler):
            def do_CONNECT(self):
                asked.append((self.path, self.headers.get("Proxy-Authorization")))
                self.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n")
                while self.rfile.readline().strip():
                    pass
                self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\nConnection: close\r\n\r\nby proxy")

            def log_message(self, *_):
                pass

        proxy = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Proxy)
        threading.Thread(target=proxy.serve_forever, daemon=True).start()
        self.addCleanup(proxy.server_close)
        self.addCleanup(proxy.shutdown)
        self.program.env["http_proxy"] = f"http://me:secret@127.0.0.1:{proxy.server_port}"
        code = FETCH + "import os\nprint(get('http://good.invalid/'), [v for k, v in os.environ.items() if 'proxy' in k.lower()])"
        output = self.run_code(code, flags=["--sandbox-net", "good.invalid", "--proxy-names", "trusted"])[0]
        self.assertIn("by proxy", output)
        self.assertNotIn("secret", output)
        self.assertEqual([("good.invalid:80", "Basic bWU6c2VjcmV0")], asked)


class OptionTest(Case):
    def test_what_is_no_host_is_named(self):
        model = self.program.script(FINAL + "1<|return|>")
        for bad in ("https://pypi.org", "*", "*.org", "localhost:80", "pypi.org:22", "a b"):
            done = self.ok("run", "-m", model, "--sandbox-net", bad, "x", code=2)
            self.assertIn(f"--sandbox-net is '{bad}'", done.stderr)

    def test_it_comes_from_the_users_file_and_from_no_folder(self):
        (self.program.home / "toccata.toml").write_text('sandbox_net = ["pypi.org"]\n')
        done = self.ok("run", "-m", self.program.script(FINAL + "1<|return|>"), "x", code=2)
        self.assertIn("'sandbox_net' belongs into the user's own config.toml", done.stderr)
        (self.program.home / "toccata.toml").unlink()
        config = self.program.home / ".config/toccata/config.toml"
        config.parent.mkdir(parents=True)
        config.write_text(f'sandbox_net = ["{self.site.host}"]\n')
        self.assertIn("from the site", self.run_code(FETCH + f"print(get('{self.site.url}/a.txt'))")[0])
        self.assertIn("PermissionError", self.run_code(FETCH + f"print(get('{self.site.url}/a.txt'))", flags=["--offline"])[0])

    def test_doctor_says_what_is_open(self):
        report = json.loads(self.program.run("doctor", "--json", "--sandbox-net", "pypi.org,*.example.org").stdout)["sandbox"]
        self.assertEqual(["pypi.org", "*.example.org"], report["network"])
        self.assertIn({"name": "way out by proxy", "ok": True, "detail": "ok"}, report["primitives"])
        self.assertIn("network of sessions: open to pypi.org", self.program.run("doctor", "--sandbox-net", "pypi.org").stdout)
        self.assertIn("network of sessions: none", self.program.run("doctor").stdout)

    def test_dev_sandbox_takes_it(self):
        requests = [
            {"op": "open"},
            {"op": "execute", "session": "s1", "code": FETCH + f"get('{self.site.url}/a.txt')"},
            {"op": "fork", "session": "s1"},
            {"op": "execute", "session": "s2", "code": f"get('{self.site.url}/a.txt')"},
        ]
        done = self.ok("dev", "sandbox", "--sandbox-net", self.site.host, stdin="".join(json.dumps(r) + "\n" for r in requests))
        answers = [json.loads(line) for line in done.stdout.splitlines()]
        for answer in (answers[1], answers[3]):
            self.assertEqual("'from the site\\n'", answer["output"])
            self.assertEqual([("127.0.0.1", True)], [(use["host"], use["allowed"]) for use in answer["network"]["used"]])


if __name__ == "__main__":
    unittest.main()
