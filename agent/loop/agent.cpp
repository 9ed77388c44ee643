#include "agent/loop/agent.h"

#include <nlohmann/json.hpp>
#include <utility>

#include "agent/harmony/parser.h"
#include "agent/harmony/renderer.h"
#include "agent/loop/dispatcher.h"
#include "agent/loop/events_json.h"
#include "agent/loop/message_stream.h"
#include "agent/loop/prompt.h"
#include "agent/loop/token_log.h"
#include "agent/loop/watchdog.h"
#include "core/tokenizer/tokenizer.h"

namespace toccata::agent {
namespace {

using store::SegmentKind;
using Verdict = CallOutcome::Verdict;

// The end of a run() call, passed up from wherever it was decided.
struct Ending {
  int exit_code;
  std::string reason;
  std::string message;
};

// How one model call ended.
struct StepResult {
  std::optional<Ending> ending;  // a limit or an error; the rest is then partial
  std::vector<MessageStream::Done> calls;
  std::string final, preamble;
};

std::string join_line(const std::string& before, const std::string& text) {
  return before.empty() ? text : before + "\n" + text;
}

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
      const std::string text = tokenizer::to_valid_utf8(user_message);
      open_run(text);
      emit(TurnStarted{});
      Ending ending = take_turn(text, stop, outcome.final);
      close_run(ending, outcome);
    } catch (const Exception& failure) {  // only the ledger throws these
      outcome.exit_code = 1;
      outcome.terminal_reason = "ledger_error";
      outcome.message = failure.what();
      if (sink_) sink_(StreamError{failure.what()});
      report_failure(outcome);
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

  // Opens the model's session and puts the system and developer messages into it.
  std::optional<Ending> open_session() {
    if (log_) return std::nullopt;
    Result<harmony::Renderer> renderer = harmony::Renderer::make(model_.tokenizer());
    if (!renderer) return model_error(renderer.error());
    renderer_.emplace(std::move(*renderer));
    Result<std::unique_ptr<TokenSession>> session = model_.open_session();
    if (!session) return model_error(session.error());
    session_ = std::move(*session);
    log_.emplace(*session_, *writer_, renderer_->control());
    for (const harmony::Message& message : opening_messages(config_, registry_)) {
      if (auto ending = append_message(SegmentKind::kPrompt, message)) return ending;
    }
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
    if (Result<void> settled = log_->settle(); !settled) return model_error(settled.error());
    const auto message = harmony::Message::text(harmony::Role::kUser, text);
    if (auto ending = append_message(SegmentKind::kUser, message)) return *ending;
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
      StepResult step = take_step(std::exchange(mending.force_final, false), stop);
      if (!step.final.empty()) final = step.final;
      if (step.ending) return *step.ending;
      if (!step.calls.empty()) {
        mending = {};
        if (auto ending = answer_calls(step.calls, watchdog, stop, deadline)) return *ending;
      } else if (!step.final.empty()) {
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

  void report_failure(const RunOutcome& outcome) {
    if (!sink_) return;
    sink_(TurnFailed{outcome.message, outcome.terminal_reason, outcome.exit_code, usage_});
  }

  // --- One step ----------------------------------------------------------------------------------------------------

  StepResult take_step(bool force_final, const std::stop_token& stop) {
    const Usage before = log_->usage();
    writer_->begin_step(++step_);
    StepResult result;
    harmony::Parser parser(
        *renderer_,
        {.role = harmony::Role::kAssistant, .strict = false, .tools = registry_.recipients()}
    );
    MessageStream stream(*writer_, *events_);
    result.ending = open_message(force_final, parser, stream);
    if (!result.ending) result.ending = sample_until_stop(parser, stream, stop);
    take_parsed(parser.finish(), stream);
    stream.finish();
    sort_messages(stream.messages(), result);
    count(before);
    const char* end = result.ending          ? result.ending->reason.c_str()
                      : result.calls.empty() ? "stop"
                                             : "call";
    const Usage& after = log_->usage();
    writer_->finish_step(after.prefilled - before.prefilled, after.decoded - before.decoded, end);
    return result;
  }

  // `<|start|>assistant`, and for a forced answer `<|channel|>final<|message|>` as well.
  std::optional<Ending> open_message(
      bool force_final, harmony::Parser& parser, MessageStream& stream
  ) {
    Tokens opening = renderer_->opening(harmony::Role::kAssistant);
    const std::size_t n_seen = opening.size();
    if (force_final) {
      opening.push_back(renderer_->control().channel);
      renderer_->tokenizer().encode_into("final", tokenizer::Specials::kNone, opening);
      opening.push_back(renderer_->control().message);
    }
    if (Result<void> done = log_->append(SegmentKind::kForced, opening); !done) {
      return model_error(done.error());
    }
    for (const Token token : std::span(opening).subspan(n_seen)) {
      take_parsed(parser.push(token), stream);
    }
    n_prompt_ = log_->n_tokens();
    return std::nullopt;
  }

  std::optional<Ending> sample_until_stop(
      harmony::Parser& parser, MessageStream& stream, const std::stop_token& stop
  ) {
    for (std::int64_t n_sampled = 0;; ++n_sampled) {
      if (auto ending = limit_reached(n_sampled)) return ending;
      const bool reasoning = stream.in_reasoning();
      const std::size_t n_before = stream.messages().size();
      Result<Token> token = log_->sample(config_.sampling, stop);
      if (!token) return sampling_ended(token.error());
      if (reasoning) ++usage_.reasoning_output_tokens;
      take_parsed(parser.push(*token), stream);
      if (log_->is_stop(*token) || stream.foreign_role()) return std::nullopt;
      // A call closed by `<|end|>` is a call; what would follow is the model's own idea of the result.
      if (stream.messages().size() > n_before && stream.messages().back().message.recipient) {
        return std::nullopt;
      }
    }
  }

  std::optional<Ending> limit_reached(std::int64_t n_sampled) const {
    const Limits& limits = config_.limits;
    if (n_sampled >= limits.step_tokens_max) {
      return Ending{
          4,
          "step_tokens",
          "the model did not stop within " + std::to_string(limits.step_tokens_max) +
              " tokens of one step"};
    }
    const Usage& usage = log_->usage();
    if (limits.budget_tokens > 0 && usage.appended + usage.decoded >= limits.budget_tokens) {
      return Ending{
          4,
          "budget",
          "the budget of " + std::to_string(limits.budget_tokens) + " tokens is used up"};
    }
    return std::nullopt;
  }

  static void take_parsed(Result<std::vector<harmony::ParseEvent>> parsed, MessageStream& stream) {
    if (parsed) stream.take(*parsed);  // the lenient parser never fails
  }

  static void sort_messages(const std::vector<MessageStream::Done>& messages, StepResult& result) {
    for (const MessageStream::Done& done : messages) {
      const std::string text = done.message.text();
      const std::string channel = done.message.channel.value_or("");
      if (done.message.recipient) {
        result.calls.push_back(done);
      } else if (text.empty() || channel == "analysis") {
        continue;
      } else if (channel == "commentary") {
        result.preamble = join_line(result.preamble, text);
      } else {
        result.final = join_line(result.final, text);
      }
    }
  }

  void count(const Usage& before) {
    const Usage& after = log_->usage();
    if (after.decoded == before.decoded && after.prefilled == before.prefilled) return;
    usage_.input_tokens += n_prompt_;
    usage_.cached_input_tokens += n_prompt_ - (after.prefilled - before.prefilled);
    usage_.output_tokens += after.decoded - before.decoded;
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
      if (Result<void> settled = log_->settle(); !settled) appended = model_error(settled.error());
      if (!appended) appended = append_message(SegmentKind::kTool, outcome.answer);
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
    if (Result<void> settled = log_->settle(); !settled) return model_error(settled.error());
    return std::nullopt;
  }

  // --- Small parts -------------------------------------------------------------------------------------------------

  std::optional<Ending> append_message(SegmentKind kind, const harmony::Message& message) {
    Result<Tokens> tokens = renderer_->message(message, has_function_tools(registry_));
    if (!tokens) return Ending{1, "error", "cannot render a message: " + tokens.error().message};
    if (Result<void> appended = log_->append(kind, *tokens); !appended) {
      return model_error(appended.error());
    }
    writer_->add_message(recorded(message));
    return std::nullopt;
  }

  // The row of a message; of the system and developer messages, the text they were rendered to.
  store::MessageRow recorded(const harmony::Message& message) const {
    store::MessageRow row = row_of(message);
    for (const harmony::Content& content : message.content) {
      if (const auto* system = std::get_if<harmony::SystemContent>(&content)) {
        row.content += harmony::system_text(*system, has_function_tools(registry_));
      } else if (const auto* developer = std::get_if<harmony::DeveloperContent>(&content)) {
        row.content += harmony::developer_text(*developer);
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
  Ending sampling_ended(const Error& error) const {
    return error.code == ErrorCode::kCancelled ? stopped() : model_error(error);
  }
  static Ending model_error(const Error& error) {
    if (error.code == ErrorCode::kResourceExhausted) return {4, "context_full", error.message};
    return {7, "model_error", error.message};
  }

  TokenModel& model_;
  tools::Registry& registry_;
  store::Ledger& ledger_;
  const AgentConfig config_;
  const EventSink sink_;

  std::string run_id_;
  std::optional<store::RunWriter> writer_;
  std::optional<EventQueue> events_;
  std::optional<Dispatcher> dispatcher_;
  std::optional<harmony::Renderer> renderer_;
  std::unique_ptr<TokenSession> session_;
  std::optional<TokenLog> log_;

  int step_ = 0;  // of the whole run
  int n_malformed_ = 0;
  std::int64_t n_prompt_ = 0;  // length of the timeline when the step began to sample
  TokenUsage usage_;           // of this turn
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
