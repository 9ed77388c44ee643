#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>

namespace toccata::agent {

// The bounds of one run. Every loop in the agent ends at one of these; zero means "no such bound"
// where it says so. What a run may spend over its life it shares with the runs it makes (budget.h).
struct Limits {
  int max_turns = 100;  // model calls (steps) of one run() call; exit 4, "max_turns"
  std::int64_t budget_tokens =
      0;  // tokens read + sampled over the agent's life, 0 = none; exit 4, "budget"
  std::int64_t prefill_tokens_max = 0;  // of these, read, 0 = none; exit 4, "budget"
  std::int64_t decode_tokens_max = 0;   // of these, sampled, 0 = none; exit 4, "budget"
  // Runs that it makes for its calls (sub-agents), and how far below it they may make runs again; what is one too many is
  // refused, and the model told.
  int children_max = 16;
  int depth_max = 1;
  std::int64_t step_tokens_max = 32'768;  // tokens of one model call; exit 4, "step_tokens"
  std::chrono::milliseconds timeout{
      0};                 // wall time of one run() call, 0 = none; exit 124, "timeout"
  // Tokens of reasoning in one model call, 0 = none; then the message is closed and the answer opened for the model.
  std::int64_t reasoning_tokens_max = 0;
  // Tool calls over the run's life, 0 = none, and of each recipient ("browser.search") or namespace ("browser"); exit 4,
  // "budget". The call that would be one too many is not made; a resumed run with a larger budget makes it.
  int calls_max = 0;
  std::map<std::string, int> calls_of_max = {};
  std::int64_t tool_bytes_max = 0;               // of tool output the model reads, 0 = none; exit 4, "budget"
  std::chrono::milliseconds tool_time_max{0};    // wall time in tools, 0 = none; exit 4, "budget"
  // CPU time of programs in the sandbox, 0 = none; exit 4, "budget". A call gets what is left: then it is interrupted, and killed
  // when it has used 0.2 s more (sandbox/cpu_watch.h). What runs on behind a call is counted with the next one.
  std::chrono::milliseconds sandbox_cpu_max{0};
  // Length of the log from which on it is shortened before a model call, to half of that; 0 = 4/5 of the context.
  std::int64_t compact_at_tokens = 0;
  int malformed_max = 3;  // unusable calls in a row; exit 1, "malformed"
  // Same call, same answer, in a row, or two such calls taking turns; then the repeats are taken out of the log and the
  // model is told, then exit 1, "repeated_calls".
  int repeated_calls_max = 3;
  std::size_t tool_output_bytes_max = std::size_t{64}
                                      << 10;  // the rest of a result is cut, and the model is told
  friend bool operator==(const Limits&, const Limits&) = default;
};

}  // namespace toccata::agent
