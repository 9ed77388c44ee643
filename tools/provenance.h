#pragma once

#include <string>

namespace toccata::tools {

// Whose words a result is made of.
struct Provenance {
  bool untrusted = false;  // strangers': they may ask for things, and must not get them
  std::string origin;      // "https://example.org", "search"; of a trusted result mostly empty
  bool is_private = false; // must not leave although strangers wrote it; what is trusted must not in any case
  // A program put it together, which strangers may have had the model write: an address in it has been shown by nobody.
  bool composed = false;
  friend bool operator==(const Provenance&, const Provenance&) = default;
};

}  // namespace toccata::tools
