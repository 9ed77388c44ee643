// `toccata dev sandbox`: Python sessions as a machine interface.
#pragma once

#include <iosfwd>
#include <string>

#include "sandbox/egress.h"
#include "sandbox/policy.h"

namespace toccata::cli {

struct DevSandboxOptions {
  std::string level = "full-nocg";  // least level accepted: full | full-nocg | noproc | landlock | seccomp | none
  sandbox::Policy policy = {};      // interpreter, folders shown, hosts allowed
  sandbox::MakeEgress make_egress = {};  // where there are such hosts
};

// One request a line, one plain answer a line (an "id" of the request is repeated in the answer):
//   {"op":"open"}                                      {"session","level"}
//   {"op":"execute","session","code","timeout":120}    {"status","output","truncated","restarted","state_lost",
//                                                       "artifacts":[{"name","size"}],"duration_ms","level"}, and, with hosts
//                                                       allowed, "network":{"allowed","used":[{"host","port","allowed",
//                                                       "reason","connections","sent","received"}]}
//   {"op":"fork","session"}                            {"session","level"}: begins with a copy of its variables
//   {"op":"list","session"}                            {"ok":true,"files":[{"name","size"}]}
//   {"op":"download","session","path"}                 {"ok":true,"b64"}
//   {"op":"upload","session","path","b64"}             {"ok":true}
//   {"op":"close","session"}                           {}
//   {"op":"quit"}                                      {} and the end
// Anything that cannot be done answers {"error"}, after "ok":false for file requests. Returns 0 at the end of input.
int dev_sandbox(const DevSandboxOptions& options, std::istream& in, std::ostream& out);

}  // namespace toccata::cli
