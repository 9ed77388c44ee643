// Stateful Python sessions in a contained child process: no root, Docker or daemon needed.
//
//   Result<Sandbox> sandbox = Sandbox::create(policy);       // finds the interpreter and the level, by doing
//   Result<std::unique_ptr<Session>> session = sandbox->open();
//   Outcome outcome = (*session)->execute("x = 6 * 7\nx", 120s);   // "42"
//
// What the child is shut in by, in order: sandbox/contain.cpp.
#pragma once

#include <chrono>
#include <filesystem>
#include <memory>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/error.h"
#include "sandbox/egress.h"
#include "sandbox/linux/unique_fd.h"
#include "sandbox/outcome.h"
#include "sandbox/policy.h"

namespace toccata::sandbox {

// A program to run in a session.
struct Command {
  std::vector<std::string> argv;  // argv[0] is looked for on the session's PATH; "bash" falls back to sh
  std::string folder = ".";       // of the workspace: relative, or below /mnt/data

  static Command shell(std::string text) { return {{"bash", "-c", std::move(text)}}; }
};

// One interpreter with its variables and its workspace. One thread at a time, except interrupt().
// Destroying it kills every process of the session and drops the workspace. Whatever the code does, no call waits
// longer than its time limit plus about five seconds.
class Session {
 public:
  virtual ~Session() = default;

  // Runs one cell. At `timeout`, or when `stop` is requested: KeyboardInterrupt, again after 0.7 s, and after 2 s a
  // fresh interpreter. Never throws on what the code does; a session that cannot be restarted gives kDied.
  // `cpu`: charged with the CPU time it uses; where nothing is left, nothing is run, and what uses up the rest is ended in the
  // same way, at the latest when it has used CpuWatch::kGrace more.
  virtual Outcome execute(
      std::string_view code, std::chrono::milliseconds timeout, std::stop_token stop = {}, CpuAccount cpu = {}
  ) = 0;

  // Runs a program beside the interpreter, in the same walls and workspace, in a process group of its own; stdin is
  // empty. At `timeout`, when `stop` is requested or when it floods: SIGTERM to the group, and SIGKILL 0.3 s later.
  // What it left in the background lives on until the session ends. Variables of the interpreter are not touched.
  // Outcome: kOk for exit code 0, else kError or kTimeout; exit_code is set when it ended by itself or by a signal.
  virtual Outcome run_command(
      const Command& command, std::chrono::milliseconds timeout, std::stop_token stop = {}, CpuAccount cpu = {}
  ) = 0;

  // From now on hears what cells and commands print, as they print it: at most Limits::output_chars of each stream of one
  // execution, without what the host has to say. Null = nobody listens.
  virtual void listen(Listener listener) = 0;

  // Raises KeyboardInterrupt in the running cell, if any. From any thread.
  virtual void interrupt() = 0;

  // Files of the workspace, sorted, at most 1,000. Paths may be relative or begin with /mnt/data/. Links are never
  // followed, and only regular files are read.
  virtual Result<std::vector<WorkspaceFile>> list_files() = 0;
  virtual Result<std::string> download(const std::string& path) = 0;
  virtual Result<void> upload(const std::string& path, std::string_view bytes) = 0;

  // Files made, changed or removed, by whomever, since the call before; the first call: since the session began. After a
  // restart that lost the files each of them is removed. What lies beyond the 1,000 files looked at never is.
  virtual std::vector<FileChange> take_changes() = 0;

  // The workspace itself, for tools with more to do in it, and the host uid and gid its files belong to (-1: the
  // caller's). It is another one after a restart that lost the files.
  struct Folder {
    UniqueFd fd;
    std::int64_t owner = -1;
  };
  virtual Result<Folder> workspace_folder() = 0;

  // Another session that begins with a copy of this one's variables, at the same place of the same program: its own
  // interpreter, cells and output, behind the same walls. Both share the workspace, the limits, the process numbers and
  // whatever files were open. Neither holds a channel of the other, but they are processes of one user: code can end the
  // other's, and reach their memory where there is a /proc. Closing ends one interpreter, the last all. kUnavailable when code has started threads that still run, or there is no room for
  // another process: then this one goes on.
  virtual Result<std::unique_ptr<Session>> fork() = 0;

  virtual Level level() const = 0;
  // Hosts that have answered code of this session, and of those it was forked from: what it prints and what lies in its
  // workspace may be their words. The first kHeardMax.
  virtual const std::vector<std::string>& heard() const = 0;
  static constexpr std::size_t kHeardMax = 32;
  // Kills the session. Calls after it fail.
  virtual void close() = 0;
};

// One thing the strongest level needs, as found on this machine.
struct Primitive {
  std::string name;
  bool ok = false;
  std::string detail;  // what was done, or the failing call with its errno
};

struct ProbeReport {
  Level level = Level::kNone;  // strongest reachable
  std::string advice;          // what would let a stronger one be reached; empty when nothing is known
  std::vector<Primitive> primitives;
  std::string python;          // path run; empty when none was found
  std::string python_version;  // or why there is none
  std::vector<std::string> modules;  // of Warmth::imports, those that sessions have imported; empty without a zygote
};

// Tries each primitive once in a child, without opening a session. For `doctor`; takes some tens of milliseconds, and with
// a zygote the time of its imports.
ProbeReport probe(const Policy& policy, const MakeEgress& make_egress = nullptr);

// Makes sessions of one policy. May be shared by threads. Sessions must end before it.
class Sandbox {
 public:
  // kUnavailable when policy.minimum cannot be reached: the message names the missing primitive, the errno, and the
  // flag that would accept the weaker level. kNotFound when there is no usable interpreter. kInvalidArgument for one
  // that a session cannot see. For a folder that may not be shown: see sandbox/shown_folders.h. `make_egress`: called once
  // when the policy has a network; its error is returned, and kInvalidArgument without it or at a level that has no network
  // of its own to keep.
  static Result<Sandbox> create(const Policy& policy, const MakeEgress& make_egress = nullptr);
  Sandbox(Sandbox&&) noexcept;
  Sandbox& operator=(Sandbox&&) noexcept;
  ~Sandbox();

  Level level() const;
  // Where sessions find the folders of Policy::mounts, in their order: at /mnt/NAME, or where they are on the host at levels
  // without a root of their own.
  struct ShownAt {
    std::filesystem::path host;  // canonical
    std::string inside;
  };
  std::vector<ShownAt> folders() const;
  // As the policy has it.
  const std::vector<std::string>& network() const;
  // An interpreter nobody has used, ready for its first cell: from the pool, else forked from the zygote, else started.
  Result<std::unique_ptr<Session>> open();

  // Waits until the zygote is up and the pool is full. The names of the modules sessions have imported already; the error
  // says why sessions are not forked, but started. Nothing needs to wait: open() always works.
  Result<std::string> await_warm();

 private:
  struct Impl;
  explicit Sandbox(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace toccata::sandbox
