#include "agent/cli/python_environment.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <iterator>
#include <sstream>

#include "sandbox/linux/unique_fd.h"

namespace toccata::cli {
namespace {

namespace fs = std::filesystem;
using sandbox::UniqueFd;

constexpr std::size_t kKeptBytes = std::size_t{64} << 10;  // of the end of what a child writes
constexpr const char* kRemake = "`toccata tools python remove` deletes it, `toccata tools python install PKG...` makes it anew";

struct Run {
  int wait_status = 0;
  std::string out, err;  // the end of each, where it was read
  bool ok() const { return wait_status == 0; }
  bool interrupted() const { return WIFSIGNALED(wait_status) && WTERMSIG(wait_status) == SIGINT; }
  std::string how_it_ended() const {
    if (WIFSIGNALED(wait_status)) return std::string("was ended by ") + strsignal(WTERMSIG(wait_status));
    return "ended with exit code " + std::to_string(WEXITSTATUS(wait_status));
  }
};

// Ctrl-C is the child's to answer: it cleans up, and then so do we.
class IgnoreInterrupts {
 public:
  IgnoreInterrupts() {
    struct sigaction ignore = {};
    ignore.sa_handler = SIG_IGN;
    sigaction(SIGINT, &ignore, &before_);
  }
  ~IgnoreInterrupts() { sigaction(SIGINT, &before_, nullptr); }
  IgnoreInterrupts(const IgnoreInterrupts&) = delete;
  IgnoreInterrupts& operator=(const IgnoreInterrupts&) = delete;

 private:
  struct sigaction before_ = {};
};

enum class Shown { kYes, kNo };

void keep_end(std::string& text, const char* bytes, std::size_t n) {
  text.append(bytes, n);
  if (text.size() > 2 * kKeptBytes) text.erase(0, text.size() - kKeptBytes);
}

// Reads both until their end; what comes from `err` is passed on as it comes.
void listen(int out, int err, Shown shown, Run& run) {
  pollfd fds[] = {{out, POLLIN, 0}, {err, POLLIN, 0}};
  while (fds[0].fd >= 0 || fds[1].fd >= 0) {
    if (poll(fds, 2, -1) < 0 && errno != EINTR) return;
    for (pollfd& from : fds) {
      if (from.fd < 0 || from.revents == 0) continue;
      char bytes[4096];
      const ssize_t n = read(from.fd, bytes, sizeof bytes);
      if (n < 0 && errno == EINTR) continue;
      if (n <= 0) {
        from.fd = -1;
        continue;
      }
      keep_end(from.fd == err ? run.err : run.out, bytes, static_cast<std::size_t>(n));
      if (shown == Shown::kYes) (void)!write(STDERR_FILENO, bytes, static_cast<std::size_t>(n));
    }
  }
}

// Without the variables that would send packages to another place. Those that name an index, a proxy or a cache stay.
std::vector<std::string> child_environment(bool offline) {
  std::vector<std::string> kept = whole_environment();
  std::erase_if(kept, [](const std::string& entry) {
    for (const char* name : {"PYTHONHOME=", "PYTHONPATH=", "PIP_USER=", "PIP_TARGET=", "PIP_PREFIX=", "PIP_ROOT="}) {
      if (entry.starts_with(name)) return true;
    }
    return false;
  });
  kept.push_back("PIP_DISABLE_PIP_VERSION_CHECK=1");
  if (offline) kept.push_back("PIP_NO_INDEX=1");
  return kept;
}

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> all;
  for (std::string& text : texts) all.push_back(text.data());
  all.push_back(nullptr);
  return all;
}

// kYes: stdout is ours, and stderr passes through us. kNo: both are only read.
Result<Run> run_program(std::vector<std::string> arguments, Shown shown, bool offline = false) {
  int out[2], err[2];
  if (pipe2(out, O_CLOEXEC) != 0) return Error{ErrorCode::kUnavailable, strerror(errno)};
  const UniqueFd out_read(out[0]);
  UniqueFd out_write(out[1]);
  if (pipe2(err, O_CLOEXEC) != 0) return Error{ErrorCode::kUnavailable, strerror(errno)};
  const UniqueFd err_read(err[0]);
  UniqueFd err_write(err[1]);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  if (shown == Shown::kNo) posix_spawn_file_actions_adddup2(&actions, out_write.get(), 1);
  posix_spawn_file_actions_adddup2(&actions, err_write.get(), 2);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  sigset_t interrupts;
  sigemptyset(&interrupts);
  sigaddset(&interrupts, SIGINT);
  posix_spawnattr_setsigdefault(&attributes, &interrupts);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF);
  std::vector<std::string> environment = child_environment(offline);
  const IgnoreInterrupts patience;
  pid_t pid = 0;
  const int failed = posix_spawn(&pid, arguments[0].c_str(), &actions, &attributes, pointers(arguments).data(), pointers(environment).data());
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  if (failed != 0) {
    return Error{failed == ENOENT ? ErrorCode::kNotFound : ErrorCode::kUnavailable, arguments[0] + ": " + strerror(failed)};
  }
  out_write.reset();
  err_write.reset();
  Run run;
  listen(out_read.get(), err_read.get(), shown, run);
  while (waitpid(pid, &run.wait_status, 0) < 0 && errno == EINTR) {
  }
  return run;
}

