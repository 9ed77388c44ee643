#!/usr/bin/env python3
"""Writes blocks.json: random GGUF blocks of every quantised type and the floats that they stand for.

    pip install gguf==0.19.0 && tests/data/gguf/write_blocks.py

The floats come from gguf.quants.dequantize of that package (MIT, by the authors of llama.cpp): an implementation in numpy
that shares nothing with ours. The same seed gives the same file.
"""
import json
import pathlib

import gguf
import numpy as np

# Offsets of the f16 fields, which get sane values; every other byte is random.
HALVES = {
    "Q4_0": [0], "Q4_1": [0, 2], "Q5_0": [0], "Q5_1": [0, 2], "IQ4_NL": [0], "IQ4_XS": [0],
    "Q2_K": [80, 82], "Q3_K": [108], "Q4_K": [0, 2], "Q5_K": [0, 2], "Q6_K": [208],
}
SCALES = [0.03125, -0.0123, 3e-6, 1.5]  # 3e-6 is subnormal as f16


def main():
    rng = np.random.default_rng(20)
    out = {}
    for name, halves in HALVES.items():
        kind = gguf.GGMLQuantizationType[name]
        values, size = gguf.GGML_QUANT_SIZES[kind]
        n_blocks = 4 if values == 32 else 2
        blocks = rng.integers(0, 256, (n_blocks, size), dtype=np.uint8)
        for b, block in enumerate(blocks):
            for i, at in enumerate(halves):
                block[at : at + 2] = np.array([SCALES[(b + i) % len(SCALES)]], "<f2").view(np.uint8)
        floats = gguf.quants.dequantize(blocks, kind).ravel()
        out[name] = {"blocks": blocks.tobytes().hex(), "values": [float(f"{x:.9g}") for x in floats]}
    rows = [f'"{name}": {json.dumps(entry)}' for name, entry in out.items()]
    origin = '"origin": "write_blocks.py, gguf 0.19.0 from PyPI"'
    pathlib.Path(__file__).with_name("blocks.json").write_text("{" + ",\n".join([origin, *rows]) + "}\n")


if __name__ == "__main__":
    main()
