"""What the tests of the built-in page share: a browser, a server, what a page must never contain."""

import pathlib
import sys
import unittest

from browser import CHROMIUM, Browser
from live_server import Server, ServerCase
from program import ROOT, SKIPPED

XSS = (ROOT / "tests" / "data" / "page" / "xss.txt").read_text()
SHOTS = None
if "--shots" in sys.argv:
    at = sys.argv.index("--shots")
    SHOTS = pathlib.Path(sys.argv[at + 1])
    del sys.argv[at : at + 2]

# What no text may become, wherever it is shown.
FOREIGN = """[...document.querySelectorAll('main script, main img:not(.files img[src^="blob:"]), main iframe, main object, main style, main link, main meta,'
  + 'main base, main math, main input[autofocus], main body, main [style*="url"], main [srcdoc]')].map((e) => e.outerHTML)
  .concat([...document.querySelectorAll('main *')].flatMap((e) => e.getAttributeNames().filter((n) => n.startsWith('on'))))
  .concat([...document.querySelectorAll('main a')].filter((a) => !['http:', 'https:', 'mailto:'].includes(a.protocol)).map((a) => a.href))"""
# [name, on] of each.
SWITCHES = "[...document.querySelectorAll('.switches input')].map((box) => [box.value, box.checked])"


def answer(text: str, reasoning: str = "") -> str:
    before = f"<|channel|>analysis<|message|>{reasoning}<|end|><|start|>assistant" if reasoning else ""
    return f"{before}<|channel|>final<|message|>{text}<|return|>"


def call(code: str, reasoning: str, preamble: str = "") -> str:
    said = f"<|start|>assistant<|channel|>commentary<|message|>{preamble}<|end|>" if preamble else ""
    return f"<|channel|>analysis<|message|>{reasoning}<|end|>{said}<|start|>assistant<|channel|>analysis to=python code<|message|>{code}<|call|>"


class PageTest(ServerCase):
    @classmethod
    def setUpClass(cls):
        cls.browser = Browser()
        cls.addClassCleanup(cls.browser.__exit__)

    def open(self, server: Server, view: str = "", **kwargs):
        page = self.browser.open(f"http://127.0.0.1:{server.port}/{view}", **kwargs)
        page.wait("document.querySelector('main').firstElementChild")
        self.addCleanup(page.close)
        return page

    def say(self, page, text: str):
        page.evaluate("document.getElementById('prompt').focus()")
        page.type(text)
        page.press("Enter", 13)

    def ask(self, page, text: str) -> str:
        """The whole answer's text."""
        n = page.evaluate("document.querySelectorAll('.turn').length")
        self.say(page, text)
        page.wait(f"document.querySelectorAll('.turn').length === {n + 1} && !document.querySelector('.turn[aria-busy]')")
        return page.evaluate("[...document.querySelectorAll('.turn')].at(-1).innerText")

    def shot(self, page, name: str):
        if SHOTS:
            SHOTS.mkdir(parents=True, exist_ok=True)
            page.screenshot(SHOTS / f"{name}.png")

    def assert_clean(self, page):
        self.assertIsNone(page.evaluate("window.pwned ?? null"))
        self.assertEqual([], page.evaluate(FOREIGN))
        self.assertEqual([], page.errors)


def main():
    if not CHROMIUM:
        print("SKIPPED: no chromium here; apt-get install chromium, or name one in CHROMIUM")
        sys.exit(SKIPPED)
    try:
        with Browser() as browser:
            browser.send("Browser.getVersion")
    except (OSError, AssertionError) as error:
        print(f"SKIPPED: {CHROMIUM} does not start here: {error}")
        sys.exit(SKIPPED)
    unittest.main()
