// Text as the words an index knows.
//
//   - Letters and digits in lower case, compatibility forms as their plain ones; Latin, Greek and Cyrillic without accents.
//   - A name of a program ("readFile", "read_file") is its parts and, joined, one word more ("readfile").
//   - Scripts that put no blanks between words (Chinese, Japanese, Thai, ...; Korean for its endings): pairs of neighbours.
//     What is indexed has single characters too, so that a query of one finds it.
#pragma once

#include <functional>
#include <string>
#include <string_view>

namespace toccata::tools {

enum class WordUse { kIndex, kQuery };

// A word and where it stands in the text: [begin, end).
using WordSink = std::function<void(std::string_view word, std::size_t begin, std::size_t end)>;

// In the order of the text; no word is longer than 64 bytes (longer runs are no words). Any bytes are text.
void for_each_word(std::string_view text, WordUse use, const WordSink& sink);

// English endings taken off, by Porter's algorithm (Program 14(3), 1980): "connections" -> "connect". Words with other letters
// than a-z stay as they are.
std::string stem(std::string_view word);

}  // namespace toccata::tools
