// What follows a step: its calls are answered, or the model is asked for what is missing.
#include <utility>

#include "agent/loop/agent_impl.h"

namespace toccata::agent {
namespace {

using store::SegmentKind;
using Verdict = CallOutcome::Verdict;

}  // namespace

std::optional<Ending> Agent::Impl::answer_calls(
    const std::vector<MessageStream::Done>& calls, const std::vector<store::CallRow>& begun, Clock& clock
) {
  if (calls.size() > 1) {
    std::vector<CallOutcome> outcomes = dispatcher_->dispatch_all(calls, begun, clock.watchdog, clock.deadline);
    std::optional<Ending> ending;
    std::size_t i = 0;
    for (; i < outcomes.size() && !ending; ++i) ending = take_outcome(calls[i], std::move(outcomes[i]), true, clock);
    if (!ending) return std::nullopt;
    for (; i < calls.size(); ++i) {
      unanswered_.push_back({calls[i], i < outcomes.size() ? std::optional(std::move(outcomes[i])) : std::nullopt});
    }
    return ending;
  }
  for (const MessageStream::Done& call : calls) {
    CallOutcome outcome = begun.empty() ? dispatcher_->dispatch(call, clock.watchdog, clock.deadline)
                                        : dispatcher_->resume(call, begun.front(), clock.watchdog, clock.deadline);
    if (auto ending = take_outcome(call, std::move(outcome), false, clock)) return ending;
  }
  return std::nullopt;
}

// `among_others`: the step has more calls than this.
std::optional<Ending> Agent::Impl::take_outcome(
    const MessageStream::Done& call, CallOutcome outcome, bool among_others, Clock& clock
) {
  // Not made: the call stays the last word of the log, and a resumed run makes it unless the user says something else.
  const bool waits = outcome.verdict == Verdict::kWaits;
  if (waits || outcome.verdict == Verdict::kOverBudget) {
    why_unanswered_ = waits ? "the user said something else before it was made" : outcome.reason;
    asked_ = waits;
    const std::string reason = outcome.reason;
    unanswered_.assign({{call, std::nullopt}});
    return waits ? Ending{5, "approval_needed", reason} : Ending{4, "budget", reason};
  }
  if (outcome.verdict == Verdict::kUnfinished) {
    why_unanswered_ = "it was stopped before it had one";
    asked_ = false;
    const std::string reason = outcome.reason;
    unanswered_.assign({{call, std::move(outcome)}});
    return clock.stop().stop_requested() ? stopped() : Ending{5, "approval_needed", reason};
  }
  // The answer enters the log whatever comes next: every way out leaves a complete transcript.
  std::optional<Ending> appended;
  if (Result<void> settled = log_->settle(); !settled) appended = ending_for(settled.error());
  if (!appended) appended = append_result(outcome.answer);
  pages_.show(outcome.answer.name.value_or(""), outcome.answer.text());
  if (!appended && outcome.n_loop_steps > 0 && !among_others) {
    appended = cut_loop(outcome.n_loop_steps, call.message.recipient.value_or(""), outcome.answer.text());
  }
  events_->flush();
  if (auto ending = ending_of(outcome, call)) return ending;
  if (clock.stop().stop_requested()) return stopped();
  return appended;
}

std::optional<Ending> Agent::Impl::refuse_unanswered() {
  for (; !unanswered_.empty(); unanswered_.pop_front()) {
    auto& [call, outcome] = unanswered_.front();
    const bool answered = outcome && outcome->verdict != Verdict::kUnfinished;
    const int row = outcome ? outcome->call : 0;
    const harmony::Message answer =
        answered ? outcome->answer : dispatcher_->refuse(call, why_unanswered_, std::exchange(asked_, false), row).answer;
    if (Result<void> settled = log_->settle(); !settled) return ending_for(settled.error());
    if (auto ending = append_result(answer)) return ending;
    events_->flush();
  }
  return std::nullopt;
}

std::optional<Ending> Agent::Impl::append_result(const harmony::Message& answer) {
  auto ending = append_messages(SegmentKind::kTool, {answer});
  if (!ending || ending->reason != "context_full") return ending;
  if (auto failed = shorten_log(model_.capabilities().n_context / 4)) return failed;
  return append_messages(SegmentKind::kTool, {answer});
}

std::optional<Ending> Agent::Impl::ending_of(const CallOutcome& outcome, const MessageStream::Done& call) {
  const std::string name = call.message.recipient.value_or("");
  const std::string answer = outcome.answer.text();
  if (outcome.verdict == Verdict::kDenied) return Ending{5, outcome.reason, answer};
  if (outcome.verdict == Verdict::kStopsRun) return Ending{6, outcome.reason, answer};
  if (outcome.verdict == Verdict::kRepeated) {
    return Ending{1, "repeated_calls", "the model keeps making the same call to " + name};
  }
  n_malformed_ = outcome.malformed ? n_malformed_ + 1 : 0;
  if (outcome.malformed && n_malformed_ >= config_.limits.malformed_max) {
    return Ending{
        1,
        "malformed",
        std::to_string(n_malformed_) + " unusable calls in a row, the last: " + answer};
  }
  return std::nullopt;
}

std::optional<Ending> Agent::Impl::mend(const StepResult& step, Mending& mending, std::string& final) {
  const bool preamble = !step.preamble.empty();
  bool& used = preamble ? mending.nudged : mending.forced;
  if (used) {
    final = step.preamble;
    return Ending{
        1,
        "no_final",
        preamble ? "the model stopped after announcing something, twice"
                 : "the model stopped without an answer, twice"};
  }
  used = true;
  mending.force_final = !preamble;
  notice(
      preamble ? "The model stopped after a preamble; it was asked to go on."
               : "The model stopped without an answer; its final message was opened for it."
  );
  if (Result<void> settled = log_->settle(); !settled) return ending_for(settled.error());
  return std::nullopt;
}

std::optional<Ending> Agent::Impl::ask_again(const std::string& objection, Mending& mending) {
  if (std::exchange(mending.asked_again, true)) {
    return Ending{8, "schema_unmet", "the answer does not satisfy the output schema: " + objection};
  }
  notice("The answer did not satisfy the output schema (" + objection + "); the model was asked for another.");
  if (Result<void> settled = log_->settle(); !settled) return ending_for(settled.error());
  const std::string text = "The answer was refused: " + objection +
                           ". Answer with nothing but JSON that matches the schema under Response Formats.";
  return append_messages(SegmentKind::kUser, {harmony::Message::text(harmony::Role::kDeveloper, text)});
}

}  // namespace toccata::agent
