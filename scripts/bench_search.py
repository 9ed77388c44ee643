#!/usr/bin/env python3
"""How good the order of search results is: ours and BM25 libraries on one public collection, in one run.

    scripts/bench_search.py [--toccata build/cpu/agent/cli/toccata] [--no-peers] [--keep FOLDER]

The collection is Semanlink as cherche 2.2.1 (PyPI, MIT licence) ships it: 7,300 bookmarks, in English and French, that a person
filed under tags over fifteen years. A query is the name of a tag; what the person filed under it is relevant. Tags of 3 to 50
bookmarks are asked. A document is title, comment and, for papers, the abstract. nDCG@10 with binary relevance, and
recall@10, over all queries. Peers are told the same text, title and body in one, and use what they advise for English. Exit 77,
saying SKIPPED, when the collection cannot be had; peers that cannot be installed are left out, saying so.
"""

import argparse
import collections
import json
import math
import os
import pathlib
import re
import subprocess
import sys
import tarfile
import tempfile
import time
import venv

ROOT = pathlib.Path(__file__).resolve().parent.parent
SKIPPED = 77
COLLECTION = "cherche==2.2.1"
PEERS = ["rank-bm25==0.2.2", "bm25s==0.3.16", "PyStemmer==3.1.0", "tantivy==0.27.0"]


def enter_venv(folder):
    """Goes on inside a virtual environment that has the peers; comes back where there is none to be had."""
    python = folder / "bin/python"
    if pathlib.Path(sys.prefix).resolve() == folder.resolve():
        return
    stamp, wanted = folder / "peers.txt", "\n".join(PEERS)
    try:
        if not python.exists():
            venv.create(folder, with_pip=True)
        if not stamp.exists() or stamp.read_text() != wanted:
            subprocess.run([python, "-m", "pip", "install", "-q", *PEERS], check=True)
            stamp.write_text(wanted)
    except (OSError, subprocess.CalledProcessError) as error:
        print(f"peers left out, they cannot be installed: {error}")
        return
    os.execv(python, [str(python), *sys.argv])


