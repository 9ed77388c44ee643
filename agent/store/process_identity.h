#pragma once

#include <string>
#include <string_view>

namespace toccata::store {

// "pid:start:boot": the process id, its start time in clock ticks after boot, and the boot. Unlike the id alone, no
// later process has it. Seen from another pid namespace (a container) a process counts as gone.
std::string this_process();
bool is_alive(std::string_view process);

}  // namespace toccata::store
