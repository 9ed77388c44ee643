// Where a recorded run stands: which part of its last step is done and what comes next.
#pragma once

#include "agent/harmony/renderer.h"
#include "agent/store/ledger.h"
#include "core/base/token.h"

namespace toccata::agent {

struct ResumePoint {
  bool has_prompt = false;  // the system message stands in the log
  bool has_task = false;    // so does a user's message
  int step = 0;             // the last step begun; 0: none
  // What the model said in it, behind `<|start|>assistant`.
  Tokens said;
  // Results of its calls that stand in the log.
  int n_answered = 0;
  // Something stands behind what it said (a result, a user's message, or the closing of a message that was cut off): the
  // model is not to go on with it.
  bool closed = false;
  // A user's message stands behind it: the next step answers that.
  bool asked_again = false;
};

// `n_opening`: tokens of `<|start|>assistant`.
ResumePoint find_resume_point(
    const store::RunRecord& run, std::size_t n_opening, const harmony::ControlTokens& control
);

// The number of the first message the model wrote in the last step; the number of messages when there is none.
int first_message_of_last_step(const store::RunRecord& run);

}  // namespace toccata::agent
