// One connection of a session to the proxy, from its first byte to its end.
#pragma once

#include <mutex>
#include <stop_token>

#include "sandbox/egress.h"
#include "tools/egress/egress_proxy.h"
#include "tools/egress/relay.h"

namespace toccata::tools {

// What is known of it, also while it lasts: written by its own thread, read by others.
class ConnectionRecord {
 public:
  void ask(const WebUrl& url);
  void allow();
  void fail(const std::string& reason);  // the first reason counts
  sandbox::HostUse use() const;
  Relayed& relayed() { return relayed_; }

 private:
  mutable std::mutex mutex_;
  sandbox::HostUse use_;
  Relayed relayed_;
};

// Serves it to its end; soon after `stop` is requested at the latest.
void serve_connection(
    UniqueFd client, const EgressRules& rules, const EgressLimits& limits, Allowance& allowance, ConnectionRecord& record,
    const std::stop_token& stop
);

}  // namespace toccata::tools
