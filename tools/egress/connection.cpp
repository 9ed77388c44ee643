#include "tools/egress/connection.h"

#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <chrono>

#include "tools/egress/dial.h"
#include "tools/egress/request_head.h"

namespace toccata::tools {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kAnswerTime{5'000};   // for an answer of ours to be taken
constexpr milliseconds kLingerTime{500};     // for what the other side still sends, which would else undo the answer
constexpr std::size_t kLingerBytes = 256 * 1024;

const char* name_of(int status) {
  switch (status) {
    case 400:
      return "Bad Request";
    case 403:
      return "Forbidden";
    case 408:
      return "Request Timeout";
    case 411:
      return "Length Required";
    case 431:
      return "Request Header Fields Too Large";
    case 504:
      return "Gateway Timeout";
    case 505:
      return "HTTP Version Not Supported";
    default:
      return "Bad Gateway";
  }
}

// Of words of ours, and of host names and targets that were read: nothing else than one line comes out.
std::string one_line(const std::string& words) {
  std::string line;
  for (const char c : words.substr(0, 600)) line += c >= 0x20 && c < 0x7F ? c : '?';
  return line;
}

void linger(int client, const StopFd& stop) {
  ::shutdown(client, SHUT_WR);
  std::array<char, 4096> dropped;
  const Deadline deadline(kLingerTime);
  for (std::size_t n_read = 0; n_read < kLingerBytes && !deadline.passed();) {
    if (!await_socket(client, POLLIN, deadline, stop)) return;
    const ssize_t n = ::recv(client, dropped.data(), dropped.size(), MSG_DONTWAIT);
    if (n <= 0) return;
    n_read += static_cast<std::size_t>(n);
  }
}

void answer(int client, int status, const std::string& words, const StopFd& stop) {
  const std::string line = one_line(words), body = "toccata: " + line + "\n";
  const std::string text = "HTTP/1.1 " + std::to_string(status) + " " + name_of(status) + ": " + line +
                           "\r\nContent-Type: text/plain; charset=us-ascii\r\nContent-Length: " + std::to_string(body.size()) +
                           "\r\nConnection: close\r\n\r\n" + body;
  if (send_all(client, text, Deadline(kAnswerTime), stop)) linger(client, stop);
}

int status_of_failure(ErrorCode code) {
  if (code == ErrorCode::kPermissionDenied) return 403;
  return code == ErrorCode::kTimeout ? 504 : 502;
}

std::string name_of(const WebUrl& url) { return url.host + ":" + std::to_string(url.port); }

class Connection {
 public:
  Connection(
      UniqueFd client, const EgressRules& rules, const EgressLimits& limits, Allowance& allowance, ConnectionRecord& record,
      const std::stop_token& stop
  )
      : client_(std::move(client)), rules_(rules), limits_(limits), allowance_(allowance), record_(record), stop_(stop), stopped_(stop) {}

  void serve() {
    auto head = read_head(client_.get(), kHeadBytesMax, Deadline(limits_.head), stopped_);
    if (!head) return refuse(head.error().code == ErrorCode::kResourceExhausted ? 431 : 408, "no request came: " + head.error().message);
    const auto request = parse_proxy_request(head->head);
    if (!request) return refuse(status_of(request.error()), request.error().message);
    record_.ask(request->url);
    const Deadline deadline(limits_.connect);
    const auto route = rules_.route(*request, limits_.connect, stop_);
    if (!route) {
      if (route.error().code != ErrorCode::kPermissionDenied) record_.allow();  // it may be reached, had it an address
      return refuse_host(request->url, route.error());
    }
    record_.allow();
    auto far = dial(*route, request->url, rules_, deadline, stop_);
    if (!far) return refuse_host(request->url, far.error());
    carry(*request, std::move(head->rest), far->get());
    ::shutdown(far->get(), SHUT_RDWR);  // a process being cloned may hold a copy for a moment
    ::shutdown(client_.get(), SHUT_RDWR);
  }

 private:
  void refuse(int status, const std::string& why) {
    record_.fail(one_line(why));
    answer(client_.get(), status, why, stopped_);
  }

  void refuse_host(const WebUrl& url, const Error& why) {
    record_.fail(one_line(why.message));
    const bool refused = why.code == ErrorCode::kPermissionDenied;
    answer(client_.get(), status_of_failure(why.code), name_of(url) + (refused ? " is refused: " : " cannot be reached: ") + why.message, stopped_);
  }

  void carry(const ProxyRequest& request, std::string rest, int far) {
    const Deadline soon(limits_.idle);
    const auto begun = request.tunnel ? send_all(client_.get(), "HTTP/1.1 200 Connection established\r\n\r\n", soon, stopped_)
                                      : send_all(far, request.head, soon, stopped_);
    if (!begun) return record_.fail(begun.error().message);
    if (!request.tunnel) record_.relayed().sent += request.head.size();
    RelayRules rules{limits_.idle, limits_.total, std::nullopt, !request.tunnel};
    if (!request.tunnel) rules.up_bytes_max = request.body_bytes;
    const auto done = relay(client_.get(), far, std::move(rest), rules, allowance_, record_.relayed(), stopped_);
    if (!done) record_.fail(done.error().message);
  }

  UniqueFd client_;
  const EgressRules& rules_;
  const EgressLimits& limits_;
  Allowance& allowance_;
  ConnectionRecord& record_;
  const std::stop_token& stop_;
  StopFd stopped_;
};

}  // namespace

void ConnectionRecord::ask(const WebUrl& url) {
  const std::lock_guard lock(mutex_);
  use_.host = url.host;
  use_.port = url.port;
}

void ConnectionRecord::allow() {
  const std::lock_guard lock(mutex_);
  use_.allowed = true;
}

void ConnectionRecord::fail(const std::string& reason) {
  const std::lock_guard lock(mutex_);
  if (use_.reason.empty()) use_.reason = reason;
}

sandbox::HostUse ConnectionRecord::use() const {
  const std::lock_guard lock(mutex_);
  sandbox::HostUse use = use_;
  use.connections = 1;
  use.sent = relayed_.sent;
  use.received = relayed_.received;
  return use;
}

void serve_connection(
    UniqueFd client, const EgressRules& rules, const EgressLimits& limits, Allowance& allowance, ConnectionRecord& record,
    const std::stop_token& stop
) {
  try {
    Connection(std::move(client), rules, limits, allowance, record, stop).serve();
  } catch (const std::exception& failure) {  // no memory, no thread for a name lookup
    record.fail(failure.what());
  }
}

}  // namespace toccata::tools
