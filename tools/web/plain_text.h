// Words of strangers that may hold markup.
#pragma once

#include <string>
#include <string_view>

namespace toccata::tools {

// What a reader sees of a title or snippet: tags of HTML go, those of `script` and `style` with all they hold; character references are
// decoded; blanks are one space, none at the ends; at most `bytes_max` bytes, cut between characters. What is no tag of HTML stays: the
// title "std::vector<int>" is text. Takes and gives valid UTF-8; of `text` at most 4 KiB are read.
std::string plain_text(std::string_view text, std::size_t bytes_max);

}  // namespace toccata::tools
