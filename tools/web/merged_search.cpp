#include "tools/web/merged_search.h"

#include <algorithm>
#include <cctype>
#include <exception>
#include <map>
#include <optional>
#include <thread>

#include "tools/web/web_url.h"

namespace toccata::tools {
namespace {

constexpr double kRankOffset = 60;

bool only_follows_readers(std::string_view parameter) {
  const std::string_view name = parameter.substr(0, parameter.find('='));
  return name.starts_with("utm_") || name == "gclid" || name == "fbclid" || name == "msclkid" || name == "dclid" || name == "mc_cid" ||
         name == "mc_eid" || name == "igshid" || name == "yclid";
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

// RFC 3986 section 6.2.2: %7E is ~, and %c3 is %C3.
std::string normal_escapes(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const int high = text[i] == '%' && i + 2 < text.size() ? hex_digit(text[i + 1]) : -1;
    const int low = high >= 0 ? hex_digit(text[i + 2]) : -1;
    if (low < 0) {
      out += text[i];
      continue;
    }
    const char byte = static_cast<char>(high * 16 + low);
    const bool plain = std::isalnum(static_cast<unsigned char>(byte)) != 0 || (byte != '\0' && std::string_view("-._~").find(byte) != std::string_view::npos);
    constexpr char kDigits[] = "0123456789ABCDEF";
    if (plain) {
      out += byte;
    } else {
      out += {'%', kDigits[high], kDigits[low]};
    }
    i += 2;
  }
  return out;
}

std::string normal_query(std::string_view query) {
  std::string out;
  while (!query.empty()) {
    const std::size_t end = std::min(query.find('&'), query.size());
    const std::string_view parameter = query.substr(0, end);
    query.remove_prefix(std::min(end + 1, query.size()));
    if (!parameter.empty() && !only_follows_readers(parameter)) (out += out.empty() ? "?" : "&") += normal_escapes(parameter);
  }
  return out;
}

}  // namespace

std::string page_key(std::string_view url) {
  const auto parsed = parse_web_url(url);
  if (!parsed) return std::string(url.substr(0, url.find('#')));  // a document of this machine
  std::string host = parsed->host;
  if (host.starts_with("www.")) host.erase(0, 4);
  const bool usual = parsed->port == (parsed->tls ? 443 : 80);
  const std::string_view target = parsed->target;
  const std::size_t mark = std::min(target.find('?'), target.size());
  std::string path = normal_escapes(target.substr(0, mark));
  while (path.ends_with('/')) path.pop_back();
  return host + (usual ? "" : ":" + std::to_string(parsed->port)) + path + normal_query(target.substr(std::min(mark + 1, target.size())));
}

std::vector<SearchHit> fuse(const std::vector<std::vector<SearchHit>>& lists, int n_max) {
  struct Ranked {
    SearchHit hit;
    double score = 0;
    std::size_t last_list = 0;  // a list counts once for a page
  };
  std::vector<Ranked> pages;
  std::map<std::string, std::size_t> known;
  for (std::size_t l = 0; l < lists.size(); ++l) {
    for (std::size_t rank = 0; rank < lists[l].size(); ++rank) {
      const SearchHit& hit = lists[l][rank];
      const auto [at, is_new] = known.emplace(page_key(hit.url), pages.size());
      if (is_new) pages.push_back({hit, 0, lists.size()});
      Ranked& page = pages[at->second];
      if (page.last_list != l) page.score += 1 / (kRankOffset + static_cast<double>(rank + 1));
      page.last_list = l;
      if (page.hit.summary.empty()) page.hit.summary = hit.summary;
      if (page.hit.title.empty()) page.hit.title = hit.title;
    }
  }
  std::stable_sort(pages.begin(), pages.end(), [](const Ranked& a, const Ranked& b) { return a.score > b.score; });
  std::vector<SearchHit> hits;
  for (Ranked& page : pages) {
    if (static_cast<int>(hits.size()) < n_max) hits.push_back(std::move(page.hit));
  }
  return hits;
}

Result<std::vector<SearchHit>> MergedSearch::search(const std::string& query, int n_max, std::stop_token stop) {
  std::vector<std::optional<Result<std::vector<SearchHit>>>> answers(services_.size());
  std::vector<std::exception_ptr> thrown(services_.size());
  const auto ask = [&](std::size_t i) {
    try {
      answers[i] = services_[i]->search(query, n_max, stop);
    } catch (...) {  // carried to the caller's thread
      thrown[i] = std::current_exception();
    }
  };
  {
    std::vector<std::jthread> others;
    for (std::size_t i = 1; i < services_.size(); ++i) others.emplace_back([&ask, i] { ask(i); });
    if (!services_.empty()) ask(0);
  }
  for (const std::exception_ptr& exception : thrown) {
    if (exception) std::rethrow_exception(exception);
  }
  std::vector<std::vector<SearchHit>> lists;
  std::optional<Error> failed;
  for (const auto& answer : answers) {
    if (*answer) {
      lists.push_back(**answer);
    } else if (failed) {
      failed->message += "; " + answer->error().message;
    } else {
      failed = answer->error();
    }
  }
  std::vector<SearchHit> hits = fuse(lists, n_max);
  if (hits.empty() && failed) return *failed;
  return hits;
}

}  // namespace toccata::tools
