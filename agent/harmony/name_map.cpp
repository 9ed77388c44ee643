#include "agent/harmony/name_map.h"

namespace toccata::harmony {
namespace {

std::optional<std::string> look_up(const std::map<std::string, std::string, std::less<>>& names, std::string_view name) {
  const auto found = names.find(name);
  if (found == names.end()) return std::nullopt;
  return found->second;
}

}  // namespace

std::string identifier(std::string_view name) {
  std::string out;
  for (const char c : name) {
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '$';
    const bool digit = c >= '0' && c <= '9';
    if (digit && out.empty()) out += '_';
    if (letter || digit) out += c;
    if (c == ' ' || c == '-' || c == '.') out += '_';
  }
  return out.empty() ? "tool" : out;
}

std::string NameMap::add(std::string_view name) {
  if (const auto known = shown(name)) return *known;
  const std::size_t dot = name.find('.');
  const std::string space(dot == std::string_view::npos ? "" : name.substr(0, dot + 1));
  const std::string base = space + identifier(dot == std::string_view::npos ? name : name.substr(dot + 1));
  std::string unique = base;
  for (int n = 2; original_.contains(unique); ++n) unique = base + "_" + std::to_string(n);
  shown_.emplace(name, unique);
  original_.emplace(unique, name);
  order_.push_back(unique);
  return unique;
}

std::optional<std::string> NameMap::shown(std::string_view name) const { return look_up(shown_, name); }
std::optional<std::string> NameMap::original(std::string_view shown) const { return look_up(original_, shown); }

}  // namespace toccata::harmony
