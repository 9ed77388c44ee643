// What a run has spent on tools, and whether it may spend more. Tokens are counted by the token log itself.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "agent/loop/limits.h"
#include "agent/store/ledger.h"

namespace toccata::agent {

class Budget {
 public:
  explicit Budget(const Limits& limits) : limits_(limits) {}

  // Counts what earlier processes spent.
  void recall(const std::vector<store::CallRow>& calls);
  // Why a call to `recipient` would be one too many, in plain words; none: it may be made.
  std::optional<std::string> refuses(const std::string& recipient) const;
  void count(
      const std::string& recipient, std::size_t output_bytes, std::chrono::milliseconds duration
  );

 private:
  const Limits& limits_;
  int n_calls_ = 0;
  std::map<std::string, int, std::less<>> n_calls_of_;
  std::int64_t output_bytes_ = 0;
  std::chrono::milliseconds duration_{0};
};

}  // namespace toccata::agent
