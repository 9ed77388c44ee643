// Where a page leads, for a crawler.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace toccata::tools {

struct PageLinks {
  std::vector<std::string> urls;  // absolute, without fragments, each once, in the order of the page; those marked nofollow are left out
  bool index = true;              // false: <meta name="robots"> asks to be left out of indexes
  bool follow = true;             // false: the same of its links; then there are none
};

// `source` is HTML in UTF-8. Never fails; a page that cannot be parsed has no links.
PageLinks links_of(std::string_view url, std::string_view source);

}  // namespace toccata::tools
