#!/usr/bin/env python3
"""Main content of pages: us, trafilatura and readability on WCXB's development pages, in one run.

    scripts/bench_extraction.py [--data FOLDER] [--toccata build/cpu/agent/cli/toccata] [--no-peers] [--worst N]

The folder holds html/NNNN.html.gz and ground-truth/NNNN.json of the Web Content eXtraction Benchmark (Murrough Foley, 2026,
CC-BY-4.0). Scores are WCXB's own: words are runs of word characters in lower case, counted as a multiset; precision, recall
and F1 of a page, then the mean over pages. Rules are developed on the pages with an even index; the odd ones are the check, so
both halves are printed. Our link and image markers are taken out before words are counted ("raw": they are not), as
the peers write none. MB/s is HTML bytes by CPU time of one thread. Exit 77, saying SKIPPED, without the data;
peers that cannot be installed are left out, saying so.
"""

import argparse
import collections
import gzip
import json
import os
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile
import time
import venv

ROOT = pathlib.Path(__file__).resolve().parent.parent
SKIPPED = 77
# readability-lxml names its extra of lxml in a way some versions of pip stumble over: its needs are listed here instead.
PEERS = ["trafilatura==2.3.1", "lxml==6.1.3", "lxml_html_clean==0.4.6", "chardet==7.7.0", "cssselect==1.6.0"]
PEERS_ALONE = ["readability-lxml==0.9"]
MARKER = re.compile(r"【\d+†([^†】]*)(?:†[^】]*)?】")
IMAGE = re.compile(r"\[Image \d+(?:: [^\]]*)?\]")


def enter_venv(folder):
    """Goes on inside a virtual environment that has the peers; comes back where there is none to be had."""
    python = folder / "bin/python"
    if pathlib.Path(sys.prefix).resolve() == folder.resolve():
        return
    stamp, wanted = folder / "peers.txt", "\n".join(PEERS + PEERS_ALONE)
    try:
        if not python.exists():
            venv.create(folder, with_pip=True)
        if not stamp.exists() or stamp.read_text() != wanted:
            subprocess.run([python, "-m", "pip", "install", "-q", *PEERS], check=True)
            subprocess.run([python, "-m", "pip", "install", "-q", "--no-deps", *PEERS_ALONE], check=True)
            stamp.write_text(wanted)
    except (OSError, subprocess.CalledProcessError) as error:
        print(f"peers left out, they cannot be installed: {error}")
        return
    os.execv(python, [str(python), *sys.argv])


def words(text):
    return re.findall(r"\w+", (text or "").lower())


def score(found, truth):
    """(F1, precision, recall) of a page."""
    found, truth = words(found), words(truth)
    if not truth or not found:
        return (1.0, 1.0, 1.0) if not truth and not found else (0.0, 0.0, 0.0)
    common = sum((collections.Counter(found) & collections.Counter(truth)).values())
    return 2 * common / (len(found) + len(truth)), common / len(found), common / len(truth)


def load(folder):
    pages = []
    for path in sorted((folder / "ground-truth").glob("*.json")):
        data = json.loads(path.read_text())
        kind = data.get("_internal", {}).get("page_type", {}).get("primary", "article")
        html = gzip.decompress((folder / "html" / f"{path.stem}.html.gz").read_bytes())
        pages.append({"id": path.stem, "kind": "collection" if kind == "category" else kind, "html": html,
                      "truth": data["ground_truth"]["main_content"] or ""})
    return pages


def ours(toccata, pages, main):
    """(texts, CPU seconds): all pages in one process, less what the process needs by itself."""
    with tempfile.TemporaryDirectory() as folder:
        requests = []
        for page in pages:
            path = pathlib.Path(folder) / f"{page['id']}.html"
            path.write_bytes(page["html"])
            requests.append(json.dumps({"id": page["id"], "url": f"file://{path}", "main": main}))

        def run(lines):
            before = os.times()
            done = subprocess.run([toccata, "dev", "page"], input="\n".join(lines) + "\n", capture_output=True, text=True, check=True)
            after = os.times()
            used = after.children_user + after.children_system - before.children_user - before.children_system
            return [json.loads(line)["result"] for line in done.stdout.split("\n") if line], used

        empty = run([requests[0].replace(".html", ".none")])[1]
        answers, used = run(requests)
    for answer in answers:
        if answer["error"]:
            print(f"error on {answer['id']}: {answer['error']}")
    return [answer["text"] for answer in answers], max(used - empty, 1e-9)


