#!/usr/bin/env python3
"""The built-in page of `toccata serve` in a real browser: the chat and the engine's figures. Debian's chromium, nano and
scripted models, loopback.

  page_test.py [--shots FOLDER]     writes the pictures of docs/images there, too; so does page_runs_test.py

Without chromium the test says SKIPPED (77): apt-get install chromium.
"""

import concurrent.futures
import json
import random
import time

from live_server import Server
from page_case import SHOTS, XSS, PageTest, answer, main

TOUR = """<|channel|>analysis<|message|>They want a tour: lists, a table and some code will do.<|end|><|start|>assistant<|channel|>final<|message|>## A short tour

The *forward pass* reads like the paper, and `core/engine/forward.cpp` has it on one page.

1. Embed the tokens
2. For each layer:
   - attention with a **sliding window**
   - a router picks 4 of 32 experts
3. Project to logits

| model | experts | active |
|:--|--:|--:|
| gpt-oss-20b | 32 | 3.6 B |
| gpt-oss-120b | 128 | 5.1 B |

```python
def softmax(row):
    top = max(row)
    weights = [exp(x - top) for x in row]
    return [w / sum(weights) for w in weights]
```
<|return|>"""


class ChatTest(PageTest):
    def test_nano_answers_and_says_what_it_cost(self):
        page = self.open(self.serve())
        self.shot(page, "welcome")
        text = self.ask(page, "What is 48213 * 977 + 5?")
        self.assertIn("no Python tool here", text.replace("\n", " "))
        self.assertIn("tok/s", text)
        self.assertIn("cached", text)
        self.assertEqual("Answer finished", page.evaluate("document.getElementById('announcer').innerText"))
        self.ask(page, "Thank you.")
        cached = page.evaluate("[...document.querySelectorAll('.figure')].filter((f) => f.innerText.includes('cached')).at(-1).innerText")
        self.assertGreater(int(cached.split()[0].replace(",", "")), 40, "the second turn reads only what is new")
        self.assert_clean(page)

    def test_markdown_reasoning_and_figures_in_light_dark_and_on_a_phone(self):
        page = self.open(self.serve("-m", self.program.script(TOUR)))
        self.ask(page, "Give me a tour of the engine.")
        for selector in ("h4.md-h2", "em", "code", "ol > li > ul > li strong", "table td.to-end", "figure.code pre"):
            self.assertTrue(page.evaluate(f"!!document.querySelector('.turn .prose {selector}')"), selector)
        self.assertFalse(page.evaluate("document.querySelector('.reasoning').open"), "reasoning folds up once the answer begins")
        page.click(".reasoning summary")
        self.assertIn("They want a tour", page.evaluate("document.querySelector('.reasoning-text').innerText"))
        page.evaluate("document.querySelector('.log').scrollTop = 0")
        self.shot(page, "answer")
        page.set_dark(True)
        self.shot(page, "answer-dark")
        self.assertNotEqual(page.evaluate("getComputedStyle(document.body).backgroundColor"), "rgb(250, 249, 246)")
        page.click("#theme")  # the toggle wins over the system
        self.assertEqual("rgb(250, 249, 246)", page.evaluate("getComputedStyle(document.body).backgroundColor"))
        page.resize(360, 740)
        self.assertEqual(360, page.evaluate("Math.max(document.documentElement.scrollWidth, document.body.scrollWidth)"))
        self.assertLessEqual(page.evaluate("document.querySelector('.log').scrollWidth"), 360)
        self.shot(page, "phone")
        self.assert_clean(page)

    def test_hostile_text_stays_text(self):
        lines = XSS.splitlines()
        hostile = "\n\n".join(lines)
        page = self.open(self.serve("-m", self.program.script(answer(hostile, hostile), answer("fine"))))
        self.ask(page, "<img src=x onerror=window.pwned=1> **hi**")
        self.assertEqual("<img src=x onerror=window.pwned=1> **hi**", page.evaluate("document.querySelector('.user').innerText"))
        shown = page.evaluate("document.querySelector('.prose').textContent")
        for line in lines:
            if line.startswith("<") or line.startswith("&"):
                self.assertIn(line, shown)
        self.assert_clean(page)
        # Again from history, after a reload, with the title in the list.
        page.evaluate("window.before = true; location.reload()")
        page.wait("!window.before && document.querySelector('.turn .prose') && document.querySelector('.chat-title')")
        self.assertIn("<img src=x", page.evaluate("document.querySelector('.chat-title').innerText"))
        self.assertEqual(shown, page.evaluate("document.querySelector('.prose').textContent"))
        self.assert_clean(page)

    def test_text_that_grows_becomes_what_the_whole_becomes(self):
        page = self.open(self.serve())
        page.evaluate("import('/web/markdown.js').then((m) => { window.md = m; })")
        page.evaluate(f"window.whole = {json.dumps(XSS.replace(chr(10), chr(10) * 2) + TOUR.split('<|message|>')[-1])}")
        same = page.evaluate("""(() => {
            const grown = document.createElement("div"), whole = document.createElement("div");
            const growing = new md.GrowingMarkdown(grown);
            for (let n = 0; n <= window.whole.length; n += 3) growing.set(window.whole.slice(0, n));
            growing.set(window.whole);
            whole.append(md.renderMarkdown(window.whole));
            return grown.isEqualNode(whole) && whole.childNodes.length > 40;
        })()""")
        self.assertTrue(same)

    def test_what_would_take_long_does_not(self):
        page = self.open(self.serve())
        page.evaluate("import('/web/markdown.js').then((m) => { window.md = m; })")
        for piece in ("[", "![", "`", "``a`", "*a ", "**a", "_a", "【", "\\(", "> ", "- ", "|", "a|\n-|\n", "<", "~~a", "[a](", "  ", "#", "1. "):
            text = json.dumps(piece)
            length = page.evaluate(f"md.renderMarkdown({text}.repeat(20000)).textContent.length")
            self.assertGreaterEqual(length, 0, piece)

    def test_stop_keeps_what_was_said(self):
        script = self.program.home / "hang.json"
        script.write_text(json.dumps({"completions": [
            {"text": "<|channel|>final<|message|>The first half", "then": "hang"}]}))
        server = self.serve("-m", f"script:{script}")
        page = self.open(server)
        self.say(page, "Go on for ever.")
        page.wait("document.querySelector('.prose')?.innerText === 'The first half'")
        self.assertEqual("Stop", page.evaluate("document.querySelector('.composer button').innerText"))
        page.press("Escape", 27)
        page.wait("document.querySelector('.composer button').innerText === 'Send'")
        self.assertIn("stopped", page.evaluate("document.querySelector('.figures').innerText"))
        self.assertIn("The first half", page.evaluate("localStorage.getItem(Object.keys(localStorage).find((k) => k.startsWith('toccata.chat.')))"))
        self.assert_clean(page)

    def test_errors_are_said_in_the_server_s_words(self):
        server = Server(self.program, "-m", self.program.script(answer("one")))
        page = self.open(server)
        self.ask(page, "first")
        self.assertIn("the script of model 'scripted' has ended", self.ask(page, "second"))
        page.wait("document.querySelector('.error button')")
        server.close()
        page.click(".error button")
        page.wait("document.querySelector('.error')?.innerText.includes('No connection')")

    def test_new_chat_history_and_deletion(self):
        page = self.open(self.serve("-m", self.program.script(answer("A1"), answer("B1"))))
        self.ask(page, "first question")
        page.click(".new-chat")
        self.assertTrue(page.evaluate("!!document.querySelector('.welcome')"))
        self.ask(page, "second question")
        titles = "[...document.querySelectorAll('.chat-title')].map((t) => t.innerText)"
        self.assertEqual(["second question", "first question"], page.evaluate(titles))
        page.evaluate("document.querySelectorAll('.chat-link')[1].click()")
        self.assertEqual("first question", page.evaluate("document.querySelector('.user').innerText"))
        page.click(".remove")
        self.assertEqual(["first question"], page.evaluate(titles))

    def test_the_key_is_asked_for_once(self):
        server = self.serve("--api-key", "secret")
        page = self.browser.open(f"http://127.0.0.1:{server.port}/")
        self.addCleanup(page.close)
        page.wait("document.querySelector('dialog[open] input')")
        page.evaluate("document.querySelector('dialog input').value = 'wrong'")
        page.click("dialog button.primary")
        page.wait("document.querySelector('dialog[open]')?.innerText.includes('did not accept')")
        page.evaluate("document.querySelector('dialog input').value = 'secret'")
        page.click("dialog button.primary")
        page.wait("document.getElementById('prompt')")
        self.assertIn("tok/s", self.ask(page, "What is 2 + 2?"))

    def test_everything_can_be_reached_by_keyboard_and_has_a_name(self):
        page = self.open(self.serve())
        self.ask(page, "What is 2 + 2?")
        nameless = page.evaluate("""[...document.querySelectorAll('button, a, input, textarea, summary')].filter((e) =>
            !(e.innerText?.trim() || e.getAttribute('aria-label') || e.labels?.length || e.title)).map((e) => e.outerHTML)""")
        self.assertEqual([], nameless)
        page.evaluate("document.activeElement.blur()")
        seen = set()
        for _ in range(20):
            page.press("Tab", 9)
            seen.add(page.evaluate("document.activeElement.id || document.activeElement.className || document.activeElement.tagName"))
        for expected in ("skip", "brand", "theme", "new-chat", "chat-link", "prompt", "primary"):
            self.assertIn(expected, {part for s in seen for part in s.split()}, seen)


