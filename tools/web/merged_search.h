// Several search services as one.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tools/web/search_service.h"

namespace toccata::tools {

// What two URLs of one page have in common: host in lower case without "www.", no scheme, no fragment, no trailing slash, no parameters that
// only follow readers about (utm_*, gclid, fbclid ...), escapes of plain characters undone. For comparing, not for opening.
std::string page_key(std::string_view url);

// Reciprocal rank fusion: a page scores 1 / (60 + rank) in each list it is in, and comes out once, as the first list that has it spells it
// (a summary may come from another list). Equal scores keep the order of the lists. Source: Cormack, Clarke, Buettcher 2009.
std::vector<SearchHit> fuse(const std::vector<std::vector<SearchHit>>& lists, int n_max);

// Asks all of them at once, each on a thread of its own, and fuses what they find. An error only when none found anything and one failed; it
// then says what each said.
class MergedSearch final : public SearchService {
 public:
  explicit MergedSearch(std::vector<std::unique_ptr<SearchService>> services) : services_(std::move(services)) {}
  Result<std::vector<SearchHit>> search(const std::string& query, int n_max, std::stop_token stop) override;

 private:
  std::vector<std::unique_ptr<SearchService>> services_;
};

}  // namespace toccata::tools
