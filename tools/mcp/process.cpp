#include "tools/mcp/process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string_view>

namespace toccata::tools::mcp {
namespace {

using sandbox::UniqueFd;
namespace fs = std::filesystem;

constexpr std::chrono::milliseconds kLastGrace{5000};  // of the kernel, after SIGKILL

std::string_view value_of(const std::vector<std::string>& environment, std::string_view name) {
  for (const std::string& entry : environment) {
    if (entry.starts_with(name) && entry.size() > name.size() && entry[name.size()] == '=') {
      return std::string_view(entry).substr(name.size() + 1);
    }
  }
  return {};
}

bool is_program(const fs::path& path) {
  std::error_code failure;
  return fs::is_regular_file(path, failure) && access(path.c_str(), X_OK) == 0;
}

Result<std::string> find_program(const ProcessOrder& order) {
  const fs::path named = order.program;
  if (order.program.find('/') != std::string::npos) {
    const fs::path from = order.folder.empty() || named.is_absolute() ? named : order.folder / named;
    if (is_program(from)) return fs::absolute(from).string();
    return Error{ErrorCode::kNotFound, from.string() + " is not a program that can be run"};
  }
  std::string_view path = value_of(order.environment, "PATH");
  while (!order.program.empty() && !path.empty()) {
    const std::size_t end = path.find(':');
    const fs::path candidate = fs::path(path.substr(0, end)) / named;
    if (candidate.is_absolute() && is_program(candidate)) return candidate.string();
    path = end == std::string_view::npos ? std::string_view() : path.substr(end + 1);
  }
  return Error{ErrorCode::kNotFound, "no program '" + order.program + "' in the PATH it is given"};
}

// Above 2, so that it is still there once 0, 1 and 2 are the child's.
Result<void> make_pipe(UniqueFd& read_end, UniqueFd& write_end) {
  int fds[2];
  if (pipe2(fds, O_CLOEXEC) != 0) return Error{ErrorCode::kUnavailable, std::string("pipe: ") + strerror(errno)};
  for (int i = 0; i < 2; ++i) {
    UniqueFd& end = i == 0 ? read_end : write_end;
    end.reset(fds[i]);
    if (fds[i] <= STDERR_FILENO) end.reset(fcntl(fds[i], F_DUPFD_CLOEXEC, STDERR_FILENO + 1));
    if (!end) return Error{ErrorCode::kUnavailable, std::string("pipe: ") + strerror(errno)};
  }
  return {};
}

// All that the child needs, ready before it exists: it may not allocate.
struct Child {
  const char* program;
  const char* folder;  // null = stay
  char* const* arguments;
  char* const* environment;
  int in, out, err;
  pid_t parent;
};

// Behind vfork: on our memory, with descriptors and signal actions of its own.
[[noreturn]] void become(const Child& child, volatile int* failure) {
  struct sigaction standard = {};
  standard.sa_handler = SIG_DFL;
  for (int signal = 1; signal < 32; ++signal) sigaction(signal, &standard, nullptr);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  errno = 0;
  const bool ready = setpgid(0, 0) == 0 && prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 && getppid() == child.parent &&
                     dup2(child.in, STDIN_FILENO) >= 0 && dup2(child.out, STDOUT_FILENO) >= 0 &&
                     dup2(child.err, STDERR_FILENO) >= 0 && syscall(SYS_close_range, STDERR_FILENO + 1, ~0U, 0) == 0 &&
                     (child.folder == nullptr || chdir(child.folder) == 0);
  if (ready) execve(child.program, child.arguments, child.environment);
  *failure = errno != 0 ? errno : ECANCELED;
  _exit(127);
}

[[gnu::noinline]] pid_t launch(const Child& child, volatile int* failure) {
  const pid_t pid = vfork();
  if (pid == 0) become(child, failure);
  return pid;
}

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> all;
  for (std::string& text : texts) all.push_back(text.data());
  all.push_back(nullptr);
  return all;
}

bool wait_for_end(int process, std::chrono::milliseconds limit) {
  const auto deadline = std::chrono::steady_clock::now() + limit;
  pollfd ended = {process, POLLIN, 0};
  for (;;) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
    const int n = poll(&ended, 1, static_cast<int>(std::max<std::int64_t>(0, left.count())));
    if (n > 0) return true;
    if (n == 0) return false;
  }
}

}  // namespace

