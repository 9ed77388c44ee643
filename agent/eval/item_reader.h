// Typed fields out of one row of an eval's data; the first that does not fit is what the row is refused for.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "agent/task/value.h"
#include "core/base/error.h"

namespace toccata::eval {

using task::Value;

class ItemReader {
 public:
  explicit ItemReader(const Value& row) : row_(row) {}

  // Throw Exception(kInvalidArgument) with what was found and what was expected.
  std::string text(const char* name) const;        // not empty
  std::string text_or(const char* name, std::string fallback) const;
  std::string text_or_number(const char* name) const;  // as written
  double number_or(const char* name, double fallback, double least) const;
  const Value& list(const char* name, std::size_t least, std::size_t most) const;
  const Value* find(const char* name) const;       // null when it is not there, or null
  // Refuses keys that are none of these; keys that begin with "_", and "id", are for people.
  void only(const std::vector<std::string>& known) const;
  [[noreturn]] void wrong(const std::string& what) const;

 private:
  const Value& row_;
};

}  // namespace toccata::eval
