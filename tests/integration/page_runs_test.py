#!/usr/bin/env python3
"""The runs on the built-in page of `toccata serve` in a real browser, as page_test.py has the chat.

  page_runs_test.py [--shots FOLDER]
"""

import html
import json

from live_server import Server
from page_case import SWITCHES, XSS, PageTest, answer, call, main
from search_test import Web
from search_test import call as browse

PALINDROMES = [
    call("def is_prime(n):\n    return n > 1 and all(n % i for i in range(2, int(n**0.5) + 1))\n\n"
         "found = [n for n in range(2, 100_000) if str(n) == str(n)[::-1] and is_prime(n)]\nprint(len(found), found[-5:])",
         "Palindromes first, they are few; then test those for primality.", "I will list the palindromes and test each for primality."),
    call("from collections import Counter\nprint(Counter(len(str(n)) for n in found))",
         "How do they spread over the number of digits? No prime palindrome has an even number of digits but 11."),
    call("assert all(len(str(n)) % 2 for n in found if n != 11)\nprint('only 11 has an even number of digits')", "Check that claim before I say it."),
    answer("There are **113** palindromic primes below 100,000; the largest is 98,689.\n\n"
           "| digits | primes |\n|--:|--:|\n| 1 | 4 |\n| 2 | 1 |\n| 3 | 15 |\n| 5 | 93 |\n\n"
           "`11` is the only one with an even number of digits: every other is divisible by 11.", "All checked."),
]


