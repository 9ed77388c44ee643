// Forward passes that sessions on different threads ask for at the same time, made together: a weight is read from memory
// once for all of them (continuous batching). Nobody waits for a batch to fill for longer than a fraction of a pass, and
// a session that is alone never waits.
#pragma once

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <functional>
#include <list>
#include <mutex>
#include <span>
#include <vector>

namespace toccata::engine {

struct PassCounts {
  std::int64_t passes = 0;
  std::int64_t tokens = 0;
  std::int64_t shared_passes = 0;  // of more than one session
};

// One a model and device, any thread. Whoever finds no pass on its way makes the next one, for everybody who waits.
// A Part has `tokens` (a span), `n_logits` (of the last tokens) and the members
//   Part first(n) const       its first n tokens, and what is wanted of them
//   void drop(n, n_logits)    what is left when they are read and so many logits are written
template <class Part>
class PassBatcher {
 public:
  // Makes a pass; a part that failed has its entry of `failures` set, the others are done. Called on one thread at a time.
  using Pass = std::function<void(std::span<const Part>, std::span<std::exception_ptr> failures)>;
  struct Limits {
    std::size_t pass_max = 0;              // tokens of a pass
    std::size_t prefill_beside_decode = 0;  // tokens of prompts in a pass that also decodes: what others' next tokens wait for
  };
  virtual ~PassBatcher() = default;
  PassBatcher(Limits limits, Pass pass) : limits_(limits), pass_(std::move(pass)) {}

  // Runs the part, alone or among others, and returns when it is done. A pass takes as much of a prompt as it has room
  // for, and little when it also decodes: prompts never hold up others' next tokens for long. Throws what the pass failed
  // with; a beginning of the tokens, or none of them, was read then.
  void run(const Part& part) {
    Request request{part, false, nullptr};
    std::unique_lock lock(mutex_);
    waiting_.push_back(&request);
    changed_.notify_all();
    while (!request.done) {
      if (!led_) {
        lead(lock, request);
      } else {
        changed_.wait(lock, [&] { return request.done || !led_; });
      }
    }
    if (request.failure) std::rethrow_exception(request.failure);
  }

  PassCounts counts() const {
    const std::scoped_lock lock(mutex_);
    return counts_;
  }
  // Whether the last pass was of one session.
  bool alone() const {
    const std::scoped_lock lock(mutex_);
    return n_expected_ <= 1 && waiting_.empty();
  }

 protected:
  // Called under the lock after a pass of `parts` that took so long.
  virtual void learn(std::span<const Part> /*parts*/, std::chrono::steady_clock::duration /*took*/) {}
  std::size_t pass_max() const { return limits_.pass_max; }
  mutable std::mutex mutex_;

 private:
  using Clock = std::chrono::steady_clock;
  // The part of a pass's time, and the most, that is spent waiting for sessions that are choosing their next token.
  static constexpr int kPatience = 8;
  static constexpr std::chrono::milliseconds kPatienceMax{10};

  struct Request {
    Part part;  // what is left of it
    bool done = false;
    std::exception_ptr failure;
  };

  // Makes passes until the own request is done; who waits still leads then.
  void lead(std::unique_lock<std::mutex>& lock, const Request& own) {
    led_ = true;
    while (!own.done) {
      await_others(lock);
      take();
      lock.unlock();
      const auto begin = Clock::now();
      failures_.assign(parts_.size(), nullptr);
      try {
        pass_(parts_, failures_);
      } catch (...) {
        std::fill(failures_.begin(), failures_.end(), std::current_exception());
      }
      const auto took = Clock::now() - begin;
      lock.lock();
      last_pass_ = took;
      learn(parts_, took);
      settle();
      changed_.notify_all();
    }
    led_ = false;
  }

  // Sessions of the last pass sample at this moment. Starting without them would make two half passes of one.
  void await_others(std::unique_lock<std::mutex>& lock) {
    if (n_expected_ <= waiting_.size()) return;
    const auto patience = std::min<Clock::duration>(last_pass_ / kPatience, kPatienceMax);
    changed_.wait_for(lock, patience, [&] { return waiting_.size() >= n_expected_; });
  }

  // Decoding first, in order of arrival; then as much of the prompts as there is room for.
  void take() {
    parts_.clear();
    taken_.clear();
    std::size_t room = limits_.pass_max;
    const auto add = [&](Request* request, std::size_t n) {
      parts_.push_back(request->part.first(n));
      taken_.push_back(request);
      room -= n;
    };
    const auto decodes = [](const Request& request) {  // one token, or one and a guess
      return request.part.n_logits == static_cast<int>(request.part.tokens.size());
    };
    for (Request* request : waiting_) {
      const std::size_t n = request->part.tokens.size();
      // A token and what is guessed after it stay together.
      if (decodes(*request) && room > 0 && (n <= room || taken_.empty())) add(request, std::min(n, room));
    }
    if (!taken_.empty()) room = std::min(room, limits_.prefill_beside_decode);
    for (Request* request : waiting_) {
      const std::size_t n = request->part.tokens.size();
      if (!decodes(*request) && room > 0) add(request, std::min(n, room));
    }
  }

  void settle() {
    ++counts_.passes;
    if (parts_.size() > 1) ++counts_.shared_passes;
    // Those that came too late for this pass count as well, or else two halves would take turns for ever.
    n_expected_ = waiting_.size();
    for (std::size_t i = 0; i < taken_.size(); ++i) {
      Request& request = *taken_[i];
      const std::size_t n = parts_[i].tokens.size();
      counts_.tokens += static_cast<std::int64_t>(n);
      request.part.drop(n, parts_[i].n_logits);
      request.failure = failures_[i];
      request.done = request.failure != nullptr || request.part.tokens.empty();
      if (request.done) waiting_.remove(&request);
    }
    taken_.clear();
  }

  const Limits limits_;
  const Pass pass_;
  std::condition_variable changed_;  // a request came, is done, or the leader left
  std::list<Request*> waiting_;      // in order of arrival
  std::vector<Request*> taken_;      // by the present pass
  std::vector<Part> parts_;          // of it
  std::vector<std::exception_ptr> failures_;
  bool led_ = false;
  std::size_t n_expected_ = 0;       // sessions that asked during the last pass or before: they will likely come again
  Clock::duration last_pass_{};
  PassCounts counts_;
};

}  // namespace toccata::engine
