// The values that parameters, outputs and templates are made of. This header pulls in all of nlohmann/json; only the
// task files and the `task` verb include it.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace toccata::task {

using Value = nlohmann::ordered_json;

// Compact JSON; bytes that are not UTF-8 become U+FFFD.
std::string to_json_text(const Value& value);
// As it stands in a prompt: texts as they are, null as nothing, everything else as JSON.
std::string to_text(const Value& value);
// Equal as JSON values: the order of keys does not matter, 1 is 1.0.
bool same(const Value& a, const Value& b);
// null, false, 0, "", [] and {} are not true.
bool truthy(const Value& value);
// "a text", "a list", ...: for messages.
const char* kind_of(const Value& value);
// JSON of bounded depth; false when it is none.
bool parse_json(std::string_view text, Value& value);

// The known name nearest to `word`, as "; did you mean 'x'?", or "" when none is near.
template <class Names>
std::string did_you_mean(const std::string& word, const Names& names);

// Single insertions, deletions, changes and swaps of neighbours between two words.
int edit_distance(std::string_view a, std::string_view b);

template <class Names>
std::string did_you_mean(const std::string& word, const Names& names) {
  std::string best;
  int best_distance = static_cast<int>(word.size()) / 3 + 2;
  for (const auto& name : names) {
    const int distance = edit_distance(word, name);
    if (distance < best_distance) {
      best = name;
      best_distance = distance;
    }
  }
  return best.empty() ? "" : "; did you mean '" + best + "'?";
}

}  // namespace toccata::task
