#pragma once

#include <iosfwd>

namespace toccata::cli {

// `toccata dev mask`: texts against the token masks of a schema or grammar, over o200k_harmony.
//   {"id", "schema": JSON Schema | "grammar": G, "texts": [...]}
//     -> {"compile_ms", "texts": [{"accepted", "rejected_at": token index | null}], "mask_us": {"avg", "p50", "p99", "max"}}
//     -> {"error": {"keyword", "path", "message"}} when the schema is refused
// G is a regular expression for the whole text, or {"regex": R}, or {"literals": [texts]}.
// Each text is tokenized and fed token by token: the mask is asked, the token's bit checked, the token accepted. A text
// whose tokens all pass but that may not end there is rejected at its number of tokens. mask_us: mask + accept per token.
int dev_mask(std::istream& in, std::ostream& out);

}  // namespace toccata::cli
