#include "agent/loop/trust.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <unordered_set>

#include "core/base/json.h"

namespace toccata::agent {
namespace {

constexpr std::size_t kKeptBytesMax = std::size_t{2} << 20;   // of private and of public text
constexpr std::size_t kAddressBytesMax = std::size_t{64} << 10;  // a longer one is no address
constexpr std::size_t kEncodedCharsMin = 10;

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
// Bytes of other scripts count as letters.
bool is_plain(char c) { return is_digit(c) || is_letter(c) || static_cast<unsigned char>(c) >= 0x80; }

std::string plain(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (is_plain(c)) out += c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  }
  return out;
}

int hex_value(char c) {
  if (is_digit(c)) return c - '0';
  const char lower = static_cast<char>(c | 0x20);
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

std::string percent_decoded(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool escaped = text[i] == '%' && i + 2 < text.size() && hex_value(text[i + 1]) >= 0 && hex_value(text[i + 2]) >= 0;
    if (escaped) {
      out += static_cast<char>(hex_value(text[i + 1]) * 16 + hex_value(text[i + 2]));
      i += 2;
    } else {
      out += text[i];
    }
  }
  return out;
}

int base64_value(char c) {
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a' + 26;
  if (is_digit(c)) return c - '0' + 52;
  if (c == '+' || c == '-') return 62;
  return c == '/' || c == '_' ? 63 : -1;
}

std::string base64_decoded(std::string_view text) {
  std::string out;
  unsigned bits = 0;
  int n = 0;
  for (const char c : text) {
    bits = bits << 6 | static_cast<unsigned>(base64_value(c));
    n += 6;
    if (n >= 8) out += static_cast<char>(bits >> (n -= 8) & 0xFF);
  }
  return out;
}

std::string hex_decoded(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i + 1 < text.size(); i += 2) out += static_cast<char>(hex_value(text[i]) * 16 + hex_value(text[i + 1]));
  return out;
}

std::string rot13(std::string text) {
  for (char& c : text) {
    if (!is_letter(c)) continue;
    const char base = c >= 'a' ? 'a' : 'A';
    c = static_cast<char>(base + (c - base + 13) % 26);
  }
  return text;
}

// Every run of characters that `belongs` takes, of at least kEncodedCharsMin.
template <class Belongs>
std::vector<std::string_view> runs(std::string_view text, const Belongs& belongs) {
  std::vector<std::string_view> all;
  for (std::size_t begin = 0; begin < text.size();) {
    std::size_t end = begin;
    while (end < text.size() && belongs(text[end])) ++end;
    if (end - begin >= kEncodedCharsMin) all.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return all;
}

// What an address may say, in plain letters and digits.
std::vector<std::string> spellings(std::string_view address) {
  const std::string decoded = percent_decoded(percent_decoded(address));
  std::vector<std::string> all = {plain(decoded), plain(rot13(decoded))};
  for (const bool slash : {true, false}) {  // '/' divides a path and is a digit of base64
    for (const std::string_view run : runs(decoded, [&](char c) { return base64_value(c) >= 0 && (slash || c != '/'); })) {
      // A run may begin anywhere in a group of four.
      for (std::size_t skip = 0; skip < 4; ++skip) all.push_back(plain(base64_decoded(run.substr(skip))));
    }
  }
  for (const std::string_view run : runs(decoded, [](char c) { return hex_value(c) >= 0; })) {
    for (std::size_t skip = 0; skip < 2; ++skip) all.push_back(plain(hex_decoded(run.substr(skip))));
  }
  for (std::size_t i = 0, n = all.size(); i < n; ++i) all.emplace_back(all[i].rbegin(), all[i].rend());
  return all;
}

using Windows = std::unordered_set<std::string_view>;

Windows windows_of(std::string_view text, std::size_t n, bool with_digit) {
  Windows windows;
  for (std::size_t i = 0; i + n <= text.size(); ++i) {
    const std::string_view window = text.substr(i, n);
    if (!with_digit || std::any_of(window.begin(), window.end(), is_digit)) windows.insert(window);
  }
  return windows;
}

void strings_in(const nlohmann::json& value, std::vector<std::string>& out, int depth = 0) {
  if (value.is_string()) out.push_back(value.get<std::string>());
  if (!value.is_structured() || depth > 32) return;
  for (const nlohmann::json& child : value) strings_in(child, out, depth + 1);
}

bool may_be_address(std::string_view text) {
  if (text.find("://") != std::string_view::npos) return true;
  return text.size() >= Trust::kSecretChars && text.find_first_of(" \n") == std::string_view::npos;
}

}  // namespace

