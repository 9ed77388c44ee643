// Typed fields out of YAML; what does not fit is noted as a problem and reading goes on.
#pragma once

#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/task/task.h"
#include "agent/task/yaml_reader.h"

namespace toccata::task {

class FieldReader {
 public:
  static constexpr std::size_t kProblemsMax = 100;
  static constexpr double kNoLeast = -1e300;  // for number(): any will do

  void problem(const Place& place, const std::string& message);
  std::vector<Problem> take_problems() { return std::move(problems_); }

  // False, with a problem, when `node` is no mapping. Keys outside `known` are problems with a suggestion.
  bool mapping(const YamlNode& node, const std::string& what, const std::vector<std::string>& known);

  // Unset, with a problem, when the value does not fit; unset without one when there is none.
  std::optional<std::string> text(const YamlNode& map, std::string_view key);
  std::optional<double> number(const YamlNode& map, std::string_view key, double least);
  std::optional<std::int64_t> integer(const YamlNode& map, std::string_view key, std::int64_t least);
  std::optional<bool> boolean(const YamlNode& map, std::string_view key);
  // 90, "90s", "1.5m", "2h", "500ms" -> seconds
  std::optional<double> duration(const YamlNode& map, std::string_view key);
  // A list of texts, or one text.
  std::optional<std::vector<std::string>> texts(const YamlNode& map, std::string_view key);
  // A text that is one of these.
  std::optional<std::string> one_of(const YamlNode& map, std::string_view key, const std::vector<std::string>& allowed);
  std::optional<Template> text_template(const YamlNode& map, std::string_view key);
  std::optional<ValueTemplate> value_template(const YamlNode& node);
  // With or without {{ }}.
  std::optional<Expression> expression(const YamlNode& node);

 private:
  std::vector<Problem> problems_;
};

// "a, b, c"
std::string listed(const std::vector<std::string>& names);

}  // namespace toccata::task
