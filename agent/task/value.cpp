#include "agent/task/value.h"

#include <algorithm>
#include <vector>

#include "core/base/json.h"
#include "core/base/json_depth.h"

namespace toccata::task {

std::string to_json_text(const Value& value) {
  return json_text(value);
}

std::string to_text(const Value& value) {
  if (value.is_string()) return value.get<std::string>();
  if (value.is_null()) return "";
  return to_json_text(value);
}

bool same(const Value& a, const Value& b) { return nlohmann::json(a) == nlohmann::json(b); }

bool truthy(const Value& value) {
  if (value.is_null()) return false;
  if (value.is_boolean()) return value.get<bool>();
  if (value.is_number()) return value.get<double>() != 0;
  if (value.is_string()) return !value.get_ref<const std::string&>().empty();
  return !value.empty();
}

const char* kind_of(const Value& value) {
  switch (value.type()) {
    case Value::value_t::null: return "nothing";
    case Value::value_t::boolean: return "true or false";
    case Value::value_t::string: return "a text";
    case Value::value_t::array: return "a list";
    case Value::value_t::object: return "a mapping";
    default: return "a number";
  }
}

bool parse_json(std::string_view text, Value& value) {
  constexpr int kDepthMax = 100;
  if (json_depth(text) > kDepthMax) return false;
  value = json_from<Value>(text);
  return !value.is_discarded();
}

int edit_distance(std::string_view a, std::string_view b) {
  constexpr std::size_t kLongest = 64;  // a name; more says nothing
  if (a.size() > kLongest || b.size() > kLongest) return static_cast<int>(kLongest);
  std::vector<std::vector<int>> d(a.size() + 1, std::vector<int>(b.size() + 1));
  for (std::size_t i = 0; i <= a.size(); ++i) d[i][0] = static_cast<int>(i);
  for (std::size_t j = 0; j <= b.size(); ++j) d[0][j] = static_cast<int>(j);
  for (std::size_t i = 1; i <= a.size(); ++i) {
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const int change = d[i - 1][j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      d[i][j] = std::min({d[i - 1][j] + 1, d[i][j - 1] + 1, change});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        d[i][j] = std::min(d[i][j], d[i - 2][j - 2] + 1);
      }
    }
  }
  return d[a.size()][b.size()];
}

}  // namespace toccata::task
