// How long the operations of a forward pass took, by name.
#pragma once

#include <atomic>
#include <chrono>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace toccata {

// What one kind of operation cost, summed over its calls.
struct OpTime {
  std::string name;
  int calls = 0;
  double seconds = 0;
  double bytes = 0;  // that it has to move to and from memory at the least
  double flops = 0;  // multiplications and additions
};

class OpSums {
 public:
  void add(const OpTime& op) {
    OpTime& sum = sums_[op.name];
    sum.name = op.name;
    sum.calls += op.calls;
    sum.seconds += op.seconds;
    sum.bytes += op.bytes;
    sum.flops += op.flops;
  }
  // In the order of their names; nothing is left.
  std::vector<OpTime> take() {
    std::vector<OpTime> all;
    for (auto& [name, sum] : sums_) all.push_back(std::move(sum));
    sums_.clear();
    return all;
  }

 private:
  std::map<std::string, OpTime> sums_;
};

// Times operations of the thread that makes the passes. start() and stop() while no pass is under way.
class OpClock {
 public:
  void start() { on_ = true; }
  std::vector<OpTime> stop() {
    on_ = false;
    return sums_.take();
  }

  class Scope {
   public:
    Scope(OpClock* clock, OpTime op) : clock_(clock), op_(std::move(op)) {}
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;
    ~Scope() {
      if (clock_ == nullptr) return;
      op_.seconds = std::chrono::duration<double>(Clock::now() - begin_).count();
      clock_->sums_.add(op_);
    }

   private:
    using Clock = std::chrono::steady_clock;
    OpClock* clock_;  // null: not timed
    OpTime op_;
    Clock::time_point begin_ = Clock::now();
  };
  // Until the end of the scope.
  Scope time(const char* name, double bytes, double flops) {
    return on_ ? Scope(this, {name, 1, 0, bytes, flops}) : Scope(nullptr, {});
  }

 private:
  std::atomic<bool> on_ = false;
  OpSums sums_;
};

}  // namespace toccata
