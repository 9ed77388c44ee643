#include "agent/loop/trust.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <unordered_set>

#include "agent/loop/recall_tool.h"
#include "agent/loop/spellings.h"
#include "core/base/json.h"
#include "core/base/percent.h"
#include "tools/web/web_url.h"

namespace toccata::agent {
namespace {

constexpr std::size_t kKeptBytesMax = std::size_t{2} << 20;  // of private and of public text
constexpr std::size_t kNamesBytesMax = std::size_t{8} << 20;
constexpr std::size_t kNameOverhead = 64;
constexpr int kDepthMax = 32;

using Windows = std::unordered_set<std::string_view>;

template <class Visit>
void for_each_window(std::string_view text, std::size_t n, const Visit& visit) {
  for (std::size_t i = 0; i + n <= text.size(); ++i) visit(text.substr(i, n));
}

Windows windows_of(const std::vector<std::string>& texts, std::size_t n) {
  Windows windows;
  for (const std::string& text : texts) {
    for_each_window(text, n, [&](std::string_view window) { windows.insert(window); });
  }
  return windows;
}

// Without what is in `echo`; what stands in two results is not one text.
void add(std::string& to, std::string_view text, const Windows& echo) {
  std::size_t end_of_echo = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (!echo.empty() && echo.contains(text.substr(i, Trust::kSecretChars))) end_of_echo = i + Trust::kSecretChars;
    to += i < end_of_echo ? '\n' : text[i];
  }
  to += '\n';
  if (to.size() > 2 * kKeptBytesMax) to.erase(0, to.size() - kKeptBytesMax);
}

// Keys too; false: they nest too deep to be looked at.
bool strings_in(const nlohmann::json& value, std::vector<std::string>& out, int depth = 0) {
  if (value.is_string()) out.push_back(value.get<std::string>());
  if (!value.is_structured()) return true;
  if (depth == kDepthMax) return false;
  for (const auto& [key, child] : value.items()) {
    if (value.is_object()) out.push_back(key);
    if (!strings_in(child, out, depth + 1)) return false;
  }
  return true;
}

bool strings_in(std::string_view arguments, std::vector<std::string>& out) {
  const auto json = json_from<nlohmann::json>(arguments);
  if (!json.is_discarded()) return strings_in(json, out);
  out.emplace_back(arguments);
  return true;
}

bool is_address(std::string_view text) { return text.find("://") != std::string_view::npos; }
bool is_of_address(char c) { return c > ' ' && c < 0x7F && std::string_view("\"'<>`|\\").find(c) == std::string_view::npos; }
bool is_of_host(char c) { return is_letter(c) || is_digit(c) || c == '-' || c == '.'; }

// Of a program only the addresses that stand in it count: its other words go nowhere by themselves.
std::vector<std::string> addresses_in(const std::vector<std::string>& texts) {
  std::vector<std::string> addresses;
  for (const std::string& text : texts) {
    for (const std::string_view word : runs(text, 4, is_of_address)) {
      if (is_address(word)) addresses.emplace_back(word);
    }
  }
  return addresses;
}

std::string host_of(std::string_view address) {
  const auto url = tools::parse_web_url(address);
  return url ? url->host : std::string();
}

// Addresses as written, with and without the signs behind them that may be the sentence's, and names of hosts.
template <class Visit>
void for_each_name(std::string_view text, const Visit& visit) {
  for (const std::string_view word : runs(text, 4, is_of_address)) {
    std::size_t begin = std::min(word.find("://"), word.size());
    if (begin == word.size()) continue;
    while (begin > 0 && is_letter(word[begin - 1])) --begin;
    for (const char* signs : {"", ".,:;!?*", ".,:;!?*)]}"}) {
      const std::string_view address = word.substr(begin, word.find_last_not_of(signs) + 1 - begin);
      if (address.size() > Trust::kAddressBytesMax) continue;
      visit(std::string(address));
      visit(host_of(address));
    }
  }
  for (const std::string_view name : runs(text, 4, is_of_host)) {
    if (name.size() > 253 || name.find('.') == std::string_view::npos) continue;
    std::string host(name.substr(0, name.find_last_not_of('.') + 1));
    std::transform(host.begin(), host.end(), host.begin(), lower);
    visit(std::move(host));
  }
}

}  // namespace

void Trust::show(std::string name) {
  if (name.empty()) return;
  if (n_shown_bytes_ > kNamesBytesMax) {
    shown_.clear();
    n_shown_bytes_ = 0;
  }
  const std::size_t n_bytes = name.size() + kNameOverhead;
  if (shown_.insert(std::move(name)).second) n_shown_bytes_ += n_bytes;
}

void Trust::tell(std::string_view text) {
  text = text.substr(0, kKeptBytesMax);
  add(public_, plain(text), {});
  for_each_name(text, [this](std::string name) { show(std::move(name)); });
}

