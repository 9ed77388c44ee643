#pragma once

#include <filesystem>
#include <iosfwd>

namespace toccata::cli {

struct DevSearchOptions {
  std::filesystem::path index;  // when the request names none
};

// {"id", "index"?, "query", "limit"?} -> {"ids": [urls, best first]}
int dev_search(const DevSearchOptions& options, std::istream& in, std::ostream& out);

}  // namespace toccata::cli
