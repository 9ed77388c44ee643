#include "sandbox/interpreter.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <sstream>

#include "sandbox/linux/deadline.h"
#include "sandbox/linux/unique_fd.h"

namespace toccata::sandbox {
namespace {

namespace fs = std::filesystem;

constexpr std::chrono::seconds kProbeTime{20};
constexpr const char* kProbe =
    "import sys;print('\\n'.join(['%d.%d.%d'%sys.version_info[:3],sys.executable,"
    "sys.base_prefix,sys.prefix]+sys.path))";

std::string read_until_end(int fd, const Deadline& deadline) {
  std::string text;
  char buffer[4096];
  pollfd ready = {fd, POLLIN, 0};
  while (text.size() < 1 << 20 && poll(&ready, 1, deadline.poll_ms()) > 0) {
    const ssize_t n = read(fd, buffer, sizeof buffer);
    if (n <= 0) break;
    text.append(buffer, static_cast<std::size_t>(n));
  }
  return text;
}

// The program's stdout. The error says how it ended.
Result<std::string> output_of(const fs::path& program, std::vector<std::string> arguments) {
  int fds[2];
  if (pipe2(fds, O_CLOEXEC) != 0) return Error{ErrorCode::kUnavailable, strerror(errno)};
  const UniqueFd out(fds[0]);
  UniqueFd in(fds[1]);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, in.get(), 1);
  posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
  std::vector<char*> argv;
  for (std::string& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);
  std::string path = "PATH=/usr/local/bin:/usr/bin:/bin";
  char* envp[] = {path.data(), nullptr};
  pid_t pid = 0;
  const int failed = posix_spawn(&pid, program.c_str(), &actions, nullptr, argv.data(), envp);
  posix_spawn_file_actions_destroy(&actions);
  if (failed != 0)
    return Error{ErrorCode::kUnavailable, program.string() + ": " + strerror(failed)};
  in.reset();
  const Deadline deadline(kProbeTime);
  std::string text = read_until_end(out.get(), deadline);
  if (deadline.passed()) kill(pid, SIGKILL);
  int status = 0;
  waitpid(pid, &status, 0);
  if (status != 0) {
    return Error{
        ErrorCode::kUnavailable,
        program.string() + " is not a working Python interpreter (wait status " +
            std::to_string(status) + ")"};
  }
  return text;
}

bool below(const fs::path& path, const fs::path& tree) {
  return std::mismatch(tree.begin(), tree.end(), path.begin(), path.end()).first == tree.end();
}

bool old_version(const std::string& version) {
  int major = 0, minor = 0;
  char dot = 0;
  std::istringstream(version) >> major >> dot >> minor;
  return major < 3 || (major == 3 && minor < 9);
}

void add_tree(Interpreter& found, const std::string& prefix) {
  std::error_code failure;
  const fs::path tree = fs::canonical(prefix, failure);
  if (failure || tree == "/" || below(tree, "/usr")) return;
  for (const fs::path& known : found.trees) {
    if (below(tree, known)) return;
  }
  found.trees.push_back(tree);
}

}  // namespace

Result<Interpreter> find_interpreter(const fs::path& python) {
  fs::path program = python;
  for (const char* usual : {"/usr/bin/python3", "/usr/local/bin/python3"}) {
    if (program.empty() && access(usual, X_OK) == 0) program = usual;
  }
  if (program.empty()) {
    return Error{
        ErrorCode::kNotFound,
        "no Python interpreter: neither /usr/bin/python3 nor /usr/local/bin/python3 is there; "
        "install python3 or name one"};
  }
  const Result<std::string> text = output_of(program, {program.string(), "-I", "-c", kProbe});
  if (!text) return text.error();
  std::istringstream lines(*text);
  Interpreter found;
  std::string executable, base_prefix, prefix;
  std::getline(lines, found.version) && std::getline(lines, executable) &&
      std::getline(lines, base_prefix) && std::getline(lines, prefix);
  if (!executable.starts_with('/')) {
    return Error{ErrorCode::kUnavailable, program.string() + " did not say where it is installed"};
  }
  if (old_version(found.version)) {
    return Error{
        ErrorCode::kUnavailable,
        program.string() + " is Python " + found.version + "; 3.9 or newer is needed"};
  }
  found.executable = executable;
  add_tree(found, base_prefix);
  add_tree(found, prefix);
  for (std::string path; std::getline(lines, path);) {
    const auto holds = [&](const fs::path& tree) { return below(path, tree); };
    if (holds("/usr") || std::any_of(found.trees.begin(), found.trees.end(), holds))
      found.paths.push_back(path);
  }
  return found;
}

}  // namespace toccata::sandbox
