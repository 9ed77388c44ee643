#include "tools/egress/relay.h"

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

namespace toccata::tools {
namespace {

constexpr std::size_t kBufferBytes = 32 * 1024;

// One direction. Reads when it has nothing left to write: the slower side sets the pace.
class Way {
 public:
  Way(int from, int to, std::string first, std::optional<std::uint64_t> bytes_max) : from_(from), to_(to), left_(bytes_max) {
    if (left_ && first.size() > *left_) first.resize(*left_);
    buffer_ = std::move(first);
    count(buffer_.size());
    drained_ = left_ == 0U;
  }

  bool done() const { return drained_ && buffer_.empty(); }
  bool wants_to_read() const { return !drained_ && buffer_.empty(); }
  bool wants_to_write() const { return !buffer_.empty(); }

  // The bytes it has read; 0 when there were none.
  Result<std::size_t> read() {
    std::array<char, kBufferBytes> chunk;
    const std::size_t room = static_cast<std::size_t>(std::min<std::uint64_t>(chunk.size(), left_.value_or(chunk.size())));
    const ssize_t n = ::recv(from_, chunk.data(), room, MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return std::size_t{0};
    if (n < 0) return Error{ErrorCode::kIo, std::string("recv: ") + strerror(errno)};
    buffer_.assign(chunk.data(), static_cast<std::size_t>(n));
    count(buffer_.size());
    ended_ = n == 0;
    drained_ = ended_ || left_ == 0U;
    end_if_done();
    return buffer_.size();
  }

  Result<std::size_t> write() {
    const ssize_t n = ::send(to_, buffer_.data(), buffer_.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return std::size_t{0};
    if (n < 0) return Error{ErrorCode::kIo, std::string("send: ") + strerror(errno)};
    buffer_.erase(0, static_cast<std::size_t>(n));
    end_if_done();
    return static_cast<std::size_t>(n);
  }

 private:
  void count(std::size_t n) {
    if (left_) *left_ -= n;
  }
  // The reader's end is told on; a way that was only limited says nothing.
  void end_if_done() {
    if (ended_ && buffer_.empty()) ::shutdown(to_, SHUT_WR);
  }

  int from_, to_;
  std::optional<std::uint64_t> left_;
  std::string buffer_;
  bool drained_ = false, ended_ = false;
};

enum class Side { kCode, kFar };

// What one round came to.
struct Moved {
  std::size_t n_read = 0, n_written = 0;
  bool code_is_gone = false;  // programs that have what they want just close: no failure
  std::optional<Error> failure;

  std::size_t read(const Result<std::size_t>& n, Side side) { return add(n, side, n_read); }
  std::size_t write(const Result<std::size_t>& n, Side side) { return add(n, side, n_written); }

 private:
  std::size_t add(const Result<std::size_t>& n, Side side, std::size_t& total) {
    if (!n && side == Side::kCode) code_is_gone = true;
    if (!n && side == Side::kFar) failure = n.error();
    total += n ? *n : 0;
    return n ? *n : 0;
  }
};

// Whether the other end has said all it will say, and all of it was read.
bool has_closed(int fd) {
  char next = 0;
  return ::recv(fd, &next, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
}

short events_of(const Way& reads, const Way& writes) {
  return static_cast<short>((reads.wants_to_read() ? POLLIN : 0) | (writes.wants_to_write() ? POLLOUT : 0));
}

}  // namespace

Result<void> relay(
    int code, int far, std::string up, const RelayRules& rules, Allowance& allowance, Relayed& relayed, const StopFd& stop
) {
  Way out(code, far, std::move(up), rules.up_bytes_max), in(far, code, "", std::nullopt);
  const Deadline end(rules.total);
  Deadline idle(rules.idle);
  while (!(out.done() && in.done()) && !(rules.ends_with_answer && in.done())) {
    const short code_events = events_of(out, in), far_events = events_of(in, out);
    // A far side that nothing is wanted of is not polled: its hanging up would wake this for ever.
    pollfd fds[] = {{code, code_events, 0}, {far_events != 0 ? far : -1, far_events, 0}, {stop.get(), POLLIN, 0}};
    ::poll(fds, 3, std::min(end.poll_ms(), idle.poll_ms()));
    if (fds[2].revents != 0) {
      if (in.done() || has_closed(code)) return {};  // its end and the program's come together
      return Error{ErrorCode::kCancelled, "the execution had ended"};
    }
    if (end.passed()) return Error{ErrorCode::kTimeout, "the connection lasted too long"};
    if (idle.passed()) return Error{ErrorCode::kTimeout, "nothing moved for too long"};
    if (code_events == 0 && (fds[0].revents & (POLLHUP | POLLERR)) != 0) return {};  // nobody is there to hear the answer
    Moved moved;
    if (fds[0].revents != 0 && out.wants_to_read()) moved.read(out.read(), Side::kCode);
    if (fds[1].revents != 0 && in.wants_to_read()) relayed.received += moved.read(in.read(), Side::kFar);
    if (out.wants_to_write()) relayed.sent += moved.write(out.write(), Side::kFar);
    if (in.wants_to_write()) moved.write(in.write(), Side::kCode);
    if (moved.failure) return *moved.failure;
    if (moved.code_is_gone) return {};
    if (!allowance.take(moved.n_read)) return Error{ErrorCode::kResourceExhausted, "too many bytes were moved"};
    if (moved.n_read + moved.n_written > 0) idle = Deadline(rules.idle);
  }
  return {};
}

}  // namespace toccata::tools
