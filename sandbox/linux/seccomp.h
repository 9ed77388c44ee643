#pragma once

#include <linux/filter.h>

#include <vector>

#include "core/base/error.h"

namespace toccata::sandbox {

// The system calls Python, numpy and subprocesses need; everything else answers EPERM, and foreign instruction sets kill.
// Built once by the host (libseccomp), installed by the child with one raw call.
Result<std::vector<sock_filter>> build_filter();

}  // namespace toccata::sandbox
