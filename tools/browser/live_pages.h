// Pages from the web, and local documents where there is an index.
#pragma once

#include <memory>
#include <utility>
#include <vector>

#include "tools/browser/backend.h"
#include "tools/browser/local_index.h"
#include "tools/browser/page_cache.h"
#include "tools/web/fetcher.h"
#include "tools/web/merged_search.h"

namespace toccata::tools {

// Searches the index and the services given, opens what the index has from it and everything else from the web.
class LivePages final : public BrowserBackend {
 public:
  // `index` may be null and `services` empty: without both there is no search.
  // Pages are kept in `store`, if there is one.
  LivePages(
      std::unique_ptr<LocalIndex> index, Fetcher fetcher, std::vector<std::unique_ptr<SearchService>> services = {},
      std::shared_ptr<PageStore> store = nullptr
  )
      : index_(std::move(index)), can_search_(index_ != nullptr || !services.empty()), search_(with_index(index_.get(), std::move(services))),
        fetcher_(std::move(fetcher)), store_(std::move(store)) {}

  Result<std::vector<SearchHit>> search(const std::string& query, int n_max, std::stop_token stop) override {
    if (!can_search_) {
      return Error{
          ErrorCode::kUnavailable,
          "there is nothing to search: no index (`toccata index add FOLDER` makes one) and no search service (--search); open a URL instead"};
    }
    return search_.search(query, n_max, stop);
  }

  Result<Document> fetch(const std::string& url, std::stop_token stop) override {
    if (index_ != nullptr) {
      if (auto found = index_->fetch(url, stop)) return found;
    }
    auto page = fetch_cached(fetcher_, store_.get(), url, stop);
    if (!page) return page.error();
    return Document{page->url, "", std::move(page->body), page->html ? DocumentKind::kHtml : DocumentKind::kText};
  }

 private:
  // The index as one service among others. It is the first, which is asked on the caller's thread.
  class IndexSearch final : public SearchService {
   public:
    explicit IndexSearch(LocalIndex& index) : index_(index) {}
    Result<std::vector<SearchHit>> search(const std::string& query, int n_max, std::stop_token stop) override {
      return index_.search(query, n_max, stop);
    }

   private:
    LocalIndex& index_;
  };

  static MergedSearch with_index(LocalIndex* index, std::vector<std::unique_ptr<SearchService>> services) {
    if (index != nullptr) services.insert(services.begin(), std::make_unique<IndexSearch>(*index));
    return MergedSearch(std::move(services));
  }

  std::unique_ptr<LocalIndex> index_;
  bool can_search_;
  MergedSearch search_;
  Fetcher fetcher_;
  std::shared_ptr<PageStore> store_;
};

}  // namespace toccata::tools
