#!/usr/bin/env python3
"""`toccata index` end to end: PDF and ZIM files, a web site that is crawled, killed and gone on with, search by meaning, a run that cites."""

import contextlib
import http.server
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import threading
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from program import Program, events  # noqa: E402

FINAL = "<|channel|>final<|message|>"
KEY = "sk-embed-0123456789"


def call(function: str, **arguments) -> str:
    return f"<|channel|>analysis to=browser.{function} code<|message|>{json.dumps(arguments)}<|call|>"


def pdf(text: str, title: str) -> bytes:
    content = f"BT /F1 12 Tf 72 700 Td ({text}) Tj ET"
    objects = ["<</Type/Catalog/Pages 2 0 R>>", "<</Type/Pages/Kids[3 0 R]/Count 1>>",
               "<</Type/Page/Parent 2 0 R/MediaBox[0 0 612 792]/Contents 4 0 R/Resources<</Font<</F1 5 0 R>>>>>>",
               f"<</Length {len(content)}>>stream\n{content}\nendstream", "<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>", f"<</Title({title})>>"]
    out, offsets = "%PDF-1.4\n", []
    for number, body in enumerate(objects, 1):
        offsets.append(len(out))
        out += f"{number} 0 obj\n{body}\nendobj\n"
    table = "".join(f"{offset:010} 00000 n \n" for offset in offsets)
    return (out + f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n{table}trailer<</Size {len(objects) + 1}/Root 1 0 R/Info 6 0 R>>\n"
            f"startxref\n{len(out)}\n%%EOF\n").encode()


class Server:
    """A site of `pages` (path -> (type, bytes)), and OpenAI's embeddings of a model that knows three meanings."""

    MEANINGS = [("tide", "ocean", "water", "sea"), ("bank", "money", "price"), ("bread", "dough", "oven")]

    def __init__(self):
        server = self
        self.pages, self.asked, self.keys, self.delay_s = {}, [], [], 0.0

        class Handler(http.server.BaseHTTPRequestHandler):
            def answer(self, status, kind, body):
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                with contextlib.suppress(ConnectionError):  # of a program that was killed
                    self.end_headers()
                    self.wfile.write(body)

            def do_GET(self):
                server.asked.append(self.path)
                time.sleep(server.delay_s)
                kind, body = server.pages.get(self.path, (None, b"no"))
                self.answer(200 if kind else 404, kind or "text/plain", body)

            def do_POST(self):
                server.keys.append(self.headers.get("Authorization"))
                asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                vectors = [[0.01 + sum(w in text for w in words) for words in server.MEANINGS] for text in asked["input"]]
                body = {"data": [{"index": i, "embedding": v} for i, v in enumerate(vectors)]}
                self.answer(200, "application/json", json.dumps(body).encode())

            def log_message(self, *_):
                pass

        self.http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}"
        threading.Thread(target=self.http.serve_forever, daemon=True).start()

    def close(self):
        self.http.shutdown()
        self.http.server_close()


