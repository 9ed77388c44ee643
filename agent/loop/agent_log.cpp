// What enters the log besides the model's own words, and the log made shorter.
#include <algorithm>
#include <utility>

#include "agent/loop/agent_impl.h"
#include "agent/loop/log_edit.h"
#include "agent/loop/recall_tool.h"

namespace toccata::agent {
namespace {

using store::SegmentKind;

}  // namespace

std::optional<Ending> Agent::Impl::hear(const std::string& text) {
  if (auto ending = refuse_unanswered()) return ending;
  if (Result<void> settled = log_->settle(); !settled) return ending_for(settled.error());
  if (config_.drop_finished_reasoning && std::exchange(has_history_, true)) {
    const Tokens log = recorded_log();
    if (auto ending = edit_log(log, drop_finished_reasoning(log, *renderer_))) return ending;
  }
  step_marks_.clear();
  const auto message = harmony::Message::text(harmony::Role::kUser, text);
  auto ending = append_messages(SegmentKind::kUser, {message});
  // What this turn reasons goes when the next begins: back to here, and the model need not read all of it again.
  if (!ending && config_.drop_finished_reasoning) log_->mark();
  return ending;
}

std::optional<Ending> Agent::Impl::hear_steering() {
  std::vector<std::string> texts;
  {
    const std::lock_guard lock(steering_mutex_);
    texts.swap(steering_);
  }
  for (const std::string& text : texts) {
    if (Result<void> settled = log_->settle(); !settled) return ending_for(settled.error());
    step_marks_.clear();
    const auto message = harmony::Message::text(harmony::Role::kUser, text);
    if (auto ending = append_messages(SegmentKind::kUser, {message})) return ending;
    notice("The user added: " + text);
  }
  return std::nullopt;
}

Tokens Agent::Impl::recorded_log() {
  writer_->commit();
  return ledger_.load_run(run_id_).value_or_throw().timeline();
}

std::optional<Ending> Agent::Impl::edit_log(const Tokens& log, const std::optional<LogEdit>& edit) {
  if (!edit) return std::nullopt;
  if (Result<void> cut = log_->cut(log, edit->keep); !cut) return ending_for(cut.error());
  if (!edit->tail.empty()) {
    if (Result<void> put = log_->append(SegmentKind::kEdited, edit->tail); !put) {
      return ending_for(put.error());
    }
  }
  writer_->note("edit", edit->what);
  step_marks_.clear();
  return std::nullopt;
}

std::optional<Ending> Agent::Impl::keep_short() {
  const std::int64_t n_context = model_.capabilities().n_context;
  const std::int64_t set = config_.limits.compact_at_tokens;
  const std::int64_t limit = set > 0 ? set : n_context - n_context / 5;
  // Where little could go, the next attempt waits until there is something new.
  const std::int64_t worth_it = n_tokens_compacted_ + limit / 8;
  if (limit <= 0 || log_->n_tokens() <= std::max(limit, worth_it)) return std::nullopt;
  return shorten_log(limit / 2);
}

std::optional<Ending> Agent::Impl::shorten_log(std::int64_t target) {
  if (Result<void> settled = log_->settle(); !settled) return ending_for(settled.error());
  const store::RunRecord record = (writer_->commit(), ledger_.load_run(run_id_).value_or_throw());
  const Tokens log = record.timeline();
  Compaction rule{.target = target, .n_calls = static_cast<int>(record.calls.size())};
  if (registry_.find(kRecallRecipient) != nullptr) rule.recall = kRecallRecipient;
  const std::optional<LogEdit> edit = compact(log, *renderer_, rule);
  if (auto ending = edit_log(log, edit)) return ending;
  if (edit) notice("To save room, " + edit->what + ".");
  n_tokens_compacted_ = log_->n_tokens();
  return std::nullopt;
}

std::optional<Ending> Agent::Impl::cut_loop(int n, const std::string& recipient, const std::string& why) {
  const auto n_steps = static_cast<std::size_t>(n);
  if (step_marks_.size() < n_steps) return std::nullopt;  // the log was edited since; it was told as a result
  const std::int64_t keep = step_marks_[step_marks_.size() - n_steps];
  if (Result<void> settled = log_->settle(); !settled) return ending_for(settled.error());
  LogEdit edit{keep, {}, std::to_string(n) + " repeated steps with calls to " + recipient + " were taken back"};
  harmony::Message told = harmony::Message::text(harmony::Role::kDeveloper, "The last call to " + recipient + ": " + why);
  Result<Tokens> rendered =
      renderer_->message(told, has_functions_, harmony::RenderConfig::live());
  if (!rendered) return Ending{1, "error", "cannot render a message: " + rendered.error().message};
  edit.tail = std::move(*rendered);
  if (auto ending = edit_log(recorded_log(), edit)) return ending;
  notice(edit.what + ".");
  return std::nullopt;
}

}  // namespace toccata::agent
