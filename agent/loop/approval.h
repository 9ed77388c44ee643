#pragma once

#include <functional>
#include <string>
#include <vector>

#include "agent/loop/approval_rule.h"

namespace toccata::agent {

// One specific call that waits for a person.
struct ApprovalRequest {
  std::string run_id;
  std::string recipient;
  std::string arguments;
  // Whose words the run has read so far that are not the user's: they may be behind this call. Empty: nobody's.
  std::vector<std::string> untrusted_origins = {};
};

enum class Decision {
  kApprove,
  kRefuse,  // the model is told, and may go on in another way
  kStop,    // the call is refused and the run ends with exit 5, "denied"
  kLater,   // nothing is decided: the run ends with exit 5, "approval_needed", and asks again when it is resumed
};

// Calls of tools whose spec says needs_approval. While one waits it is the last word of the token log, and nothing of it
// has been done: a run that is killed meanwhile, or left, asks again when it is resumed. When the user says something
// else instead (run() again, or resume() with a message that finds nobody to decide), the call is refused first.
struct ApprovalPolicy {
  enum class Mode {
    kNever,      // nobody can be asked: as if kLater had been the answer
    kOnRequest,  // `ask` decides each call; without an `ask` as kNever
    kTrusted,    // approved beforehand until the run has read what strangers wrote; then as kOnRequest
    kAlways,     // approved beforehand
  } mode = Mode::kNever;
  std::function<Decision(const ApprovalRequest&)> ask;
  // Looked at first, of every call: the first that fits decides in place of `mode` and of the tool's spec. kDeny is told to the model;
  // kAsk asks as kOnRequest does. What a rule decided stands in the ledger as a note.
  std::vector<ApprovalRule> rules = {};
};

}  // namespace toccata::agent
