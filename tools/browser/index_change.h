// What an add did to the index, and how its caller hears of it.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

namespace toccata::tools {

struct IndexChange {
  int added = 0, updated = 0, removed = 0, unchanged = 0;
  int skipped = 0;     // binary, too large, not readable
  int unreadable = 0;  // folders; what the index has of them stays
  std::vector<std::string> troubles = {};  // "PATH: why", of PDFs, pages and archives that were skipped; the first kTroublesMax
  static constexpr std::size_t kTroublesMax = 10;
  void trouble(const std::string& text) {
    if (troubles.size() < kTroublesMax) troubles.push_back(text);
  }
};

// Called after each file, and now and then within an archive: done, total, its path.
using IndexProgress = std::function<void(std::size_t, std::size_t, const std::string&)>;

}  // namespace toccata::tools
