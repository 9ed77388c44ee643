#include "agent/mcp/stdio_loop.h"

#include <limits.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <string>
#include <thread>

#include "agent/mcp/line_server.h"
#include "agent/mcp/work_queue.h"
#include "sandbox/linux/unique_fd.h"

namespace toccata::mcp {
namespace {

constexpr std::chrono::seconds kPatience{2};

// Ends every wait once it is rung.
class Bell {
 public:
  Bell() : fd_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}
  void ring() {
    const std::uint64_t one = 1;
    [[maybe_unused]] const auto written = ::write(fd_.get(), &one, sizeof one);
  }
  // Until `fd` is ready for `events`; false when the bell rings.
  bool wait_for(int fd, short events) const {
    pollfd watched[] = {{fd, events, 0}, {fd_.get(), POLLIN, 0}};
    while (::poll(watched, 2, -1) < 0) {
      if (errno != EINTR) return false;
    }
    return watched[1].revents == 0;
  }

 private:
  sandbox::UniqueFd fd_;
};

// A pipe that is ready takes PIPE_BUF bytes without blocking; more might wait for a reader that never comes.
bool write_line(int out, const Bell& bell, const std::string& message) {
  const std::string line = message + "\n";
  for (std::size_t done = 0; done < line.size();) {
    if (!bell.wait_for(out, POLLOUT)) return false;
    const ssize_t n = ::write(out, line.data() + done, std::min<std::size_t>(PIPE_BUF, line.size() - done));
    if (n < 0 && errno != EINTR && errno != EAGAIN) return false;
    if (n > 0) done += static_cast<std::size_t>(n);
  }
  return true;
}

}  // namespace

void serve_stdio(Service& service, const ServerIdentity& identity, int in, int out, std::stop_token stop) {
  Bell bell;
  const std::stop_callback on_stop(stop, [&] { bell.ring(); });
  WorkQueue queue;
  LineServer server(service, queue, identity, [&](const std::string& message) {
    if (!write_line(out, bell, message)) bell.ring();
  });
  std::string buffer(std::size_t{64} << 10, '\0');
  while (bell.wait_for(in, POLLIN)) {
    const ssize_t n = ::read(in, buffer.data(), buffer.size());
    if (n == 0 || (n < 0 && errno != EINTR && errno != EAGAIN)) break;
    if (n > 0) server.push({buffer.data(), static_cast<std::size_t>(n)});
  }
  // Answers that are under way may still be read, but not for ever.
  std::mutex mutex;
  std::condition_variable_any over;
  const std::jthread patience([&](const std::stop_token& done) {
    std::unique_lock lock(mutex);
    over.wait_for(lock, done, kPatience, [] { return false; });
    bell.ring();
  });
  server.close();
}

}  // namespace toccata::mcp
