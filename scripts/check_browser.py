#!/usr/bin/env python3
"""Plays the recorded browser sessions with the reference browser of gpt-oss and compares the answers byte for byte.

    scripts/check_browser.py [--ranks o200k_base.tiktoken] [--show]

Needs the PyPI packages gpt-oss==0.0.8 (its browser only), html2text, lxml, tiktoken, aiohttp, pydantic, structlog, chz, tenacity
and openai-harmony in a virtual environment below build/, which it makes; says SKIPPED where they are not to be had. Sessions whose first
line says "[differs: REASON]" leave the reference on purpose. Exit 1 when another one differs, or when one of those does not.
"""

import argparse
import asyncio
import difflib
import json
import os
import pathlib
import subprocess
import sys
import types
import zipfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
DATA = ROOT / "tests" / "data" / "browser"
ENVIRONMENT = ROOT / "build" / "browser_reference"
PACKAGES = ["html2text==2025.4.15", "lxml==6.1.3", "tiktoken==0.14.0", "aiohttp==3.14.5", "pydantic==2.14.4", "structlog==26.1.0", "chz==0.4.0",
            "tenacity==9.2.1", "openai-harmony==0.0.8"]


def enter_environment():
    """Runs this script again with the environment's Python; only returns inside it."""
    if os.environ.get("TOCCATA_BROWSER_REFERENCE"):
        sys.path.insert(0, str(ENVIRONMENT / "wheel"))
        return
    python = ENVIRONMENT / "bin" / "python"
    try:
        if not (ENVIRONMENT / "wheel" / "gpt_oss").exists():
            subprocess.run([sys.executable, "-m", "venv", ENVIRONMENT], check=True)
            subprocess.run([python, "-m", "pip", "install", "-q", *PACKAGES], check=True)
            # The package asks for a newer Python than its browser needs: unpacked, not installed.
            subprocess.run([python, "-m", "pip", "download", "-q", "--no-deps", "--python-version", "3.12", "--only-binary=:all:",
                            "--dest", ENVIRONMENT, "gpt-oss==0.0.8"], check=True)
            zipfile.ZipFile(next(ENVIRONMENT.glob("gpt_oss-*.whl"))).extractall(ENVIRONMENT / "wheel")
    except (subprocess.CalledProcessError, OSError) as error:
        print(f"SKIPPED: the reference cannot be installed: {error}")
        sys.exit(0)
    os.environ["TOCCATA_BROWSER_REFERENCE"] = "1"
    os.execv(python, [str(python), *sys.argv])


def reference_tool():
    # The package's __init__ files import servers and engines; the browser needs none of them.
    for name in ("gpt_oss", "gpt_oss.tools"):
        module = types.ModuleType(name)
        module.__path__ = [str(ENVIRONMENT / "wheel" / name.replace(".", "/"))]
        sys.modules[name] = module
    from gpt_oss.tools.simple_browser import page_contents, simple_browser_tool
    from gpt_oss.tools.simple_browser.backend import BackendError

    searches = json.loads((DATA / "search.json").read_text())

    class Folder:
        source = "web"

        async def search(self, query, topn, session):
            if query not in searches:
                raise BackendError("no answer")
            # As the shipped backends write the page.
            items = "".join(f"<li><a href='{h['url']}'>{h['title']}</a> {h['summary']}</li>" for h in searches[query][:topn])
            html = f"\n<html><body>\n<h1>Search Results</h1>\n<ul>\n{items}\n</ul>\n</body></html>\n"
            return page_contents.process_html(html=html, url="", title=query, display_urls=True)

        async def fetch(self, url, session):
            url = url.removeprefix("view-source:")
            path = DATA / "pages" / url.split("://", 1)[1].split("?")[0]
            if not path.is_file():
                raise BackendError("no such page")
            return page_contents.process_html(html=path.read_text(), url=url, title="", display_urls=True)

    return simple_browser_tool.SimpleBrowserTool(backend=Folder())


async def played(text):
    from openai_harmony import Message, Role

    tool = reference_tool()
    out = []
    for line in text.splitlines():
        if line.startswith("# ") and not out:
            out.append(line)
        if not line.startswith(">>> "):
            continue
        recipient, content = line[4:].split(" ", 1)
        message = Message.from_role_and_content(Role.ASSISTANT, content).with_recipient(recipient).with_channel("analysis")
        out.append(line)
        try:
            async for answer in tool._process(message):
                out += [f"<<< {answer.author.name}", answer.content[0].text]
        except Exception as error:  # the reference lets these through to its caller
            out.append(f"<<< raised {type(error).__name__}: {error}")
    return "\n".join(out) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ranks", type=pathlib.Path, default=ROOT.parent / "shared" / "data" / "o200k_base.tiktoken")
    parser.add_argument("--show", action="store_true", help="print the differences")
    options = parser.parse_args()
    if not options.ranks.is_file():
        print(f"SKIPPED: no vocabulary at {options.ranks}; name it with --ranks")
        return 0
    enter_environment()
    logging_off()
    import tiktoken.load

    tiktoken.load.read_file_cached = lambda *_, **__: options.ranks.read_bytes()
    equal, explained, wrong = 0, 0, []
    for file in sorted((DATA / "sessions").glob("*.txt")):
        recorded = file.read_text()
        differs = asyncio.run(played(recorded)) != recorded
        expected = "[differs:" in recorded.split("\n", 1)[0]
        equal += not differs
        explained += differs and expected
        if differs != expected:
            wrong.append(file.name)
        if options.show and differs:
            theirs = asyncio.run(played(recorded)).splitlines()
            print("\n".join(difflib.unified_diff(theirs, recorded.splitlines(), "reference", file.name, n=1, lineterm="")))
    print(f"{equal} sessions equal, {explained} differ as explained, {len(wrong)} wrong: {' '.join(wrong) or 'none'}")
    return 1 if wrong else 0


def logging_off():
    import logging

    logging.disable(logging.CRITICAL)
    import structlog

    structlog.configure(processors=[lambda *_: (_ for _ in ()).throw(structlog.DropEvent)])


if __name__ == "__main__":
    sys.exit(main())
