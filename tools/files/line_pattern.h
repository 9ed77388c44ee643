#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "core/base/error.h"

namespace toccata::tools {

// What grep looks for in a line: a text, or a regular expression (PCRE2) that gives up when it takes too long.
class LinePattern {
 public:
  struct Options {
    bool literal = false;
    bool ignore_case = false;
  };
  // kInvalidArgument names the place of the mistake.
  static Result<LinePattern> parse(std::string_view pattern, Options options);

  enum class Answer { kNo, kYes, kTooCostly };
  // Any bytes; those that are no UTF-8 match nothing but themselves.
  Answer find_in(std::string_view line) const;

 private:
  struct Compiled;
  explicit LinePattern(std::shared_ptr<const Compiled> compiled) : compiled_(std::move(compiled)) {}
  std::shared_ptr<const Compiled> compiled_;
};

}  // namespace toccata::tools