Result<Process> Process::start(const ProcessOrder& order) {
  Result<std::string> program = find_program(order);
  if (!program) return program.error();
  Process made;
  UniqueFd in, out, err;
  if (auto done = make_pipe(in, made.in); !done) return done.error();
  if (auto done = make_pipe(made.out, out); !done) return done.error();
  if (auto done = make_pipe(made.err, err); !done) return done.error();
  for (const UniqueFd* ours : {&made.in, &made.out, &made.err}) fcntl(ours->get(), F_SETFL, O_NONBLOCK);

  std::vector<std::string> arguments{order.program};
  arguments.insert(arguments.end(), order.arguments.begin(), order.arguments.end());
  std::vector<std::string> environment = order.environment;
  const std::vector<char*> argv = pointers(arguments), envp = pointers(environment);
  const Child child{
      program->c_str(), order.folder.empty() ? nullptr : order.folder.c_str(), argv.data(), envp.data(),
      in.get(), out.get(), err.get(), getpid()};
  made.parent_ = std::make_unique<sandbox::Launcher>();
  volatile int failure = 0;
  made.parent_->run([&] {
    made.pid_ = launch(child, &failure);
    if (made.pid_ < 0) failure = errno;
    if (made.pid_ > 0) made.process.reset(static_cast<int>(syscall(SYS_pidfd_open, made.pid_, 0)));  // close-on-exec
  });
  if (made.pid_ > 0 && failure == 0 && !made.process) {  // it runs, but nobody could watch it
    kill(-made.pid_, SIGKILL);
    failure = ENOSYS;
  }
  if (failure != 0) {
    if (made.pid_ > 0) waitpid(made.pid_, nullptr, 0);
    made.process.reset();
    return Error{ErrorCode::kUnavailable, "cannot start " + *program + ": " + strerror(failure)};
  }
  return made;
}

Process::~Process() {
  if (process) end(std::chrono::milliseconds(0));
}

bool Process::ended_within(std::chrono::milliseconds limit) const { return !process || wait_for_end(process.get(), limit); }

const std::string& Process::end(std::chrono::milliseconds grace) {
  if (!process) return how_it_ended_;
  in.reset();
  const bool left = wait_for_end(process.get(), grace);
  if (!left && kill(-pid_, SIGTERM) == 0) wait_for_end(process.get(), grace);
  // Before it is reaped, while the group is still its own: what it left behind.
  kill(-pid_, SIGKILL);
  wait_for_end(process.get(), kLastGrace);
  siginfo_t info = {};
  waitid(P_PIDFD, static_cast<id_t>(process.get()), &info, WEXITED | WNOHANG);
  how_it_ended_ = info.si_code == CLD_EXITED ? "exited with code " + std::to_string(info.si_status)
                                             : "was killed by signal " + std::to_string(info.si_status);
  out.reset();
  err.reset();
  process.reset();
  return how_it_ended_;
}

ssize_t write_quietly(int fd, std::string_view bytes) {
  sigset_t pipe_signal, before;
  sigemptyset(&pipe_signal);
  sigaddset(&pipe_signal, SIGPIPE);
  pthread_sigmask(SIG_BLOCK, &pipe_signal, &before);
  const ssize_t n = write(fd, bytes.data(), bytes.size());
  const int error = errno;
  if (n < 0 && error == EPIPE && sigismember(&before, SIGPIPE) == 0) {
    const timespec none = {};
    while (sigtimedwait(&pipe_signal, nullptr, &none) < 0 && errno == EINTR) {
    }
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  errno = error;
  return n;
}

}  // namespace toccata::tools::mcp
