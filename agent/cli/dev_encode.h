// `toccata dev encode` and `toccata dev decode`: the tokenizer as a machine interface.
#pragma once

#include <filesystem>
#include <iosfwd>

namespace toccata::cli {

struct DevEncodeOptions {
  std::filesystem::path tokenizer;  // a tokenizer.json; empty = o200k_harmony
};
struct DevDecodeOptions {
  std::filesystem::path tokenizer;
};

// {"id", "text", "allowed_special": "all"|"none"} -> {"tokens": [...]}; without allowed_special, "none".
int dev_encode(const DevEncodeOptions& options, std::istream& in, std::ostream& out);

// {"id", "tokens": [...]} -> {"text"}, or {"error"} for an unknown id or bytes that are not UTF-8.
int dev_decode(const DevDecodeOptions& options, std::istream& in, std::ostream& out);

}  // namespace toccata::cli
