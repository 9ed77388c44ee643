#include "tools/files/line_pattern.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

namespace toccata::tools {
namespace {

constexpr std::size_t kPatternMax = 2000;      // bytes
constexpr std::uint32_t kStepsMax = 200'000;   // of one line: some milliseconds
constexpr std::uint32_t kDepthMax = 5'000;     // of backtracking points
constexpr std::uint32_t kHeapKibMax = 20'000;
constexpr std::size_t kCompiledMax = 1 << 20;  // bytes; counted repeats of counted repeats grow

}  // namespace

struct LinePattern::Compiled {
  Compiled() = default;
  Compiled(const Compiled&) = delete;
  Compiled& operator=(const Compiled&) = delete;
  ~Compiled() {
    pcre2_match_data_free(match);
    pcre2_match_context_free(limits);
    pcre2_code_free(code);
  }
  pcre2_code* code = nullptr;
  pcre2_match_context* limits = nullptr;
  pcre2_match_data* match = nullptr;
};

Result<LinePattern> LinePattern::parse(std::string_view pattern, Options options) {
  const auto wrong = [&](const std::string& why) {
    return Error{ErrorCode::kInvalidArgument, "pattern \"" + std::string(pattern.substr(0, 200)) + "\": " + why};
  };
  if (pattern.empty()) return wrong("it is empty");
  if (pattern.size() > kPatternMax) return wrong("longer than " + std::to_string(kPatternMax) + " bytes");
  std::uint32_t flags = PCRE2_UTF | PCRE2_MATCH_INVALID_UTF | PCRE2_NEVER_BACKSLASH_C;
  if (options.literal) flags |= PCRE2_LITERAL;
  if (!options.literal) flags |= PCRE2_UCP;
  if (options.literal) flags &= ~static_cast<std::uint32_t>(PCRE2_NEVER_BACKSLASH_C);
  if (options.ignore_case) flags |= PCRE2_CASELESS;
  auto compiled = std::make_shared<Compiled>();
  int error = 0;
  PCRE2_SIZE at = 0, size = 0;
  compiled->code = pcre2_compile(
      reinterpret_cast<PCRE2_SPTR>(pattern.data()), pattern.size(), flags, &error, &at, nullptr
  );
  if (compiled->code == nullptr) {
    PCRE2_UCHAR text[256] = {};
    pcre2_get_error_message(error, text, sizeof text);
    return wrong(
        std::string(reinterpret_cast<const char*>(text)) + " at byte " + std::to_string(at) +
        "; set literal to look for a plain text"
    );
  }
  pcre2_pattern_info(compiled->code, PCRE2_INFO_SIZE, &size);
  if (size > kCompiledMax) return wrong("too large once its repeats are written out");
  compiled->limits = pcre2_match_context_create(nullptr);
  compiled->match = pcre2_match_data_create(1, nullptr);
  if (compiled->limits == nullptr || compiled->match == nullptr)
    return Error{ErrorCode::kResourceExhausted, "no memory to search with"};
  pcre2_set_match_limit(compiled->limits, kStepsMax);
  pcre2_set_depth_limit(compiled->limits, kDepthMax);
  pcre2_set_heap_limit(compiled->limits, kHeapKibMax);
  return LinePattern(std::move(compiled));
}

LinePattern::Answer LinePattern::find_in(std::string_view line) const {
  const int found = pcre2_match(
      compiled_->code, reinterpret_cast<PCRE2_SPTR>(line.data()), line.size(), 0, 0, compiled_->match,
      compiled_->limits
  );
  if (found >= 0) return Answer::kYes;
  return found == PCRE2_ERROR_NOMATCH ? Answer::kNo : Answer::kTooCostly;
}

}  // namespace toccata::tools
