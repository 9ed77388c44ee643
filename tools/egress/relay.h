// Bytes between two sockets, until both ways have ended.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include "core/base/error.h"
#include "tools/egress/socket_io.h"

namespace toccata::tools {

// What is left of a number that several relays use up.
class Allowance {
 public:
  explicit Allowance(std::uint64_t bytes) : left_(static_cast<std::int64_t>(bytes)) {}
  // False: it is used up.
  bool take(std::uint64_t bytes) { return left_.fetch_sub(static_cast<std::int64_t>(bytes)) >= static_cast<std::int64_t>(bytes); }

 private:
  std::atomic<std::int64_t> left_;
};

struct RelayRules {
  std::chrono::milliseconds idle, total;
  std::optional<std::uint64_t> up_bytes_max;  // of the code's; when they are through, nothing more of it is read
  bool ends_with_answer = false;              // the far side's end is the end of all
};

struct Relayed {
  std::atomic<std::uint64_t> sent{0}, received{0};
};

// `up`: what has been read of the code's bytes already. An error says what cut it: kTimeout, kCancelled, kResourceExhausted
// (the allowance), kIo.
Result<void> relay(
    int code, int far, std::string up, const RelayRules& rules, Allowance& allowance, Relayed& relayed, const StopFd& stop
);

}  // namespace toccata::tools
