// Pages from the web, and local documents where there is an index.
#pragma once

#include <memory>
#include <utility>

#include "tools/browser/backend.h"
#include "tools/browser/local_index.h"
#include "tools/web/fetcher.h"

namespace toccata::tools {

// Searches the index, opens what the index has from it and everything else from the web.
class LivePages final : public BrowserBackend {
 public:
  // `index` may be null: then there is no search.
  LivePages(std::unique_ptr<LocalIndex> index, Fetcher fetcher) : index_(std::move(index)), fetcher_(std::move(fetcher)) {}

  Result<std::vector<SearchHit>> search(const std::string& query, int n_max) override {
    if (index_ == nullptr) {
      return Error{ErrorCode::kUnavailable, "there is no index to search (`toccata index add FOLDER` makes one); open a URL instead"};
    }
    return index_->search(query, n_max);
  }

  Result<Document> fetch(const std::string& url, std::stop_token stop) override {
    if (index_ != nullptr) {
      if (auto found = index_->fetch(url, stop)) return found;
    }
    auto page = fetcher_.fetch(url, stop);
    if (!page) return page.error();
    return Document{page->url, "", std::move(page->body), page->html ? DocumentKind::kHtml : DocumentKind::kText};
  }

 private:
  std::unique_ptr<LocalIndex> index_;
  Fetcher fetcher_;
};

}  // namespace toccata::tools
