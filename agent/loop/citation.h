// What a citation in an answer comes to (citation_stream.h finds them).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace toccata::agent {

// What can be said of a citation without understanding it.
enum class CitationCheck {
  kOk,              // the lines are there and share words with the sentence before the marker
  kNoSuchLine,      // the page has no such line, or the model was not shown it
  kDoesNotSupport,  // the lines share (almost) no word with that sentence
};
const char* to_string(CitationCheck check);  // "ok", "no such line", "does not support"

struct LineSpan {
  std::int64_t first = 0, last = 0;  // inclusive
  friend bool operator==(const LineSpan&, const LineSpan&) = default;
};

struct Citation {
  std::int64_t cursor = 0;
  std::vector<LineSpan> lines = {};  // none: the page as a whole
  std::string url = {}, title = {};
  std::string quote = {};            // the lines, at most kQuoteBytesMax bytes
  CitationCheck check = CitationCheck::kOk;
  // Of the marker in the text as written, in characters (code points); the end is exclusive.
  std::int64_t start = 0, end = 0;
  friend bool operator==(const Citation&, const Citation&) = default;

  static constexpr std::size_t kQuoteBytesMax = 600;
};

}  // namespace toccata::agent
