#include "agent/cli/signals.h"

#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdint>

namespace toccata::cli {
namespace {

sigset_t stop_signals() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGTERM);
  return set;
}

}  // namespace

SignalStop::SignalStop() {
  const sigset_t set = stop_signals();
  ::pthread_sigmask(SIG_BLOCK, &set, nullptr);
  wake_ = ::eventfd(0, EFD_CLOEXEC);
  if (termios terminal{}; ::tcgetattr(STDIN_FILENO, &terminal) == 0) terminal_ = terminal;
  listener_ = std::thread([this] { listen(); });
}

void SignalStop::end_now(int signal) const {
  if (terminal_) ::tcsetattr(STDIN_FILENO, TCSANOW, &*terminal_);
  ::_exit(128 + signal);
}

SignalStop::~SignalStop() {
  const std::uint64_t one = 1;
  [[maybe_unused]] const auto written = ::write(wake_, &one, sizeof one);
  listener_.join();
  ::close(wake_);
  const sigset_t set = stop_signals();
  ::pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
}

int SignalStop::exit_code() const {
  const int number = signal_;
  return number == 0 ? 0 : 128 + number;
}

void SignalStop::set_idle(bool idle) {
  idle_ = idle;
  if (idle && signal_ == SIGTERM) end_now(SIGTERM);
  const std::lock_guard lock(mutex_);
  if (stop_.stop_requested()) stop_ = std::stop_source();
  signal_ = 0;
}

std::stop_token SignalStop::token() const {
  const std::lock_guard lock(mutex_);
  return stop_.get_token();
}

void SignalStop::listen() {
  const sigset_t set = stop_signals();
  const int signals = ::signalfd(-1, &set, SFD_CLOEXEC);
  pollfd watched[] = {{signals, POLLIN, 0}, {wake_, POLLIN, 0}};
  while (::poll(watched, 2, -1) >= 0 || errno == EINTR) {
    if ((watched[1].revents & POLLIN) != 0) break;
    signalfd_siginfo info{};
    if ((watched[0].revents & POLLIN) == 0 || ::read(signals, &info, sizeof info) != sizeof info) {
      continue;
    }
    if (idle_ && info.ssi_signo == SIGINT) continue;
    if (idle_) end_now(SIGTERM);
    // A second signal: whoever sent it does not want to wait for a tidy end. The ledger survives that too.
    if (signal_.exchange(static_cast<int>(info.ssi_signo)) != 0) {
      end_now(static_cast<int>(info.ssi_signo));
    }
    const std::lock_guard lock(mutex_);
    stop_.request_stop();
  }
  ::close(signals);
}

}  // namespace toccata::cli
