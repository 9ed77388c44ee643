// Waiting on sockets that never block: every wait ends at a deadline, or when somebody asks for it.
#pragma once

#include <chrono>
#include <cstddef>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/error.h"
#include "sandbox/linux/deadline.h"
#include "sandbox/linux/unique_fd.h"

namespace toccata::tools {

using sandbox::Deadline;
using sandbox::UniqueFd;

// A descriptor that can be read once a stop is requested, for poll(2).
class StopFd {
 public:
  explicit StopFd(const std::stop_token& stop);
  int get() const { return fd_.get(); }

 private:
  struct Wake {
    int fd;
    void operator()() const;
  };
  UniqueFd fd_;
  std::stop_callback<Wake> wake_;
};

// kTimeout, kCancelled. `events` as of poll(2); an error of the socket ends the wait too, and the next call tells of it.
Result<void> await_socket(int fd, short events, const Deadline& deadline, const StopFd& stop);

// All of it, or an error: kTimeout, kCancelled, kIo.
Result<void> send_all(int fd, std::string_view bytes, const Deadline& deadline, const StopFd& stop);

// Text up to the first blank line, that line included, and what was read beyond it. kResourceExhausted when there is none within
// `bytes_max`, kIo when the other side ends before.
struct Head {
  std::string head, rest;
};
Result<Head> read_head(int fd, std::size_t bytes_max, const Deadline& deadline, const StopFd& stop);

// A connection to the first of these addresses (as parse_ip takes them) that answers. kUnavailable names the last failure.
Result<UniqueFd> connect_to(const std::vector<std::string>& addresses, int port, const Deadline& deadline, const StopFd& stop);

}  // namespace toccata::tools
