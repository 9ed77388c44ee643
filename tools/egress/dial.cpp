#include "tools/egress/dial.h"

#include <poll.h>
#include <sys/socket.h>

#include <chrono>

#include "core/base/base64.h"

namespace toccata::tools {
namespace {

constexpr std::size_t kAnswerBytesMax = 16 * 1024;

struct UserProxy {
  WebUrl url;
  std::string credentials;  // "user:password"; empty without
};

std::string percent_decoded(std::string_view text) {
  const auto digit = [](char c) { return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1; };
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool escaped = text[i] == '%' && i + 2 < text.size() && digit(text[i + 1]) >= 0 && digit(text[i + 2]) >= 0;
    out += escaped ? static_cast<char>(digit(text[i + 1]) * 16 + digit(text[i + 2])) : text[i];
    i += escaped ? 2 : 0;
  }
  return out;
}

// ProxyRules has checked it.
Result<UserProxy> parse_proxy(const std::string& text) {
  const std::size_t host = text.find("://") + 3;
  const std::size_t at = text.rfind('@', text.find('/', host));
  const bool named = at != std::string::npos && at >= host;
  auto url = parse_web_url(named ? text.substr(0, host) + text.substr(at + 1) : text);
  if (!url) return Error{ErrorCode::kUnavailable, "the user's proxy has no address"};
  return UserProxy{std::move(*url), named ? percent_decoded(std::string_view(text).substr(host, at - host)) : ""};
}

// Byte by byte: what follows the answer belongs to the tunnel.
Result<std::string> read_answer(int fd, const Deadline& deadline, const StopFd& stop) {
  std::string answer;
  while (!answer.ends_with("\r\n\r\n")) {
    if (const auto ready = await_socket(fd, POLLIN, deadline, stop); !ready) return ready.error();
    char byte = 0;
    const ssize_t n = ::recv(fd, &byte, 1, MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) continue;
    if (n <= 0 || answer.size() == kAnswerBytesMax) return Error{ErrorCode::kIo, "the user's proxy does not answer as one"};
    answer += byte;
  }
  return answer;
}

Result<void> ask_proxy(int fd, const UserProxy& proxy, const std::string& target, const Deadline& deadline, const StopFd& stop) {
  std::string request = "CONNECT " + target + " HTTP/1.1\r\nHost: " + target + "\r\n";
  if (!proxy.credentials.empty()) request += "Proxy-Authorization: Basic " + base64(proxy.credentials) + "\r\n";
  if (const auto sent = send_all(fd, request + "\r\n", deadline, stop); !sent) return sent;
  const auto answer = read_answer(fd, deadline, stop);
  if (!answer) return answer.error();
  const bool http = answer->starts_with("HTTP/1.1 ") || answer->starts_with("HTTP/1.0 ");
  if (http && answer->substr(9, 1) == "2") return {};
  return Error{ErrorCode::kUnavailable, "the user's proxy refuses it" + (http ? ": HTTP " + answer->substr(9, 3) : std::string())};
}

std::chrono::milliseconds left(const Deadline& deadline) { return std::chrono::milliseconds(deadline.poll_ms()); }

}  // namespace

Result<UniqueFd> dial(const Route& route, const WebUrl& url, const EgressRules& rules, const Deadline& deadline, const std::stop_token& stop) {
  const StopFd stopped(stop);
  if (route.proxy.empty()) return connect_to(route.addresses, url.port, deadline, stopped);
  const auto proxy = parse_proxy(route.proxy);
  if (!proxy) return proxy.error();
  const auto addresses = rules.addresses_of_proxy(proxy->url, left(deadline), stop);
  if (!addresses) return Error{ErrorCode::kUnavailable, "the user's proxy has no address"};
  auto fd = connect_to(*addresses, proxy->url.port, deadline, stopped);
  if (!fd) return Error{fd.error().code, "the user's proxy cannot be reached"};
  // Asked for what was judged, never for a name, unless the user leaves names to it.
  const std::string host = route.addresses.empty() ? url.host : route.addresses.front();
  const std::string bracketed = host.find(':') == std::string::npos ? host : "[" + host + "]";
  const std::string target = bracketed + ":" + std::to_string(url.port);
  if (const auto asked = ask_proxy(fd->get(), *proxy, target, deadline, stopped); !asked) return asked.error();
  return fd;
}

}  // namespace toccata::tools
