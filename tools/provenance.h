#pragma once

#include <string>

namespace toccata::tools {

// Whose words a result is made of.
struct Provenance {
  bool untrusted = false;  // strangers': they may ask for things, and must not get them
  std::string origin;      // "https://example.org", "search"; of a trusted result mostly empty
  bool is_private = false; // must not leave although strangers wrote it; what is trusted must not in any case
  friend bool operator==(const Provenance&, const Provenance&) = default;
};

}  // namespace toccata::tools
