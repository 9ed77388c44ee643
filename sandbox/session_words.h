// What a session says of how things went: in the output that the model reads, and in errors.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "sandbox/egress.h"

namespace toccata::sandbox {

// "signal 11: Segmentation fault", "exit code 3"; wait_status: as waitpid gives it, unset where nobody knows it.
std::string how_it_ended(std::optional<int> wait_status);

// "[exit status 3]", "[killed by SIGKILL]": what stands below a command's output.
std::string exit_words(int wait_status);

// What the host tells the model of hosts that it was not let through to; nothing when there were none. A request without a host was
// only ever answered, or came to nothing.
std::string refused_words(const std::vector<HostUse>& hosts);

std::string seconds_text(std::chrono::milliseconds time);  // "1.5 seconds"
std::string mebibytes(std::uint64_t bytes);                // "512 MiB"

// The line below the text, with no empty lines between.
void append_line(std::string& text, const std::string& line);

}  // namespace toccata::sandbox
