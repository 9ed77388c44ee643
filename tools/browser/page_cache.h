// Pages by way of a PageStore: kept between runs, recorded for each run, read again from the record.
#pragma once

#include <map>
#include <memory>
#include <utility>

#include "tools/browser/backend.h"
#include "tools/browser/page_store.h"
#include "tools/web/fetcher.h"

namespace toccata::tools {

// A page from the store while it is fresh, otherwise from the network, asked for with what tells whether it has changed.
// The address policy counts for pages from the store as for any other. `store` may be null.
Result<FetchedPage> fetch_cached(Fetcher& fetcher, PageStore* store, const std::string& url, std::stop_token stop);

// Records under the run of each call what `inner` answers, errors included.
class RecordingBackend final : public BrowserBackend {
 public:
  RecordingBackend(std::unique_ptr<BrowserBackend> inner, std::shared_ptr<PageStore> store)
      : inner_(std::move(inner)), store_(std::move(store)) {}
  Result<std::vector<SearchHit>> search(const std::string& query, int n_max, std::stop_token stop) override;
  Result<Document> fetch(const std::string& url, std::stop_token stop) override;
  bool is_local() const override { return inner_->is_local(); }
  void begin_call(const std::string& key) override;

 private:
  std::unique_ptr<BrowserBackend> inner_;
  std::shared_ptr<PageStore> store_;
  std::string run_;
};

// Answers as run `run` was answered: the first time it asks as the first time, and so on. What the run never asked is an
// error that says so. Nothing goes to the network.
class ReplayingBackend final : public BrowserBackend {
 public:
  ReplayingBackend(std::shared_ptr<PageStore> store, std::string run) : store_(std::move(store)), run_(std::move(run)) {}
  Result<std::vector<SearchHit>> search(const std::string& query, int n_max, std::stop_token stop) override;
  Result<Document> fetch(const std::string& url, std::stop_token stop) override;

 private:
  Result<std::string> next(const char* kind, const std::string& key);
  std::shared_ptr<PageStore> store_;
  std::string run_;
  std::map<std::pair<std::string, std::string>, int> n_asked_;
};

}  // namespace toccata::tools
