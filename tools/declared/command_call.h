// The program of a declared function.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "sandbox/session_slot.h"
#include "tools/declared/arguments.h"
#include "tools/declared/definition.h"
#include "tools/tool.h"

namespace toccata::tools::declared {

// A command line with everything in its place.
struct CommandLine {
  std::vector<std::string> argv;
  std::vector<std::string> environment;  // "NAME=value": what the declaration adds
  std::optional<std::string> input;      // stdin; none: empty
};

// `object`: the arguments as they came; `key`: the idempotency key, "" = none, in TOCCATA_IDEMPOTENCY_KEY. kInvalidArgument in words
// for the model: an argument that cannot stand in its place. Everything else is about secrets.
Result<CommandLine> make_command_line(
    const CommandCall& call, const nlohmann::ordered_json& object, const Arguments& arguments, const std::string& key
);

struct CommandEnd {
  bool ok = false;  // exit status 0
  std::string text;
  std::optional<int> exit_code;
  std::string metadata = "{}";  // JSON object
  std::chrono::microseconds sandbox_cpu{0};
};

// On this machine, as the user: in a process group of its own, which ends with the program, at the time-out, when it has printed more
// than kPrintedBytesMax, and with us. `environment`: what every program gets. Throws nothing; kUnavailable, kNotFound: it cannot be
// started.
Result<CommandEnd> run_on_host(
    const CommandCall& call, const CommandLine& line, const std::vector<std::string>& environment, std::chrono::milliseconds timeout,
    std::stop_token stop
);
inline constexpr std::size_t kPrintedBytesMax = std::size_t{16} << 20;

// In the session, as a command of the shell tool. `listener`: who hears its output, and pays for its CPU time.
Result<CommandEnd> run_in_sandbox(
    const CommandCall& call, const CommandLine& line, sandbox::SessionSlot& slot, std::chrono::milliseconds timeout,
    const ToolCall& listener, std::stop_token stop
);

}  // namespace toccata::tools::declared
