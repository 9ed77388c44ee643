// Text in XML and HTML.
#pragma once

#include <string>
#include <string_view>

namespace toccata::task {

// For content and for attributes in either kind of quotes: what is not UTF-8, and control characters that XML has no
// form for, become U+FFFD.
std::string markup(std::string_view text);

}  // namespace toccata::task
