// YAML as values that know where they stand. The only file that includes yaml-cpp is yaml_reader.cpp.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "agent/task/place.h"
#include "agent/task/value.h"
#include "core/base/error.h"

namespace toccata::task {

struct YamlNode;
struct YamlField;

struct YamlNode {
  enum class Kind { kScalar, kList, kMap } kind = Kind::kScalar;
  Place place;
  Value scalar = {};               // by the core schema: null, true, false, numbers; quoted ones are texts
  std::string text = {};           // of a scalar, as written
  std::vector<YamlNode> items = {};
  std::vector<YamlField> fields = {};  // in the order of the file; keys are unique

  bool is_text() const { return kind == Kind::kScalar && scalar.is_string(); }
  const YamlNode* find(std::string_view key) const;
  // Without places.
  Value value() const;
  // What it is, as said in messages: "a list", "the number 3", "'x'".
  std::string found() const;
};

struct YamlField {
  std::string key;
  Place place;
  YamlNode value;
};

// Bounds on what a file may be: it is read whole, and aliases are expanded.
struct YamlLimits {
  std::size_t bytes = std::size_t{4} << 20;
  int nodes = 200'000;
  int depth = 60;
};

// One document. kInvalidArgument beginning with "file:line:column: ".
Result<YamlNode> read_yaml(std::string_view text, const std::string& file, const YamlLimits& limits = {});

// The problem that the error of read_yaml(), or another that begins with "file:line:column: ", tells of.
Problem problem_of(const Error& error, const std::string& file);

}  // namespace toccata::task