bool mentions(std::string_view text, std::initializer_list<const char*> words) {
  return std::any_of(words.begin(), words.end(), [&](const char* word) { return text.find(word) != std::string_view::npos; });
}

std::string last_lines(const std::string& text) {
  constexpr std::size_t kShown = 600;
  std::string end = text.size() > kShown ? "..." + text.substr(text.size() - kShown) : text;
  while (end.ends_with('\n')) end.pop_back();
  return end;
}

}  // namespace

Error pip_failure(std::string_view written, const std::string& how_it_ended) {
  if (mentions(written, {"No space left on device", "Errno 28", "Disk quota exceeded", "Errno 122"})) {
    return {ErrorCode::kResourceExhausted, "the disk is full (or the user's share of it): packages need room in the data folder and in /tmp"};
  }
  if (mentions(written, {"Temporary failure in name resolution", "Name or service not known", "NewConnectionError", "ConnectTimeoutError",
                         "Failed to establish a new connection", "Network is unreachable", "ProxyError", "ReadTimeoutError"})) {
    return {ErrorCode::kUnavailable,
            "the package index cannot be reached. `pip config list` shows which one is asked; files that are here already need none: "
            "toccata tools python install ./module.whl, or -- --no-index --find-links FOLDER NAME"};
  }
  return {ErrorCode::kIo, "pip " + how_it_ended + "; what it says is above"};
}

PythonEnvironment::PythonEnvironment(const Environment& env, fs::path base) : folder_(env.data_home / "python"), base_(std::move(base)) {}

bool PythonEnvironment::exists() const {
  std::error_code failure;
  return fs::symlink_status(folder_, failure).type() != fs::file_type::not_found;
}

Result<void> PythonEnvironment::check() const {
  if (!exists()) {
    return Error{ErrorCode::kNotFound, "there is no Python environment yet; `toccata tools python install numpy` makes one in " + folder_.string()};
  }
  const Result<Run> run = run_program({interpreter().string(), "-I", "-c", "import pip"}, Shown::kNo);
  if (run && run->ok()) return {};
  const std::string why = run ? last_lines(run->err) : run.error().message;
  return Error{ErrorCode::kUnavailable, "the Python environment in " + folder_.string() + " is damaged (" + why + "); " + kRemake};
}

Result<void> PythonEnvironment::make(bool system_site_packages) const {
  const Result<Run> able = run_program({base_.string(), "-I", "-c", "import venv, ensurepip"}, Shown::kNo);
  if (!able) return Error{ErrorCode::kUnavailable, "no environment can be made: " + able.error().message + "; on Debian and Ubuntu: apt install python3 python3-venv"};
  if (!able->ok()) {
    return Error{ErrorCode::kUnavailable, base_.string() + " cannot make environments (" + last_lines(able->err) + "); on Debian and Ubuntu: apt install python3-venv"};
  }
  std::error_code failure;
  fs::create_directories(folder_.parent_path(), failure);
  if (failure) return Error{ErrorCode::kIo, folder_.parent_path().string() + ": " + failure.message()};
  std::vector<std::string> arguments = {base_.string(), "-I", "-m", "venv"};
  if (system_site_packages) arguments.push_back("--system-site-packages");
  arguments.push_back(folder_.string());
  const Result<Run> made = run_program(arguments, Shown::kNo);
  if (made && made->ok()) return {};
  fs::remove_all(folder_, failure);
  if (!made) return made.error();
  if (made->interrupted()) return Error{ErrorCode::kCancelled, "interrupted"};
  const std::string words = made->out + made->err;
  Error why = pip_failure(words, made->how_it_ended());
  if (why.code == ErrorCode::kIo) why.message = base_.string() + " -m venv " + made->how_it_ended() + ": " + last_lines(words);
  return why;
}

