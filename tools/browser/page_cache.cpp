#include "tools/browser/page_cache.h"

#include <nlohmann/json.hpp>

#include "core/base/json.h"

namespace toccata::tools {
namespace {

using Json = nlohmann::ordered_json;

constexpr const char* kPage = "page";
constexpr const char* kSearch = "search";

std::string dump(const Json& json) { return json_text(json); }

std::string failure_json(const Error& error) { return dump({{"error", static_cast<int>(error.code)}, {"message", error.message}}); }

std::string text_of(const Json& json, const char* key) {
  const auto value = json.find(key);
  return value != json.end() && value->is_string() ? value->get<std::string>() : std::string();
}

// What a record may hold is not what we wrote: another version, a damaged file.
Result<Json> answer_in(const std::string& text) {
  Json json = json_from<Json>(text);
  if (!json.is_object()) return Error{ErrorCode::kCorrupt, "the recording of this answer is damaged"};
  if (!json.contains("error")) return json;
  const Json& code = json["error"];
  const bool known = code.is_number_unsigned() && code <= static_cast<int>(ErrorCode::kIo);
  return Error{known ? static_cast<ErrorCode>(code.get<int>()) : ErrorCode::kUnavailable, text_of(json, "message")};
}

}  // namespace

Result<FetchedPage> fetch_cached(Fetcher& fetcher, PageStore* store, const std::string& url, std::stop_token stop) {
  if (store == nullptr) return fetcher.fetch(url, stop);
  if (const auto allowed = fetcher.judge(url); !allowed) return allowed.error();
  // Not what a redirect led to: how long that one holds nobody has said, and where it leads this run may not be to read.
  const std::string asked = parse_web_url(url).value_or_throw().text();
  auto known = store->find(url);
  if (known && (known->page.url != asked || fetcher.is_exception(url))) known.reset();
  if (known && store->now() >= known->stored_s && store->now() < known->fresh_until_s) return known->page;
  Validators validators;
  if (known) validators = {known->page.etag, known->page.last_modified};
  auto page = fetcher.fetch(url, stop, validators);
  if (!page) return page;
  if (page->not_modified) {
    store->renew(url, page->fresh);
    return known->page;
  }
  if (page->url == asked && !fetcher.is_exception(url)) {
    store->keep(url, *page);
  } else {
    store->drop(url);
  }
  return page;
}

void RecordingBackend::begin_call(const std::string& key) {
  run_ = key.substr(0, std::min(key.size(), key.rfind('/')));
  inner_->begin_call(key);
}

Result<std::vector<SearchHit>> RecordingBackend::search(const std::string& query, int n_max, std::stop_token stop) {
  auto hits = inner_->search(query, n_max, stop);
  if (!hits && hits.error().code == ErrorCode::kCancelled) return hits;
  if (!hits) {
    store_->record(run_, kSearch, query, failure_json(hits.error()));
    return hits;
  }
  Json list = Json::array();
  for (const SearchHit& hit : *hits) list.push_back({{"url", hit.url}, {"title", hit.title}, {"summary", hit.summary}});
  store_->record(run_, kSearch, query, dump({{"hits", std::move(list)}}));
  return hits;
}

Result<Document> RecordingBackend::fetch(const std::string& url, std::stop_token stop) {
  auto page = inner_->fetch(url, stop);
  if (!page && page.error().code == ErrorCode::kCancelled) return page;
  store_->record(
      run_, kPage, url,
      !page ? failure_json(page.error())
            : dump({{"url", page->url}, {"title", page->title}, {"html", page->kind == DocumentKind::kHtml}, {"source", page->source}})
  );
  return page;
}

Result<std::string> ReplayingBackend::next(const char* kind, const std::string& key) {
  auto answer = store_->recorded(run_, kind, key, n_asked_[{kind, key}]++);
  if (answer) return std::move(*answer);
  return Error{ErrorCode::kNotFound, "the recording of run " + run_ + " has no such " + kind + ": this run took another way"};
}

Result<std::vector<SearchHit>> ReplayingBackend::search(const std::string& query, int n_max, std::stop_token) {
  const auto text = next(kSearch, query);
  if (!text) return text.error();
  const auto json = answer_in(*text);
  if (!json) return json.error();
  std::vector<SearchHit> hits;
  const auto list = json->find("hits");
  if (list == json->end() || !list->is_array()) return Error{ErrorCode::kCorrupt, "the recording of this answer is damaged"};
  for (const Json& hit : *list) {
    if (!hit.is_object() || static_cast<int>(hits.size()) >= n_max) continue;
    hits.push_back({text_of(hit, "url"), text_of(hit, "title"), text_of(hit, "summary")});
  }
  return hits;
}

Result<Document> ReplayingBackend::fetch(const std::string& url, std::stop_token) {
  const auto text = next(kPage, url);
  if (!text) return text.error();
  const auto json = answer_in(*text);
  if (!json) return json.error();
  return Document{
      text_of(*json, "url"), text_of(*json, "title"), text_of(*json, "source"),
      json->contains("html") && (*json)["html"] == true ? DocumentKind::kHtml : DocumentKind::kText};
}

}  // namespace toccata::tools
