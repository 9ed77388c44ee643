#pragma once

#include <functional>
#include <optional>
#include <vector>

#include "agent/task/parse_fields.h"

namespace toccata::task {

// A schema that stands at this place; unset, with a problem noted, when it cannot be used.
using SchemaReader = std::function<std::optional<Schema>(const YamlNode&)>;

// The list under `assert`. One assertion is a mapping with one kind as its key, and the options of that kind.
class AssertionReader {
 public:
  AssertionReader(FieldReader& fields, SchemaReader read_schema) : fields_(fields), read_schema_(std::move(read_schema)) {}
  std::vector<Assertion> read(const YamlNode& list);

 private:
  void read_one(const YamlNode& node, std::vector<Assertion>& all);
  void read_expected(const YamlNode& node, Assertion& assertion);
  void read_number(const YamlNode& node, Assertion& assertion);
  void read_regex(const YamlNode& node, Assertion& assertion);
  void read_file(const YamlNode& node, Assertion& assertion);
  void read_judge(const YamlNode& node, Assertion& assertion);
  void read_code(const YamlNode& node, Assertion& assertion);
  void read_content(const YamlNode& node, Assertion& assertion);

  FieldReader& fields_;
  SchemaReader read_schema_;
};

}  // namespace toccata::task
