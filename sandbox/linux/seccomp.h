#pragma once

#include <linux/filter.h>

#include <vector>

#include "core/base/error.h"
#include "sandbox/linux/plan.h"

namespace toccata::sandbox {

// The system calls Python, numpy and subprocesses need; everything else answers EPERM, and foreign instruction sets kill.
// For the zygote: also those that put up the walls around its forks, which then narrow it to the first list for
// themselves. Built once by the host (libseccomp), installed by the child with one raw call.
// kPairs: no socket with a name, so that none on the host's side of a shown folder can be reached.
enum class Sockets { kNamed, kPairs };
// kTcp: sockets of TCP over IPv4, which in a namespace of its own reach the session's loopback and no further; of their
// options only those that HTTP clients set. For the zygote also what brings the loopback up.
enum class Network { kNone, kTcp };
Result<std::vector<sock_filter>> build_filter(
    Role role = Role::kSession, Sockets sockets = Sockets::kNamed, Network network = Network::kNone
);

// The filter of a session without namespaces, which shares the host's: also no socket with a name or an address, and no
// call that reaches another process by its id. Landlock may be narrowed further.
Result<std::vector<sock_filter>> build_filter_on_host();

}  // namespace toccata::sandbox
