#include "tools/mcp/stdio_transport.h"

#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <ctime>

namespace toccata::tools::mcp {
namespace {

constexpr std::size_t kReadBytes = std::size_t{64} << 10;
constexpr std::size_t kDrainedMax = std::size_t{16} << 20;  // of an ended server's pipe
constexpr int kLastReads = 64;  // of an ended server's log
constexpr std::chrono::milliseconds kExitTime{200};  // from closed pipes to its end, when it is ending
// Answers to the server's own requests that it does not read.
constexpr std::size_t kUnreadMax = std::size_t{1} << 20;

int milliseconds_until(std::chrono::steady_clock::time_point deadline) {
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
  return static_cast<int>(std::clamp<std::int64_t>(left.count(), 0, 60'000));
}

}  // namespace

Result<void> StdioTransport::open() {
  close();
  Result<Process> started = Process::start(order_);
  if (!started) return started.error();
  process_ = std::make_unique<Process>(std::move(*started));
  lines_.emplace(limits_.message_bytes_max);
  outgoing_.clear();
  log_.clear();
  return {};
}

bool StdioTransport::is_open() const { return process_ && process_->running(); }

void StdioTransport::close() {
  if (!process_) return;
  process_->end(limits_.grace);
  process_.reset();
}

std::string StdioTransport::target() const {
  std::string text = order_.program;
  for (const std::string& argument : order_.arguments) text += " " + argument;
  return text;
}

void StdioTransport::keep_log(std::string_view bytes) {
  log_ += bytes;
  if (log_.size() > 2 * limits_.log_bytes_max) log_.erase(0, log_.size() - limits_.log_bytes_max);
}

void StdioTransport::write_some() {
  const ssize_t n = write_quietly(process_->in.get(), outgoing_);
  if (n > 0) outgoing_.erase(0, static_cast<std::size_t>(n));
  // Whoever closed its input may have answered before: that is for the read side to find out.
  if (n < 0 && errno != EAGAIN && errno != EINTR) {
    process_->in.reset();
    outgoing_.clear();
  }
}

bool StdioTransport::read_some(int fd, const std::function<void(std::string_view)>& take) {
  std::array<char, kReadBytes> bytes;
  const ssize_t n = read(fd, bytes.data(), bytes.size());
  if (n > 0) take({bytes.data(), static_cast<std::size_t>(n)});
  return n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR));
}

// Ends and reaps what is left of it.
Error StdioTransport::gone() {
  const bool left_by_itself = process_->ended_within(kExitTime);
  bool more = true;
  for (int n = 0; more && n < kLastReads; ++n) {
    more = false;
    read_some(process_->err.get(), [&](std::string_view bytes) {
      keep_log(bytes);
      more = true;
    });
  }
  std::string text = left_by_itself ? "the server " + process_->end(std::chrono::milliseconds(0))
                                    : "the server closed its output";
  close();
  if (!log_.empty()) {
    const std::size_t shown = std::min<std::size_t>(log_.size(), 600);
    text += "; the end of its log: " + excerpt(std::string_view(log_).substr(log_.size() - shown), 600);
  }
  return {ErrorCode::kUnavailable, text};
}

Error StdioTransport::with_oddities(Error error) const {
  if (n_odd_ > 0) {
    error.message += " (" + std::to_string(n_odd_) + " of its lines could not be used; the first: " + first_odd_ + ")";
  }
  return error;
}

Result<StdioTransport::Flow> StdioTransport::pump(const Wait& wait, int wake) {
  if (wait.stop.stop_requested()) return Error{ErrorCode::kCancelled, "stopped while the server was at work"};
  if (std::chrono::steady_clock::now() >= wait.deadline) return Error{ErrorCode::kTimeout, "no answer in time"};
  enum { kOut, kErr, kProcess, kWake, kIn, kCount };
  std::array<pollfd, kCount> ready = {{
      {process_->out.get(), POLLIN, 0},
      {process_->err.get(), POLLIN, 0},  // -1 once it is closed: poll passes over it
      {process_->process.get(), POLLIN, 0},
      {wake, POLLIN, 0},
      {outgoing_.empty() ? -1 : process_->in.get(), POLLOUT, 0},
  }};
  if (poll(ready.data(), ready.size(), milliseconds_until(wait.deadline)) <= 0) return Flow::kOpen;
  const auto take_out = [&](std::string_view bytes) {
    n_read_ += bytes.size();
    lines_->push(bytes);
  };
  if (ready[kIn].revents != 0) write_some();
  if (ready[kErr].revents != 0 && !read_some(process_->err.get(), [&](std::string_view bytes) { keep_log(bytes); })) {
    process_->err.reset();
  }
  bool more = true;
  if (ready[kOut].revents != 0) more = read_some(process_->out.get(), take_out);
  if (ready[kProcess].revents != 0) {
    // Its last words may hold the answer. A child of its own that keeps the pipe open is not waited for.
    for (std::size_t before = n_read_ + 1; more && before != n_read_ && n_read_ < kDrainedMax;) {
      before = n_read_;
      more = read_some(process_->out.get(), take_out);
    }
    more = false;
  }
  return more ? Flow::kOpen : Flow::kEnded;
}

Result<Message> StdioTransport::request(const Outgoing& message, const Wait& wait, const Listener& listener) {
  if (!process_) return Error{ErrorCode::kUnavailable, "the server is not running"};
  outgoing_ += message.text + "\n";
  const std::size_t outgoing_max = outgoing_.size() + kUnreadMax;
  n_read_ = 0;
  n_odd_ = 0;
  first_odd_.clear();
  const sandbox::UniqueFd wake(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  const std::stop_callback on_stop(wait.stop, [&] { eventfd_write(wake.get(), 1); });
  const auto odd = [&](const std::string& what) {
    if (n_odd_++ == 0) first_odd_ = what;
  };
  for (Flow flow = Flow::kOpen;;) {
    while (std::optional<LineReader::Line> line = lines_->next()) {
      if (line->too_long) {
        return Error{
            ErrorCode::kResourceExhausted, "the server sent a message of more than " +
                                               std::to_string(limits_.message_bytes_max) + " bytes"};
      }
      Result<Message> read = parse_message(line->text);
      if (!read) {
        odd(read.error().message);
      } else if (read->kind != Message::Kind::kResponse) {
        if (std::optional<std::string> answer = listener(*read)) outgoing_ += *answer + "\n";
      } else if (read->id == message.id) {
        return read;
      } else {
        odd("an answer to a request " + excerpt(to_text(read->id)) + " that was not asked or is over");
      }
    }
    if (flow == Flow::kEnded) return with_oddities(gone());
    if (n_read_ > limits_.request_bytes_max) {
      return with_oddities(
          {ErrorCode::kResourceExhausted,
           "the server sent more than " + std::to_string(limits_.request_bytes_max) + " bytes and no answer"}
      );
    }
    if (outgoing_.size() > outgoing_max) {
      return Error{ErrorCode::kResourceExhausted, "the server asks and does not read what it is answered"};
    }
    Result<Flow> pumped = pump(wait, wake.get());
    if (!pumped) {
      // A server that does not even read is not asked again: the rest of this message would be taken for the next.
      const Error error = with_oddities(pumped.error());
      if (!outgoing_.empty()) close();
      return error;
    }
    flow = *pumped;
  }
}

Result<void> StdioTransport::notify(const Outgoing& message, const Wait& wait) {
  if (!process_) return Error{ErrorCode::kUnavailable, "the server is not running"};
  outgoing_ += message.text + "\n";
  while (!outgoing_.empty()) {
    if (!process_->in) return Error{ErrorCode::kUnavailable, "the server closed its input"};
    pollfd ready = {process_->in.get(), POLLOUT, 0};
    if (poll(&ready, 1, milliseconds_until(wait.deadline)) <= 0) {
      return Error{ErrorCode::kTimeout, "the server does not read its input"};
    }
    write_some();
  }
  return {};
}

}  // namespace toccata::tools::mcp