void Trust::add(std::string& to, std::string_view text) {
  to += plain(text.substr(0, kKeptBytesMax));
  to += '\n';  // what stands in two results is not one text
  if (to.size() > 2 * kKeptBytesMax) to.erase(0, to.size() - kKeptBytesMax);
}

void Trust::read(const tools::Provenance& provenance, std::string_view content) {
  add(provenance.untrusted ? public_ : private_, content);
  if (!provenance.untrusted || origins_.size() >= kOriginsMax) return;
  const std::string origin = provenance.origin.empty() ? "a tool" : provenance.origin;
  if (std::find(origins_.begin(), origins_.end(), origin) == origins_.end()) origins_.push_back(origin);
}

bool Trust::leaks(std::string_view text) const {
  for (const bool with_digit : {true, false}) {
    const std::size_t n = with_digit ? kSecretChars : kWordsChars;
    Windows windows = windows_of(text, n, with_digit);
    if (windows.empty()) continue;
    const std::string_view known = public_, hidden = private_;
    for (std::size_t i = 0; i + n <= known.size(); ++i) windows.erase(known.substr(i, n));
    for (std::size_t i = 0; i + n <= hidden.size() && !windows.empty(); ++i) {
      if (windows.contains(hidden.substr(i, n))) return true;
    }
  }
  return false;
}

std::optional<std::string> Trust::objection(const tools::ToolSpec& tool, std::string_view arguments) const {
  if (!tool.reaches_out || !has_read_untrusted() || private_.empty()) return std::nullopt;
  const auto json = json_from<nlohmann::json>(arguments);
  std::vector<std::string> strings;
  if (json.is_discarded()) strings.emplace_back(arguments);
  strings_in(json, strings);
  for (const std::string& text : strings) {
    if (!may_be_address(text)) continue;
    const std::string whole = plain(text);
    if (public_.find(whole) != std::string::npos) continue;  // an address it was shown, as it was shown
    const auto all = spellings(std::string_view(text).substr(0, kAddressBytesMax));
    bool refused = text.size() > kAddressBytesMax || std::any_of(all.begin(), all.end(), [this](const std::string& s) { return leaks(s); });
    for (const std::string_view run : runs(text, [](char c) { return is_letter(c) || is_digit(c) || c == '=' || c == '+'; })) {
      refused = refused || (run.size() >= kOpaqueChars && public_.find(plain(run)) == std::string::npos);
    }
    if (!refused) continue;
    return "The call was not made: its address carries text that this run has read on this machine, or that cannot be told from it, "
           "and the run has read text of " + origins_.front() +
           ", which may have asked for that. Open an address as a page or a search shows it, without adding to it.";
  }
  return std::nullopt;
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
  return json_text(json);
}

tools::Provenance provenance_in(const std::string& metadata) {
  const auto json = json_from<nlohmann::json>(metadata);
  if (!json.is_object() || !json.contains("provenance") || !json["provenance"].is_object()) return {};
  const auto& kept = json["provenance"];
  const auto text = [&](const char* key) { return kept.contains(key) && kept[key].is_string() ? kept[key].get<std::string>() : std::string(); };
  return {text("trust") == "untrusted", text("origin")};
}

}  // namespace toccata::agent
