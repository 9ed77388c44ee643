#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace toccata::tools {

// Lines of at most `width` characters, cut as Python's textwrap.wrap(text, width, replace_whitespace=False,
// drop_whitespace=False) cuts them: at blanks, after hyphens inside words, round dashes; longer words are broken.
// `text` is one line of valid UTF-8; tabs go to the next multiple of 8. The empty text has no lines.
std::vector<std::string> wrap_line(std::string_view text, std::size_t width);

}  // namespace toccata::tools
