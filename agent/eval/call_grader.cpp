#include <algorithm>
#include <cctype>

#include "agent/eval/graders.h"

namespace toccata::eval {
namespace {

// Case, spaces and a few marks do not make another value: "New York, NY" is "new york ny".
std::string simple(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (std::string_view(" ,./-_*^").find(c) == std::string_view::npos) out += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  }
  return out;
}

bool alike(const Value& a, const Value& b) {
  if (a.is_string() && b.is_string()) return simple(a.get<std::string>()) == simple(b.get<std::string>());
  if (a.is_array() && b.is_array()) return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(), alike);
  if (a.is_object() && b.is_object()) {
    if (a.size() != b.size()) return false;
    for (const auto& [key, value] : a.items()) {
      if (!b.contains(key) || !alike(value, b[key])) return false;
    }
    return true;
  }
  return task::same(a, b);
}

// "" when the call is the expected one.
std::string difference(const Value& call, const Value& expected) {
  if (call.at("name") != expected.at("name")) return "another function";
  const Value& given = call.at("arguments");
  if (!given.is_object()) return "arguments that are no object";
  const Value wanted = expected.value("arguments", Value::object());
  for (const auto& [name, value] : given.items()) {
    if (!wanted.contains(name)) return "an argument '" + name + "' that is not expected";
  }
  for (const auto& [name, allowed] : wanted.items()) {
    if (!given.contains(name)) {
      const bool optional = std::any_of(allowed.begin(), allowed.end(), [](const Value& v) { return v.is_null() || v == ""; });
      if (!optional) return "no argument '" + name + "'";
    } else if (std::none_of(allowed.begin(), allowed.end(), [&](const Value& v) { return alike(v, given[name]); })) {
      return "'" + name + "' is " + task::to_json_text(given[name]) + ", expected one of " + task::to_json_text(allowed);
    }
  }
  return "";
}

// Can each call have an expected one of its own? Augmenting paths; there are few calls.
bool match(std::size_t call, const std::vector<std::vector<bool>>& fits, std::vector<int>& owner, std::vector<bool>& seen) {
  for (std::size_t e = 0; e < owner.size(); ++e) {
    if (!fits[call][e] || seen[e]) continue;
    seen[e] = true;
    if (owner[e] < 0 || match(static_cast<std::size_t>(owner[e]), fits, owner, seen)) {
      owner[e] = static_cast<int>(call);
      return true;
    }
  }
  return false;
}

}  // namespace

Value grade_calls(const Value& calls, const Value& expected) {
  const Value more = {{"extracted", calls}, {"expected", expected}};
  if (calls.size() != expected.size()) {
    return grade(false, "found " + std::to_string(calls.size()) + " calls, expected " + std::to_string(expected.size()), more);
  }
  std::vector<std::vector<bool>> fits;
  std::vector<int> owner(expected.size(), -1);
  for (const Value& call : calls) {
    fits.emplace_back();
    for (const Value& one : expected) fits.back().push_back(difference(call, one).empty());
  }
  for (std::size_t i = 0; i < calls.size(); ++i) {
    std::vector<bool> seen(expected.size(), false);
    if (match(i, fits, owner, seen)) continue;
    // Told against the expected call of that name, where there is one.
    const auto named = std::find_if(expected.begin(), expected.end(), [&](const Value& e) { return e["name"] == calls[i]["name"]; });
    const std::string why = named == expected.end() ? "a function that is not expected" : difference(calls[i], *named);
    return grade(false, "call of " + task::to_text(calls[i]["name"]) + ": " + (why.empty() ? "once too often" : why), more);
  }
  return grade(true, "", more);
}

}  // namespace toccata::eval
