#include "tools/web/search_services.h"

#include <algorithm>
#include <cctype>
#include <nlohmann/json.hpp>

#include "tools/web/web_url.h"

namespace toccata::tools {
namespace {

using nlohmann::json;
using std::chrono::milliseconds;

std::string string_at(const json& value, const char* key) {
  const auto found = value.is_object() ? value.find(key) : value.end();
  return found != value.end() && found->is_string() ? found->get<std::string>() : std::string();
}

// A wiki gives titles; how a page is addressed it says in the same answer (siteinfo: "//en.wikipedia.org" and "/wiki/$1").
Result<std::vector<SearchHit>> read_mediawiki(const SearchShape& shape, const json& answer, int n_max) {
  const json query = answer.is_object() ? answer.value("query", json()) : json();
  const json list = query.is_object() ? query.value("search", json()) : json();
  if (!list.is_array()) {
    const std::string said = complaint(answer);
    return Error{ErrorCode::kCorrupt, said.empty() ? "its answer has no list at /query/search" : "it answered: " + said};
  }
  const json general = query.value("general", json());
  std::string server = string_at(general, "server");
  if (server.starts_with("//")) server = (shape.base.starts_with("http:") ? "http:" : "https:") + server;
  const std::string article = string_at(general, "articlepath");
  const std::size_t hole = article.find("$1");
  std::vector<SearchHit> hits;
  for (const json& item : list) {
    if (static_cast<int>(hits.size()) >= n_max) break;
    const std::string title = string_at(item, "title");
    if (title.empty() || hole == std::string::npos) continue;
    std::string name = title;
    std::replace(name.begin(), name.end(), ' ', '_');
    // What would end the path; the rest is encoded where the URL is read.
    std::string encoded;
    for (const char c : name) encoded += c == '?' ? "%3F" : c == '#' ? "%23" : c == '%' ? "%25" : c == '&' ? "%26" : std::string(1, c);
    SearchHit hit = make_hit(server + article.substr(0, hole) + encoded + article.substr(hole + 2), title, string_at(item, "snippet"));
    if (!hit.url.empty()) hits.push_back(std::move(hit));
  }
  return hits;
}

SearchShape searxng() {
  SearchShape shape;
  shape.name = "searxng";
  shape.path = "/search?q={query}&format=json";
  shape.lists = {"/results"};
  shape.title = "/title";
  shape.link = "/url";
  shape.summaries = {"/content"};
  shape.refused_hint = "SearXNG answers programs only when its settings.yml lists json under search.formats";
  return shape;
}

SearchShape mediawiki() {
  SearchShape shape;
  shape.name = "mediawiki";
  shape.base = "https://en.wikipedia.org/w/api.php";
  shape.path = "?action=query&list=search&srsearch={query}&srlimit={count}&meta=siteinfo&siprop=general&format=json&formatversion=2";
  shape.interval = milliseconds(200);
  shape.read = read_mediawiki;
  return shape;
}

SearchShape brave() {
  SearchShape shape;
  shape.name = "brave";
  shape.key_variable = "BRAVE_API_KEY";
  shape.key_required = true;
  shape.base = "https://api.search.brave.com";
  shape.path = "/res/v1/web/search?q={query}&count={count}&text_decorations=false";
  shape.headers = {{"X-Subscription-Token", "{key}"}};
  shape.lists = {"/web/results"};
  shape.lists_optional = true;  // no result, no "web"
  shape.title = "/title";
  shape.link = "/url";
  shape.summaries = {"/description", "/extra_snippets"};
  shape.interval = milliseconds(1100);  // the free plan's one request a second
  return shape;
}

SearchShape exa() {
  SearchShape shape;
  shape.name = "exa";
  shape.key_variable = "EXA_API_KEY";
  shape.key_required = true;
  shape.method = "POST";
  shape.base = "https://api.exa.ai";
  shape.path = "/search";
  shape.headers = {{"x-api-key", "{key}"}};
  shape.body = R"({"query": {query}, "numResults": {count}, "contents": {"highlights": true, "summary": true}})";
  shape.lists = {"/results"};
  shape.title = "/title";
  shape.link = "/url";
  shape.summaries = {"/summary", "/highlights", "/text"};
  shape.interval = milliseconds(200);
  return shape;
}

SearchShape you() {
  SearchShape shape;
  shape.name = "you";
  shape.key_variable = "YDC_API_KEY";
  shape.key_required = true;
  shape.base = "https://api.ydc-index.io";
  shape.path = "/v1/search?query={query}&count={count}";
  shape.headers = {{"X-API-Key", "{key}"}};
  shape.lists = {"/results/web", "/results/news"};
  shape.lists_optional = true;
  shape.title = "/title";
  shape.link = "/url";
  shape.summaries = {"/snippets", "/description"};
  return shape;
}

SearchShape tavily() {
  SearchShape shape;
  shape.name = "tavily";
  shape.key_variable = "TAVILY_API_KEY";
  shape.key_required = true;
  shape.method = "POST";
  shape.base = "https://api.tavily.com";
  shape.path = "/search";
  shape.headers = {{"Authorization", "Bearer {key}"}};
  shape.body = R"({"query": {query}, "max_results": {count}})";
  shape.lists = {"/results"};
  shape.title = "/title";
  shape.link = "/url";
  shape.summaries = {"/content"};
  return shape;
}

SearchShape serper() {
  SearchShape shape;
  shape.name = "serper";
  shape.key_variable = "SERPER_API_KEY";
  shape.key_required = true;
  shape.method = "POST";
  shape.base = "https://google.serper.dev";
  shape.path = "/search";
  shape.headers = {{"X-API-KEY", "{key}"}};
  shape.body = R"({"q": {query}, "num": {count}})";
  shape.lists = {"/organic"};
  shape.lists_optional = true;
  shape.title = "/title";
  shape.link = "/link";
  shape.summaries = {"/snippet"};
  return shape;
}

SearchShape kagi() {
  SearchShape shape;
  shape.name = "kagi";
  shape.key_variable = "KAGI_API_KEY";
  shape.key_required = true;
  shape.base = "https://kagi.com";
  shape.path = "/api/v0/search?q={query}&limit={count}";
  shape.headers = {{"Authorization", "Bot {key}"}};
  shape.lists = {"/data"};  // objects without an URL are related searches
  shape.title = "/title";
  shape.link = "/url";
  shape.summaries = {"/snippet"};
  return shape;
}

SearchShape jina() {
  SearchShape shape;
  shape.name = "jina";
  shape.key_variable = "JINA_API_KEY";
  shape.key_required = true;
  shape.base = "https://s.jina.ai";
  shape.path = "/?q={query}&num={count}";
  shape.headers = {{"Authorization", "Bearer {key}"}, {"X-Respond-With", "no-content"}};
  shape.lists = {"/data"};
  shape.title = "/title";
  shape.link = "/url";
  shape.summaries = {"/description", "/content"};
  return shape;
}

std::string names(const std::vector<SearchShape>& more) {
  std::string text;
  for (const std::vector<SearchShape>* shapes : {&more, &known_searches()}) {
    for (const SearchShape& shape : *shapes) text += (text.empty() ? "" : ", ") + shape.name;
  }
  return text;
}

}  // namespace

const std::vector<SearchShape>& known_searches() {
  static const std::vector<SearchShape> shapes = {searxng(), mediawiki(), brave(), exa(), jina(), kagi(), serper(), tavily(), you()};
  return shapes;
}

Result<SearchShape> choose_search(std::string_view spec, const std::vector<SearchShape>& more) {
  const std::size_t equals = std::min(spec.find('='), spec.size());
  const std::string name(spec.substr(0, equals));
  std::string base(spec.substr(std::min(equals + 1, spec.size())));
  const SearchShape* found = nullptr;
  for (const std::vector<SearchShape>* shapes : {&more, &known_searches()}) {
    for (const SearchShape& shape : *shapes) {
      if (found == nullptr && shape.name == name) found = &shape;
    }
  }
  if (found == nullptr) {
    return Error{
        ErrorCode::kInvalidArgument, "unknown search service '" + name.substr(0, 100) + "'; known: " + names(more) +
                                         "; with an address of your own: searxng=http://127.0.0.1:8888"};
  }
  SearchShape shape = *found;
  if (equals < spec.size()) {
    const auto address = parse_web_url(base);
    const bool plain = base.find_first_of("?#") == std::string::npos;
    if (!address || !plain) {
      return Error{
          ErrorCode::kInvalidArgument, "search service '" + name + "': its address " +
                                           (address ? "may have no query: keys go into a variable or file" : "is no URL: " + address.error().message)};
    }
    while (base.ends_with('/')) base.pop_back();
    shape.base = base;
  }
  if (shape.base.empty() && shape.path.find("://") == std::string::npos) {
    return Error{ErrorCode::kInvalidArgument, "search service '" + name + "' needs an address: " + name + "=http://127.0.0.1:8888"};
  }
  if (const auto sound = check_shape(shape); !sound) return sound.error();
  return shape;
}

}  // namespace toccata::tools
