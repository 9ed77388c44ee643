#include "agent/loop/spellings.h"

#include "core/base/percent.h"

namespace toccata::agent {
namespace {

constexpr std::size_t kEncodedCharsMin = 10;

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

}  // namespace

std::string plain(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (is_digit(c) || is_letter(c) || static_cast<unsigned char>(c) >= 0x80) out += lower(c);
  }
  return out;
}

void add_spellings(std::string_view address, std::vector<std::string>& all) {
  const std::size_t n_before = all.size();
  const std::string decoded = percent_decoded(percent_decoded(address));
  all.push_back(plain(decoded));
  all.push_back(plain(rot13(decoded)));
  // A run may begin anywhere in a group of four.
  const auto add_base64 = [&](std::string_view run) {
    for (std::size_t skip = 0; skip < 4; ++skip) all.push_back(plain(base64_decoded(run.substr(skip))));
  };
  for (const std::string_view run : runs(decoded, kEncodedCharsMin, [](char c) { return base64_value(c) >= 0; })) {
    add_base64(run);
    if (run.find('/') == std::string_view::npos) continue;  // it divides a path and is a digit of base64
    for (const std::string_view part : runs(run, kEncodedCharsMin, [](char c) { return c != '/'; })) add_base64(part);
  }
  for (const std::string_view run : runs(decoded, kEncodedCharsMin, [](char c) { return hex_value(c) >= 0; })) {
    for (std::size_t skip = 0; skip < 2; ++skip) all.push_back(plain(hex_decoded(run.substr(skip))));
  }
  for (std::size_t i = n_before, n = all.size(); i < n; ++i) all.emplace_back(all[i].rbegin(), all[i].rend());
}

}  // namespace toccata::agent
