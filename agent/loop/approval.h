#pragma once

#include <functional>
#include <string>
#include <vector>

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
  kStop,    // the run ends with exit 5
};

// Calls of tools whose spec says needs_approval.
struct ApprovalPolicy {
  enum class Mode {
    kNever,      // nobody can be asked: such a call ends the run (exit 5, "approval_needed")
    kOnRequest,  // `ask` decides each call; without an `ask` as kNever
    kTrusted,    // approved beforehand until the run has read what strangers wrote; then as kOnRequest
    kAlways,     // approved beforehand
  } mode = Mode::kNever;
  std::function<Decision(const ApprovalRequest&)> ask;
};

}  // namespace toccata::agent
