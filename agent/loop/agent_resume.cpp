// Going on with a recorded run.
#include <algorithm>
#include <utility>

#include "agent/loop/agent_impl.h"
#include "agent/loop/resume_point.h"
#include "core/tokenizer/tokenizer.h"

namespace toccata::agent {

Result<store::RunRecord> Agent::Impl::take_over(std::string_view id) {
  Result<store::RunRecord> record = ledger_.load_run(id);
  if (!record) return record.error();
  for (const Token token : record->timeline()) {
    if (token < 0 || token >= model_.tokenizer()->n_vocab()) {
      return Error{
          ErrorCode::kInvalidArgument,
          "run " + record->summary.id + " was made by model " + record->summary.model +
              ", whose tokens " + model_.name() + " does not have: name that model"};
    }
  }
  Result<store::RunWriter> writer = ledger_.open_run(record->summary.id);
  if (!writer) return writer.error();
  record = ledger_.load_run(writer->id());  // as it stands now that nobody else writes it
  if (!record) return record.error();
  write_to(std::move(*writer));
  events_->go_on_from_item(static_cast<int>(record->messages.size() + record->calls.size()));
  writer_->note("resumed", "model " + model_.name());
  emit(ThreadStarted{run_id_});
  return record;
}

Ending Agent::Impl::resume_turn(
    const store::RunRecord& record,
    const std::optional<std::string>& text,
    const std::stop_token& stop,
    std::string& final
) {
  Clock clock(stop, config_.limits.timeout);
  outer_stop_ = stop;
  n_malformed_ = 0;
  if (auto ending = open_session(&record)) return *ending;
  for (const store::CallRow& call : record.calls) {
    dispatcher_->forget_state_of(call.intent.recipient);
    if (!call.result) continue;
    pages_.show(call.result->author, call.result->content);
    dispatcher_->trust().read(provenance_in(call.result->metadata), call.result->content, call.intent.arguments);
  }
  for (const store::MessageRow& message : record.messages) {
    if (is_told(message)) tell_trust(message);
  }
  budget_.recall(record.calls);
  if (makes_runs()) recall_children(record);
  put_back_files();
  has_history_ = true;
  Unfinished unfinished = finish_last_step(record, clock.stop(), text.has_value());
  const bool stands_there = config_.lineage && config_.lineage->n_task > 0;
  if (!stands_there && !find_resume_point(record, n_opening(), renderer_->control()).has_task) {
    if (auto ending = hear(record.summary.task)) return *ending;
  }
  if (config_.best_of.n > 1) {
    writer_->commit();  // the task may have come in just now
    return resume_best_of(ledger_.load_run(run_id_).value_or_throw(), text, clock, final);
  }
  if (!text) return loop(clock, std::move(unfinished), final);
  // What the user says now comes behind the results of the calls that are open, and in place of those that cannot be made.
  if (unfinished.step) {
    const auto ending = answer_calls(unfinished.step->calls, unfinished.begun, clock);
    if (ending && (unanswered_.empty() || clock.stop().stop_requested())) return *ending;
  }
  if (auto ending = hear(*text)) return *ending;
  return loop(clock, {}, final);
}

std::optional<Ending> Agent::Impl::restore_log(const store::RunRecord& record) {
  const Tokens log = record.timeline();
  const store::Segment& first = record.segments.front();
  const bool shares = makes_runs() && first.kind == store::SegmentKind::kPrompt && first.tokens.size() <= log.size() &&
                      std::equal(first.tokens.begin(), first.tokens.end(), log.begin()) && config_.lineage == nullptr;
  if (config_.lineage) prefix_ = config_.lineage->prefix;
  if (!shares) {
    if (Result<void> restored = log_->restore(log); !restored) return ending_for(restored.error());
    return std::nullopt;
  }
  if (Result<void> restored = log_->restore(first.tokens); !restored) return ending_for(restored.error());
  std::vector<store::MessageRow> rows;
  for (const store::MessageRow& row : record.messages) {
    if (row.role != "system" && row.role != "developer") break;
    rows.push_back(row);
  }
  if (auto ending = share_prefix(first.tokens, std::move(rows), opening_)) return ending;
  const std::span<const Token> rest = std::span(log).subspan(first.tokens.size());
  if (Result<void> restored = log_->restore(rest); !restored) return ending_for(restored.error());
  return std::nullopt;
}

// A turn whose candidates an earlier process made, or a new one.
Ending Agent::Impl::resume_best_of(
    const store::RunRecord& record, const std::optional<std::string>& text, Clock& clock, std::string& final
) {
  const std::optional<int> open = open_best_of(record);
  const bool is_answered = !open && !record.segments.empty() && record.segments.back().kind != store::SegmentKind::kUser;
  if (!is_answered) {
    const auto last = std::find_if(record.messages.rbegin(), record.messages.rend(), [](const auto& m) { return m.role == "user"; });
    const std::string task = last != record.messages.rend() ? last->content : record.summary.task;
    const Ending ending = best_of_turn(task, open, clock, final);
    if (!text || ending.exit_code != 0) return ending;
  } else if (!text) {
    final = record.final;
    return Ending{0, "final", ""};
  }
  if (auto ending = hear(*text)) return *ending;
  return best_of_turn(*text, std::nullopt, clock, final);
}

void Agent::Impl::put_back_files() {
  if (!config_.files.put_back) return;
  std::vector<store::SessionFile> files;
  for (const store::SessionFile& file : ledger_.session_files(run_id_).value_or_throw()) {
    files.push_back(ledger_.session_file(run_id_, file.path).value_or_throw());
  }
  config_.files.put_back(std::move(files));
}

Agent::Impl::Unfinished Agent::Impl::finish_last_step(
    const store::RunRecord& record, const std::stop_token& stop, bool cut_off
) {
  const ResumePoint point =
      find_resume_point(record, n_opening(), renderer_->control());
  Unfinished unfinished;
  if (point.step == 0) return unfinished;
  for (const store::CallRow& call : record.calls) {
    if (call.step == point.step) unfinished.begun.push_back(call);
  }
  // Answered, and the conversation goes on: nothing is left to do, and nobody is shown the old answer again.
  const bool answered = cut_off && record.steps.back().end == "stop";
  if (!point.closed && !answered) {
    std::stop_source now;
    now.request_stop();
    writer_->redo_messages(first_message_of_last_step(record));
    unfinished.step =
        step_->go_on(point.step, point.said, cut_off ? now.get_token() : stop, usage_);
    return unfinished;
  }
  std::vector<MessageStream::Done> calls = step_->calls_in(point.step, point.said);
  const auto n_answered = std::min(calls.size(), static_cast<std::size_t>(point.n_answered));
  if (answered || point.asked_again || n_answered == calls.size()) return {};
  unfinished.step.emplace();
  unfinished.step->calls.assign(
      calls.begin() + static_cast<std::ptrdiff_t>(n_answered), calls.end()
  );
  const auto n_begun = std::min(unfinished.begun.size(), n_answered);
  unfinished.begun.erase(
      unfinished.begun.begin(), unfinished.begun.begin() + static_cast<std::ptrdiff_t>(n_begun)
  );
  return unfinished;
}

}  // namespace toccata::agent
