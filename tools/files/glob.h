#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/base/error.h"

namespace toccata::tools {

// A pattern over relative paths: `*` and `?` within a name, `[a-z]`, `[!a-z]`, `**` for any folders, `{a,b}` for choices.
// A pattern without '/' is matched against the last name, in whatever folder. Takes time in the product of the lengths,
// whatever the pattern.
class Glob {
 public:
  // kInvalidArgument for an empty or unclosed pattern, or one with more than 64 choices in all.
  static Result<Glob> parse(std::string_view pattern);

  bool matches(std::string_view path) const;

 private:
  using Names = std::vector<std::string>;  // of one choice, between its slashes
  std::vector<Names> choices_;
};

}  // namespace toccata::tools
