#include "agent/loop/budget.h"

#include <algorithm>

namespace toccata::agent {
namespace {

std::string name_space_of(const std::string& recipient) {
  return recipient.substr(0, recipient.find('.'));
}

}  // namespace

void Budget::recall(const std::vector<store::CallRow>& calls) {
  for (const store::CallRow& call : calls) {
    const bool ran = call.result && (call.result->status == "ok" || call.result->status == "failed" ||
                                     call.result->status == "stops_run");
    if (!ran) continue;
    count(
        call.intent.recipient,
        call.result->content.size(),
        std::chrono::milliseconds(std::max<std::int64_t>(0, call.finished_ms - call.started_ms))
    );
  }
}

std::optional<std::string> Budget::refuses(const std::string& recipient) const {
  if (limits_.calls_max > 0 && n_calls_ >= limits_.calls_max) {
    return "the budget of " + std::to_string(limits_.calls_max) + " tool calls is used up";
  }
  for (const std::string& name : {recipient, name_space_of(recipient)}) {
    const auto limit = limits_.calls_of_max.find(name);
    if (limit == limits_.calls_of_max.end()) continue;
    const auto made = n_calls_of_.find(name);
    if (made != n_calls_of_.end() && made->second >= limit->second) {
      return "the budget of " + std::to_string(limit->second) + " calls to " + name + " is used up";
    }
    if (limit->second == 0) return "no calls to " + name + " are allowed";
  }
  if (limits_.tool_bytes_max > 0 && output_bytes_ >= limits_.tool_bytes_max) {
    return "the budget of " + std::to_string(limits_.tool_bytes_max) +
           " bytes of tool output is used up";
  }
  if (limits_.tool_time_max.count() > 0 && duration_ >= limits_.tool_time_max) {
    return "the budget of " + std::to_string(limits_.tool_time_max.count()) +
           " ms in tools is used up";
  }
  return std::nullopt;
}

void Budget::count(
    const std::string& recipient, std::size_t output_bytes, std::chrono::milliseconds duration
) {
  ++n_calls_;
  ++n_calls_of_[recipient];
  if (const std::string name_space = name_space_of(recipient); name_space != recipient) {
    ++n_calls_of_[name_space];
  }
  output_bytes_ += static_cast<std::int64_t>(output_bytes);
  duration_ += duration;
}

}  // namespace toccata::agent
