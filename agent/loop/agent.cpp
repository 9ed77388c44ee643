#include "agent/loop/agent.h"

#include <nlohmann/json.hpp>
#include <utility>

#include "agent/harmony/renderer.h"
#include "agent/loop/dispatcher.h"
#include "agent/loop/events_json.h"
#include "agent/loop/message_stream.h"
#include "agent/loop/prompt.h"
#include "agent/loop/step.h"
#include "agent/loop/token_log.h"
#include "agent/loop/watchdog.h"
#include "core/tokenizer/tokenizer.h"

namespace toccata::agent {
namespace {

using store::SegmentKind;
using Verdict = CallOutcome::Verdict;

}  // namespace

class Agent::Impl {
 public:
  Impl(
      TokenModel& model,
      tools::Registry& registry,
      store::Ledger& ledger,
      AgentConfig config,
      EventSink sink
  )
      : model_(model),
        registry_(registry),
        ledger_(ledger),
        config_(std::move(config)),
        sink_(std::move(sink)) {}

  RunOutcome run(std::string_view user_message, std::stop_token stop) {
    RunOutcome outcome;
    usage_ = {};
    try {
      if (!broken_.empty()) throw store::LedgerError(ErrorCode::kIo, broken_);
      const std::string text = tokenizer::to_valid_utf8(user_message);
      open_run(text);
      emit(TurnStarted{});
      const Ending ending = take_turn(text, stop, outcome.final);
      close_run(ending, outcome);
    } catch (const store::LedgerError& failure) {
      broken_ = failure.what();
      fail(outcome, "ledger_error", failure);
    } catch (const Exception& failure) {
      fail(outcome, "error", failure);
    }
    outcome.run_id = run_id_;
    outcome.usage = usage_;
    return outcome;
  }

  const std::string& run_id() const { return run_id_; }
  Usage session_usage() const { return session_ ? session_->usage() : Usage{}; }

 private:
  // --- The run and its turns ---------------------------------------------------------------------------------------

  void open_run(const std::string& task) {
    if (writer_) {
      writer_->reopen();
      writer_->commit();
      return;
    }
    writer_.emplace(ledger_.create_run(
        {.task = task,
         .model = model_.name(),
         .params = config_.params,
         .sandbox = config_.sandbox_level}
    ));
    run_id_ = writer_->id();
    events_.emplace(*writer_, sink_);
    dispatcher_.emplace(registry_, *writer_, *events_, config_);
    emit(ThreadStarted{run_id_});
  }

  // Opens the model's session and puts the system and developer messages into it, all or nothing.
  std::optional<Ending> open_session() {
    if (step_) return std::nullopt;
    Result<harmony::Renderer> renderer = harmony::Renderer::make(model_.tokenizer());
    if (!renderer) return ending_for(renderer.error());
    renderer_.emplace(std::move(*renderer));
    Result<std::unique_ptr<TokenSession>> session = model_.open_session();
    if (!session) return ending_for(session.error());
    session_ = std::move(*session);
    log_.emplace(*session_, *writer_, renderer_->control());
    if (auto ending = append_messages(SegmentKind::kPrompt, opening_messages(config_, registry_))) {
      return ending;
    }
    step_.emplace(*log_, *renderer_, *writer_, *events_, config_, tool_names(registry_).all_shown());
    return std::nullopt;
  }

  Ending take_turn(const std::string& text, const std::stop_token& stop, std::string& final) {
    Watchdog watchdog(stop);
    std::optional<Watchdog::Clock::time_point> deadline;
    if (config_.limits.timeout.count() > 0) {
      deadline = Watchdog::Clock::now() + config_.limits.timeout;
    }
    const Watchdog::Watch watch = watchdog.watch(deadline);
    outer_stop_ = stop;
    n_malformed_ = 0;
    if (auto ending = open_session()) return *ending;
    if (Result<void> settled = log_->settle(); !settled) return ending_for(settled.error());
    const auto message = harmony::Message::text(harmony::Role::kUser, text);
    if (auto ending = append_messages(SegmentKind::kUser, {message})) return *ending;
    return loop(watchdog, watch.token(), deadline, final);
  }

  // Steps until something ends the turn.
  Ending loop(
      Watchdog& watchdog,
      const std::stop_token& stop,
      std::optional<Watchdog::Clock::time_point> deadline,
      std::string& final
  ) {
    Mending mending;
    for (int n_steps = 0;; ++n_steps) {
      if (n_steps == config_.limits.max_turns) return too_many_steps();
      const StepResult step = step_->take(std::exchange(mending.force_final, false), stop, usage_);
      if (step.cancelled) return stopped();
      if (step.ending) return *step.ending;  // an answer that was cut off is none
      if (!step.calls.empty()) {
        mending = {};
        if (auto ending = answer_calls(step.calls, watchdog, stop, deadline)) return *ending;
      } else if (!step.final.empty()) {
        final = step.final;
        return Ending{0, "final", ""};
      } else if (auto ending = mend(step, mending, final)) {
        return *ending;
      }
    }
  }