class EngineTest(PageTest):
    def test_the_engine_s_figures_move(self):
        server = self.serve()
        page = self.open(server, "#/engine")
        page.wait("document.querySelectorAll('.plot svg').length === 7")
        for n in range(3):
            server.chat([{"role": "user", "content": f"What is {n} + 2?"}], temperature=0)
        written = server.metric("toccata_output_tokens_total")
        page.wait(f"document.querySelector('.engine .facts').innerText.includes('{written:,.0f}')")
        page.wait("document.querySelector('.plot .line') && document.querySelector('.plot .bar')")
        load = json.loads(server.request("GET", "/v1/toccata/experts")[2])
        self.assertEqual((load["n_layers"], load["n_experts"]), (len(load["tokens"]), len(load["tokens"][0])))
        # Every token goes to the same number of experts in each layer.
        self.assertEqual(1, len({sum(layer) for layer in load["tokens"]}))
        self.assertGreaterEqual(sum(load["tokens"][0]), 2 * written)
        page.wait("Math.max(...[...document.querySelectorAll('.plot .cell')].map((c) => +c.getAttribute('fill-opacity'))) === 1")
        self.assertEqual(load["n_layers"] * load["n_experts"], page.evaluate("document.querySelectorAll('.plot .cell').length"))
        self.assertIn("× the mean", page.evaluate("document.querySelector('.plot.experts').innerText"))
        if SHOTS:
            self.load(server, seconds=45)
            self.shot(page, "engine")
        page.resize(360, 740)
        self.assertEqual(360, page.evaluate("document.documentElement.scrollWidth"))
        self.assertLessEqual(page.evaluate("document.querySelector('.engine').scrollWidth"), 360)
        self.shot(page, "engine-phone")
        self.assert_clean(page)

    def test_a_model_that_runs_elsewhere_shows_no_experts(self):
        server = self.serve("-m", self.program.script(answer("Hi")))
        self.assertIsNone(json.loads(server.request("GET", "/v1/toccata/experts")[2])["tokens"])
        page = self.open(server, "#/engine")
        page.wait("document.querySelectorAll('.plot svg').length >= 6")
        page.wait("document.querySelector('.plot.experts').hidden")
        self.assert_clean(page)

    def load(self, server: Server, seconds: float):
        """Clients that come and go, for the picture."""
        end = time.monotonic() + seconds

        def client(n: int):
            while time.monotonic() < end:
                server.chat([{"role": "user", "content": f"What is {random.randrange(9999)} * {n + 2}?"}])
                time.sleep(random.random() * 2)

        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            list(pool.map(client, range(4)))

    def test_a_server_that_is_gone_is_said_so(self):
        server = Server(self.program)
        page = self.open(server, "#/engine")
        page.wait("document.querySelector('.plot svg')")
        server.close()
        page.wait("document.querySelector('.engine .error')?.innerText.includes('does not answer')")


if __name__ == "__main__":
    main()
