// A judge: a model that is shown a text, quoted, and a rubric, and says one of a few words.
#pragma once

#include <string>

#include "agent/task/assertions.h"
#include "agent/task/task.h"

namespace toccata::task {

struct Verdict {
  std::string word;    // one of the judge's verdicts
  std::string reason;  // in its own words
  std::string run;     // id in the ledger
};

// The judge gave no verdict: that is neither a pass nor a fail of what was judged.
class JudgeError : public Exception {
 public:
  JudgeError(int exit_code, const std::string& message)
      : Exception(ErrorCode::kUnavailable, message), exit_code_(exit_code) {}
  // Of the judge's run where it says why there is no verdict, else 7.
  int exit_code() const { return exit_code_; }

 private:
  int exit_code_;
};

// Throws JudgeError.
Verdict ask_judge(const Judge& judge, const std::string& subject, const Evidence& evidence);

// The order for it: temperature 0, no tools, an answer {"reason", "verdict"} by masks. Apart for tests.
StepOrder judge_order(const Judge& judge, const std::string& subject, const Scope& scope);

// Every line behind "> ", whatever ends a line. Control characters become U+FFFD, and of a long text the middle is left
// out: nothing in it can look like a line of the question.
std::string quoted(const std::string& text);

}  // namespace toccata::task