Result<void> PythonEnvironment::pip(const std::vector<std::string>& arguments, bool offline) const {
  std::vector<std::string> all = {interpreter().string(), "-I", "-m", "pip", "--no-input"};
  all.insert(all.end(), arguments.begin(), arguments.end());
  const Result<Run> run = run_program(std::move(all), Shown::kYes, offline);
  if (!run) return run.error();
  if (run->ok()) return {};
  if (run->interrupted()) return Error{ErrorCode::kCancelled, "interrupted"};
  return pip_failure(run->err, run->how_it_ended());
}

Result<void> PythonEnvironment::remove() const {
  std::error_code failure;
  fs::remove_all(folder_, failure);  // removes links, never follows them
  if (failure) return Error{ErrorCode::kIo, folder_.string() + ": " + failure.message()};
  return {};
}

std::vector<std::string> PythonEnvironment::lost_from_base(const std::vector<std::string>& names) const {
  std::string list;
  for (const std::string& name : names) list += "'" + name + "',";
  const std::string code = "import importlib.util as u\nprint(*[n for n in [" + list + "] if u.find_spec(n)])";
  const auto found = [&](const fs::path& python) {
    const Result<Run> run = run_program({python.string(), "-I", "-c", code}, Shown::kNo);
    std::istringstream words(run && run->ok() ? run->out : "");
    return std::vector<std::string>{std::istream_iterator<std::string>(words), {}};
  };
  const std::vector<std::string> mine = found(interpreter());
  std::vector<std::string> lost = found(base_);
  std::erase_if(lost, [&](const std::string& name) { return std::ranges::find(mine, name) != mine.end(); });
  return lost;
}

Result<PythonEnvironmentLock> PythonEnvironmentLock::take(const PythonEnvironment& python) {
  const fs::path file = python.folder().string() + ".lock";
  std::error_code failure;
  fs::create_directories(file.parent_path(), failure);
  const int fd = open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (fd < 0) return Error{ErrorCode::kIo, file.string() + ": " + strerror(errno)};
  if (flock(fd, LOCK_EX | LOCK_NB) == 0) return PythonEnvironmentLock(fd);
  const int why = errno;
  ::close(fd);
  if (why != EWOULDBLOCK) return Error{ErrorCode::kIo, file.string() + ": " + strerror(why)};
  return Error{ErrorCode::kUnavailable, "another `toccata tools python` is at work on " + python.folder().string() + "; try again when it has ended"};
}

PythonEnvironmentLock::PythonEnvironmentLock(PythonEnvironmentLock&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
PythonEnvironmentLock::~PythonEnvironmentLock() {
  if (fd_ >= 0) ::close(fd_);
}

PythonChoice choose_python(const fs::path& named, const Environment& env) {
  std::error_code failure;
  if (!named.empty()) {
    fs::path path = named.string().starts_with("~/") ? env.home / named.string().substr(2) : named;
    if (fs::is_directory(path, failure)) path /= "bin/python3";
    path = fs::absolute(path, failure);
    if (access(path.c_str(), X_OK) != 0) {
      throw Exception(
          ErrorCode::kNotFound,
          "--python is " + named.string() + ", but " + path.string() + ": " + strerror(errno) +
              "; expected the path of an interpreter, or the folder of a virtual environment"
      );
    }
    return {path, PythonChoice::By::kUser};
  }
  const PythonEnvironment made(env);
  if (!made.exists()) return {};
  if (access(made.interpreter().c_str(), X_OK) != 0) {
    throw Exception(
        ErrorCode::kUnavailable, "the Python environment in " + made.folder().string() + " is damaged (bin/python3: " + strerror(errno) +
                                     "); " + kRemake + ", --python names another interpreter"
    );
  }
  return {made.interpreter(), PythonChoice::By::kEnvironment};
}

}  // namespace toccata::cli
