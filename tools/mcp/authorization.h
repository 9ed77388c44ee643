// What HTTP requests to one server carry as proof that they are allowed.
#pragma once

#include <string>
#include <vector>

#include "core/base/error.h"
#include "tools/mcp/transport.h"

namespace toccata::tools::mcp {

struct Refusal {
  int status = 0;                          // 401 or 403
  std::vector<std::string> challenges = {};  // the headers WWW-Authenticate
  std::string carried = {};                // what the refused request had: a value of current()
  int n_before = 0;                        // refusals of the same message before this one
};

// Any thread.
class Authorization {
 public:
  virtual ~Authorization() = default;
  // The value of the header Authorization, as far as it is known without asking anybody; "" = none.
  virtual std::string current() = 0;
  // Renews what is about to run out. Failures are told by the server's refusal.
  virtual void prepare(const Wait& wait) = 0;
  // Behind a refusal: true when there is something else to carry now, so that the message is worth sending again; false when
  // the refusal is not about that. An error ends it and says what the user can do. Time for which a user was asked does not
  // count against the deadline.
  virtual Result<bool> renew(const Refusal& refusal, const Wait& wait) = 0;
};

}  // namespace toccata::tools::mcp