def collection(folder):
    """(documents: [(title, body)], queries: [(text, {numbers of relevant documents})])"""
    archive = folder / "cherche-2.2.1.tar.gz"
    if not archive.exists():
        got = subprocess.run([sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--no-binary", ":all:", "-d", folder, COLLECTION],
                             stderr=subprocess.PIPE, text=True)
        if not archive.exists():
            print(f"SKIPPED: {COLLECTION} cannot be downloaded: {got.stderr.strip()[-300:]}")
            sys.exit(SKIPPED)
    with tarfile.open(archive) as tar:
        def read(name):
            return json.load(tar.extractfile(f"cherche-2.2.1/cherche/data/semanlink/{name}"))
        docs, tags = read("docs.json"), read("tags.json")
    documents, filed = [], collections.defaultdict(set)
    for doc in docs:
        body = "\n".join(filter(None, [doc["comment"], doc["arxiv_title"], doc["arxiv_summary"]]))
        if not doc["title"] and not body:
            continue
        for tag in doc["tag"]:
            filed[tag].add(len(documents))
        documents.append((" ".join(doc["title"].split()), body))
    queries = [(tags[tag]["prefLabel"][0], relevant) for tag, relevant in sorted(filed.items())
               if 3 <= len(relevant) <= 50 and tags.get(tag, {}).get("prefLabel")]
    return documents, queries


def scores(ranked, queries):
    gains = [1 / math.log2(i + 2) for i in range(10)]
    ndcg = recall = 0
    for (_, relevant), found in zip(queries, ranked):
        hits = [d in relevant for d in found[:10]]
        ndcg += sum(g for g, hit in zip(gains, hits) if hit) / sum(gains[:len(relevant)])
        recall += sum(hits) / min(len(relevant), 10)
    return ndcg / len(queries), recall / len(queries)


def ours(toccata, documents, queries, folder):
    texts = folder / "documents"
    texts.mkdir(parents=True, exist_ok=True)
    for i, (title, body) in enumerate(documents):
        (texts / f"{i}.md").write_text(f"{title}\n\n{body}\n")
    index = folder / "index.db"
    subprocess.run([toccata, "index", "add", "--index", index, texts], check=True, stdout=subprocess.DEVNULL)
    asked = "".join(json.dumps({"id": i, "query": text, "limit": 10}) + "\n" for i, (text, _) in enumerate(queries))
    start = time.perf_counter()
    done = subprocess.run([toccata, "dev", "search", "--index", index], input=asked, text=True, stdout=subprocess.PIPE, check=True)
    took = time.perf_counter() - start
    results = [json.loads(line)["result"] for line in done.stdout.splitlines()]
    if failed := [result["error"] for result in results if "error" in result]:
        sys.exit(f"{len(failed)} of {len(results)} queries failed: {failed[0]}")
    return [[int(pathlib.PurePath(url).stem) for url in result["ids"]] for result in results], took


def with_rank_bm25(documents, queries):
    import rank_bm25
    def words(text):
        return re.findall(r"\w+", text.lower())
    index = rank_bm25.BM25Okapi([words(f"{title} {body}") for title, body in documents])
    start = time.perf_counter()
    ranked = [[int(i) for i in index.get_scores(words(text)).argsort()[::-1][:10]] for text, _ in queries]
    return ranked, time.perf_counter() - start


def with_bm25s(documents, queries):
    import bm25s
    import Stemmer
    stemmer = Stemmer.Stemmer("english")
    index = bm25s.BM25()
    index.index(bm25s.tokenize([f"{title} {body}" for title, body in documents], stopwords="en", stemmer=stemmer, show_progress=False), show_progress=False)
    start = time.perf_counter()
    asked = bm25s.tokenize([text for text, _ in queries], stopwords="en", stemmer=stemmer, show_progress=False)
    found, of = index.retrieve(asked, k=10, show_progress=False)
    return [[int(d) for d, s in zip(ids, values) if s > 0] for ids, values in zip(found, of)], time.perf_counter() - start


def with_tantivy(documents, queries):
    import tantivy
    builder = tantivy.SchemaBuilder()
    builder.add_integer_field("number", stored=True)
    builder.add_text_field("text", tokenizer_name="en_stem")
    index = tantivy.Index(builder.build())
    writer = index.writer()
    for i, (title, body) in enumerate(documents):
        writer.add_document(tantivy.Document(number=i, text=f"{title} {body}"))
    writer.commit()
    index.reload()
    searcher = index.searcher()
    start = time.perf_counter()
    ranked = []
    for text, _ in queries:
        query = index.parse_query(" ".join(re.findall(r"\w+", text.lower())), ["text"])
        ranked.append([searcher.doc(at)["number"][0] for _, at in searcher.search(query, 10).hits])
    return ranked, time.perf_counter() - start


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--toccata", default=ROOT / "build/cpu/agent/cli/toccata")
    parser.add_argument("--no-peers", action="store_true")
    parser.add_argument("--keep", type=pathlib.Path, default=pathlib.Path(tempfile.gettempdir()) / "toccata-bench-search", help="peers and the collection")
    args = parser.parse_args()
    args.keep.mkdir(parents=True, exist_ok=True)
    if not args.no_peers:
        enter_venv(args.keep / "venv")
    documents, queries = collection(args.keep)
    print(f"{len(documents)} documents, {len(queries)} queries")
    print(f"{'':12} nDCG@10 recall@10  s for all queries")
    with tempfile.TemporaryDirectory() as folder:
        engines = {"toccata": lambda: ours(args.toccata, documents, queries, pathlib.Path(folder))}
        if not args.no_peers:
            engines |= {"rank_bm25": lambda: with_rank_bm25(documents, queries), "bm25s": lambda: with_bm25s(documents, queries),
                        "tantivy": lambda: with_tantivy(documents, queries)}
        for name, engine in engines.items():
            try:
                ranked, took = engine()
            except ImportError as error:
                print(f"{name:12} left out: {error}")
                continue
            ndcg, recall = scores(ranked, queries)
            print(f"{name:12} {ndcg:7.4f} {recall:9.4f}  {took:.2f}")


if __name__ == "__main__":
    main()
