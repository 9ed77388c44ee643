// A search service as a value: what to ask and where in its JSON the answers are. Pure functions; json_search.h does the asking.
#pragma once

#include <chrono>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "core/base/error.h"
#include "core/net/client.h"
#include "tools/web/search_service.h"

namespace toccata::tools {

struct SearchShape;
// Hits of an answer whose shape no pointers can describe.
using ReadHits = Result<std::vector<SearchHit>> (*)(const SearchShape&, const nlohmann::json&, int n_max);

// Templates hold {query}, {count} and {key}: percent-encoded in the path, as JSON (quotes included) in the body, as they are in headers.
// Pointers are JSON pointers (RFC 6901).
struct SearchShape {
  std::string name;                      // "brave"
  std::string key_variable = {};         // environment variable of its key; "" = there is none
  bool key_required = false;
  std::string method = "GET";
  std::string base = {};                 // "https://api.example"; "" = the user must name it
  std::string path = {};                 // template; what follows the base
  std::vector<std::pair<std::string, std::string>> headers = {};  // templates; one that needs a key goes without it
  std::string body = {};                 // template of JSON
  std::vector<std::string> lists = {};   // pointers to arrays of results, in the order in which they are read
  bool lists_optional = false;           // nothing found = no list
  std::string title = {};                // pointers within one result
  std::string link = {};
  std::vector<std::string> summaries = {};  // the first that has text; a list of texts is joined
  int results_max = 20;
  std::chrono::milliseconds interval{0};    // least time from one request to the next
  std::string refused_hint = {};            // what HTTP 403 means here when it is not the key
  ReadHits read = nullptr;
};

// kInvalidArgument says what is wrong with a shape that a user wrote: URL, placeholders, pointers, header names.
Result<void> check_shape(const SearchShape& shape);

// Method, URL, headers and body; limits are the caller's. Each placeholder is filled once: what the query spells is never one.
net::Request search_request(const SearchShape& shape, const std::string& key, const std::string& query, int n_max);

// Results with an absolute http or https URL, titles and summaries as plain text, all bounded; the rest is left out. kCorrupt when the
// answer has none of the lists, or something else in their place.
Result<std::vector<SearchHit>> read_hits(const SearchShape& shape, const nlohmann::json& answer, int n_max);

// One result; an URL that cannot be opened makes it none (""). For ReadHits.
SearchHit make_hit(std::string_view url, std::string_view title, std::string_view summary);

// What a service says went wrong, wherever it says it, at most 200 bytes; "" when nowhere.
std::string complaint(const nlohmann::json& answer);

}  // namespace toccata::tools
