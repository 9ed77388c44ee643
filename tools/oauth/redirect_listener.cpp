#include "tools/oauth/redirect_listener.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <optional>
#include <utility>

namespace toccata::tools::oauth {
namespace {

using Clock = std::chrono::steady_clock;

constexpr const char* kPath = "/callback";
constexpr std::size_t kHeadBytesMax = std::size_t{16} << 10;
constexpr int kOthersMax = 1000;
constexpr std::chrono::milliseconds kHeadTime{2000};  // for a browser on this machine
constexpr std::chrono::milliseconds kLook{100};       // how often the stop is looked at

constexpr const char* kDone = "The answer has arrived. You can close this page; the terminal says how it went.";
constexpr const char* kNone = "This is no answer to the login that is under way.";

// False when it is not there in time.
bool readable(int fd, Clock::time_point deadline, const std::stop_token& stop) {
  for (;;) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now());
    if (stop.stop_requested() || left.count() <= 0) return false;
    pollfd one{fd, POLLIN, 0};
    const int n = poll(&one, 1, static_cast<int>(std::min(left, kLook).count()));
    if (n > 0) return true;
    if (n < 0 && errno != EINTR) return false;
  }
}

// The target of a GET request; nullopt for anything else.
std::optional<std::string> read_target(int fd, Clock::time_point deadline, const std::stop_token& stop) {
  std::string head;
  while (head.find("\r\n\r\n") == std::string::npos) {
    char bytes[2048];
    if (head.size() > kHeadBytesMax || !readable(fd, deadline, stop)) return std::nullopt;
    const ssize_t n = recv(fd, bytes, sizeof bytes, 0);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return std::nullopt;
    head.append(bytes, static_cast<std::size_t>(n));
  }
  if (!head.starts_with("GET ")) return std::nullopt;
  const std::size_t end = head.find(' ', 4);
  if (end == std::string::npos || head.compare(end, 8, " HTTP/1.") != 0) return std::nullopt;
  return head.substr(4, end - 4);
}

void reply(int fd, const char* status, const char* text) {
  const std::string page = std::string("<!doctype html><meta charset=utf-8><title>Toccata</title><p>") + text + "</p>\n";
  const std::string all = std::string("HTTP/1.1 ") + status + "\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: " +
                          std::to_string(page.size()) +
                          "\r\nConnection: close\r\nCache-Control: no-store\r\nReferrer-Policy: no-referrer\r\n"
                          "Content-Security-Policy: default-src 'none'\r\nX-Content-Type-Options: nosniff\r\n\r\n" + page;
  std::size_t sent = 0;
  while (sent < all.size()) {
    const ssize_t n = send(fd, all.data() + sent, all.size() - sent, MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return;  // the browser is gone
    sent += static_cast<std::size_t>(n);
  }
}

}  // namespace

Result<RedirectListener> RedirectListener::open(int port) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const auto failed = [&] {
    Error error{ErrorCode::kUnavailable, "port " + std::to_string(port) + " of 127.0.0.1, where the login's answer is to arrive, cannot be listened on: " +
                                             strerror(errno)};
    if (fd >= 0) close(fd);
    return error;
  };
  if (fd < 0) return failed();
  const int yes = 1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  if (bind(fd, reinterpret_cast<const sockaddr*>(&address), size) != 0 || listen(fd, 8) != 0 ||
      getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    return failed();
  }
  return RedirectListener(fd, ntohs(address.sin_port));
}

RedirectListener::RedirectListener(RedirectListener&& other) noexcept : fd_(std::exchange(other.fd_, -1)), port_(other.port_) {}

RedirectListener::~RedirectListener() {
  if (fd_ >= 0) close(fd_);
}

std::string RedirectListener::uri() const { return "http://127.0.0.1:" + std::to_string(port_) + kPath; }

Result<std::string> RedirectListener::wait(
    const std::function<bool(std::string_view query)>& is_answer, Clock::time_point deadline, std::stop_token stop
) {
  for (int n = 0; n < kOthersMax; ++n) {
    if (!readable(fd_, deadline, stop)) {
      if (stop.stop_requested()) return Error{ErrorCode::kCancelled, "stopped while the login was waited for"};
      return Error{ErrorCode::kTimeout, "nobody logged in in time"};
    }
    const int client = accept4(fd_, nullptr, nullptr, SOCK_CLOEXEC);
    if (client < 0) continue;
    const std::string path = std::string(kPath) + "?";
    const auto target = read_target(client, std::min(deadline, Clock::now() + kHeadTime), stop);
    const bool answered = target && target->starts_with(path) && is_answer(std::string_view(*target).substr(path.size()));
    if (answered) {
      reply(client, "200 OK", kDone);
    } else {
      reply(client, target && target->starts_with(path) ? "400 Bad Request" : "404 Not Found", kNone);
    }
    close(client);
    if (answered) return target->substr(path.size());
  }
  return Error{ErrorCode::kResourceExhausted, "more than " + std::to_string(kOthersMax) + " requests that were no answer to the login"};
}

}  // namespace toccata::tools::oauth