class LocalIndexTest(unittest.TestCase):
    def setUp(self):
        self.program = Program()
        self.addCleanup(self.program.close)
        self.server = Server()
        self.addCleanup(self.server.close)
        self.documents = self.program.home / "documents"
        self.documents.mkdir()

    def run_well(self, *args):
        done = self.program.run(*args)
        self.assertEqual(0, done.returncode, done.stderr)
        return done

    def html(self, path, title, body):
        self.server.pages[path] = ("text/html", f"<title>{title}</title><p>{body}".encode())

    def add_site(self, *args, path="/"):
        return self.run_well("index", "add", "--delay", "0", "--allow-origin", self.server.url, *args, self.server.url + path)

    @unittest.skipUnless(shutil.which("pdftotext"), "needs pdftotext (poppler-utils)")
    def test_pdf_files_and_pages_are_documents(self):
        (self.documents / "tides.pdf").write_bytes(pdf("High water comes late.", "On tides"))
        (self.documents / "broken.pdf").write_bytes(b"%PDF-1.4 nothing")
        done = self.run_well("index", "add", str(self.documents))
        self.assertIn("1 added, 0 updated, 0 removed, 0 unchanged, 1 skipped", done.stdout)
        self.assertIn("broken.pdf: the PDF is damaged", done.stderr)
        self.assertIn("On tides\n", self.run_well("index", "search", "high water").stdout)
        self.server.pages["/winds.pdf"] = ("application/pdf", pdf("From the west.", "On winds"))
        model = self.program.script(call("open", id=self.server.url + "/winds.pdf"), FINAL + "From the west 【0†L5】.<|return|>")
        done = self.run_well("run", "-m", model, "--tools", "browser", "--allow-origin", self.server.url, "--json", "Whence?")
        answer = [e["item"] for e in events(done) if e["type"] == "item.completed"][-1]
        self.assertEqual([("On winds", "ok")], [(a["title"], a["checked"]) for a in answer["annotations"]])

    def make_zim(self, path, description):
        maker = pathlib.Path(__file__).resolve().parents[1] / "tools" / "zim" / "make_zim.py"
        return subprocess.run(["/usr/bin/python3", str(maker), str(path)], input=json.dumps(description), text=True, capture_output=True).returncode == 0

    def test_a_zim_archive_is_found_followed_and_cited(self):
        archive = self.documents / "tides.zim"
        pages = [
            {"path": "Tides", "body": "<title>Tides</title><p>High water follows <a href='The%20Moon'>this body</a>."},
            {"path": "Moon", "body": "<title>Moon</title><p>It goes round the earth in 27 days."},
        ]
        if not self.make_zim(archive, {"pages": pages, "names": {"The Moon": "Moon"}}):
            self.skipTest("needs python3-libzim")
        self.assertIn("2 added", self.run_well("index", "add", str(self.documents)).stdout)
        self.assertIn("2 unchanged", self.run_well("index", "add", str(self.documents)).stdout)
        model = self.program.script(
            call("search", query="high water"), call("open", id=0), call("open", id=0), FINAL + "In 27 days 【2†L2】.<|return|>")
        done = self.run_well("run", "-m", model, "--tools", "browser", "--offline", "--json", "How long?")
        items = [e["item"] for e in events(done) if e["type"] == "item.completed"]
        self.assertEqual("ok", items[-1]["annotations"][0]["checked"], items)
        self.assertEqual("Moon", items[-1]["annotations"][0]["title"])
        self.assertEqual("untrusted", items[1]["provenance"]["trust"], "strangers wrote it")
        archive.write_bytes(archive.read_bytes()[:100])
        done = self.run_well("index", "add", str(self.documents))
        self.assertIn("tides.zim: libzim cannot read it", done.stderr)
        self.assertIn("2 removed", self.run_well("index", "remove", str(archive)).stdout)

    def test_a_site_is_read_found_and_cited(self):
        self.html("/", "Start", "<a href=/tides>t</a> <a href=/secret>s</a>")
        self.html("/tides", "Tides", "High water comes every 12 hours.")
        self.html("/secret", "Secret", "x")
        self.server.pages["/robots.txt"] = ("text/plain", b"User-agent: *\nDisallow: /secret\n")
        self.assertIn("2 added", self.add_site().stdout)
        self.assertNotIn("/secret", self.server.asked)
        self.assertIn("0 added, 0 updated, 0 removed, 2 unchanged", self.add_site().stdout)
        self.server.close()
        model = self.program.script(call("search", query="high water"), call("open", id=0), FINAL + "Every 12 hours 【1†L2】.<|return|>")
        done = self.run_well("run", "-m", model, "--tools", "browser", "--offline", "--json", "How often?")
        items = [e["item"] for e in events(done) if e["type"] == "item.completed"]
        self.assertEqual("ok", items[-1]["annotations"][0]["checked"])
        self.assertEqual("untrusted", items[1]["provenance"]["trust"], "a page of the web stays one in the index")
        self.assertIn("2 removed", self.run_well("index", "remove", self.server.url + "/").stdout)

    def test_private_addresses_stay_closed(self):
        done = self.program.run("index", "add", self.server.url + "/")
        self.assertNotEqual(0, done.returncode)
        self.assertIn("loopback", done.stderr)
        self.assertEqual([], self.server.asked)

    def test_an_add_that_was_stopped_goes_on(self):
        self.html("/", "Start", " ".join(f"<a href=/p{i}>p</a>" for i in range(40)))
        for i in range(40):
            self.html(f"/p{i}", "P", f"page number {i}")
        self.server.delay_s = 0.05
        adding = self.program.start("index", "add", "--delay", "0", "--allow-origin", self.server.url, self.server.url + "/")
        while len(self.server.asked) < 10 and adding.poll() is None:
            time.sleep(0.01)
        adding.send_signal(signal.SIGINT)
        self.assertEqual(130, adding.wait(60))
        n_first = len(self.server.asked)
        self.assertLess(n_first, 43)
        done = self.add_site()
        self.assertIn("went on where the last one was cut short", done.stderr)
        self.assertLess(len(self.server.asked), n_first + 43 - 5, "what was read is not asked for again")
        self.assertEqual(41, len(self.run_well("index", "list").stdout.splitlines()))
        killed = self.program.start("index", "add", "--delay", "0", "--allow-origin", self.server.url, self.server.url + "/")
        time.sleep(0.3)
        killed.kill()
        killed.wait()
        self.add_site()
        self.assertEqual(41, len(self.run_well("index", "list").stdout.splitlines()))

    def test_a_folder_cannot_say_where_texts_go(self):
        own = self.program.home / ".config" / "toccata"
        own.mkdir(parents=True)
        (self.program.home / "toccata.toml").write_text(f'[embeddings]\nurl = "{self.server.url}/v1"\nmodel = "meanings"\n')
        done = self.program.run("index", "add", str(self.documents))
        self.assertEqual(2, done.returncode)
        self.assertIn("toccata.toml:1: embeddings belongs into the user's own config.toml", done.stderr)
        (self.program.home / "toccata.toml").rename(own / "config.toml")
        (self.documents / "tides.txt").write_text("The tide\n\nThe ocean rises twice a day.")
        self.assertIn("vectors: of 1 documents made", self.run_well("index", "add", str(self.documents)).stdout)
        (own / "config.toml").write_text("[embeddings]\nadress = 'x'\n")
        self.assertIn("unknown key 'adress'", self.program.run("index", "add", str(self.documents)).stderr)

    def test_search_by_meaning(self):
        (self.documents / "tides.txt").write_text("The tide\n\nThe ocean rises twice a day.")
        (self.documents / "bread.txt").write_text("A loaf\n\nThe dough rests before it goes into the oven.")
        self.program.env["EMBED_KEY"] = KEY
        service = ["--embeddings", self.server.url + "/v1", "--embeddings-key-env", "EMBED_KEY"]
        done = self.run_well("index", "add", *service, "--embeddings-model", "meanings", str(self.documents))
        self.assertIn("vectors: of 2 documents made, by meanings", done.stdout)
        self.assertEqual([f"Bearer {KEY}"], self.server.keys)
        self.assertIn("The tide", self.run_well("index", "search", *service, "sea water").stdout.splitlines()[0])
        words = self.run_well("index", "search", "sea water")
        self.assertEqual("", words.stdout)
        self.assertIn("searched by words alone", words.stderr)
        model = self.program.script(call("search", query="sea water"), FINAL + "found<|return|>")
        self.run_well("run", "-m", model, "--tools", "browser", *service, "Where?")
        shown = json.loads(self.run_well("runs", "show", "last", "--json").stdout)
        self.assertIn("The tide", [m["content"] for m in shown["messages"] if m["role"] == "tool"][0])
        self.server.close()
        gone = self.run_well("index", "search", *service, "ocean")
        self.assertIn("The tide", gone.stdout)
        self.assertIn("words alone", gone.stderr)
        self.assertNotIn(KEY, gone.stderr)
        for file in self.program.ledger.parent.glob("*.db*"):
            self.assertNotIn(KEY.encode(), file.read_bytes())


if __name__ == "__main__":
    unittest.main()
