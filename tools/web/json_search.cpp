#include "tools/web/json_search.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "core/base/json.h"
#include "core/base/json_depth.h"
#include "tools/web/plain_text.h"
#include "tools/web/utf8.h"
#include "tools/web/web_url.h"

namespace toccata::tools {
namespace {

using nlohmann::json;
using std::chrono::ceil;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr int kDepthMax = 64;
constexpr std::size_t kQueryBytesMax = 2000;
constexpr seconds kWaitUnnamed{30};  // after 429 without a Retry-After
constexpr const char* kOpenInstead = "; open a URL you know instead";

bool wants_rest(int status) { return status == 429 || status == 503; }

// Whole characters of a query that is too long for a URL.
std::string bounded(const std::string& query) {
  if (query.size() <= kQueryBytesMax) return query;
  std::size_t end = kQueryBytesMax;
  while (end > 0 && (static_cast<unsigned char>(query[end]) & 0xC0) == 0x80) --end;
  return query.substr(0, end);
}

void replace_all(std::string& text, const std::string& what, const std::string& with) {
  for (std::size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + with.size())) {
    text.replace(at, what.size(), with);
  }
}

std::optional<json> parsed(const std::string& body) {
  if (json_depth(body) > kDepthMax) return std::nullopt;
  json value = json_from<json>(utf8_form(body).n_bad == 0 ? body : mended_utf8(body));
  return value.is_discarded() ? std::nullopt : std::optional(std::move(value));
}

}  // namespace

JsonSearch::JsonSearch(SearchShape shape, std::string key, ProxyRules proxy, SearchLimits limits, WebClock clock)
    : shape_(std::move(shape)), key_(std::move(key)), proxy_(std::move(proxy)), limits_(limits), clock_(std::move(clock)) {}

Result<std::vector<SearchHit>> JsonSearch::search(const std::string& query, int n_max, std::stop_token stop) {
  if (shape_.key_required && key_.empty()) {
    return failure(
        ErrorCode::kPermissionDenied,
        "has no API key; only the user can give one (" + (shape_.key_variable.empty() ? "key_file" : shape_.key_variable) + ")" + kOpenInstead);
  }
  net::Request request = search_request(shape_, key_, bounded(query), n_max);
  if (const auto url = parse_web_url(request.url)) request.proxy = proxy_.proxy_for(*url);
  request.connect_timeout = limits_.connect;
  request.idle_timeout = limits_.idle;
  request.total_timeout = limits_.total;
  request.body_bytes_max = limits_.body_bytes_max;
  for (int n_asked = 1;; ++n_asked) {
    const WebClock::Time now = clock_.now();
    if (closed_ && now < *closed_) {
      return failure(
          ErrorCode::kResourceExhausted,
          "asks for a pause: search again after " + std::to_string(ceil<seconds>(*closed_ - now).count()) + " seconds");
    }
    if (last_ && now < *last_ + shape_.interval && !clock_.sleep(ceil<milliseconds>(*last_ + shape_.interval - now), stop)) {
      return failure(ErrorCode::kCancelled, "was not asked: stopped");
    }
    last_ = clock_.now();
    auto response = client_.send(request, stop);
    if (!response) {
      const Error& error = response.error();
      const bool giant = error.code == ErrorCode::kResourceExhausted;
      const std::string what = giant ? "answered more than " + std::to_string(limits_.body_bytes_max >> 20) + " MiB"
                                     : "cannot be reached: " + error.message + kOpenInstead;
      return failure(error.code, what);
    }
    if (response->status == 200) return hits_of(*response, n_max);
    const auto asked = response->header("retry-after");
    const seconds wait = retry_after(asked.value_or(""), std::chrono::system_clock::now()).value_or(kWaitUnnamed);
    if (n_asked > 1 || !wants_rest(response->status) || wait > limits_.retry_wait_max) return refusal(*response, wait);
    if (!clock_.sleep(wait, stop)) return failure(ErrorCode::kCancelled, "was not asked again: stopped");
  }
}

Result<std::vector<SearchHit>> JsonSearch::hits_of(const net::Response& response, int n_max) const {
  const std::optional<json> answer = parsed(response.body);
  if (!answer) {
    const std::string type = plain_text(response.header("content-type").value_or("no type"), 60);
    return failure(ErrorCode::kCorrupt, "answered something that is not JSON (" + type + ")" + kOpenInstead);
  }
  auto hits = shape_.read != nullptr ? shape_.read(shape_, *answer, n_max) : read_hits(shape_, *answer, n_max);
  if (!hits) return failure(hits.error().code, "gave no results: " + hits.error().message);
  for (SearchHit& hit : *hits) {
    hit = {without_key(std::move(hit.url)), without_key(std::move(hit.title)), without_key(std::move(hit.summary))};
  }
  return hits;
}

// Words for every status but 200.
Error JsonSearch::refusal(const net::Response& response, seconds wait) {
  const int status = response.status;
  const std::optional<json> answer = parsed(response.body);
  const std::string said = answer ? complaint(*answer) : "";
  const std::string details = " (HTTP " + std::to_string(status) + (said.empty() ? ")" : "): " + said);
  if (status == 429) {
    closed_ = clock_.now() + wait;
    return failure(
        ErrorCode::kResourceExhausted,
        "got too many requests or its quota is used up; search again after " + std::to_string(wait.count()) + " seconds" + details);
  }
  if (status == 402 || status == 432 || status == 433) {  // Tavily's own numbers for a plan that is used up
    return failure(ErrorCode::kResourceExhausted, "has no quota left; only the user can change that" + details + kOpenInstead);
  }
  if (status == 401 || status == 403) {
    const bool keyed = !shape_.key_variable.empty() || !key_.empty();
    const std::string why = keyed ? "refused its API key; only the user can change that" : "refused the request";
    const std::string hint = status == 403 && !shape_.refused_hint.empty() ? "; " + shape_.refused_hint : std::string(kOpenInstead);
    return failure(ErrorCode::kPermissionDenied, why + details + hint);
  }
  if (status / 100 == 3) {
    return failure(ErrorCode::kUnavailable, "answered with a redirect, which is not followed; its address is not the right one" + details);
  }
  if (status == 400 || status == 422) return failure(ErrorCode::kUnavailable, "did not understand the query; try other words" + details);
  const std::string later = status / 100 == 5 ? "is out of order; try again later" : "gave no results";
  return failure(ErrorCode::kUnavailable, later + details);
}

Error JsonSearch::failure(ErrorCode code, const std::string& what) const { return Error{code, without_key(shape_.name + " " + what)}; }

std::string JsonSearch::without_key(std::string text) const {
  if (key_.size() < 4) return text;
  replace_all(text, key_, "[key]");
  SearchShape spelled;
  spelled.path = "{key}";
  const std::string encoded = search_request(spelled, key_, "", 1).url;
  if (encoded != key_) replace_all(text, encoded, "[key]");
  return text;
}

}  // namespace toccata::tools
