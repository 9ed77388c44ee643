#include "sandbox/linux/zygote.h"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <fstream>
#include <span>

#include "sandbox/linux/deadline.h"
#include "sandbox/linux/errno_text.h"
#include "sandbox/linux/fd_message.h"

namespace toccata::sandbox {
namespace {

constexpr std::chrono::seconds kImportTime{120};  // of everything, on a loaded machine
constexpr std::chrono::seconds kAnswerTime{10};

Error cannot(const std::string& why) {
  return {ErrorCode::kUnavailable, "sessions are not forked from a zygote: " + why};
}

bool wait_for(pollfd* fds, nfds_t n, std::chrono::seconds time) {
  const Deadline deadline(time);
  int ready = 0;
  do {
    ready = poll(fds, n, deadline.poll_ms());
  } while (ready < 0 && errno == EINTR);
  return ready > 0;
}

bool send_order(int socket, const ChildFds& fds) {
  const char order = 'f';
  return send_message(socket, &order, 1, fds, MSG_DONTWAIT) == 1;
}

// The errno of the fork, and its pidfd.
int receive_answer(int socket, int* pidfd) {
  pollfd ready = {socket, POLLIN, 0};
  if (!wait_for(&ready, 1, kAnswerTime)) return ETIMEDOUT;
  char packet[16];
  const ssize_t n = receive_message(socket, packet, sizeof packet, std::span(pidfd, 1), MSG_DONTWAIT);
  int error = EPROTO;
  if (n != 1 + sizeof error || packet[0] != ZygoteWord::kForked) return n == 0 ? EPIPE : EPROTO;
  std::memcpy(&error, packet + 1, sizeof error);
  return error;
}

}  // namespace

Result<std::unique_ptr<Zygote>> Zygote::start(
    const Plan& plan, const std::string& text, Launcher& launcher, int stopped
) {
  Result<Child> child = spawn(plan, text, std::nullopt, launcher);
  if (!child) return cannot(child.error().message);
  std::unique_ptr<Zygote> zygote(new Zygote(std::move(*child)));
  if (const Result<void> ready = zygote->await_ready(stopped); !ready) return ready.error();
  if (const Result<void> sound = zygote->check_forkable(); !sound) return sound.error();
  return zygote;
}

Result<void> Zygote::await_ready(int stopped) {
  pollfd fds[] = {
      {child_.cells.get(), POLLIN, 0}, {child_.process(), POLLIN, 0}, {stopped, POLLIN, 0}};
  if (!wait_for(fds, std::size(fds), kImportTime)) return cannot("its imports take too long");
  if (fds[2].revents != 0) return cannot("stopped");
  std::string packet(65536, '\0');
  const ssize_t n = recv(child_.cells.get(), packet.data(), packet.size(), MSG_DONTWAIT);
  if (n <= 0) {
    char words[2000];
    const ssize_t size = read(child_.err.get(), words, sizeof words);
    return cannot(
        "the interpreter ended: " +
        std::string(words, size > 0 ? static_cast<std::size_t>(size) : 0)
    );
  }
  packet.resize(static_cast<std::size_t>(n));
  if (packet[0] != ZygoteWord::kReady) return cannot(packet.substr(1));
  imported_ = packet.substr(1);
  return {};
}

// A fork has one thread, whatever the zygote had, and shares what is mapped as shared with every other fork.
Result<void> Zygote::check_forkable() const {
  const std::string folder = "/proc/" + std::to_string(pid_of(child_.process()));
  std::ifstream status(folder + "/status");
  std::string word;
  int threads = 0;
  while (status >> word) {
    if (word == "Threads:") status >> threads;
  }
  if (threads != 1) return cannot("the imports left " + std::to_string(threads) + " threads");
  std::ifstream maps(folder + "/maps");
  std::size_t n_maps = 0;
  for (std::string line; std::getline(maps, line); ++n_maps) {
    const std::size_t mode = line.find(' ') + 1;
    if (line.size() > mode + 3 && line[mode + 1] == 'w' && line[mode + 3] == 's')
      return cannot("the imports mapped shared memory: " + line);
  }
  if (n_maps == 0) return cannot("its memory cannot be looked at in " + folder);
  return {};
}

pid_t Zygote::order(const ChildFds& fds, int* pidfd) {
  const std::lock_guard lock(mutex_);
  int error = EPIPE;
  if (!lost_ && send_order(child_.cells.get(), fds))
    error = receive_answer(child_.cells.get(), pidfd);
  lost_ = lost_ || error == ETIMEDOUT || error == EPROTO;
  errno = error;
  return error == 0 ? pid_of(*pidfd) : -1;
}

Result<Child> Zygote::fork(const Plan& plan, const std::optional<CgroupLimits>& limits) {
  return raise_child(plan, nullptr, limits, [this](const ChildFds& fds, int* pidfd) {
    return order(fds, pidfd);
  });
}

}  // namespace toccata::sandbox
