// Which of several answers to the same question is taken.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "core/base/error.h"

namespace toccata::agent {

// One of several runs of the same turn.
struct Candidate {
  int number = 0;      // 1, 2, ...
  std::string run_id;
  int exit_code = 1;   // as of RunOutcome
  std::string final;
};

struct BestOf {
  int n = 1;  // candidates; 1: the run answers itself
  enum class Judge {
    kMajority,    // the answer most of them give, spelling aside (normal_answer()); of equals the first
    kFirstValid,  // the first that came to an answer, and to one that satisfies the output schema; the rest are stopped
    kModel,       // the model is asked which one is best
    kProgram,     // `ask` says
  } judge = Judge::kMajority;
  // Number of the best, or why there is none. Only candidates with an answer are shown. On the thread of run().
  std::function<Result<int>(const std::string& task, const std::vector<Candidate>& candidates)> ask = {};
};
const char* to_string(BestOf::Judge judge);

// The answer as it is compared: without the marks of Markdown around it, in lower case, blanks and the full stop at its
// end aside; a number as its digits ("1,000.50" is "1000.5"). Long answers are seldom the same text: judge those otherwise.
std::string normal_answer(const std::string& answer);

// The winner, of candidates that all have an answer (exit code 0), and how many of them gave it; none without candidates.
struct Vote {
  int number = 0;
  int n_votes = 0;
};
std::optional<Vote> majority(const std::vector<Candidate>& candidates);

// What the judging model is asked, and the schema of its answer, {"best": 2}.
std::string judge_prompt(const std::string& task, const std::vector<Candidate>& candidates);
std::string judge_schema(const std::vector<Candidate>& candidates);
// The number in its answer; an error when it named none of them.
Result<int> judged_best(const std::string& answer, const std::vector<Candidate>& candidates);

}  // namespace toccata::agent
