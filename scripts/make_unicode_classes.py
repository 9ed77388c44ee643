#!/usr/bin/env python3
"""Makes core/tokenizer/unicode_classes_table.cpp: the character classes that splitting needs, per code point.

Input: lines `start..end;class` or `code;class` (hex, inclusive), classes Lu Ll Lt Lm Lo (letters), M (Mn, Mc, Me),
N (Nd, Nl, No) and WS (White_Space) of one Unicode version; what is not listed has no class. Such a file is a few
lines of any Unicode database reader; the data must be of Unicode 16.0, the version tiktoken and Hugging Face use.

    scripts/make_unicode_classes.py unicode16-classes.txt
"""
import pathlib
import sys

OUTPUT = pathlib.Path(__file__).parent.parent / "core/tokenizer/unicode_classes_table.cpp"
# Bits as in unicode_classes.h.
UPPER, LOWER, LETTER, NUMBER, SPACE = 1, 2, 4, 8, 16
BITS = {
    "Lu": UPPER | LETTER,
    "Lt": UPPER | LETTER,
    "Ll": LOWER | LETTER,
    "Lm": UPPER | LOWER | LETTER,
    "Lo": UPPER | LOWER | LETTER,
    "M": UPPER | LOWER,
    "N": NUMBER,
    "WS": SPACE,
}
BLOCK = 128  # code points a block

HEAD = """\
// Made by scripts/make_unicode_classes.py from the Unicode 16.0.0 character database; do not edit.
// Unicode data (c) Unicode, Inc., under the Unicode License v3.
#include "core/tokenizer/unicode_classes.h"

namespace toccata::tokenizer {

// clang-format off
"""


def read_classes(path: str) -> bytearray:
    classes = bytearray(0x110000)
    for line in pathlib.Path(path).read_text().splitlines():
        if not line or line.startswith("#"):
            continue
        codes, name = line.split(";")
        first, _, last = codes.partition("..")
        for code in range(int(first, 16), int(last or first, 16) + 1):
            classes[code] |= BITS[name]
    return classes


def rows(values: list[int] | bytes) -> str:
    """Numbers in rows of 48, so that a changed block is a changed line."""
    lines = (",".join(map(str, values[i : i + 48])) for i in range(0, len(values), 48))
    return ",\n".join(lines)


def main() -> None:
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    classes = read_classes(sys.argv[1])
    index, blocks = [], {}
    for start in range(0, len(classes), BLOCK):
        index.append(blocks.setdefault(bytes(classes[start : start + BLOCK]), len(blocks)))
    if len(blocks) > 256:
        sys.exit(f"{len(blocks)} different blocks do not fit a byte")
    flat = b"".join(blocks)
    OUTPUT.write_text(
        f"{HEAD}const std::uint8_t kUnicodeBlockOf[{len(index)}] = {{\n{rows(index)}\n}};\n\n"
        f"const std::uint8_t kUnicodeClasses[{len(flat)}] = {{\n{rows(flat)}\n}};\n"
        "// clang-format on\n\n}  // namespace toccata::tokenizer\n"
    )
    print(f"{OUTPUT}: {len(index)} index bytes, {len(blocks)} blocks of {BLOCK}")


if __name__ == "__main__":
    main()
