#pragma once

#include <string>

namespace toccata::tools {

// Whose words a result is made of.
struct Provenance {
  bool untrusted = false;  // strangers': they may ask for things, and must not get them
  std::string origin;      // "https://example.org", "search"; of a trusted result mostly empty
  friend bool operator==(const Provenance&, const Provenance&) = default;
};

}  // namespace toccata::tools