class RunsTest(PageTest):
    """Runs that nano made, with the real sandbox where there is one."""

    def run_nano(self, *tasks: str):
        for task in tasks:
            done = self.program.run("run", "--temperature", "0", task)
            if done.returncode == 6:
                self.skipTest(f"no sandbox here: {done.stderr.strip()}")
            self.assertEqual(0, done.returncode, done.stderr)

    def test_a_run_is_a_timeline_steps_and_tokens(self):
        self.run_nano("Hello!", "What is 48213 * 977 + 5?")
        page = self.open(self.serve(), "#/runs")
        page.wait("document.querySelectorAll('.run-link').length === 2")
        page.click(".run-link")
        page.wait("document.querySelector('.waterfall svg')")
        self.assertEqual("What is 48213 * 977 + 5?", page.evaluate("document.querySelector('.run-head h2').innerText"))
        for kind in ("prefill", "decode", "tool"):
            self.assertGreaterEqual(page.evaluate(f"document.querySelectorAll('.bar-{kind}').length"), 1, kind)
        self.assertIn("48213 * 977 + 5 = 47104106", page.evaluate("document.querySelector('.run-body').innerText"))
        self.assertEqual("47104106", page.evaluate("document.querySelector('.tool-output pre').innerText").strip())
        page.evaluate("document.querySelector('.bar-tool').dispatchEvent(new KeyboardEvent('keydown', {key: 'Enter'}))")
        self.assertEqual("tool", page.evaluate("document.activeElement.className"))
        page.evaluate("document.querySelectorAll('[role=tab]')[1].click()")
        page.wait("document.querySelectorAll('.token').length > 100")
        self.assertIn("<|channel|>analysis<|message|>", page.evaluate("document.querySelector('.tokens').textContent"))
        self.assertTrue(page.evaluate("!!document.querySelector('.token.control.ch-final')"))
        page.resize(360, 740)
        self.assertEqual(360, page.evaluate("document.documentElement.scrollWidth"))
        self.assertLessEqual(page.evaluate("document.querySelector('.detail').scrollWidth"), 360)
        page.evaluate("document.querySelectorAll('[role=tab]')[0].click()")
        self.assertLessEqual(page.evaluate("document.querySelector('.detail').scrollWidth"), 360)
        self.assert_clean(page)

    def test_a_longer_run_in_order_of_time(self):
        self.run_nano("Hello!", "Is 7919 a prime number?", "What is 48213 * 977 + 5?")
        script = self.program.home / "palindromes.json"
        script.write_text(json.dumps({"name": "scripted", "completions": [{"text": text, "token_delay_us": 2000} for text in PALINDROMES]}))
        done = self.program.run("run", "-m", f"script:{script}", "Which primes below 100,000 are palindromes?")
        self.assertIn("113", done.stdout, done.stderr)
        page = self.open(self.serve("-m", f"script:{script}"), "#/runs/last", height=720)
        page.wait("document.querySelector('.waterfall svg')")
        rows = page.evaluate("[...document.querySelectorAll('.waterfall text:not(.tick)')].map((t) => t.textContent)")
        self.assertEqual(["step 1", "python", "step 2", "python", "step 3", "python", "step 4"], rows)
        page.wait("document.querySelector('.run-link[aria-current]')?.innerText.startsWith('Which primes')")
        starts = page.evaluate("[...document.querySelectorAll('.waterfall rect')].map((r) => +r.getAttribute('x'))")
        self.assertEqual(sorted(starts), starts)
        self.assertEqual(["ok"] * 3, page.evaluate("[...document.querySelectorAll('details.tool')].map((t) => t.dataset.status)"))
        self.shot(page, "run")
        page.evaluate("document.querySelectorAll('[role=tab]')[1].click()")
        page.wait("document.querySelectorAll('.token').length > 400")
        page.set_dark(True)
        page.evaluate("[...document.querySelectorAll('.token.control.ch-user')].at(-1).scrollIntoView({block: 'start'})")
        page.evaluate("document.querySelector('.detail').scrollTop -= 130")
        self.shot(page, "tokens")
        self.assert_clean(page)

    def test_what_begins_in_one_millisecond_keeps_its_order(self):
        page = self.open(self.serve())
        page.evaluate("import('/web/waterfall.js').then((m) => { window.waterfall = m; })")
        page.wait("window.waterfall")
        rows = page.evaluate("""waterfall.spansOf({status: "completed",
            steps: [1, 2].map((step) => ({step, started_ms: 7, finished_ms: 7})),
            calls: [[0, 1, "a"], [1, 1, "b"], [2, 2, "c"]].map(([call, step, recipient]) => ({call, step, recipient, started_ms: 7, finished_ms: 7}))})
            .map((span) => span.label)""")
        self.assertEqual(["step 1", "a", "b", "step 2", "c"], rows)

    def test_hostile_runs_stay_text(self):
        lines = XSS.splitlines()
        hostile = "\n\n".join(lines)
        call = f"<|channel|>analysis to=python code<|message|>print({lines[0]!r} * 2) # {hostile!r}<|call|>"
        done = self.program.run("run", "-m", self.program.script(call, answer(hostile, hostile)), "--tools", "none", hostile)
        self.assertEqual(0, done.returncode, done.stderr)
        page = self.open(self.serve(), "#/runs/last")
        page.wait("document.querySelector('.run-body .message')")
        self.assertIn(lines[2], page.evaluate("document.querySelector('.run-body').textContent"))
        self.assert_clean(page)
        page.evaluate("document.querySelectorAll('[role=tab]')[1].click()")
        page.wait("document.querySelectorAll('.token').length > 100")
        self.assert_clean(page)

    def test_hostile_calls_and_outputs_stay_text(self):
        self.run_nano("Hello!")
        code = f"print(bytes.fromhex('{XSS.encode().hex()}').decode())"
        calls = [call(code + "  # " + XSS.splitlines()[2], XSS), answer(XSS, XSS)]
        page = self.open(self.serve("--agent", "-m", self.program.script(*calls)))
        self.ask(page, "Print the corpus.")
        self.assertEqual(XSS.strip(), page.evaluate("document.querySelector('.tool-output pre').textContent").strip())
        self.assert_clean(page)
        page.click(".figures a")
        page.wait("document.querySelector('.run-body .tool-output')")
        self.assert_clean(page)

    def test_a_run_that_is_not_there(self):
        page = self.open(self.serve(), "#/runs/none")
        page.wait("document.querySelector('.detail .error')?.innerText.includes('none')")
        self.assertIn("No runs yet", page.evaluate("document.querySelector('.runs').innerText"))

    def test_where_runs_are_not_shown_there_is_no_such_view(self):
        page = self.open(self.serve("--show-runs", "off"), "#/runs")
        self.assertTrue(page.evaluate("!!document.getElementById('prompt')"))
        self.assertTrue(page.evaluate("document.querySelector('[data-view=runs]').hidden"))

    def test_the_agent_answers_with_its_tools_and_goes_on(self):
        self.run_nano("Hello!")
        page = self.open(self.serve("--agent", "--temperature", "0"))
        self.assertEqual([["python", True]], page.evaluate(SWITCHES))
        text = self.ask(page, "What is 48213 * 977 + 5?")
        self.assertIn("48213 * 977 + 5 = 47104106", text)
        self.assertEqual("ok", page.evaluate("document.querySelector('.tool').dataset.status"))
        self.assertEqual("47104106", page.evaluate("document.querySelector('.tool-output pre').innerText").strip())
        self.assertIn("= 93", self.ask(page, "What is 100 - 7?"))
        self.assertNotIn("interrupted", page.evaluate("document.querySelector('.log').innerText"), "the interpreter is the same")
        self.shot(page, "chat")
        runs = page.evaluate("[...document.querySelectorAll('.figures a')].map((a) => a.hash)")
        self.assertEqual(2, len(runs))
        self.assertEqual(runs[0], runs[1], "the second turn goes on in the same run")
        page.click(".figures a")
        page.wait("document.querySelector('.waterfall svg')")
        page.evaluate("history.back()")
        page.wait("document.querySelectorAll('.turn').length === 2")
        self.assert_clean(page)

    def test_pictures_are_shown_and_other_files_handed_over(self):
        code = """
import struct, zlib
def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
rows = b"".join(b"\\0" + b"".join(bytes((x * 2, y * 3, 160)) for x in range(120)) for y in range(80))
png = b"\\x89PNG\\r\\n\\x1a\\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 120, 80, 8, 2, 0, 0, 0)) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
open("waves.png", "wb").write(png)
open("<b>.txt", "w").write("text")
open("broken.png", "w").write("<script>")
"""
        page = self.open(self.serve("--agent", "-m", self.program.script(call(code, "Draw."), answer("Drawn.", "Here."))))
        self.ask(page, "Draw something.")
        shown = "[...document.querySelectorAll('.files img')].map((i) => [i.alt, i.naturalWidth, i.naturalHeight]).join()"
        for where in ("chat", "run"):
            page.wait(f"{shown} === 'waves.png,120,80'")
            page.wait("!document.querySelector('.files img[alt=\"broken.png\"]')")
            self.assertIn("<b>.txt, 4 bytes", page.evaluate("document.querySelector('.files').innerText"))
            self.assert_clean(page)
            if where == "chat":
                self.shot(page, "files")
                page.click(".figures a")

    def test_each_tool_has_a_switch_and_keeps_it(self):
        server = self.serve("--agent", "--tools", "python,browser,files", "-m", self.program.script(answer("One."), answer("Two.")))
        page = self.open(server)
        self.assertEqual([["python", True], ["browser", True], ["files", True]], page.evaluate(SWITCHES))
        page.click(".switches input[value=python]")
        self.ask(page, "Say one.")
        self.assertEqual([["python", False], ["browser", True], ["files", True]], page.evaluate(SWITCHES))
        self.assertTrue(page.evaluate("[...document.querySelectorAll('.switches input')].every((box) => box.disabled)"), "what has begun stays")
        run = json.loads(self.program.run("runs", "show", "last", "--json").stdout)
        self.assertEqual(["browser", "files"], run["params"]["tools"])
        page.go(page.evaluate("location.href"))
        page.wait("document.querySelectorAll('.turn').length === 1")
        self.assertIn("Two.", self.ask(page, "Say two."))
        page.click(".new-chat")
        self.assertEqual([["python", False], ["browser", True], ["files", True]], page.evaluate(SWITCHES))
        for name in ("browser", "files"):
            page.click(f".switches input[value={name}]")
        self.assertIn("One.", self.ask(page, "Without any."))
        self.assertEqual(1, len(self.program.run("runs", "list", "--json").stdout.splitlines()), "without tools nothing is recorded")
        page.resize(360, 740)
        self.assertEqual(360, page.evaluate("document.documentElement.scrollWidth"))
        answered = server.request("POST", "/v1/toccata/runs", {"input": "x", "tools": ["shell"]})
        self.assertEqual(400, answered[0], answered[2])
        self.assert_clean(page)

    # What an answer cites

    def cited(self, *answers: str, body: str = "") -> Server:
        """An agent that opens a page of a small web, and says these answers."""
        web = Web()
        self.addCleanup(web.close)
        if body:
            web.answer = lambda path, headers: (200, "text/html", body.encode())
        script = self.program.script(browse("open", id=web.url + "/tides"), *answers)
        return self.serve("--agent", "--tools", "browser", "--allow-origin", web.url, "-m", script)

    def test_citations_are_linked_and_quoted(self):
        said = "High water comes every 12 hours【0†L2】, twice a day 【0†L2】. Bananas are blue【0†L99】."
        server = self.cited(answer(said, "The page says it."), answer("And so on."))
        page = self.open(server)
        text = self.ask(page, "When is high water?")
        self.assertNotIn("【", text)
        marks = page.evaluate("[...document.querySelectorAll('.prose a.cite')].map((a) => [a.textContent, new URL(a.href).pathname])")
        self.assertEqual([["1", "/tides"]] * 3, marks)
        sources = "document.querySelector('.sources').innerText"
        self.assertIn("Tides", page.evaluate(sources))
        self.assertIn("High water comes every 12 hours and 25 minutes.", page.evaluate(sources))
        self.assertIn("no such line", page.evaluate(sources))
        self.assertEqual(1, page.evaluate("document.querySelectorAll('.prose a.cite.wrong').length"))
        self.assertEqual(1, page.evaluate("document.querySelectorAll('.sources li').length"), "one page")
        card = "document.querySelector('.tool').innerText"
        self.assertEqual([["Tides", "/tides"]], page.evaluate("[...document.querySelectorAll('.page-place a')].map((a) => [a.textContent, new URL(a.href).pathname])"))
        self.assertEqual(["L2High water comes every 12 hours and 25 minutes."], page.evaluate("[...document.querySelectorAll('.page-lines .quoted')].map((l) => l.textContent)"))
        self.assertIn("lines 0–2 of 2", page.evaluate(card))
        self.shot(page, "citations")
        page.go(page.evaluate("location.href"))  # from the browser's memory, too
        page.wait("document.querySelector('.sources')")
        self.assertEqual(3, page.evaluate("document.querySelectorAll('.prose a.cite').length"))
        page.click(".figures a")
        page.wait("document.querySelector('.run-body .sources')")
        self.assertEqual(3, page.evaluate("document.querySelectorAll('.run-body .prose a.cite').length"))
        self.assertIn("12 hours and 25 minutes", page.evaluate("document.querySelector('.run-body .sources').innerText"))
        page.resize(360, 740)
        self.assertLessEqual(page.evaluate("document.querySelector('.detail').scrollWidth"), 360)
        self.assert_clean(page)

    def test_a_search_is_a_card_of_what_was_found(self):
        web = Web()
        self.addCleanup(web.close)
        script = self.program.script(browse("search", query="tides"), browse("open", id=0), browse("find", pattern="water"), browse("open", id=99), answer("Every 12 hours【1†L2】.", "Read."))
        page = self.open(self.serve("--agent", "--tools", "browser", "--search", f"searxng={web.url}/", "--allow-origin", web.url, "-m", script))
        self.ask(page, "When is high water?")
        cards = page.evaluate("[...document.querySelectorAll('.tool')].map((t) => t.innerText)")
        self.assertIn("Search tides", cards[0].replace("\n", " "))
        self.assertIn("Tides here", cards[0])
        self.assertIn("When the water comes", cards[0])
        self.assertIn("Quoted", cards[1].replace("QUOTED", "Quoted"))
        self.assertIn("Find water", cards[2].replace("\n", " "))
        self.assertIn("Invalid link id", cards[3])
        self.assertEqual(["ok", "ok", "ok", "failed"], page.evaluate("[...document.querySelectorAll('.tool')].map((t) => t.dataset.status)"))
        self.shot(page, "search")
        page.resize(360, 740)
        self.assertEqual(360, page.evaluate("document.documentElement.scrollWidth"))
        self.shot(page, "search-phone")
        page.resize(1200, 800)
        page.click(".figures a")
        page.wait("document.querySelectorAll('.run-body .page-place').length === 2")
        self.assertEqual(1, page.evaluate("document.querySelectorAll('.run-body .page-lines .quoted').length"))
        page.resize(360, 740)
        self.assertLessEqual(page.evaluate("document.querySelector('.detail').scrollWidth"), 360)
        self.assert_clean(page)

    def test_hostile_pages_stay_text_where_they_are_cited(self):
        lines = [line for line in XSS.splitlines() if line.strip()]
        body = "<title>" + html.escape(lines[0]) + "</title>" + "".join(f"<p>{html.escape(line)}</p>" for line in lines)
        page = self.open(self.cited(answer("".join(f"Look 【0†L{n}】. " for n in range(len(lines) + 2))), body=body))
        self.ask(page, "What does it say?")
        quoted = page.evaluate("document.querySelector('.sources').textContent")
        self.assertIn(lines[2], quoted)
        self.assert_clean(page)
        page.click(".figures a")
        page.wait("document.querySelector('.run-body .sources')")
        self.assert_clean(page)

    # Other ways on

    def test_a_run_is_forked_and_goes_on_in_the_chat(self):
        calls = [call("print(1)", "One."), call("print(2)", "Two."), answer("It was 2.", "Done.")]
        server = self.serve("--agent", "-m", self.program.script(*calls))
        page = self.open(server)
        self.ask(page, "Count to two.")
        page.click(".figures a")
        page.wait("document.querySelectorAll('.step .fork').length === 4")
        first = page.evaluate("location.hash")
        page.evaluate("document.querySelectorAll('.step .fork')[1].click()")  # at step 1
        page.wait("document.querySelector('.chat .notice')?.innerText.includes('up to step 1')")
        # The scripted model begins anew for a new session: what it says is the script's first words again.
        self.assertEqual([["python", True]], page.evaluate(SWITCHES))
        text = self.ask(page, "And now?")
        self.assertIn("It was 2.", text)
        page.click(".figures a")
        page.wait("document.querySelector('.run-head')?.innerText.includes('forked from')")
        self.assertNotEqual(first, page.evaluate("location.hash"))
        self.assertEqual(first, page.evaluate("document.querySelector('.run-head a').hash"))
        self.assert_clean(page)

    def test_without_an_agent_a_fork_is_shown_as_a_run(self):
        self.run_nano("Hello!")
        page = self.open(self.serve(), "#/runs/last")
        page.click(".step .fork")
        page.wait("document.querySelector('.run-head')?.innerText.includes('forked from')")
        self.assert_clean(page)

    def test_two_runs_side_by_side(self):
        same = call("print(6 * 7)", "Python can do this.")
        for last in ("It is **42**.", "It is 42, the answer."):
            done = self.program.run("run", "-m", self.program.script(same, answer(last, "So it is.")), "6 times 7?")
            self.assertEqual(0, done.returncode, done.stderr)
        page = self.open(self.serve())
        # The list comes after the run, as it may.
        page.evaluate("""(() => { const send = window.fetch;
            window.fetch = async (url, ...rest) => { if (String(url).includes('/runs?')) await new Promise((r) => setTimeout(r, 500)); return send(url, ...rest); };
            location.hash = '#/runs/last'; })()""")
        page.wait("document.querySelectorAll('.actions option').length === 2", timeout=20)
        page.evaluate("(() => { const s = document.querySelector('.actions select'); s.selectedIndex = 1; s.dispatchEvent(new Event('change')); })()")
        page.wait("document.querySelector('.compare')")
        self.assertIn("They part in step 2", page.evaluate("document.querySelector('.compare .notice').innerText"))
        self.assertEqual(1, page.evaluate("document.querySelectorAll('.pair').length"))
        pair = page.evaluate("[...document.querySelectorAll('.pair .entry')].map((e) => e.innerText)")
        self.assertIn("the answer", pair[0])
        self.assertIn("42", pair[1])
        page.evaluate("document.querySelector('.same').open = true")
        page.wait("document.querySelector('.same .tool')")
        self.shot(page, "compare")
        page.resize(360, 740)
        self.assertLessEqual(page.evaluate("document.querySelector('.detail').scrollWidth"), 360)
        self.assert_clean(page)

    def test_what_is_added_while_the_agent_works_is_heard(self):
        slow = self.program.home / "slow.json"
        slow.write_text(json.dumps({"completions": [
            {"text": call("print(1)", "Let me think about this for a while, step by step, and then some more."), "token_delay_us": 60000}, answer("Well then.")]}))
        page = self.open(self.serve("--agent", "-m", f"script:{slow}"))
        self.say(page, "Work.")
        page.wait("document.querySelector('.turn .reasoning')")
        self.say(page, "Be brief.")
        page.wait("document.querySelector('.turn .notice')?.innerText.includes('Be brief.')")
        page.wait("!document.querySelector('.turn[aria-busy]')")
        self.assertIn("Well then.", page.evaluate("document.querySelector('.turn').innerText"))
        self.assertEqual("", page.evaluate("document.getElementById('prompt').value"))
        self.assert_clean(page)


if __name__ == "__main__":
    main()