void Trust::read(const tools::Provenance& provenance, std::string_view content, std::string_view arguments) {
  content = content.substr(0, kKeptBytesMax);
  std::vector<std::string> strings, said, asked;
  strings_in(arguments, strings);
  // The address that was asked for was looked at then: what a page makes of it may be opened.
  for (const std::string& text : strings) (is_address(text) ? asked : said).push_back(plain(text));
  Windows echo = windows_of(said, kSecretChars);
  // What is shown again may be this machine's words: of those that count everything was shown the first time.
  const bool again = provenance.is_private && content.starts_with(kRecalledHead);
  const bool composed = provenance.untrusted && provenance.composed;
  if (!composed && ((provenance.untrusted && !again) || !has_read_untrusted())) {
    for_each_name(content, [&](std::string name) {
      bool echoes = false;
      const std::string text = echo.empty() ? "" : plain(percent_decoded(name));
      for_each_window(text, kSecretChars, [&](std::string_view window) { echoes = echoes || echo.contains(window); });
      if (!echoes) show(std::move(name));
    });
  }
  echo.merge(windows_of(asked, kSecretChars));
  const bool hidden = !provenance.untrusted || provenance.is_private;
  add(composed ? composed_ : hidden ? private_ : public_, plain(content), hidden ? Windows() : echo);
  if (!provenance.untrusted || origins_.size() >= kOriginsMax) return;
  const std::string origin = provenance.origin.empty() ? "a tool" : provenance.origin;
  if (std::find(origins_.begin(), origins_.end(), origin) == origins_.end()) origins_.push_back(origin);
}

bool Trust::leaks(const std::vector<std::string>& texts, bool elsewhere) const {
  for (const bool with_digit : {true, false}) {
    const std::size_t n = with_digit ? kSecretChars : kWordsChars;
    Windows asked = windows_of(texts, n), found;
    if (with_digit) std::erase_if(asked, [](std::string_view window) { return std::none_of(window.begin(), window.end(), is_digit); });
    if (asked.empty()) continue;
    const auto note = [&](std::string_view window) { if (asked.contains(window)) found.insert(window); };
    for_each_window(private_, n, note);
    if (elsewhere) for_each_window(composed_, n, note);
    if (found.empty()) continue;
    for_each_window(public_, n, [&](std::string_view window) { found.erase(window); });
    if (!found.empty()) return true;
  }
  return false;
}

std::optional<std::string> Trust::objection(const tools::ToolSpec& tool, std::string_view arguments) const {
  const bool has_private = !private_.empty() || (!tool.runs_code && !composed_.empty());
  if (!tool.reaches_out || !has_read_untrusted() || !has_private) return std::nullopt;
  std::vector<std::string> strings, texts;
  bool refused = !strings_in(arguments, strings);
  if (tool.runs_code) strings = addresses_in(strings);
  std::size_t n_bytes = 0;
  for (const std::string& text : strings) {
    if (!is_address(text) || is_shown(text)) continue;
    const std::size_t behind = std::min(text.find_first_of("/?#", text.find("://") + 3), text.size());
    const std::string_view open = is_shown(host_of(text)) ? std::string_view(text).substr(behind) : std::string_view(text);
    n_bytes += text.size();
    refused = refused || n_bytes > kAddressBytesMax;
    if (refused) break;
    add_spellings(open, texts);
    for (const std::string_view run : runs(open, kOpaqueChars, [](char c) { return is_letter(c) || is_digit(c) || c == '=' || c == '+'; })) {
      const std::string word = plain(run);
      const bool known = public_.find(word) != std::string::npos || (tool.runs_code && composed_.find(word) != std::string::npos);
      refused = refused || !known;
    }
  }
  if (!refused && !leaks(texts, !tool.runs_code)) return std::nullopt;
  return "The call was not made: its address carries text that this run has read on this machine, or that cannot be told from it, "
         "and the run has read text of " + origins_.front() +
         ", which may have asked for that. Open an address as a page or a search shows it, without adding to it.";
}

std::string without_control_spellings(std::string_view text) {
  std::string out;
  while (true) {
    const std::size_t open = text.find("<|");
    if (open == std::string_view::npos) return out += text;
    std::size_t end = open + 2;
    while (end < text.size() && end - open < 40 && (is_letter(text[end]) || is_digit(text[end]) || text[end] == '_' || text[end] == ' ')) ++end;
    out += text.substr(0, open);
    if (text.substr(end).starts_with("|>")) {
      out += "<¦" + std::string(text.substr(open + 2, end - open - 2)) + "¦>";
      text.remove_prefix(end + 2);
    } else {
      out += "<|";
      text.remove_prefix(open + 2);
    }
  }
}

std::string with_provenance(const std::string& metadata, const tools::Provenance& provenance) {
  auto json = json_from<nlohmann::ordered_json>(metadata);
  if (!json.is_object()) return metadata;
  json["provenance"]["trust"] = provenance.untrusted ? "untrusted" : "trusted";
  if (!provenance.origin.empty()) json["provenance"]["origin"] = provenance.origin;
  if (provenance.is_private) json["provenance"]["private"] = true;
  if (provenance.composed) json["provenance"]["composed"] = true;
  return json_text(json);
}

tools::Provenance provenance_in(const std::string& metadata) {
  const auto json = json_from<nlohmann::json>(metadata);
  if (!json.is_object() || !json.contains("provenance") || !json["provenance"].is_object()) return {};
  const auto& kept = json["provenance"];
  const auto text = [&](const char* key) { return kept.contains(key) && kept[key].is_string() ? kept[key].get<std::string>() : std::string(); };
  const auto flag = [&](const char* key) { return kept.contains(key) && kept[key] == true; };
  return {text("trust") == "untrusted", text("origin"), flag("private"), flag("composed")};
}

}  // namespace toccata::agent
