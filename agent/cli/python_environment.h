// The virtual environment of `toccata tools python`: where sessions of the sandbox find the modules that the user
// installed for them.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "agent/cli/environment.h"
#include "core/base/error.h"

namespace toccata::cli {

class PythonEnvironment {
 public:
  // Nothing is read or made yet. `base`: the interpreter it is made from.
  explicit PythonEnvironment(const Environment& env, std::filesystem::path base = "/usr/bin/python3");

  const std::filesystem::path& folder() const { return folder_; }
  std::filesystem::path interpreter() const { return folder_ / "bin" / "python3"; }
  // Something stands there, whole or not.
  bool exists() const;
  // Its interpreter and its pip run. kNotFound when there is none; kUnavailable when it is damaged, and what helps.
  Result<void> check() const;

  // Makes it; requires that there is none. kUnavailable when the base has no venv module (which Debian package has it) and
  // when the base is missing; kResourceExhausted when the disk is full. Leaves nothing behind when it fails.
  Result<void> make(bool system_site_packages) const;
  // Runs its pip, whose output and progress go where ours go. kUnavailable when no package index can be reached,
  // kResourceExhausted when the disk is full, kCancelled after Ctrl-C, else kIo.
  Result<void> pip(const std::vector<std::string>& arguments, bool offline) const;
  Result<void> remove() const;

  // Of `names`, those that the base can import and this cannot.
  std::vector<std::string> lost_from_base(const std::vector<std::string>& names) const;

 private:
  std::filesystem::path folder_, base_;
};

// While it lives, no other process that holds one changes the environment.
class PythonEnvironmentLock {
 public:
  // kUnavailable when another process has it.
  static Result<PythonEnvironmentLock> take(const PythonEnvironment& python);
  PythonEnvironmentLock(PythonEnvironmentLock&& other) noexcept;
  PythonEnvironmentLock& operator=(PythonEnvironmentLock&&) = delete;
  ~PythonEnvironmentLock();

 private:
  explicit PythonEnvironmentLock(int fd) : fd_(fd) {}
  int fd_;
};

// What kept pip or venv from its work, from what it wrote to stderr; kIo when none of the known reasons is there.
Error pip_failure(std::string_view written, const std::string& how_it_ended);

// Which interpreter sessions run, and whose choice that is.
struct PythonChoice {
  std::filesystem::path python;  // empty: the sandbox's own default
  enum class By { kUser, kEnvironment, kSystem } by = By::kSystem;
};
// `named` (--python): an interpreter, or the folder of a virtual environment; "~/" is the home folder. Empty: that of
// `toccata tools python` when there is one. Throws Exception for a name that leads nowhere and for a damaged environment.
PythonChoice choose_python(const std::filesystem::path& named, const Environment& env);

}  // namespace toccata::cli
