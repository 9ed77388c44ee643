// What one execution came to. Everything here is what the host saw; nothing is taken from the code's own word
// except the text it printed and whether its last statement raised.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sandbox/egress.h"
#include "sandbox/policy.h"

namespace toccata::sandbox {

enum class Status {
  kOk,
  kError,    // the code raised, or was interrupted by request
  kTimeout,  // it ran past its time, or used up its CPU time, whether or not its state could be kept
  kDied,     // the interpreter ended: os._exit, a crash, out of memory, a flood of output
};

const char* to_string(Status status);  // "ok", "error", "timeout", "died"

// A regular file of the workspace.
struct WorkspaceFile {
  std::string path;  // relative to the workspace; bytes that are not UTF-8 are U+FFFD
  std::uint64_t size = 0;
  friend bool operator==(const WorkspaceFile&, const WorkspaceFile&) = default;
};

// What became of a file since it was last asked for.
struct FileChange {
  std::string path;  // relative to the workspace, as it is named there
  std::uint64_t size = 0;
  bool removed = false;
  friend bool operator==(const FileChange&, const FileChange&) = default;
};

struct Outcome {
  Status status = Status::kOk;
  // Valid UTF-8 for the model: stdout and the value of the last expression, then stderr and the traceback, then
  // what the host has to say (time-out, restart). At most Limits::output_chars of the code's own text.
  std::string output;
  std::size_t truncated = 0;             // characters cut from the middle
  bool restarted = false;                // a fresh interpreter is in place
  bool state_lost = false;               // variables of earlier cells are gone
  std::vector<WorkspaceFile> artifacts;  // files made or changed since the execution before
  std::chrono::milliseconds duration{0};
  // CPU time of all processes of the session since the execution before: what ran on in the background meanwhile is in it.
  std::chrono::microseconds cpu{0};
  std::optional<int> exit_code;  // of a command; 128 + n when signal n ended it
  Level level = Level::kNone;
  std::vector<std::string> network;  // the hosts that could be reached, as Policy::network has them; empty: none
  std::vector<HostUse> hosts;        // those that were asked for
  friend bool operator==(const Outcome&, const Outcome&) = default;
};

// Takes what an execution has used of CPU time since it last said so, and says how much more it may use; max(): as much as it
// likes. On the thread that waits for the execution.
using CpuAccount = std::function<std::chrono::microseconds(std::chrono::microseconds used)>;

// Hears text while it is printed: valid UTF-8, on the thread that waits for the execution.
using Listener = std::function<void(std::string_view)>;

// The text of an execution that printed nothing (the words of the reference python tool).
inline constexpr const char* kNoOutput =
    "[WARN] No output available. Use print() to output anything to stdout to receive the output";
inline constexpr const char* kRestartedSentence =
    "The Python process was restarted; variables are lost.";

}  // namespace toccata::sandbox
