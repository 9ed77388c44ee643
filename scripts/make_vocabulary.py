#!/usr/bin/env python3
"""Makes core/tokenizer/data/o200k_base.bin.zst from OpenAI's o200k_base.tiktoken.

The unpacked form is what o200k_harmony.cpp reads: "TCVOCAB1", the number of tokens as a little-endian u32,
one length byte per token in id order, then all token bytes in id order. The input is a line per token,
`base64(bytes) SPACE rank`, with ranks 0, 1, 2, ... in order; the rank is the token id.

    scripts/make_vocabulary.py o200k_base.tiktoken     (needs the program `zstd`)
"""
import base64
import hashlib
import pathlib
import struct
import subprocess
import sys

SHA256 = "446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d"
OUTPUT = pathlib.Path(__file__).parent.parent / "core/tokenizer/data/o200k_base.bin.zst"


def unpacked_form(ranks: bytes) -> bytes:
    tokens = []
    for rank, line in enumerate(ranks.splitlines()):
        spelling, number = line.split(b" ")
        if int(number) != rank:
            sys.exit(f"line {rank + 1}: rank {number.decode()}, expected {rank}")
        tokens.append(base64.b64decode(spelling, validate=True))
    lengths = bytes(len(token) for token in tokens)
    return b"TCVOCAB1" + struct.pack("<I", len(tokens)) + lengths + b"".join(tokens)


def main() -> None:
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    ranks = pathlib.Path(sys.argv[1]).read_bytes()
    found = hashlib.sha256(ranks).hexdigest()
    if found != SHA256:
        sys.exit(f"{sys.argv[1]}: sha256 {found}, expected {SHA256}")
    unpacked = unpacked_form(ranks)
    zstd = ["zstd", "-19", "--check", f"--stream-size={len(unpacked)}", "-c", "-"]
    packed = subprocess.run(zstd, input=unpacked, check=True, stdout=subprocess.PIPE).stdout
    OUTPUT.parent.mkdir(exist_ok=True)
    OUTPUT.write_bytes(packed)
    digest = hashlib.sha256(unpacked).hexdigest()
    print(f"{OUTPUT}: {len(packed)} bytes; unpacked {len(unpacked)} bytes, sha256 {digest}")


if __name__ == "__main__":
    main()
