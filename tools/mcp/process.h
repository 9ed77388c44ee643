// A program on three pipes: the other side of the stdio transport.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/error.h"
#include "sandbox/linux/launcher.h"
#include "sandbox/linux/unique_fd.h"

namespace toccata::tools::mcp {

struct ProcessOrder {
  std::string program;  // a path, or a name looked up in the PATH of `environment`
  std::vector<std::string> arguments = {};
  std::vector<std::string> environment = {};  // all of it: "NAME=value"
  std::filesystem::path folder = {};          // empty = the current one
};

// Runs in a process group of its own. The group ends when this is destroyed, and the program itself when we die in any
// way. One thread at a time.
class Process {
 public:
  // kNotFound: no such program. kUnavailable: it could not be started, and why.
  static Result<Process> start(const ProcessOrder& order);
  Process(Process&&) noexcept = default;
  Process& operator=(Process&&) = delete;
  ~Process();

  pid_t pid() const { return pid_; }
  bool running() const { return !ended_within(std::chrono::milliseconds(0)); }
  // Waits for it to end by itself.
  bool ended_within(std::chrono::milliseconds limit) const;
  // Closes its input and gives it `grace` to leave, then SIGTERM and `grace` again, then SIGKILL; the last goes to the
  // whole group in any case. Reaps it. "exited with code 3", "was killed by signal 9". The same again when called again.
  const std::string& end(std::chrono::milliseconds grace);

  sandbox::UniqueFd in;       // non-blocking: what we write
  sandbox::UniqueFd out, err;  // non-blocking: what it writes
  sandbox::UniqueFd process;  // pidfd: readable once the program has ended

 private:
  Process() = default;
  std::unique_ptr<sandbox::Launcher> parent_;  // the thread it must not outlive
  pid_t pid_ = -1;
  std::string how_it_ended_;
};

// write() without the signal that a reader's end would raise in a program that does not ignore it.
ssize_t write_quietly(int fd, std::string_view bytes);

}  // namespace toccata::tools::mcp
