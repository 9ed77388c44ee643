// A web of files: pages and search answers from tests/data/browser.
#pragma once

#include <nlohmann/json.hpp>

#include "core/base/json.h"
#include "core/base/mapped_file.h"
#include "tools/browser/backend.h"

namespace toccata::testing {

// https://HOST/PATH is the file FOLDER/pages/HOST/PATH; FOLDER/search.json maps queries to hits.
class FolderBackend final : public tools::BrowserBackend {
 public:
  explicit FolderBackend(std::filesystem::path folder) : folder_(std::move(folder)) {
    searches_ = json_from_valid<nlohmann::json>(read_text_file(folder_ / "search.json").value_or_throw());
  }

  Result<std::vector<tools::SearchHit>> search(const std::string& query, int n_max, std::stop_token) override {
    const auto found = searches_.find(query);
    if (found == searches_.end()) return Error{ErrorCode::kUnavailable, "no answer"};
    std::vector<tools::SearchHit> hits;
    for (const auto& hit : *found) {
      if (static_cast<int>(hits.size()) < n_max) hits.push_back({hit["url"], hit["title"], hit["summary"]});
    }
    return hits;
  }

  Result<tools::Document> fetch(const std::string& url, std::stop_token) override {
    ++n_fetches;
    const std::string path = url.substr(url.find("://") + 3);
    auto source = read_text_file(folder_ / "pages" / path.substr(0, path.find('?')));
    if (!source) return Error{ErrorCode::kNotFound, "no such page"};
    return tools::Document{url, "", std::move(*source), tools::DocumentKind::kHtml};
  }

  int n_fetches = 0;

 private:
  std::filesystem::path folder_;
  nlohmann::json searches_;
};

}  // namespace toccata::testing
