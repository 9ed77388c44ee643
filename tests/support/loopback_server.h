// A server on 127.0.0.1 that says exactly the bytes a test tells it to: correct, cut short or hostile.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <functional>
#include <mutex>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace toccata::testing {

// One connection, in the hands of a test's handler.
class Connection {
 public:
  Connection(int fd, const std::atomic<bool>& quit) : fd_(fd), quit_(quit) {}
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  ~Connection() { close(fd_); }

  // The head and, by Content-Length, the body of one request; "" when the client is gone.
  std::string read_request() {
    std::string request;
    std::size_t wanted = std::string::npos;
    while (request.size() < wanted) {
      char bytes[4096];
      const auto n = recv(fd_, bytes, sizeof bytes, 0);
      if (n <= 0) return {};
      request.append(bytes, static_cast<std::size_t>(n));
      const auto end = request.find("\r\n\r\n");
      if (wanted == std::string::npos && end != std::string::npos) {
        const auto at = request.find("Content-Length: ");
        wanted = end + 4 + (at < end ? std::stoul(request.substr(at + 16)) : 0);
      }
    }
    return request;
  }
  void send(std::string_view bytes) {
    while (!bytes.empty()) {
      const auto n = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (n <= 0) return;
      bytes.remove_prefix(static_cast<std::size_t>(n));
    }
  }
  // Says nothing until the client hangs up or the server is destroyed.
  void stall() {
    pollfd watched{fd_, POLLIN | POLLRDHUP, 0};
    while (!quit_ && poll(&watched, 1, 10) == 0) {
    }
  }
  // Whether the client still listens.
  bool is_open() const {
    pollfd watched{fd_, POLLRDHUP, 0};
    return !quit_ && poll(&watched, 1, 0) == 0;
  }

 private:
  int fd_;
  const std::atomic<bool>& quit_;
};

// Serves one connection after the other on its own thread; the handler gets the request and the connection.
class LoopbackServer {
 public:
  using Handler = std::function<void(const std::string& request, Connection& connection)>;

  explicit LoopbackServer(Handler handler) : handler_(std::move(handler)) {
    listener_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    if (bind(listener_, reinterpret_cast<sockaddr*>(&address), size) != 0 ||
        listen(listener_, 16) != 0 ||
        getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
      throw std::runtime_error("no loopback server");
    }
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] { serve(); });
  }
  LoopbackServer(const LoopbackServer&) = delete;
  LoopbackServer& operator=(const LoopbackServer&) = delete;
  ~LoopbackServer() {
    quit_ = true;
    shutdown(listener_, SHUT_RDWR);
    thread_.join();
    close(listener_);
  }

  int port() const { return port_; }
  std::string url(const std::string& path = "") const {
    return "http://127.0.0.1:" + std::to_string(port_) + path;
  }
  std::vector<std::string> requests() const {
    std::lock_guard lock(mutex_);
    return requests_;
  }

 private:
  void serve() {
    for (;;) {
      const int fd = accept(listener_, nullptr, nullptr);
      if (fd < 0 || quit_) {
        if (fd >= 0) close(fd);
        return;
      }
      Connection connection(fd, quit_);
      const std::string request = connection.read_request();
      if (request.empty()) continue;
      {
        std::lock_guard lock(mutex_);
        requests_.push_back(request);
      }
      handler_(request, connection);
    }
  }

  Handler handler_;
  int listener_ = -1;
  int port_ = 0;
  std::atomic<bool> quit_ = false;
  mutable std::mutex mutex_;
  std::vector<std::string> requests_;
  std::thread thread_;
};

// A whole answer that closes the connection.
inline std::string http_answer(
    const std::string& status,
    const std::string& type,
    const std::string& body,
    const std::string& more_headers = ""
) {
  return "HTTP/1.1 " + status + "\r\nContent-Type: " + type + "\r\n" + more_headers +
         "Content-Length: " + std::to_string(body.size()) + "\r\nConnection: close\r\n\r\n" + body;
}

}  // namespace toccata::testing
