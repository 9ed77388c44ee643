// What a tool has shown under numbers that an answer can cite: 【cursor†L3-L5】.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace toccata::tools {

struct CitablePage {
  std::string url;                 // "": results of a search, which nobody can open
  std::string title;
  std::vector<std::string> lines;  // line k is what the tool shows as "Lk: ...", link markers replaced by their text
};

class CitablePages {
 public:
  virtual ~CitablePages() = default;
  // The page that `cursor` shows; none: there is no such cursor.
  virtual std::optional<CitablePage> citable(std::int64_t cursor) const = 0;
};

}  // namespace toccata::tools
