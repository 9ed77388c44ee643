// The way out of sessions that have one.
//
// A session stands in a network namespace of its own, with nothing in it but the loopback interface. On that, before the
// walls are up, the child listens at 127.0.0.1:kProxyPort and hands the socket to the host. From then on the host accepts
// what connects there: nothing runs inside that could be tampered with, and code holds no descriptor of it. Who serves the
// connections, and where they may lead, is not this folder's business: see tools/egress.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/base/error.h"
#include "sandbox/linux/unique_fd.h"

namespace toccata::sandbox {

// Where programs in a session find their proxy, and the host whom it serves.
inline constexpr int kProxyPort = 3128;

// What code asked of one host during one execution.
struct HostUse {
  std::string host;  // "" when the request named none that could be read
  int port = 0;
  bool allowed = false;
  std::string reason;  // why it was refused, or how it failed; empty when it was served
  std::uint64_t connections = 0;
  std::uint64_t sent = 0, received = 0;  // bytes that went out and came in
  friend bool operator==(const HostUse&, const HostUse&) = default;
};

// The served end of one session's way out. From any thread.
class Door {
 public:
  virtual ~Door() = default;  // cuts every connection

  // An execution begins. Only while one runs are connections served; others wait. The number of its account.
  virtual int begin() = 0;
  // It has ended, and with the last of them every connection. What was asked for meanwhile, by whichever process of the
  // session: executions of forked sessions that run at one time are told of each other's.
  virtual std::vector<HostUse> end(int account) = 0;
};

class Egress {
 public:
  virtual ~Egress() = default;
  // Serves those that connect to `listener`, a listening socket of a session's own loopback. The door may outlive this.
  virtual std::unique_ptr<Door> open(UniqueFd listener) = 0;
};

// Makes what serves the sessions of a policy, from Policy::network.
using MakeEgress = std::function<Result<std::shared_ptr<Egress>>(const std::vector<std::string>& network)>;

}  // namespace toccata::sandbox
