#include "agent/loop/agent.h"

#include <nlohmann/json.hpp>
#include <utility>

#include "agent/loop/agent_impl.h"
#include "agent/loop/events_json.h"
#include "agent/loop/prompt.h"
#include "core/base/json.h"
#include "core/tokenizer/tokenizer.h"

namespace toccata::agent {
namespace {

using store::SegmentKind;

constexpr std::size_t kStepMarksMax = 32;

}  // namespace

RunOutcome Agent::Impl::run(std::string_view user_message, std::stop_token stop) {
  return guarded([&](RunOutcome& outcome) {
    if (!broken_.empty()) throw store::LedgerError(ErrorCode::kIo, broken_);
    const std::string text = readable(user_message);
    open_run(text);
    begin_turn(text);
    close_run(take_turn(text, stop, outcome.final), outcome);
  });
}

RunOutcome Agent::Impl::resume(
    std::string_view id, std::optional<std::string_view> user_message, std::stop_token stop
) {
  TOCCATA_CHECK(!writer_, "resume() is the first call of an agent");
  return guarded([&](RunOutcome& outcome) {
    std::optional<std::string> text;
    if (user_message) text = readable(*user_message);
    const Result<store::RunRecord> record = take_over(id);
    if (!record) {
      outcome.exit_code = 2;
      outcome.terminal_reason = "cannot_resume";
      outcome.message = record.error().message;
      return report_failure(outcome);
    }
    begin_turn(text.value_or(""));
    close_run(resume_turn(*record, text, stop, outcome.final), outcome);
  });
}

void Agent::Impl::begin_turn(const std::string& text) {
  if (config_.trace && !config_.lineage) config_.trace->begin_turn();
  emit(TurnStarted{text});
}

void Agent::Impl::steer(std::string text) {
  const std::lock_guard lock(steering_mutex_);
  steering_.push_back(readable(text));
}

std::string Agent::Impl::readable(std::string_view text) const {
  return tokenizer::to_valid_utf8(config_.secrets ? config_.secrets->redact(text) : std::string(text));
}

template <class Turn>
RunOutcome Agent::Impl::guarded(const Turn& turn) {
  RunOutcome outcome;
  usage_ = {};
  try {
    turn(outcome);
  } catch (const store::LedgerError& failure) {
    broken_ = failure.what();
    fail(outcome, "ledger_error", failure);
  } catch (const Exception& failure) {
    fail(outcome, "error", failure);
  }
  if (log_) budget_.settle(log_->usage());
  outcome.run_id = run_id_;
  outcome.usage = usage_;
  return outcome;
}

void Agent::Impl::open_run(const std::string& task) {
  if (writer_) {
    writer_->reopen();
    writer_->commit();
    return;
  }
  write_to(ledger_.create_run(
      {.task = task,
       .model = model_.name(),
       .params = config_.params,
       .sandbox = config_.sandbox_level,
       .caller = config_.lineage ? config_.lineage->caller : store::Caller{}}
  ));
  emit(ThreadStarted{run_id_});
}

void Agent::Impl::write_to(store::RunWriter writer) {
  writer_.emplace(std::move(writer));
  run_id_ = writer_->id();
  events_.emplace(*writer_, sink_);
  dispatcher_.emplace(registry_, *writer_, *events_, config_, budget_);
  if (config_.lineage) dispatcher_->trust() = config_.lineage->trust;
}

std::optional<Ending> Agent::Impl::open_session(const store::RunRecord* record) {
  if (step_) return std::nullopt;
  has_functions_ = has_function_tools(registry_);
  Result<harmony::Renderer> renderer = harmony::Renderer::make(model_.tokenizer());
  if (!renderer) return ending_for(renderer.error());
  renderer_.emplace(std::move(*renderer));
  serve_subagents();
  SharedPrefix* const prefix = config_.lineage ? config_.lineage->prefix.get() : nullptr;
  opening_ = prefix != nullptr ? prefix->opening() : opening_messages(config_, registry_);
  Result<TokenLog> log = prefix != nullptr ? TokenLog::open(*prefix, model_, *writer_, renderer_->control())
                                           : TokenLog::open(model_, *writer_, renderer_->control(), opening_);
  if (!log) return ending_for(log.error());
  log_.emplace(std::move(*log));
  if (record != nullptr && !record->segments.empty()) {
    if (auto ending = restore_log(*record)) return ending;
  } else if (prefix != nullptr) {
    log_->write_prefix(*prefix, config_.lineage->n_task);
    for (const store::MessageRow& row : prefix->messages()) writer_->add_message(row);
    prefix_ = config_.lineage->prefix;
  } else {
    if (auto ending = append_messages(SegmentKind::kPrompt, opening_)) return ending;
    if (makes_runs()) {
      std::vector<store::MessageRow> rows;
      for (const harmony::Message& message : opening_) rows.push_back(recorded(message));
      if (auto ending = share_prefix(recorded_log(), std::move(rows), opening_)) return ending;
    }
  }
  const std::vector<std::string> recipients = tool_names(registry_).all_shown();
  step_.emplace(*log_, *renderer_, *writer_, *events_, config_, budget_, recipients, pages_);
  if (config_.look_ahead.calls_max > 0) {
    step_->set_call_ended([this](const std::vector<MessageStream::Done>& messages) { dispatcher_->begin_early(messages); });
    if (model_.capabilities().fork) {
      look_ahead_.emplace(*log_, *renderer_, config_, budget_, *dispatcher_, recipients, has_functions_);
      dispatcher_->set_meanwhile([this](harmony::Message stub, Watchdog& watchdog) { return look_ahead_->watch(std::move(stub), watchdog); });
    }
  }
  return std::nullopt;
}

Ending Agent::Impl::take_turn(const std::string& text, const std::stop_token& stop, std::string& final) {
  Clock clock(stop, config_.limits.timeout);
  outer_stop_ = stop;
  n_malformed_ = 0;
  if (auto ending = open_session()) return *ending;
  const bool stands_there = config_.lineage && config_.lineage->n_task > 0;
  if (!stands_there) {
    if (auto ending = hear(text)) return *ending;
  }
  if (config_.best_of.n > 1) return best_of_turn(text, std::nullopt, clock, final);
  return loop(clock, {}, final);
}

Ending Agent::Impl::loop(Clock& clock, Unfinished first, std::string& final) {
  Mending mending;
  for (int n_steps = 0;; ++n_steps) {
    if (n_steps == config_.limits.max_turns) return too_many_steps();
    const bool force_final = std::exchange(mending.force_final, false);
    if (!first.step) {
      if (auto ending = hear_steering()) return *ending;
      if (auto ending = keep_short()) return *ending;
      step_marks_.push_back(log_->n_tokens());
      if (step_marks_.size() > kStepMarksMax) step_marks_.pop_front();
    }
    const StepResult step = first.step ? std::move(*std::exchange(first.step, std::nullopt))
                                       : step_->take(force_final, clock.stop(), usage_);
    const std::vector<store::CallRow> begun = std::exchange(first.begun, {});
    if (step.cancelled) return stopped();
    if (step.ending) return *step.ending;  // an answer that was cut off is none
    if (!step.calls.empty()) {
      mending = {};
      if (auto ending = answer_calls(step.calls, begun, clock)) return *ending;
    } else if (!step.final.empty()) {
      final = step.final;
      const auto objection = config_.output_schema ? config_.output_schema->objection(final) : std::nullopt;
      if (!objection) return Ending{0, "final", ""};
      if (auto ending = ask_again(*objection, mending)) return *ending;
    } else if (auto ending = mend(step, mending, final)) {
      return *ending;
    }
  }
}

void Agent::Impl::end_guesses() {
  if (!dispatcher_) return;
  dispatcher_->end_guesses();
  const Guesses::Count count = dispatcher_->guess_count();
  const std::int64_t n_tokens = look_ahead_ ? look_ahead_->n_tokens() : 0;
  usage_.guessed_calls += count.made - guesses_counted_.made;
  usage_.used_guesses += count.used - guesses_counted_.used;
  usage_.guessed_tokens += n_tokens - guessed_tokens_counted_;
  guesses_counted_ = count;
  guessed_tokens_counted_ = n_tokens;
}

void Agent::Impl::close_run(const Ending& ending, RunOutcome& outcome) {
  end_guesses();
  outcome.exit_code = ending.exit_code;
  outcome.terminal_reason = ending.reason;
  outcome.message = ending.message;
  writer_->finish(
      {.exit_code = ending.exit_code,
       .terminal_reason = ending.reason,
       .message = ending.message,
       .final = outcome.final,
       .usage = json_text(to_json(usage_))}
  );
  if (ending.exit_code == 0) {
    emit(TurnCompleted{usage_});
  } else {
    events_->flush();
    report_failure(outcome);
  }
}

void Agent::Impl::fail(RunOutcome& outcome, const char* reason, const Exception& failure) {
  outcome.exit_code = 1;
  outcome.terminal_reason = reason;
  outcome.message = failure.what();
  try {
    end_guesses();
    if (writer_) {
      writer_->finish(
          {.exit_code = 1, .terminal_reason = reason, .message = outcome.message, .final = ""}
      );
    }
  } catch (const store::LedgerError&) {  // the run then shows as interrupted
  }
  if (sink_) sink_(StreamError{outcome.message});
  report_failure(outcome);
}

void Agent::Impl::report_failure(const RunOutcome& outcome) {
  if (!sink_) return;
  sink_(TurnFailed{outcome.message, outcome.terminal_reason, outcome.exit_code, usage_});
}

std::optional<Ending> Agent::Impl::append_messages(
    SegmentKind kind, const std::vector<harmony::Message>& messages
) {
  Tokens tokens;
  for (const harmony::Message& message : messages) {
    Result<Tokens> rendered = renderer_->message(
        message, has_functions_, harmony::RenderConfig::live()
    );
    if (!rendered) {
      return Ending{1, "error", "cannot render a message: " + rendered.error().message};
    }
    tokens.insert(tokens.end(), rendered->begin(), rendered->end());
  }
  if (auto ending = over_budget(*log_, budget_, std::ssize(tokens))) return ending;
  if (Result<void> appended = log_->append(kind, tokens); !appended) {
    return ending_for(appended.error());
  }
  for (const harmony::Message& message : messages) {
    const store::MessageRow row = recorded(message);
    writer_->add_message(row);
    if (is_told(row)) tell_trust(row);
  }
  return std::nullopt;
}

store::MessageRow Agent::Impl::recorded(const harmony::Message& message) const {
  store::MessageRow row = row_of(message);
  for (const harmony::Content& content : message.content) {
    if (const auto* system = std::get_if<harmony::SystemContent>(&content)) {
      row.content += harmony::system_text(
          *system, has_functions_, harmony::SchemaStyle::kReadable
      );
    } else if (const auto* developer = std::get_if<harmony::DeveloperContent>(&content)) {
      row.content += harmony::developer_text(*developer, harmony::SchemaStyle::kReadable);
    }
  }
  return row;
}

void Agent::Impl::emit(Event event) {
  events_->push(std::move(event));
  events_->flush();
}

void Agent::Impl::notice(const std::string& message) {
  writer_->note("notice", message);
  emit(ItemCompleted{Item{events_->next_item_id(), NoticeItem{message}}});
}

Ending Agent::Impl::too_many_steps() const {
  return {
      4,
      "max_turns",
      "no answer after " + std::to_string(config_.limits.max_turns) + " model calls"};
}

Ending Agent::Impl::stopped() const {
  if (outer_stop_.stop_requested()) return {130, "stopped", "stopped on request"};
  return {
      124,
      "timeout",
      "the time limit of " + std::to_string(config_.limits.timeout.count()) + " ms is over"};
}

Agent::Agent(
    TokenModel& model,
    tools::Registry& registry,
    store::Ledger& ledger,
    AgentConfig config,
    EventSink sink
)
    : impl_(std::make_unique<Impl>(model, registry, ledger, std::move(config), std::move(sink))) {}
Agent::~Agent() = default;

RunOutcome Agent::run(std::string_view user_message, std::stop_token stop) {
  return impl_->run(user_message, std::move(stop));
}
RunOutcome Agent::resume(
    std::string_view run_id, std::optional<std::string_view> user_message, std::stop_token stop
) {
  return impl_->resume(run_id, user_message, std::move(stop));
}
void Agent::steer(std::string_view text) { impl_->steer(std::string(text)); }
const std::string& Agent::run_id() const { return impl_->run_id(); }
Usage Agent::session_usage() const { return impl_->session_usage(); }

}  // namespace toccata::agent
