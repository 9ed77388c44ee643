#pragma once

#include <iosfwd>
#include <string>
#include <vector>

namespace toccata::cli {

struct DevUrlPolicyOptions {
  std::vector<std::string> allow_origins;
};

// {"id", "url", "resolved": [addresses]?} -> {"allow", "reason"}: what the browser's address policy says, without any network.
int dev_url_policy(const DevUrlPolicyOptions& options, std::istream& in, std::ostream& out);

}  // namespace toccata::cli
