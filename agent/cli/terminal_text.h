#pragma once

#include <string>
#include <string_view>

namespace toccata::cli {

// `text` with every control character but newline and tab replaced by U+FFFD, so that what a model or a page wrote
// cannot drive the terminal.
std::string for_terminal(std::string_view text);

}  // namespace toccata::cli
