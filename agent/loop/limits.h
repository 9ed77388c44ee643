#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

namespace toccata::agent {

// The bounds of one run. Every loop in the agent ends at one of these; zero means "no such bound"
// where it says so.
struct Limits {
  int max_turns = 100;  // model calls (steps) of one run() call; exit 4, "max_turns"
  std::int64_t budget_tokens =
      0;  // tokens read + sampled over the agent's life, 0 = none; exit 4, "budget"
  std::int64_t step_tokens_max = 32'768;  // tokens of one model call; exit 4, "step_tokens"
  std::chrono::milliseconds timeout{
      0};                 // wall time of one run() call, 0 = none; exit 124, "timeout"
  int malformed_max = 3;  // unusable calls in a row; exit 1, "malformed"
  int repeated_calls_max =
      3;  // same call, same answer, in a row; then told, then exit 1, "repeated_calls"
  std::size_t tool_output_bytes_max = std::size_t{64}
                                      << 10;  // the rest of a result is cut, and the model is told
  friend bool operator==(const Limits&, const Limits&) = default;
};

}  // namespace toccata::agent
