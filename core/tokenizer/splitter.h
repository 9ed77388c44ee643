// Splitting text into pieces before byte-pair merging: what the regular expression in a tokenizer's
// definition does, written by hand for the patterns we know.
//
// A piece never depends on what came before it, so a splitter is a function from the rest of the text to the
// length of its first piece.
#pragma once

#include <cstddef>
#include <optional>
#include <string_view>

namespace toccata::tokenizer {

// Length in bytes, >= 1, of the first piece. Requires !text.empty(). A byte that is not UTF-8 belongs to no
// character class: it ends the piece before it as the end of the text would, and is a piece of its own.
using Splitter = std::size_t (*)(std::string_view text);

// The pattern of o200k_base and o200k_harmony:
//   [^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?
//   [^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?
//   \p{N}{1,3}
//    ?[^\s\p{L}\p{N}]+[\r\n/]*
//   \s*[\r\n]+
//   \s+(?!\S)
//   \s+
std::size_t o200k_piece(std::string_view text);

// The pattern of nano, where a word is the same tokens whatever stands before it:
//   [A-Za-z]+|[0-9]{1,2}| |\n|[^A-Za-z0-9\s]+|\s
std::size_t nano_piece(std::string_view text);

// The splitter for a pattern as tokenizer.json spells it; nullopt when it is another pattern.
std::optional<Splitter> splitter_for(std::string_view pattern);

}  // namespace toccata::tokenizer
