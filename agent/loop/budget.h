// What a run has spent, and whether it may spend more.
//
// Runs that a run makes have a budget below its own: what a child spends counts for every run above it as well, at the
// moment it is spent. So a family of runs stays within each of its limits as one run does, by at most one token or one
// call, however many of them work at the same time.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "agent/loop/limits.h"
#include "agent/model/token_model.h"
#include "agent/store/ledger.h"

namespace toccata::agent {

// Any thread: one lock for a family. `limits` and `parent` must outlive it.
class Budget {
 public:
  explicit Budget(const Limits& limits, Budget* parent = nullptr);
  Budget(const Budget&) = delete;
  Budget& operator=(const Budget&) = delete;

  // Counts what earlier processes spent in this run, and not for those above it: they recall it themselves.
  void recall(const std::vector<store::CallRow>& calls);
  // What runs below this one spent in earlier processes.
  void recall_child(const store::RunRecord& child);

  // Sets aside what the next step costs: `used` is what this run's log counts by now, `n_read` and `n_sampled` come on top.
  // Why that would be too much, in plain words; none: it is counted. What was set aside and did not come is given back by
  // the next call, and by settle().
  std::optional<std::string> admit(const Usage& used, std::int64_t n_read, std::int64_t n_sampled);
  void settle(const Usage& used);

  // The same for a fork that looks ahead (look_ahead.h), as it spends them. Of each limit guesses get one kGuessShare-th and no
  // more, and nothing is set aside for them: what is left is the run's.
  bool admit_guess(std::int64_t n_read, std::int64_t n_sampled);
  static constexpr std::int64_t kGuessShare = 8;

  // Why a call to `recipient` would be one too many, in plain words; none: it may be made. `n_ahead`: calls that would come
  // before it.
  std::optional<std::string> refuses(const std::string& recipient, int n_ahead = 0) const;
  // The same, and counts the call when it may be made.
  std::optional<std::string> take_call(const std::string& recipient);
  // What it came to.
  void add_output(std::size_t bytes, std::chrono::milliseconds duration);

  // Why a call whose programs run in the sandbox would be one too many; none: some of the CPU time is left.
  std::optional<std::string> refuses_sandbox() const;
  // Counts CPU time that such programs have used, while they run. How much more they may use, and all that run at the same time
  // in the family together: below zero when they have used too much, max() without a limit.
  std::chrono::microseconds charge_cpu(std::chrono::microseconds used);

  // A run more below this one: why not, or it is counted.
  std::optional<std::string> take_child();

 private:
  struct Spent {
    std::int64_t read = 0, sampled = 0;                  // guesses included
    std::int64_t guessed_read = 0, guessed_sampled = 0;  // of these
    int calls = 0;
    std::map<std::string, int, std::less<>> calls_of = {};  // by recipient and by namespace
    std::int64_t output_bytes = 0;
    std::chrono::milliseconds duration{0};
    std::chrono::microseconds cpu{0};
    int children = 0;
  };
  std::optional<std::string> objection_to_tokens(std::int64_t n_read, std::int64_t n_sampled) const;
  std::optional<std::string> objection_to_call_of(const std::string& recipient_or_name_space, int n_ahead) const;
  std::optional<std::string> objection_to_call(const std::string& recipient, int n_ahead) const;
  bool has_share_for_guess(std::int64_t n_read, std::int64_t n_sampled) const;
  // The objection of this run or of one above it.
  template <class Objection>
  std::optional<std::string> first_objection(const Objection& objection) const;
  void count_call(const std::string& recipient);
  void charge_tokens(std::int64_t n_read, std::int64_t n_sampled);

  const Limits& limits_;
  Budget* const parent_;
  const std::shared_ptr<std::mutex> mutex_;  // guards what follows, in the whole family
  const bool counts_tokens_;                 // some limit up to the root asks for it
  Spent spent_;                              // here and below
  std::int64_t charged_read_ = 0, charged_sampled_ = 0;  // of this run alone
};

}  // namespace toccata::agent
