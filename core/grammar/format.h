#pragma once

#include <optional>
#include <string_view>

namespace toccata::grammar {

// What `format` means to us.
struct Format {
  enum class Kind {
    kPattern,     // enforced: a regular expression for the whole string, never wider than the format's definition
    kAnnotation,  // not a format of JSON Schema ("int32", "password"): says nothing about validity
    kUnsupported  // a format of JSON Schema that we cannot enforce
  } kind = Kind::kAnnotation;
  std::string_view pattern;
};
// Sources: JSON Schema validation 2020-12 section 7; RFC 3339, 5321, 1123, 2673, 4291, 4122, 3986, 6901.
Format format_of(std::string_view name);

}  // namespace toccata::grammar
