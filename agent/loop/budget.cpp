#include "agent/loop/budget.h"

#include <algorithm>
#include <sstream>

namespace toccata::agent {
namespace {

std::string name_space_of(const std::string& recipient) {
  return recipient.substr(0, recipient.find('.'));
}

bool limits_tokens(const Limits& limits) {
  return limits.budget_tokens > 0 || limits.prefill_tokens_max > 0 || limits.decode_tokens_max > 0;
}

std::string used_up(std::int64_t limit, const std::string& of_what) {
  return "the budget of " + std::to_string(limit) + " " + of_what + " is used up";
}

bool did_run(const store::CallRow& call) {
  return call.result && (call.result->status == "ok" || call.result->status == "failed" || call.result->status == "stops_run");
}

}  // namespace

Budget::Budget(const Limits& limits, Budget* parent)
    : limits_(limits),
      parent_(parent),
      mutex_(parent != nullptr ? parent->mutex_ : std::make_shared<std::mutex>()),
      counts_tokens_(limits_tokens(limits) || (parent != nullptr && parent->counts_tokens_)) {}

void Budget::recall(const std::vector<store::CallRow>& calls) {
  const std::lock_guard lock(*mutex_);
  for (const store::CallRow& call : calls) {
    if (!did_run(call)) continue;
    count_call(call.intent.recipient);
    spent_.output_bytes += static_cast<std::int64_t>(call.result->content.size());
    spent_.cpu += std::chrono::microseconds(call.result->sandbox_cpu_us);
    spent_.duration += std::chrono::milliseconds(std::max<std::int64_t>(0, call.finished_ms - call.started_ms));
  }
}

void Budget::recall_child(const store::RunRecord& child) {
  recall(child.calls);
  const std::lock_guard lock(*mutex_);
  for (const store::StepRow& step : child.steps) {
    spent_.read += step.prefilled;
    spent_.sampled += step.decoded;
  }
  ++spent_.children;
}

template <class Objection>
std::optional<std::string> Budget::first_objection(const Objection& objection) const {
  for (const Budget* budget = this; budget != nullptr; budget = budget->parent_) {
    auto why = objection(*budget);
    if (!why) continue;
    if (budget != this) *why += " (shared with the run that made this one)";
    return why;
  }
  return std::nullopt;
}

std::optional<std::string> Budget::objection_to_tokens(std::int64_t n_read, std::int64_t n_sampled) const {
  const std::int64_t read = spent_.read + n_read, sampled = spent_.sampled + n_sampled;
  if (limits_.budget_tokens > 0 && read + sampled > limits_.budget_tokens) return used_up(limits_.budget_tokens, "tokens");
  if (limits_.prefill_tokens_max > 0 && read > limits_.prefill_tokens_max) {
    return used_up(limits_.prefill_tokens_max, "tokens to read");
  }
  if (limits_.decode_tokens_max > 0 && sampled > limits_.decode_tokens_max) {
    return used_up(limits_.decode_tokens_max, "tokens to write");
  }
  return std::nullopt;
}

void Budget::charge_tokens(std::int64_t n_read, std::int64_t n_sampled) {
  for (Budget* budget = this; budget != nullptr; budget = budget->parent_) {
    budget->spent_.read += n_read;
    budget->spent_.sampled += n_sampled;
  }
  charged_read_ += n_read;
  charged_sampled_ += n_sampled;
}

std::optional<std::string> Budget::admit(const Usage& used, std::int64_t n_read, std::int64_t n_sampled) {
  if (!counts_tokens_) return std::nullopt;
  const std::lock_guard lock(*mutex_);
  const std::int64_t read = used.appended + n_read - charged_read_;
  const std::int64_t sampled = used.decoded + n_sampled - charged_sampled_;
  auto why = first_objection([&](const Budget& budget) { return budget.objection_to_tokens(read, sampled); });
  if (!why) charge_tokens(read, sampled);
  return why;
}

bool Budget::has_share_for_guess(std::int64_t n_read, std::int64_t n_sampled) const {
  const std::int64_t read = spent_.guessed_read + n_read, sampled = spent_.guessed_sampled + n_sampled;
  const auto within = [](std::int64_t n, std::int64_t limit) { return limit == 0 || n <= limit / kGuessShare; };
  return within(read + sampled, limits_.budget_tokens) && within(read, limits_.prefill_tokens_max) &&
         within(sampled, limits_.decode_tokens_max);
}

bool Budget::admit_guess(std::int64_t n_read, std::int64_t n_sampled) {
  if (!counts_tokens_) return true;
  const std::lock_guard lock(*mutex_);
  for (const Budget* budget = this; budget != nullptr; budget = budget->parent_) {
    if (!budget->has_share_for_guess(n_read, n_sampled) || budget->objection_to_tokens(n_read, n_sampled)) return false;
  }
  for (Budget* budget = this; budget != nullptr; budget = budget->parent_) {
    budget->spent_.read += n_read;
    budget->spent_.sampled += n_sampled;
    budget->spent_.guessed_read += n_read;
    budget->spent_.guessed_sampled += n_sampled;
  }
  return true;
}

void Budget::settle(const Usage& used) {
  if (!counts_tokens_) return;
  const std::lock_guard lock(*mutex_);
  charge_tokens(used.appended - charged_read_, used.decoded - charged_sampled_);
}

std::optional<std::string> Budget::objection_to_call_of(const std::string& name, int n_ahead) const {
  const auto limit = limits_.calls_of_max.find(name);
  if (limit == limits_.calls_of_max.end()) return std::nullopt;
  if (limit->second == 0) return "no calls to " + name + " are allowed";
  const auto made = spent_.calls_of.find(name);
  const int n_made = (made != spent_.calls_of.end() ? made->second : 0) + n_ahead;
  if (n_made < limit->second) return std::nullopt;
  return used_up(limit->second, "calls to " + name);
}

std::optional<std::string> Budget::objection_to_call(const std::string& recipient, int n_ahead) const {
  if (limits_.calls_max > 0 && spent_.calls + n_ahead >= limits_.calls_max) return used_up(limits_.calls_max, "tool calls");
  if (!limits_.calls_of_max.empty()) {
    if (auto why = objection_to_call_of(recipient, n_ahead)) return why;
    if (auto why = objection_to_call_of(name_space_of(recipient), n_ahead)) return why;
  }
  if (limits_.tool_bytes_max > 0 && spent_.output_bytes >= limits_.tool_bytes_max) {
    return used_up(limits_.tool_bytes_max, "bytes of tool output");
  }
  if (limits_.tool_time_max.count() > 0 && spent_.duration >= limits_.tool_time_max) {
    return used_up(limits_.tool_time_max.count(), "ms in tools");
  }
  return std::nullopt;
}

std::optional<std::string> Budget::refuses(const std::string& recipient, int n_ahead) const {
  const std::lock_guard lock(*mutex_);
  return first_objection([&](const Budget& budget) { return budget.objection_to_call(recipient, n_ahead); });
}

std::optional<std::string> Budget::take_call(const std::string& recipient) {
  const std::lock_guard lock(*mutex_);
  auto why = first_objection([&](const Budget& budget) { return budget.objection_to_call(recipient, 0); });
  if (why) return why;
  for (Budget* budget = this; budget != nullptr; budget = budget->parent_) budget->count_call(recipient);
  return std::nullopt;
}

void Budget::count_call(const std::string& recipient) {
  ++spent_.calls;
  ++spent_.calls_of[recipient];
  if (const std::string name_space = name_space_of(recipient); name_space != recipient) ++spent_.calls_of[name_space];
}

void Budget::add_output(std::size_t bytes, std::chrono::milliseconds duration) {
  const std::lock_guard lock(*mutex_);
  for (Budget* budget = this; budget != nullptr; budget = budget->parent_) {
    budget->spent_.output_bytes += static_cast<std::int64_t>(bytes);
    budget->spent_.duration += duration;
  }
}

std::optional<std::string> Budget::refuses_sandbox() const {
  const std::lock_guard lock(*mutex_);
  return first_objection([](const Budget& budget) -> std::optional<std::string> {
    const std::chrono::milliseconds limit = budget.limits_.sandbox_cpu_max;
    if (limit.count() == 0 || budget.spent_.cpu < limit) return std::nullopt;
    std::ostringstream seconds;
    seconds << static_cast<double>(limit.count()) / 1000;
    return "the budget of " + seconds.str() + " seconds of CPU time in the sandbox is used up";
  });
}

std::chrono::microseconds Budget::charge_cpu(std::chrono::microseconds used) {
  const std::lock_guard lock(*mutex_);
  std::chrono::microseconds left = std::chrono::microseconds::max();
  for (Budget* budget = this; budget != nullptr; budget = budget->parent_) {
    budget->spent_.cpu += used;
    const std::chrono::milliseconds limit = budget->limits_.sandbox_cpu_max;
    if (limit.count() > 0) left = std::min<std::chrono::microseconds>(left, limit - budget->spent_.cpu);
  }
  return left;
}

std::optional<std::string> Budget::take_child() {
  const std::lock_guard lock(*mutex_);
  auto why = first_objection([](const Budget& budget) -> std::optional<std::string> {
    const int n_max = budget.limits_.children_max;
    if (budget.spent_.children < n_max) return std::nullopt;
    return used_up(n_max, "sub-agents");
  });
  if (why) return why;
  for (Budget* budget = this; budget != nullptr; budget = budget->parent_) ++budget->spent_.children;
  return std::nullopt;
}

}  // namespace toccata::agent
