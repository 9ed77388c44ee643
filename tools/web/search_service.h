// What the browser tool's search asks: one interface for every service of the web and for the index of local documents.
#pragma once

#include <stop_token>
#include <string>
#include <vector>

#include "core/base/error.h"

namespace toccata::tools {

struct SearchHit {
  std::string url;
  std::string title;
  std::string summary;  // a few words round the match
  friend bool operator==(const SearchHit&, const SearchHit&) = default;
};

// One thread at a time. Errors are told to the model in their own words: they say what it can do next.
class SearchService {
 public:
  virtual ~SearchService() = default;
  // Best first, at most `n_max`.
  virtual Result<std::vector<SearchHit>> search(const std::string& query, int n_max, std::stop_token stop) = 0;
};

}  // namespace toccata::tools
