// The search services we know, each as a value.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tools/web/search_shape.h"

namespace toccata::tools {

// SearXNG, MediaWiki, Brave, Exa, Jina, Kagi, Serper, Tavily and You.com, as their documentation describes them in 2026.
const std::vector<SearchShape>& known_searches();

// "brave", or with an address of its own "searxng=http://127.0.0.1:8888". `more`: the user's, looked at first. kInvalidArgument lists what is
// known, or says why the address is none.
Result<SearchShape> choose_search(std::string_view spec, const std::vector<SearchShape>& more = {});

}  // namespace toccata::tools
