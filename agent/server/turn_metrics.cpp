#include "agent/server/turn_metrics.h"

namespace toccata::server {
namespace {

void count_call(Metrics& metrics, const agent::Event& event) {
  if (const auto* child = std::get_if<agent::ChildEvent>(&event)) return count_call(metrics, child->event->event);
  const auto* call = std::get_if<agent::ItemCompleted>(&event);
  if (call != nullptr && call->item.sandbox_cpu_us > 0) metrics.sandbox_cpu_used(std::chrono::microseconds(call->item.sandbox_cpu_us));
}

}  // namespace

void count_event(Metrics& metrics, const agent::Event& event) {
  if (const auto* done = std::get_if<agent::TurnCompleted>(&event)) metrics.agent_turn_done(done->usage.output_tokens);
  if (const auto* failed = std::get_if<agent::TurnFailed>(&event)) metrics.agent_turn_done(failed->usage.output_tokens);
  count_call(metrics, event);
}

}  // namespace toccata::server
