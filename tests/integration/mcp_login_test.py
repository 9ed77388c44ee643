#!/usr/bin/env python3
"""Logins of MCP servers by the built program: with a browser, renewed, forgotten, refused, and against servers that mean harm."""

import json
import os
import re
import subprocess
import sys
import time
import unittest
import urllib.error
import urllib.request

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from guarded_server import Guarded  # noqa: E402
from program import Program, events  # noqa: E402

FINAL = "<|channel|>final<|message|>"
ADDRESS = re.compile(r"^\s*(http://127\.0\.0\.1:\d+/authorize\?\S+)", re.MULTILINE)


def call(recipient, **arguments):
    return f"<|channel|>commentary to={recipient} <|constrain|>json<|message|>{json.dumps(arguments)}<|call|>"


def browse(url):
    """The status of what a browser that follows redirects would show."""
    try:
        with urllib.request.urlopen(url, timeout=20) as page:
            return page.status
    except urllib.error.HTTPError as error:
        return error.code


class Case(unittest.TestCase):
    def setUp(self):
        self.program = Program()
        self.addCleanup(self.program.close)
        self.guarded = Guarded()
        self.addCleanup(self.guarded.close)
        self.configure()

    def configure(self, **entry):
        self.config = self.program.home / "mcp.json"
        self.config.write_text(json.dumps({"mcpServers": {"demo": {"type": "http", "url": self.guarded.mcp, **entry}}}))

    @property
    def logins(self):
        return sorted((self.program.ledger.parent / "mcp" / "logins").glob("*.json"))

    def mcp(self, verb, *args, timeout=60):
        return self.program.run("mcp", verb, *args, "--mcp", str(self.config), timeout=timeout)

    def log_in(self, *flags, browser=browse):
        """(exit code, stdout, stderr) of a login whose address `browser` opens; it is not opened when none is shown."""
        with self.program.start(
            "mcp", "login", "demo", "--mcp", str(self.config), *flags, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as process:
            said = ""
            for line in process.stderr:
                said += line
                if (found := ADDRESS.search(said)) and "waiting for the answer" in line:
                    browser(found[1])
            out = process.stdout.read()
            return process.wait(timeout=60), out, said

    def run_calls(self, *calls):
        model = self.program.script(*calls, FINAL + "done<|return|>")
        return self.program.run("run", "-m", model, "--tools", "none", "--mcp", str(self.config), "--json", "go")

    def answers(self, done):
        items = [e["item"] for e in events(done) if e["type"] == "item.completed" and e["item"]["type"] == "mcp_tool_call"]
        return ["".join(c["text"] for c in (i.get("result") or {}).get("content", [])) + ((i.get("error") or {}).get("message") or "") for i in items]

    def assert_untold(self, *texts):
        """No token in any of the texts, nor in any file but the login's."""
        secrets = [*self.guarded.tokens, *(t.replace("access", "refresh") for t in self.guarded.tokens)]
        self.assertTrue(secrets)
        files = [f for f in self.program.home.rglob("*") if f.is_file() and f not in self.logins]
        for secret in secrets:
            for text in texts:
                self.assertNotIn(secret, text)
            for file in files:
                self.assertNotIn(secret.encode(), file.read_bytes(), file)


class LoginTest(Case):
    def test_a_login_is_made_used_shown_and_forgotten(self):
        before = self.run_calls(call("demo.show"))
        self.assertEqual(6, before.returncode, before.stdout)
        self.assertIn("toccata mcp login demo", before.stderr)
        self.assertIn("not logged in", self.mcp("list").stdout)

        code, out, err = self.log_in()
        self.assertEqual(0, code, err)
        self.assertIn("logged in to demo", out)
        self.assertIn("2 tools", out)
        self.assertEqual([0o600], [f.stat().st_mode & 0o777 for f in self.logins])
        registration = self.guarded.registered[0]
        self.assertEqual(("native", ["code"]), (registration["application_type"], registration["response_types"]))
        form = self.guarded.token_forms[0]
        self.assertEqual(("authorization_code", self.guarded.mcp), (form["grant_type"], form["resource"]))
        listed = json.loads(self.mcp("list", "--json").stdout)
        self.assertEqual([{"name": "demo", "url": self.guarded.mcp, "login": "logged in"}], listed)

        done = self.run_calls(call("demo.show"))
        self.assertEqual(0, done.returncode, done.stderr)
        self.assertEqual(["shown Bearer [secret access token of demo] to show"], self.answers(done), "what a server echoes is kept out too")
        shown = self.program.run("runs", "show", "last", "--json").stdout
        self.assert_untold(out, err, done.stdout, done.stderr, shown)

        self.assertIn("logged out of demo", self.mcp("logout", "demo").stdout)
        self.assertEqual([], self.logins)
        self.assertIn("not logged in to demo", self.mcp("logout", "demo").stdout)
        late = self.run_calls(call("demo.show"))
        self.assertIn("toccata mcp login demo", "".join(self.answers(late)) + late.stderr)

    def test_a_second_login_is_the_same_client(self):
        self.assertEqual(0, self.log_in()[0])
        self.assertEqual(0, self.log_in()[0])
        self.assertEqual(1, len(self.guarded.registered), "the registration is kept with its redirect address")

    def test_a_token_that_runs_out_is_renewed(self):
        self.guarded.lifetime = 1
        self.assertEqual(0, self.log_in()[0])
        self.guarded.lifetime = 3600
        n = len(self.guarded.token_forms)
        done = self.run_calls(call("demo.show"), call("demo.show"))
        self.assertEqual(0, done.returncode, done.stderr)
        self.assertEqual([("refresh_token", self.guarded.mcp)], [(f["grant_type"], f["resource"]) for f in self.guarded.token_forms[n:]])
        kept = json.loads(self.logins[0].read_text())
        self.assertIn(kept["refresh_token"], self.guarded.refresh_tokens, "the new one")
        self.assert_untold(done.stdout, done.stderr)

    def test_a_token_that_was_revoked_is_renewed_once_and_then_asked_for(self):
        self.assertEqual(0, self.log_in()[0])
        self.guarded.tokens.clear()
        done = self.run_calls(call("demo.show"))
        self.assertEqual(["shown Bearer [secret access token of demo] to show"], self.answers(done), done.stderr)
        self.guarded.tokens.clear()
        self.guarded.quirks.add("no refresh")
        n = len(self.guarded.token_forms)
        done = self.run_calls(call("demo.show"), call("demo.show"))
        self.assertEqual(2, len([a for a in self.answers(done) if "toccata mcp login demo" in a]), self.answers(done))
        self.assertEqual(n + 1, len(self.guarded.token_forms), "a refresh token that was refused is not shown again")

    def test_a_right_that_is_missing_is_said_and_a_new_login_has_both(self):
        self.assertEqual(0, self.log_in()[0])
        done = self.run_calls(call("demo.write"))
        self.assertIn("toccata mcp login demo", self.answers(done)[0])
        self.guarded.required = "write"
        self.assertEqual(0, self.log_in()[0])
        self.assertEqual({"read", "write"}, set(list(self.guarded.tokens.values())[-1]))
        self.assertIn("to write", self.answers(self.run_calls(call("demo.write")))[0])

    def test_a_client_that_is_its_own_user_needs_no_browser(self):
        (self.program.home / ".config" / "toccata" / "secrets").mkdir(parents=True)
        secret = self.program.home / ".config" / "toccata" / "secrets" / "BOT"
        secret.write_text("bot-secret-words\n")
        secret.chmod(0o600)
        self.configure(oauth={"grant": "client_credentials", "clientId": "bot", "clientSecret": "${secret:BOT}"})
        done = self.run_calls(call("demo.show"))
        self.assertEqual(["shown Bearer [secret access token of demo] to show"], self.answers(done), done.stderr)
        self.assertTrue(self.guarded.token_forms[0]["authorization"].startswith("Basic "))
        self.assertNotIn("bot-secret-words", done.stdout + done.stderr + self.logins[0].read_text().replace('"client_secret":"bot-secret-words"', ""))

    def test_a_run_at_a_terminal_asks_its_user(self):
        terminal, end = os.openpty()
        self.addCleanup(os.close, terminal)
        model = self.program.script(call("demo.show"), call("demo.write"), FINAL + "done<|return|>")
        with self.program.start("run", "-m", model, "--tools", "none", "--mcp", str(self.config), "go", stdin=end, stdout=subprocess.PIPE, stderr=end) as run:
            os.close(end)
            said, visited = "", set()
            while True:
                try:
                    piece = os.read(terminal, 4096)
                except OSError:  # the program has ended
                    break
                said += piece.decode(errors="replace")
                for url in ADDRESS.findall(said.replace("\r", "")):
                    if said.count(url) and url not in visited and said.split(url)[1].startswith("\r\n"):
                        visited.add(url)
                        browse(url)
            self.assertEqual(0, run.wait(timeout=60), said)
            self.assertEqual(b"done", run.stdout.read().strip())
        self.assertEqual(2, len(visited), "one login, and one for the right that was missing")
        self.assertEqual({"read", "write"}, set(list(self.guarded.tokens.values())[-1]))
        self.assert_untold(said)

    def test_two_runs_at_once_renew_one_token(self):
        self.guarded.lifetime = 1
        self.assertEqual(0, self.log_in()[0])
        self.guarded.lifetime = 3600
        n = len(self.guarded.token_forms)
        model = self.program.script(call("demo.show"), FINAL + "done<|return|>")
        runs = [
            self.program.start("run", "-m", model, "--tools", "none", "--mcp", str(self.config), "--json", "go", stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            for _ in range(3)
        ]
        for run in runs:
            out, err = run.communicate(timeout=120)
            self.assertEqual(0, run.returncode, err)
            self.assertIn("to show", out)
        self.assertEqual(["refresh_token"], [f["grant_type"] for f in self.guarded.token_forms[n:]])

    def test_names_and_entries_without_a_login_are_told(self):
        self.guarded.quirks = {"open to all"}
        needless = self.mcp("login", "demo")
        self.assertEqual(2, needless.returncode)
        self.assertIn("perhaps none is needed", needless.stderr)
        unknown = self.mcp("login", "other")
        self.assertEqual(2, unknown.returncode)
        self.assertIn("known: demo", unknown.stderr)
        self.configure(headers={"Authorization": "Bearer mine"})
        self.assertIn("has no login", self.mcp("login", "demo").stderr)
        self.configure(oauth=False)
        self.assertIn("has no login", self.mcp("login", "demo").stderr)
        self.configure(oauth={"grant": "password"})
        wrong = self.mcp("list")
        self.assertEqual(2, wrong.returncode)
        self.assertIn("mcpServers.demo.oauth.grant is 'password'", wrong.stderr)


class HostileTest(Case):
    def refused(self, quirk, words, code=5, visits=False):
        """A login that ends with these words, without a token request, and without the user being sent anywhere unless `visits`."""
        self.guarded.quirks = {quirk}
        visited = []

        def browser(url):
            visited.append(url)
            browse(url)

        done, _, err = self.log_in(browser=browser)
        self.assertIn(words, err)
        self.assertEqual(code, done, err)
        self.assertEqual(visits, bool(visited), err)
        self.assertEqual(0, self.guarded.count("authorization", "/token"))
        self.assertEqual([], self.logins)

    def test_metadata_of_somebody_else_is_not_used(self):
        self.refused("wrong issuer", "the authorization server metadata is of the issuer 'https://evil.example'")
        self.refused("another resource", "is of the resource 'https://evil.example/mcp'")

    def test_nothing_inside_is_asked_because_a_server_says_so(self):
        self.refused("metadata of the cloud", "169.254.169.254 is not https")
        self.refused("authorization server inside", "169.254.169.254")
        self.refused("token endpoint inside", "token_endpoint may not be asked: 10.0.0.1")

    def test_metadata_is_small_at_home_and_sound(self):
        self.refused("huge metadata", "262144", code=4)
        self.refused("metadata elsewhere", "has no metadata", code=2)
        self.refused("nonsense metadata", "the authorization server metadata", code=1)

    def test_a_server_without_pkce_is_refused(self):
        self.refused("no pkce", "does not say that it supports PKCE with S256", code=2)

    def test_an_answer_of_another_issuer_or_a_refusal_gives_no_token(self):
        self.refused("answer of another issuer", "the answer is from https://evil.example", visits=True)
        self.refused("denied", "access_denied: not today", visits=True)

    def test_an_answer_to_another_login_is_passed_over(self):
        self.guarded.quirks = {"replay"}
        statuses = []

        def browser(url):
            statuses.append(browse(url))
            statuses.append(browse(self.guarded.second_answer))

        code, _, err = self.log_in(browser=browser)
        self.assertEqual(0, code, err)
        self.assertEqual([400, 200], statuses)
        self.assertEqual(["code-0"], [f["code"] for f in self.guarded.token_forms])
        with self.assertRaises(OSError, msg="the port is closed behind it"):
            urllib.request.urlopen(self.guarded.second_answer, timeout=5)

    def test_a_server_that_refuses_its_own_tokens_is_given_up(self):
        self.guarded.quirks = {"401 for all"}
        code, _, err = self.log_in()
        self.assertEqual(5, code, err)
        self.assertLessEqual(self.guarded.count("authorization", "/token"), 3)
        begin = self.guarded.count("resource", "/mcp")
        done = self.run_calls(call("demo.show"))
        self.assertNotEqual(0, done.returncode)
        self.assertLessEqual(self.guarded.count("resource", "/mcp") - begin, 6)

    def test_nobody_logs_in(self):
        begin = time.monotonic()
        code, _, err = self.log_in("--timeout", "1", browser=lambda _: None)
        self.assertEqual(124, code, err)
        self.assertIn("nobody logged in in time", err)
        self.assertLess(time.monotonic() - begin, 60)

    def test_a_token_goes_to_no_other_address_of_the_same_name(self):
        self.assertEqual(0, self.log_in()[0])
        other = Guarded()
        self.addCleanup(other.close)
        self.config.write_text(json.dumps({"mcpServers": {"demo": {"type": "http", "url": other.mcp}}}))
        self.assertEqual(6, self.run_calls(call("demo.show")).returncode)
        self.assertTrue(other.bearers)
        self.assertEqual({""}, set(other.bearers))

    def test_no_token_goes_over_http_to_another_machine(self):
        self.config.write_text(json.dumps({"mcpServers": {"demo": {"type": "http", "url": "http://192.0.2.1/mcp"}}}))
        done = self.mcp("login", "demo")
        self.assertEqual(5, done.returncode)
        self.assertIn("a login is for https only", done.stderr)


if __name__ == "__main__":
    unittest.main()
