#include "tools/web/page_obstacle.h"

#include <algorithm>

namespace toccata::tools {
namespace {

// Fewer characters than these are no page: measured on the empty shells of single-page programs, which say "Loading" and a name.
constexpr std::size_t kShellMax = 150;
constexpr std::size_t kLoginMax = 400;
constexpr std::size_t kChallengeMax = 1500;
constexpr std::size_t kLinksMax = 5;
constexpr std::size_t kLoginLinksMax = 15;
constexpr std::size_t kRefreshSecondsMax = 5;

// What the pages of these services hold and others do not: Cloudflare, Imperva, PerimeterX, DataDome, AWS WAF, Akamai, Sucuri, Anubis.
constexpr std::string_view kChallengeMarks[] = {
    "/cdn-cgi/challenge-platform/", "cf-chl-", "cf_chl_opt", "_incapsula_resource", "px-captcha", "captcha-delivery.com", "awswafintegration",
    "/_sec/cp_challenge/", "sucuri_cloudproxy_js", "/.within.website/x/cmd/anubis", "cf-turnstile", "g-recaptcha", "h-captcha"};

constexpr std::string_view kAppRoots[] = {"id=\"root\"",  "id=root",  "id=\"app\"",      "id=app",         "id=\"__next\"", "id=\"__nuxt\"",
                                          "<app-root",    "ng-app",   "data-reactroot", "id=\"q-app\"",   "id=\"svelte\"", "id=\"react-root\""};

bool is_blank(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

// Without blanks and bytes inside a character.
std::size_t count_chars(std::string_view text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return !is_blank(c) && (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

// The text of markup, tags cut out; for the short inside of a noscript.
std::size_t count_visible(std::string_view markup) {
  std::size_t n = 0;
  while (!markup.empty()) {
    const std::size_t tag = std::min(markup.find('<'), markup.size());
    n += count_chars(markup.substr(0, tag));
    const std::size_t end = markup.find('>', tag);
    markup.remove_prefix(end == std::string_view::npos ? markup.size() : end + 1);
  }
  return n;
}

// The value of an attribute in a tag of lower case, quoted or not; "" without.
std::string_view attribute(std::string_view tag, std::string_view name) {
  for (std::size_t at = tag.find(name); at != std::string_view::npos; at = tag.find(name, at + 1)) {
    std::size_t i = at + name.size();
    if (at == 0 || (!is_blank(tag[at - 1]) && tag[at - 1] != '/' && tag[at - 1] != '"' && tag[at - 1] != '\'')) continue;
    while (i < tag.size() && is_blank(tag[i])) ++i;
    if (i >= tag.size() || tag[i] != '=') continue;
    ++i;
    while (i < tag.size() && is_blank(tag[i])) ++i;
    if (i >= tag.size()) return {};
    if (tag[i] == '"' || tag[i] == '\'') {
      const std::size_t end = tag.find(tag[i], i + 1);
      return end == std::string_view::npos ? std::string_view() : tag.substr(i + 1, end - i - 1);
    }
    const std::size_t end = std::min(tag.find_first_of(" \t\r\n>", i), tag.size());
    return tag.substr(i, end - i);
  }
  return {};
}

// "0; url=/next" -> where the target stands in it.
std::string_view refresh_target(std::string_view content) {
  std::size_t i = 0;
  std::size_t seconds = 0;
  while (i < content.size() && is_blank(content[i])) ++i;
  while (i < content.size() && content[i] >= '0' && content[i] <= '9') seconds = std::min<std::size_t>(seconds * 10 + static_cast<std::size_t>(content[i++] - '0'), 99'999);
  const std::size_t url = content.find("url", i);
  if (seconds > kRefreshSecondsMax || url == std::string_view::npos) return {};
  i = url + 3;
  while (i < content.size() && is_blank(content[i])) ++i;
  if (i >= content.size() || content[i] != '=') return {};
  ++i;
  while (i < content.size() && (is_blank(content[i]) || content[i] == '\'' || content[i] == '"')) ++i;
  std::size_t end = content.size();
  while (end > i && (is_blank(content[end - 1]) || content[end - 1] == '\'' || content[end - 1] == '"')) --end;
  return content.substr(i, end - i);
}

// Elements whose content is no text of the page.
bool hides(std::string_view name) {
  return name == "script" || name == "style" || name == "title" || name == "template" || name == "noscript" || name == "svg";
}

std::string without_entities(std::string text) {
  for (std::size_t at = text.find("&amp;"); at != std::string::npos; at = text.find("&amp;", at + 1)) text.erase(at + 1, 4);
  return text;
}

}  // namespace

PageLook look_at_page(std::string_view html) {
  PageLook page;
  std::string low(html);
  for (char& c : low) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  const std::string_view text = low;
  std::size_t at = 0;
  while (at < text.size()) {
    const std::size_t open = std::min(text.find('<', at), text.size());
    page.n_visible += count_chars(text.substr(at, open - at));
    if (open + 1 >= text.size()) break;
    if (text.substr(open, 4) == "<!--") {
      const std::size_t end = text.find("-->", open + 4);
      if (end == std::string_view::npos) break;
      at = end + 3;
      continue;
    }
    const std::size_t close = text.find('>', open);
    if (close == std::string_view::npos) break;
    at = close + 1;
    const std::string_view tag = text.substr(open, at - open);
    const std::size_t name_end = std::min(tag.find_first_of(" \t\r\n\f/>", 1), tag.size());
    const std::string_view name = tag.substr(1, name_end - 1);
    if (name == "a" && tag.find("href") != std::string_view::npos) ++page.n_links;
    if (name == "img" || name == "iframe" || name == "frame" || name == "video" || name == "input" || name == "object") page.has_media = true;
    if (name == "input" && attribute(tag, "type") == "password") page.has_password_field = true;
    if (name == "meta" && attribute(tag, "http-equiv") == "refresh" && !page.refresh) {
      const std::string_view target = refresh_target(attribute(tag, "content"));
      // As written: paths tell upper from lower case.
      if (!target.empty()) page.refresh = without_entities(std::string(html.substr(static_cast<std::size_t>(target.data() - text.data()), target.size())));
    }
    if (!hides(name)) continue;
    if (name == "script") ++page.n_scripts;
    const std::size_t end = text.find("</" + std::string(name), at);
    const std::string_view inside = text.substr(at, std::min(end, text.size()) - at);
    if (name == "noscript") {
      page.n_noscript += count_visible(inside);
      page.asks_for_script = page.asks_for_script || inside.find("javascript") != std::string_view::npos;
    }
    if (end == std::string_view::npos) break;
    at = end;
  }
  const auto holds = [&](std::string_view mark) { return text.find(mark) != std::string_view::npos; };
  page.has_challenge = std::any_of(std::begin(kChallengeMarks), std::end(kChallengeMarks), holds);
  page.has_app_root = std::any_of(std::begin(kAppRoots), std::end(kAppRoots), holds);
  return page;
}

Obstacle obstacle_of(const PageLook& page) {
  if (page.has_challenge && page.n_visible < kChallengeMax && page.n_links < kLoginLinksMax && !page.has_password_field) return Obstacle::kChallenge;
  if (page.has_password_field && page.n_visible < kLoginMax && page.n_links < kLoginLinksMax) return Obstacle::kLogin;
  const bool is_shell = page.n_visible < kShellMax && page.n_links < kLinksMax && page.n_noscript < 3 * kShellMax;
  const bool waits = page.asks_for_script || page.has_app_root || (page.n_visible == 0 && !page.has_media);
  if (is_shell && page.n_scripts > 0 && waits) return Obstacle::kScript;
  if (page.n_visible == 0 && page.n_noscript == 0 && page.n_links == 0 && !page.has_media) return Obstacle::kEmpty;
  return Obstacle::kNone;
}

std::string words_for(Obstacle obstacle) {
  switch (obstacle) {
    case Obstacle::kNone:
      return {};
    case Obstacle::kScript:
      return "nothing readable: this page is built by JavaScript, which is not run here; look for another source";
    case Obstacle::kChallenge:
      return "nothing readable: the site lets only people with a browser past a check (captcha or challenge); look for another source";
    case Obstacle::kLogin:
      return "nothing readable: the page is a log-in form; look for another source";
    case Obstacle::kEmpty:
      return "nothing readable: the page is empty";
  }
  return {};
}

}  // namespace toccata::tools
