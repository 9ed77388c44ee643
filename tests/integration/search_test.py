#!/usr/bin/env python3
"""The browser of the built program on a small web of its own: search services, pages, what is recorded of them."""

import http.server
import json
import os
import sys
import threading
import unittest
import urllib.parse

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from program import Program, events  # noqa: E402

FINAL = "<|channel|>final<|message|>"
KEY = "sk-search-0123456789"


def call(function: str, **arguments) -> str:
    return f"<|channel|>analysis to=browser.{function} code<|message|>{json.dumps(arguments)}<|call|>"


class Web:
    """SearXNG at /search, Brave at /res/v1/web/search, a page at /tides."""

    def __init__(self):
        web = self
        self.requests = []

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                url = urllib.parse.urlsplit(self.path)
                web.requests.append((url.path, urllib.parse.parse_qs(url.query), dict(self.headers)))
                status, kind, body = web.answer(url.path, self.headers)
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    def answer(self, path, headers):
        if path == "/tides":
            return 200, "text/html", b"<title>Tides</title><p>High water comes every 12 hours and 25 minutes."
        hits = [{"title": "Tides <b>here</b>", "url": self.url + "/tides", "content": "When the <i>water</i> comes", "description": "From brave"},
                {"title": "Bad", "url": "javascript:alert(1)"}]
        if path == "/search":
            return 200, "application/json", json.dumps({"query": "q", "results": hits}).encode()
        if path == "/res/v1/web/search":
            if headers.get("X-Subscription-Token") != KEY:
                return 401, "application/json", json.dumps({"error": {"detail": "token " + str(headers.get("X-Subscription-Token"))}}).encode()
            return 200, "application/json", json.dumps({"web": {"results": hits}}).encode()
        return 404, "text/plain", b"no"


