#!/usr/bin/env python3
"""A task over a dataset as Ray tasks, a shard each: ray_batch.py TASK.yaml ROWS.jsonl OUT --shards 8 [-- options of task run]

A worker that is lost has its shard done again by another, which goes on with the rows that are not in its results: OUT must
be seen by all workers. In the end OUT has shard-*.jsonl, all.jsonl and report.html.
"""

import argparse
import os
import pathlib
import socket
import subprocess
import sys

import ray

# Every row has ended: passed, failed, or was cut off by a limit. Anything else is worth another try.
ENDED = {0, 1, 3, 4, 5, 8, 124}


class NotDone(Exception):
    pass


@ray.remote(num_cpus=1, max_retries=3, retry_exceptions=[NotDone])
def run_shard(command: list, out: str, index: int, count: int) -> dict:
    shard = [*command, "--shard", f"{index}/{count}", "--results", f"{out}/shard-{index}.jsonl"]
    done = subprocess.run(shard, env={**os.environ, "TOCCATA_LEDGER": f"{out}/runs-{index}.db"}, capture_output=True, text=True, check=False)
    if done.returncode not in ENDED:
        raise NotDone(f"shard {index} of {count} ended with {done.returncode}: {done.stderr[-2000:]}")
    return {"shard": index, "exit_code": done.returncode, "worker": f"{socket.gethostname()}:{os.getpid()}"}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("task")
    parser.add_argument("rows")
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--shards", type=int, default=8)
    words = sys.argv[1:]
    cut = words.index("--") if "--" in words else len(words)
    args = parser.parse_args(words[:cut])
    args.out.mkdir(parents=True, exist_ok=True)
    command = ["toccata", "task", "run", args.task, "--dataset", args.rows, *words[cut + 1 :]]

    ray.init(log_to_driver=False)  # a cluster's address comes from RAY_ADDRESS
    waiting = [run_shard.remote(command, str(args.out.resolve()), i, args.shards) for i in range(args.shards)]
    while waiting:
        ready, waiting = ray.wait(waiting)
        print(ray.get(ready[0]), flush=True)

    # All rows are recorded now: this only writes the report, and gives the exit code of the whole.
    merged = args.out / "all.jsonl"
    merged.write_text("".join((args.out / f"shard-{i}.jsonl").read_text() for i in range(args.shards) if (args.out / f"shard-{i}.jsonl").exists()))
    return subprocess.run([*command, "--results", merged, "--html", args.out / "report.html"], check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
