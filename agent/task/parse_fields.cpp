#include "agent/task/parse_fields.h"

#include <algorithm>
#include <charconv>
#include <cmath>

namespace toccata::task {

std::string listed(const std::vector<std::string>& names) {
  std::string list;
  for (const std::string& name : names) list += (list.empty() ? "" : ", ") + name;
  return list;
}

void FieldReader::problem(const Place& place, const std::string& message) {
  if (problems_.size() < kProblemsMax) problems_.push_back({place, message});
}

bool FieldReader::mapping(const YamlNode& node, const std::string& what, const std::vector<std::string>& known) {
  if (node.kind != YamlNode::Kind::kMap) {
    problem(node.place, "found " + node.found() + ", expected " + what + ": a mapping with " + listed(known));
    return false;
  }
  for (const YamlField& field : node.fields) {
    if (std::find(known.begin(), known.end(), field.key) != known.end()) continue;
    problem(field.place, "found the unknown key '" + field.key + "' in " + what + ", expected one of " + listed(known) +
                             did_you_mean(field.key, known));
  }
  return true;
}

std::optional<std::string> FieldReader::text(const YamlNode& map, std::string_view key) {
  const YamlNode* node = map.find(key);
  if (node == nullptr) return std::nullopt;
  if (node->is_text()) return node->scalar.get<std::string>();
  if (node->kind == YamlNode::Kind::kScalar && !node->scalar.is_null()) return node->text;
  problem(node->place, "found " + node->found() + " for '" + std::string(key) + "', expected a text");
  return std::nullopt;
}

std::optional<double> FieldReader::number(const YamlNode& map, std::string_view key, double least) {
  const YamlNode* node = map.find(key);
  if (node == nullptr) return std::nullopt;
  if (node->scalar.is_number() && node->scalar.get<double>() >= least) return node->scalar.get<double>();
  problem(node->place, "found " + node->found() + " for '" + std::string(key) + "', expected a number" +
                           (least > kNoLeast ? " from " + to_json_text(least) + " up" : ""));
  return std::nullopt;
}

std::optional<std::int64_t> FieldReader::integer(const YamlNode& map, std::string_view key, std::int64_t least) {
  const YamlNode* node = map.find(key);
  if (node == nullptr) return std::nullopt;
  constexpr std::int64_t kMost = std::int64_t{1} << 53;
  if (node->scalar.is_number_integer()) {
    const auto value = node->scalar.get<std::int64_t>();
    if (value >= least && value <= kMost) return value;
  }
  problem(node->place, "found " + node->found() + " for '" + std::string(key) + "', expected a whole number from " +
                           std::to_string(least) + " up");
  return std::nullopt;
}

std::optional<bool> FieldReader::boolean(const YamlNode& map, std::string_view key) {
  const YamlNode* node = map.find(key);
  if (node == nullptr) return std::nullopt;
  if (node->scalar.is_boolean()) return node->scalar.get<bool>();
  problem(node->place, "found " + node->found() + " for '" + std::string(key) + "', expected true or false");
  return std::nullopt;
}

std::optional<double> FieldReader::duration(const YamlNode& map, std::string_view key) {
  const YamlNode* node = map.find(key);
  if (node == nullptr) return std::nullopt;
  const char* begin = node->text.data();
  const char* end = begin + node->text.size();
  double value = 0;
  const auto [at, error] = std::from_chars(begin, end, value);
  const std::string_view unit(at, static_cast<std::size_t>(end - at));
  const double seconds = unit.empty() || unit == "s" ? 1 : unit == "ms" ? 1e-3 : unit == "m" ? 60 : unit == "h" ? 3600 : 0;
  constexpr double kMost = 1e9;
  if (node->kind == YamlNode::Kind::kScalar && error == std::errc() && std::isfinite(value) && value >= 0 && seconds > 0 &&
      value * seconds < kMost) {
    return value * seconds;
  }
  problem(node->place, "found " + node->found() + " for '" + std::string(key) +
                           "', expected a time such as 90, 90s, 1.5m, 2h or 500ms");
  return std::nullopt;
}

std::optional<std::vector<std::string>> FieldReader::texts(const YamlNode& map, std::string_view key) {
  const YamlNode* node = map.find(key);
  if (node == nullptr) return std::nullopt;
  if (node->is_text()) return std::vector<std::string>{node->scalar.get<std::string>()};
  std::vector<std::string> all;
  bool good = node->kind == YamlNode::Kind::kList;
  for (const YamlNode& item : node->items) {
    good = good && item.is_text();
    if (item.is_text()) all.push_back(item.scalar.get<std::string>());
  }
  if (good) return all;
  problem(node->place, "found " + node->found() + " for '" + std::string(key) + "', expected a list of texts");
  return std::nullopt;
}

std::optional<std::string> FieldReader::one_of(
    const YamlNode& map, std::string_view key, const std::vector<std::string>& allowed
) {
  const auto found = text(map, key);
  if (!found || std::find(allowed.begin(), allowed.end(), *found) != allowed.end()) return found;
  problem(map.find(key)->place, "found '" + *found + "' for '" + std::string(key) + "', expected one of " + listed(allowed) +
                                    did_you_mean(*found, allowed));
  return std::nullopt;
}

std::optional<Template> FieldReader::text_template(const YamlNode& map, std::string_view key) {
  const auto source = text(map, key);
  if (!source) return std::nullopt;
  Result<Template> parsed = Template::parse(*source);
  if (parsed) return std::move(*parsed);
  problem(map.find(key)->place, parsed.error().message);
  return std::nullopt;
}

std::optional<ValueTemplate> FieldReader::value_template(const YamlNode& node) {
  Result<ValueTemplate> parsed = ValueTemplate::parse(node.value());
  if (parsed) return std::move(*parsed);
  problem(node.place, parsed.error().message);
  return std::nullopt;
}

std::optional<Expression> FieldReader::expression(const YamlNode& node) {
  if (node.kind != YamlNode::Kind::kScalar || node.scalar.is_null()) {
    problem(node.place, "found " + node.found() + ", expected an expression such as params.count > 3");
    return std::nullopt;
  }
  std::string_view source = node.text;
  while (source.ends_with(' ') || source.ends_with('\n')) source.remove_suffix(1);
  if (source.starts_with("{{") && source.ends_with("}}") && source.find("}}") == source.size() - 2) {
    source = source.substr(2, source.size() - 4);
  }
  Result<Expression> parsed = Expression::parse(source);
  if (parsed) return std::move(*parsed);
  problem(node.place, parsed.error().message);
  return std::nullopt;
}

}  // namespace toccata::task