  void close_run(const Ending& ending, RunOutcome& outcome) {
    outcome.exit_code = ending.exit_code;
    outcome.terminal_reason = ending.reason;
    outcome.message = ending.message;
    writer_->finish(
        {.exit_code = ending.exit_code,
         .terminal_reason = ending.reason,
         .message = ending.message,
         .final = outcome.final,
         .usage = to_json(usage_).dump()}
    );
    if (ending.exit_code == 0) {
      emit(TurnCompleted{usage_});
    } else {
      events_->flush();
      report_failure(outcome);
    }
  }

  // After something threw: writes what can be written, and says what happened.
  void fail(RunOutcome& outcome, const char* reason, const Exception& failure) {
    outcome.exit_code = 1;
    outcome.terminal_reason = reason;
    outcome.message = failure.what();
    try {
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

  void report_failure(const RunOutcome& outcome) {
    if (!sink_) return;
    sink_(TurnFailed{outcome.message, outcome.terminal_reason, outcome.exit_code, usage_});
  }

  // --- Calls -------------------------------------------------------------------------------------------------------

  std::optional<Ending> answer_calls(
      const std::vector<MessageStream::Done>& calls,
      Watchdog& watchdog,
      const std::stop_token& stop,
      std::optional<Watchdog::Clock::time_point> deadline
  ) {
    for (const MessageStream::Done& call : calls) {
      const CallOutcome outcome = dispatcher_->dispatch(call, watchdog, deadline);
      // The answer enters the log whatever comes next: every way out leaves a complete transcript.
      std::optional<Ending> appended;
      if (Result<void> settled = log_->settle(); !settled) appended = ending_for(settled.error());
      if (!appended) appended = append_messages(SegmentKind::kTool, {outcome.answer});
      events_->flush();
      if (auto ending = ending_of(outcome, call)) return ending;
      if (stop.stop_requested()) return stopped();
      if (appended) return appended;
    }
    return std::nullopt;
  }

  std::optional<Ending> ending_of(const CallOutcome& outcome, const MessageStream::Done& call) {
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

  // --- A step without call and without answer ----------------------------------------------------------------------

  struct Mending {
    bool nudged = false;
    bool forced = false;
    bool force_final = false;  // the next step begins inside a final message
  };

  // A preamble alone: the model gets one more message to act on it. Nothing but reasoning: the next message is opened
  // as final. Each once, then the run has no answer.
  std::optional<Ending> mend(const StepResult& step, Mending& mending, std::string& final) {
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

  // --- Small parts -------------------------------------------------------------------------------------------------

  // All of them or none.
  std::optional<Ending> append_messages(
      SegmentKind kind, const std::vector<harmony::Message>& messages
  ) {
    Tokens tokens;
    for (const harmony::Message& message : messages) {
      Result<Tokens> rendered = renderer_->message(
          message, has_function_tools(registry_), harmony::RenderConfig::live()
      );
      if (!rendered) {
        return Ending{1, "error", "cannot render a message: " + rendered.error().message};
      }
      tokens.insert(tokens.end(), rendered->begin(), rendered->end());
    }
    if (Result<void> appended = log_->append(kind, tokens); !appended) {
      return ending_for(appended.error());
    }
    for (const harmony::Message& message : messages) writer_->add_message(recorded(message));
    return std::nullopt;
  }

  // The row of a message; of the system and developer messages, the text they were rendered to.
  store::MessageRow recorded(const harmony::Message& message) const {
    store::MessageRow row = row_of(message);
    for (const harmony::Content& content : message.content) {
      if (const auto* system = std::get_if<harmony::SystemContent>(&content)) {
        row.content += harmony::system_text(
            *system, has_function_tools(registry_), harmony::SchemaStyle::kReadable
        );
      } else if (const auto* developer = std::get_if<harmony::DeveloperContent>(&content)) {
        row.content += harmony::developer_text(*developer, harmony::SchemaStyle::kReadable);
      }
    }
    return row;
  }

  void emit(Event event) {
    events_->push(std::move(event));
    events_->flush();
  }

  void notice(const std::string& message) {
    writer_->note("notice", message);
    emit(ItemCompleted{Item{events_->next_item_id(), NoticeItem{message}}});
  }

  Ending too_many_steps() const {
    return {
        4,
        "max_turns",
        "no answer after " + std::to_string(config_.limits.max_turns) + " model calls"};
  }
  Ending stopped() const {
    if (outer_stop_.stop_requested()) return {130, "stopped", "stopped on request"};
    return {
        124,
        "timeout",
        "the time limit of " + std::to_string(config_.limits.timeout.count()) + " ms is over"};
  }

  TokenModel& model_;
  tools::Registry& registry_;
  store::Ledger& ledger_;
  const AgentConfig config_;
  const EventSink sink_;

  std::string run_id_;
  std::string broken_;  // how the ledger failed: what is pending is lost, so no turn can follow
  std::optional<store::RunWriter> writer_;
  std::optional<EventQueue> events_;
  std::optional<Dispatcher> dispatcher_;
  std::optional<harmony::Renderer> renderer_;
  std::unique_ptr<TokenSession> session_;
  std::optional<TokenLog> log_;

  std::optional<Step> step_;

  int n_malformed_ = 0;
  TokenUsage usage_;  // of this turn
  std::stop_token outer_stop_;
};

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
const std::string& Agent::run_id() const { return impl_->run_id(); }
Usage Agent::session_usage() const { return impl_->session_usage(); }

}  // namespace toccata::agent
