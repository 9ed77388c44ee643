#pragma once

#include <sys/types.h>

#include <chrono>

namespace toccata::sandbox {

// CPU time of a process and of all below it, those that ended and were waited for included, as /proc shows it: within a tick (10 ms)
// for each process. Children whose parent ignores SIGCHLD are in nobody's account once they have ended.
std::chrono::microseconds cpu_time_of_tree(pid_t root);

}  // namespace toccata::sandbox
