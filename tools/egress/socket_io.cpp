#include "tools/egress/socket_io.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "tools/web/ip_address.h"

namespace toccata::tools {
namespace {

Error io_error(const char* what) { return {ErrorCode::kIo, std::string(what) + ": " + strerror(errno)}; }

struct Peer {
  sockaddr_storage storage{};
  socklen_t size = 0;
  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
};

Peer peer_of(const IpAddress& address, int port) {
  Peer peer;
  const auto number = htons(static_cast<std::uint16_t>(port));
  if (address.v6) {
    sockaddr_in6 v6{};
    v6.sin6_family = AF_INET6;
    v6.sin6_port = number;
    std::memcpy(&v6.sin6_addr, address.bytes.data(), 16);
    std::memcpy(&peer.storage, &v6, peer.size = sizeof v6);
  } else {
    sockaddr_in v4{};
    v4.sin_family = AF_INET;
    v4.sin_port = number;
    std::memcpy(&v4.sin_addr, address.bytes.data(), 4);
    std::memcpy(&peer.storage, &v4, peer.size = sizeof v4);
  }
  return peer;
}

Result<UniqueFd> connect_one(const IpAddress& address, int port, const Deadline& deadline, const StopFd& stop) {
  const Peer peer = peer_of(address, port);
  UniqueFd fd(::socket(peer.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) return io_error("socket");
  const int on = 1;
  setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (::connect(fd.get(), peer.get(), peer.size) != 0) {
    if (errno != EINPROGRESS) return io_error("connect");
    if (const auto ready = await_socket(fd.get(), POLLOUT, deadline, stop); !ready) return ready.error();
    socklen_t size = sizeof errno;
    int failure = 0;
    getsockopt(fd.get(), SOL_SOCKET, SO_ERROR, &failure, &size);
    if (failure != 0) return Error{ErrorCode::kIo, std::string("connect: ") + strerror(failure)};
  }
  return fd;
}

}  // namespace

void StopFd::Wake::operator()() const { (void)!eventfd_write(fd, 1); }

StopFd::StopFd(const std::stop_token& stop) : fd_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)), wake_(stop, Wake{fd_.get()}) {}

Result<void> await_socket(int fd, short events, const Deadline& deadline, const StopFd& stop) {
  for (;;) {
    pollfd fds[] = {{fd, events, 0}, {stop.get(), POLLIN, 0}};
    const int ready = ::poll(fds, 2, deadline.poll_ms());
    if (fds[1].revents != 0) return Error{ErrorCode::kCancelled, "stopped"};
    if (ready > 0) return {};
    if (ready < 0 && errno != EINTR) return io_error("poll");
    if (deadline.passed()) return Error{ErrorCode::kTimeout, "nothing came in time"};
  }
}

Result<void> send_all(int fd, std::string_view bytes, const Deadline& deadline, const StopFd& stop) {
  while (!bytes.empty()) {
    const ssize_t n = ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n >= 0) {
      bytes.remove_prefix(static_cast<std::size_t>(n));
    } else if (errno != EAGAIN && errno != EINTR) {
      return io_error("send");
    } else if (const auto ready = await_socket(fd, POLLOUT, deadline, stop); !ready) {
      return ready;
    }
  }
  return {};
}

Result<Head> read_head(int fd, std::size_t bytes_max, const Deadline& deadline, const StopFd& stop) {
  std::string text;
  std::array<char, 4096> buffer;
  for (;;) {
    if (const auto ready = await_socket(fd, POLLIN, deadline, stop); !ready) return ready.error();
    const ssize_t n = ::recv(fd, buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) continue;
    if (n < 0) return io_error("recv");
    if (n == 0) return Error{ErrorCode::kIo, "the connection ended before the blank line"};
    const std::size_t looked_at = text.size() < 3 ? 0 : text.size() - 3;
    text.append(buffer.data(), static_cast<std::size_t>(n));
    const std::size_t end = text.find("\r\n\r\n", looked_at);
    if (end != std::string::npos && end + 4 <= bytes_max) return Head{text.substr(0, end + 4), text.substr(end + 4)};
    if (text.size() > bytes_max || end != std::string::npos) {
      return Error{ErrorCode::kResourceExhausted, "there is no blank line within " + std::to_string(bytes_max) + " bytes"};
    }
  }
}

Result<UniqueFd> connect_to(const std::vector<std::string>& addresses, int port, const Deadline& deadline, const StopFd& stop) {
  Error last{ErrorCode::kUnavailable, "there is no address"};
  for (std::size_t i = 0; i < addresses.size() && !deadline.passed(); ++i) {
    const auto address = parse_ip(addresses[i]);
    if (!address) continue;
    // One that swallows everything leaves the others their share of the time.
    const Deadline share(std::chrono::milliseconds(deadline.poll_ms()) / static_cast<int>(addresses.size() - i));
    auto fd = connect_one(*address, port, share, stop);
    if (fd || fd.error().code == ErrorCode::kCancelled) return fd;
    last = {fd.error().code, addresses[i] + ", " + fd.error().message};
  }
  return last;
}

}  // namespace toccata::tools
