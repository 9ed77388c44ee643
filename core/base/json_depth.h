#pragma once

#include <algorithm>
#include <cstddef>
#include <string_view>

namespace toccata {

// How deep the brackets of a JSON text are nested, those in strings left out; text that is no JSON gets some number.
// nlohmann's destructor and dump() recurse: ask before parsing what a stranger wrote.
inline int json_depth(std::string_view text) {
  int depth = 0;
  int deepest = 0;
  bool in_string = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_string) {
      if (c == '\\') ++i;
      if (c == '"') in_string = false;
    } else if (c == '"') {
      in_string = true;
    } else if (c == '{' || c == '[') {
      deepest = std::max(deepest, ++depth);
    } else if (c == '}' || c == ']') {
      --depth;
    }
  }
  return deepest;
}

}  // namespace toccata
