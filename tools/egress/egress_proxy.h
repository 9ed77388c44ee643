// The proxy that sessions of the sandbox reach the allowed hosts through: HTTP/1.1's CONNECT, and absolute-form http requests.
//
// It is the wall between code and network. It runs in the host, on threads of its own, and believes nothing it reads: one strict parse
// of the request's head (request_head.h), the list of hosts and the browser's rules about addresses (egress_rules.h), then a
// connection to one of the addresses that were judged, and bytes. One http request a connection; no more than its body goes on, so that
// none can hide behind it. What a tunnel carries is between code and the host: whoever answers for the name, on a shared
// address maybe other sites too, gets it. Nothing of the user's goes out: no cookie, no key, no header is added.
//
// What is refused gets an answer in plain words, in the status line too, which is all that most programs show of it.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "sandbox/egress.h"
#include "tools/egress/egress_rules.h"

namespace toccata::tools {

// Of one session; of one execution where it says so.
struct EgressLimits {
  int connections_at_once = 16;             // more wait in the kernel's queue
  std::uint64_t connections = 10'000;       // of one execution; more wait for ever
  std::uint64_t bytes = std::uint64_t{1} << 30;  // of one execution, both ways together; then its connections are cut
  std::chrono::milliseconds head{10'000};   // up to the blank line
  std::chrono::milliseconds connect{20'000};  // name lookup and connection
  std::chrono::milliseconds idle{120'000};  // without a byte either way
  std::chrono::milliseconds total{3'600'000};
};

// Doors of one policy. Each has a thread, and one for each connection it serves.
class EgressProxy final : public sandbox::Egress {
 public:
  explicit EgressProxy(EgressRules rules, EgressLimits limits = {}) : rules_(std::make_shared<const EgressRules>(std::move(rules))), limits_(limits) {}
  std::unique_ptr<sandbox::Door> open(sandbox::UniqueFd listener) override;

 private:
  std::shared_ptr<const EgressRules> rules_;
  EgressLimits limits_;
};

// For sandbox::Sandbox::create: `origins` and `proxy` as of EgressRules::make.
sandbox::MakeEgress serve_by_proxy(std::vector<std::string> origins, ProxyRules proxy, Resolve resolve = {}, EgressLimits limits = {});

}  // namespace toccata::tools
