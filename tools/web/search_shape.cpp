#include "tools/web/search_shape.h"

#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "core/base/json.h"
#include "core/base/percent.h"
#include "tools/web/plain_text.h"
#include "tools/web/web_url.h"

namespace toccata::tools {
namespace {

using nlohmann::json;

constexpr std::size_t kTitleBytesMax = 300;
constexpr std::size_t kSummaryBytesMax = 1000;
constexpr std::size_t kComplaintBytesMax = 200;
constexpr std::size_t kItemsMax = 1000;  // of one list, looked at

enum class Place { kPath, kHeader, kBody };

std::string written(const std::string& text, Place place) {
  if (place == Place::kPath) return percent_encoded(text);
  if (place == Place::kBody) return json_text(json(text));
  return text;
}

// One pass, so that a query that spells {key} stays a query.
std::string filled(std::string_view text, Place place, const std::string& key, const std::string& query, int n) {
  std::string out;
  while (!text.empty()) {
    if (text.starts_with("{query}")) {
      out += written(query, place);
      text.remove_prefix(7);
    } else if (text.starts_with("{count}")) {
      out += std::to_string(n);
      text.remove_prefix(7);
    } else if (text.starts_with("{key}")) {
      out += written(key, place);
      text.remove_prefix(5);
    } else {
      out += text[0];
      text.remove_prefix(1);
    }
  }
  return out;
}

Error bad(const SearchShape& shape, const std::string& what) {
  return Error{ErrorCode::kInvalidArgument, "search service '" + shape.name + "': " + what};
}

// "" is the whole value.
const json* at(const json& value, const std::string& pointer) {
  const json::json_pointer where(pointer);
  return value.contains(where) ? &value.at(where) : nullptr;
}

std::string text_at(const json& item, const std::string& pointer) {
  const json* value = at(item, pointer);
  if (value == nullptr) return {};
  if (value->is_string()) return value->get<std::string>();
  std::string joined;
  if (!value->is_array()) return joined;
  for (const json& part : *value) {
    if (!part.is_string() || joined.size() > kSummaryBytesMax) continue;
    joined += (joined.empty() ? "" : " ... ") + part.get<std::string>();
  }
  return joined;
}

std::string summary_of(const SearchShape& shape, const json& item) {
  for (const std::string& pointer : shape.summaries) {
    if (std::string text = text_at(item, pointer); !text.empty()) return text;
  }
  return {};
}

bool is_pointer(const std::string& text) {
  try {
    const json::json_pointer pointer(text);
    return true;
  } catch (const json::exception&) {
    return false;
  }
}

}  // namespace

Result<void> check_shape(const SearchShape& shape) {
  if (shape.method != "GET" && shape.method != "POST") return bad(shape, "its method is '" + shape.method + "', expected GET or POST");
  const std::string url = shape.base + shape.path;
  // Everything up to the path is the user's: no query may choose the host.
  const std::size_t host = url.find("://");
  const std::size_t path = host == std::string::npos ? host : url.find_first_of("/?", host + 3);
  if (url.substr(0, path).find('{') != std::string::npos) return bad(shape, "its URL has a placeholder in the host");
  if (const auto parsed = parse_web_url(filled(url, Place::kPath, "k", "q", 1)); !parsed) return bad(shape, "its URL: " + parsed.error().message);
  const bool asks = url.find("{query}") != std::string::npos || shape.body.find("{query}") != std::string::npos;
  if (!asks) return bad(shape, "neither its URL nor its body has {query}");
  if (shape.method == "GET" && !shape.body.empty()) return bad(shape, "a GET has no body");
  if (!shape.body.empty() && !is_json(filled(shape.body, Place::kBody, "k", "q", 1))) {
    return bad(shape, "its body is not JSON once {query}, {count} and {key} are filled in (they bring their own quotes)");
  }
  for (const auto& [name, value] : shape.headers) {
    if (name.empty() || name.find_first_of(": \r\n") != std::string::npos || value.find_first_of("\r\n") != std::string::npos) {
      return bad(shape, "'" + name + "' is no header");
    }
    if (value.find("{query}") != std::string::npos) return bad(shape, "the header " + name + " has {query}: put it in the URL or the body");
  }
  if (shape.read != nullptr) return {};
  if (shape.lists.empty()) return bad(shape, "it names no list of results");
  if (shape.link.empty()) return bad(shape, "it does not say where the URL of a result is");
  std::vector<std::string> pointers = shape.lists;
  pointers.insert(pointers.end(), shape.summaries.begin(), shape.summaries.end());
  pointers.insert(pointers.end(), {shape.title, shape.link});
  for (const std::string& pointer : pointers) {
    if (!is_pointer(pointer)) return bad(shape, "'" + pointer + "' is no JSON pointer such as /results or /web/results");
  }
  return {};
}

net::Request search_request(const SearchShape& shape, const std::string& key, const std::string& query, int n_max) {
  const int n = std::clamp(n_max, 1, shape.results_max);
  net::Request request;
  request.method = shape.method;
  request.url = shape.base + filled(shape.path, Place::kPath, key, query, n);
  request.headers = {{"Accept", "application/json"}, {"User-Agent", "Toccata"}};
  if (!shape.body.empty()) request.headers.emplace_back("Content-Type", "application/json");
  for (const auto& [name, value] : shape.headers) {
    if (key.empty() && value.find("{key}") != std::string::npos) continue;
    request.headers.emplace_back(name, filled(value, Place::kHeader, key, query, n));
  }
  request.body = filled(shape.body, Place::kBody, key, query, n);
  return request;
}

SearchHit make_hit(std::string_view url, std::string_view title, std::string_view summary) {
  const auto parsed = parse_web_url(url);
  if (!parsed) return {};
  return {parsed->text(), plain_text(title, kTitleBytesMax), plain_text(summary, kSummaryBytesMax)};
}

Result<std::vector<SearchHit>> read_hits(const SearchShape& shape, const json& answer, int n_max) {
  std::vector<SearchHit> hits;
  bool has_list = false;
  for (const std::string& pointer : shape.lists) {
    const json* list = at(answer, pointer);
    if (list == nullptr || !list->is_array()) continue;
    has_list = true;
    const std::size_t n_items = std::min(list->size(), kItemsMax);
    for (std::size_t i = 0; i < n_items && static_cast<int>(hits.size()) < n_max; ++i) {
      const json& item = (*list)[i];
      if (!item.is_object() && !item.is_array()) continue;
      const json* link = at(item, shape.link);
      if (link == nullptr || !link->is_string()) continue;
      SearchHit hit = make_hit(link->get_ref<const std::string&>(), shape.title.empty() ? "" : text_at(item, shape.title), summary_of(shape, item));
      if (!hit.url.empty()) hits.push_back(std::move(hit));
    }
  }
  if (has_list || (shape.lists_optional && answer.is_object() && complaint(answer).empty())) return hits;
  std::string wanted;
  for (const std::string& pointer : shape.lists) wanted += (wanted.empty() ? "" : " or ") + pointer;
  const std::string said = complaint(answer);
  return Error{
      ErrorCode::kCorrupt, said.empty() ? "its answer has no list at " + wanted : "it answered: " + said};
}

std::string complaint(const json& answer) {
  for (const char* pointer : {"/error/message", "/error/info", "/error/detail", "/error/0/msg", "/error", "/detail/error", "/detail",
                              "/readableMessage", "/message"}) {
    const json* value = at(answer, pointer);
    if (value != nullptr && value->is_string()) return plain_text(value->get_ref<const std::string&>(), kComplaintBytesMax);
  }
  return {};
}

}  // namespace toccata::tools