def many_links_ms(toccata):
    """A page of 20,000 links."""
    links = "".join(f'<li><a href="/item/{i}">Item number {i}</a></li>' for i in range(20000))
    page = [{"id": "links", "html": f"<html><body><ul>{links}</ul></body></html>".encode()}]
    return 1000 * min(ours(toccata, page, True)[1] for _ in range(3))


def by_peer(extract, pages):
    texts, started = [], time.thread_time()
    for page in pages:
        try:
            texts.append(extract(page["html"]) or "")
        except Exception as error:  # a peer's failure is an empty page
            print(f"peer failed on {page['id']}: {type(error).__name__}", file=sys.stderr)
            texts.append("")
    return texts, time.thread_time() - started


def peers():
    out = {}
    try:
        import trafilatura
        out["trafilatura"] = lambda html: trafilatura.extract(html.decode("utf-8", "replace"))
        out["trafilatura, recall"] = lambda html: trafilatura.extract(html.decode("utf-8", "replace"), favor_recall=True)
    except ImportError:
        pass
    try:
        import lxml.html
        import readability

        def readable(html):
            summary = readability.Document(html.decode("utf-8", "replace")).summary()
            return "\n".join(lxml.html.fromstring(summary).itertext())

        out["readability-lxml"] = readable
    except ImportError:
        pass
    return out


def table(pages, results):
    kinds = sorted({page["kind"] for page in pages}, key=lambda kind: -sum(page["kind"] == kind for page in pages))
    groups = [("all", lambda i, page: True), ("even", lambda i, page: i % 2 == 0), ("odd", lambda i, page: i % 2 == 1)]
    groups += [(kind, lambda i, page, kind=kind: page["kind"] == kind) for kind in kinds]
    for name, wanted in groups:
        chosen = [i for i, page in enumerate(pages) if wanted(i, page)]
        print(f"\n{name}, {len(chosen)} pages{'':<12}     F1  precision  recall")
        for system, (scores, _) in results.items():
            f1, precision, recall = (statistics.fmean(scores[i][k] for i in chosen) for k in range(3))
            print(f"  {system:<26} {f1:.3f}      {precision:.3f}   {recall:.3f}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=pathlib.Path, default=ROOT.parent / "shared/data/wcxb-dev")
    parser.add_argument("--toccata", default=str(ROOT / "build/cpu/agent/cli/toccata"))
    parser.add_argument("--venv", type=pathlib.Path, default=ROOT / "build/extraction-peers")
    parser.add_argument("--no-peers", action="store_true")
    parser.add_argument("--worst", type=int, default=0, help="also list our N worst even pages")
    args = parser.parse_args()
    if not (args.data / "html").is_dir():
        print(f"SKIPPED: no WCXB pages at {args.data} (--data FOLDER)")
        return SKIPPED
    if not args.no_peers:
        enter_venv(args.venv)
    pages = load(args.data)
    size = sum(len(page["html"]) for page in pages) / 1e6

    results = {}
    for name, is_main in (("toccata main", True), ("toccata whole", False)):
        texts, used = ours(args.toccata, pages, is_main)
        plain = [IMAGE.sub(" ", MARKER.sub(r"\1", text)) for text in texts]
        results[name] = ([score(text, page["truth"]) for text, page in zip(plain, pages)], used)
        if is_main:
            results["toccata main, raw"] = ([score(text, page["truth"]) for text, page in zip(texts, pages)], used)
    for name, extract in {} if args.no_peers else peers().items():
        texts, used = by_peer(extract, pages)
        results[name] = ([score(text, page["truth"]) for text, page in zip(texts, pages)], used)

    table(pages, results)
    print(f"\nspeed, {size:.1f} MB of HTML")
    for system, (_, used) in results.items():
        print(f"  {system:<26} {size / used:8.1f} MB/s  {1000 * used / len(pages):8.1f} ms a page")
    print(f"  a page of 20,000 links: {many_links_ms(args.toccata):.0f} ms")
    for i in sorted(range(0, len(pages), 2), key=lambda i: results["toccata main"][0][i][0])[: args.worst]:
        f1, precision, recall = results["toccata main"][0][i]
        print(f"  {pages[i]['id']}  {pages[i]['kind']:<14} F1 {f1:.3f}  precision {precision:.3f}  recall {recall:.3f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