class SearchTest(unittest.TestCase):
    def setUp(self):
        self.program = Program()
        self.addCleanup(self.program.close)
        self.web = Web()
        self.addCleanup(self.web.close)

    def browse(self, *args, script=None):
        model = self.program.script(*(script or [call("search", query="tides"), FINAL + "done<|return|>"]))
        return self.program.run("run", "-m", model, "--tools", "browser", "--json", *args, "When is high water?")

    def shown(self):
        """What the tool told the model in the last run."""
        run = json.loads(self.program.run("runs", "show", "last", "--json").stdout)
        return [m["content"] for m in run["messages"] if m["role"] == "tool"]

    def config(self, text, folder=".config/toccata"):
        path = self.program.home / folder
        path.mkdir(parents=True, exist_ok=True)
        (path / ("config.toml" if "config" in folder else "toccata.toml")).write_text(text)

    def assert_key_is_nowhere(self, *outputs):
        for output in outputs:
            self.assertNotIn(KEY, output)
        for file in self.program.ledger.parent.glob("runs.db*"):
            self.assertNotIn(KEY.encode(), file.read_bytes())

    def test_an_answer_tells_its_sources(self):
        page = self.web.url + "/tides"
        script = [call("open", id=page), FINAL + "High water comes every 12 hours【0†L2】, and bananas are blue 【0†L99】.<|return|>"]
        done = self.browse("--allow-origin", self.web.url, script=script)
        self.assertEqual(0, done.returncode, done.stderr)
        answer = [e["item"] for e in events(done) if e["type"] == "item.completed"][-1]
        self.assertEqual(["ok", "no such line"], [a["checked"] for a in answer["annotations"]])
        cited = answer["annotations"][0]
        self.assertEqual("【0†L2】", answer["text"][cited["start_index"]:cited["end_index"]])
        self.assertEqual((page, "Tides", [[2, 2]], "High water comes every 12 hours and 25 minutes."),
                         (cited["url"], cited["title"], cited["lines"], cited["quote"]))
        opened = [e["item"] for e in events(done) if e["type"] == "item.completed"][0]
        self.assertEqual({"trust": "untrusted", "origin": self.web.url}, opened["provenance"])

        model = self.program.script(*script)
        done = self.program.run("run", "-m", model, "--tools", "browser", "--allow-origin", self.web.url, "When is high water?")
        self.assertEqual("High water comes every 12 hours[1], and bananas are blue [1].\n", done.stdout)
        sources = done.stderr[done.stderr.index("Sources"):].splitlines()
        self.assertEqual(f"  [1] Tides  {page}", sources[1])
        self.assertIn("High water comes every 12 hours and 25 minutes.", sources[3])
        self.assertIn("L99  (no such line)", sources[4])

    def test_a_run_is_replayed_without_the_network(self):
        script = [call("search", query="tides"), call("open", id=0), call("open", id=self.web.url + "/gone"), FINAL + "Every 12 h.<|return|>"]
        done = self.browse("--search", f"searxng={self.web.url}/", "--allow-origin", self.web.url, script=script)
        self.assertEqual(0, done.returncode, done.stderr)
        shown = self.shown()
        self.web.close()
        n_asked = len(self.web.requests)
        again = self.program.run("runs", "replay", "last", "--recorded-pages", "-m", self.program.script(*script))
        self.assertEqual((0, "Every 12 h.\n"), (again.returncode, again.stdout), again.stderr)
        self.assertEqual(shown, self.shown())
        self.assertEqual(n_asked, len(self.web.requests))
        other = self.program.script(call("search", query="another"), FINAL + "no<|return|>")
        run = json.loads(self.program.run("runs", "list", "--json").stdout.splitlines()[-1])["id"]
        self.program.run("runs", "replay", run, "--recorded-pages", "-m", other)
        self.assertIn("has no such search", self.shown()[0])
        self.program.run("run", "-m", self.program.script(FINAL + "hi<|return|>"), "--tools", "browser", "hi")
        nothing = self.program.run("runs", "replay", "last", "--recorded-pages")
        self.assertEqual(2, nothing.returncode, nothing.stderr)
        self.assertIn("holds no recorded pages", nothing.stderr)

    def test_a_broken_page_cache_is_told_of_and_the_run_goes_on(self):
        cache = self.program.home / "cache.db"
        cache.write_bytes(b"x" * 4096)
        done = self.browse("--search", f"searxng={self.web.url}/", "--page-cache", str(cache))
        self.assertEqual(0, done.returncode, done.stderr)
        self.assertIn(f"WARNING: the page cache {cache} cannot be used", done.stderr)
        self.assertEqual(b"x" * 4096, cache.read_bytes())

    def test_a_result_of_searxng_is_found_opened_and_resumed(self):
        done = self.browse(
            "--search", f"searxng={self.web.url}/", "--allow-origin", self.web.url,
            script=[call("search", query="high & low water"), call("open", id=0), FINAL + "Every 12 h 25 min.<|return|>"])
        self.assertEqual(0, done.returncode, done.stderr)
        host = self.web.url.removeprefix("http://")
        search, page = self.shown()
        self.assertEqual(
            ["[0] high & low water", "**viewing lines [0 - 4] of 4**", "", "L0: ", "L1: URL: ", "L2: # Search Results", "L3: ",
             f"L4:   * 【0†Tides here†{host}】 When the water comes"], search.splitlines())
        self.assertIn("High water comes every 12 hours", page)
        path, query, headers = self.web.requests[0]
        self.assertEqual(("/search", ["high & low water"], ["json"]), (path, query["q"], query["format"]))
        self.assertNotIn("Authorization", headers)

        again = self.program.script(call("search", query="more"), call("open", id=self.web.url + "/tides"), FINAL + "again<|return|>")
        done = self.program.run("runs", "resume", "-m", again, "last", "Once more")
        self.assertEqual(0, done.returncode, done.stderr)
        self.assertIn("High water comes every 12 hours", self.shown()[-1], "the origin that was allowed is recorded")
        self.assertIn("When the water comes", self.shown()[-2], "so is the service")

    def test_only_allowed_domains_are_read(self):
        opened = [call("open", id="https://www.example.org/"), call("open", id=self.web.url + "/tides"), FINAL + "no<|return|>"]
        done = self.browse("--allow-domain", "example.com", "--allow-origin", self.web.url, script=opened)
        self.assertEqual(0, done.returncode, done.stderr)
        refused, page = self.shown()
        self.assertIn("www.example.org is not one of the hosts the user allows (example.com)", refused)
        self.assertIn("High water", page, "an origin that is allowed by name stays so")
        self.assertEqual(2, self.browse("--allow-domain", "http://example.com/").returncode)
        self.config('allow_domain = ["example.com"]')
        self.config('allow_domain = ["example.org"]', ".")
        self.assertIn("a folder cannot change it", self.browse().stderr)

    def test_services_and_the_index_answer_together(self):
        notes = self.program.home / "notes"
        notes.mkdir()
        (notes / "tides.txt").write_text("My own notes about tides\n")
        self.assertEqual(0, self.program.run("index", "add", str(notes)).returncode)
        self.program.env["BRAVE_API_KEY"] = KEY
        done = self.browse("--search", f"searxng={self.web.url},brave={self.web.url}")
        self.assertEqual(0, done.returncode, done.stderr)
        found = self.shown()[0]
        self.assertEqual(2, found.count("【"), "one page that two services know, one of the index: " + found)
        self.assertIn("My own notes about tides†local", found)
        self.assert_key_is_nowhere(done.stdout, done.stderr)

    def test_a_wrong_or_missing_key_is_told_and_never_shown(self):
        self.program.env["BRAVE_API_KEY"] = KEY + "x"
        done = self.browse("--search", f"brave={self.web.url}")
        self.assertEqual(0, done.returncode, done.stderr)
        self.assertIn("brave refused its API key", self.shown()[0])
        self.assertIn("token [key]", self.shown()[0])
        self.assert_key_is_nowhere(done.stdout, done.stderr)
        del self.program.env["BRAVE_API_KEY"]
        done = self.browse("--search", f"brave={self.web.url}")
        self.assertIn("BRAVE_API_KEY", done.stderr)
        self.assertIn("brave has no API key", self.shown()[0])

    def test_a_service_of_the_users_own_with_a_key_file(self):
        self.config(f"""
search = ["mine"]
[search_service.mine]
url = "{self.web.url}/res/v1/web/search?find={{query}}&max={{count}}"
headers = {{ X-Subscription-Token = "{{key}}" }}
key_file = "~/brave.key"
key_required = true
results = "/web/results"
title = "/title"
link = "/url"
summary = ["/nothing", "/description"]
""")
        (self.program.home / "brave.key").write_text(KEY + "\n")
        done = self.browse()
        self.assertEqual(0, done.returncode, done.stderr)
        self.assertIn("From brave", self.shown()[0])
        self.assertEqual((["tides"], ["20"]), (self.web.requests[0][1]["find"], self.web.requests[0][1]["max"]))
        doctor = json.loads(self.program.run("doctor", "--json").stdout)
        mine = [s for s in doctor["search"] if s["name"] == "mine"][0]
        self.assertEqual((True, True), (mine["chosen"], mine["usable"]))
        self.assertIn("brave.key", mine["detail"])
        self.assert_key_is_nowhere(done.stdout, done.stderr, json.dumps(doctor))

    def test_a_folder_cannot_redirect_keys(self):
        self.program.env["BRAVE_API_KEY"] = KEY
        for text in (f'search = ["brave={self.web.url}"]', '[search_service.brave]\nkey_env = "HOME"'):
            self.config(text, ".")
            done = self.browse()
            self.assertEqual(2, done.returncode, done.stdout)
            self.assertIn("the user's own config.toml", done.stderr)
        self.config(f'search = ["searxng={self.web.url}"]', ".")
        self.assertEqual(0, self.browse().returncode, "no key goes there")
        self.assertEqual(["/search"], [r[0] for r in self.web.requests])

    def test_dev_browser_reads_the_web_it_is_allowed(self):
        requests = [{"id": 1, "recipient": "browser.search", "content": {"query": "tides"}}, {"id": 2, "recipient": "browser.open", "content": {"id": 0}}]
        results = self.program.dev("browser", "--allow-origin", self.web.url, "--search", f"searxng={self.web.url}", requests=requests)
        self.assertIn("When the water comes", results[0]["output"])
        self.assertIn("High water comes every 12 hours", results[1]["output"])
        refused = self.program.dev("browser", "--search", f"searxng={self.web.url}", requests=requests)
        self.assertIn("not allowed: 127.0.0.1 is a loopback address", refused[1]["output"])

    def test_a_proxy_gets_no_private_name_and_a_folder_names_none(self):
        proxy = self.web.url
        self.program.env["http_proxy"] = proxy
        self.browse(script=[call("open", id="http://10.1.2.3/"), call("open", id="http://nowhere.invalid/tides"), FINAL + "no<|return|>"])
        private, unknown = self.shown()
        self.assertIn("not allowed: 10.1.2.3 is", private)
        self.assertIn("cannot be judged", unknown)
        self.assertEqual([], self.web.requests)
        self.browse("--proxy-names", "trusted", script=[call("open", id="http://nowhere.invalid/tides"), FINAL + "yes<|return|>"])
        self.assertEqual(1, len(self.web.requests), "asked through the proxy")
        self.config(f'proxy = "{proxy}"', ".")
        done = self.browse()
        self.assertEqual(2, done.returncode)
        self.assertIn("the user's own config.toml", done.stderr)

    def test_unknown_services_are_refused_at_once(self):
        done = self.browse("--search", "altavista")
        self.assertEqual(2, done.returncode)
        self.assertIn("known: searxng", done.stderr)
        done = self.program.run("doctor", "--search", "altavista,searxng=nonsense")
        self.assertRegex(done.stdout, r"--   altavista: unknown search service")
        self.assertRegex(done.stdout, r"--   searxng: .*is no URL.*; chosen")
        self.assertRegex(done.stdout, r"--   exa: no key: EXA_API_KEY or .*keys/exa\n")

    def test_without_anything_to_search_the_model_is_told(self):
        self.browse()
        self.assertIn("there is nothing to search", self.shown()[0])
        self.browse("--offline", "--search", f"searxng={self.web.url}")
        self.assertEqual([], self.web.requests)


if __name__ == "__main__":
    unittest.main()
