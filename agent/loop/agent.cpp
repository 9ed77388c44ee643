#include "agent/loop/agent.h"

#include <deque>
#include <mutex>
#include <nlohmann/json.hpp>
#include <utility>

#include "agent/harmony/renderer.h"
#include "agent/loop/dispatcher.h"
#include "agent/loop/events_json.h"
#include "agent/loop/log_edit.h"
#include "agent/loop/message_stream.h"
#include "agent/loop/prompt.h"
#include "agent/loop/recall_tool.h"
#include "agent/loop/resume_point.h"
#include "agent/loop/shown_pages.h"
#include "agent/loop/step.h"
#include "agent/loop/token_log.h"
#include "agent/loop/watchdog.h"
#include "core/base/json.h"
#include "core/tokenizer/tokenizer.h"

namespace toccata::agent {
namespace {

using store::SegmentKind;
using Verdict = CallOutcome::Verdict;

constexpr std::size_t kStepMarksMax = 32;

// Nothing a tool or the model has said.
bool is_told(const store::MessageRow& row) { return row.role == "system" || row.role == "developer" || row.role == "user"; }

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
        pages_(registry),
        ledger_(ledger),
        config_(std::move(config)),
        sink_(std::move(sink)) {}

  RunOutcome run(std::string_view user_message, std::stop_token stop) {
    return guarded([&](RunOutcome& outcome) {
      if (!broken_.empty()) throw store::LedgerError(ErrorCode::kIo, broken_);
      const std::string text = readable(user_message);
      open_run(text);
      emit(TurnStarted{text});
      close_run(take_turn(text, stop, outcome.final), outcome);
    });
  }

  RunOutcome resume(
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
      emit(TurnStarted{text.value_or("")});
      close_run(resume_turn(*record, text, stop, outcome.final), outcome);
    });
  }

  const std::string& run_id() const { return run_id_; }
  Usage session_usage() const { return log_ ? log_->usage() : Usage{}; }

  void steer(std::string text) {
    const std::lock_guard lock(steering_mutex_);
    steering_.push_back(readable(text));
  }

 private:
  // What a user says, as the model may read it.
  std::string readable(std::string_view text) const {
    return tokenizer::to_valid_utf8(config_.secrets ? config_.secrets->redact(text) : std::string(text));
  }

  // What a turn throws is an outcome too.
  template <class Turn>
  RunOutcome guarded(const Turn& turn) {
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
    outcome.run_id = run_id_;
    outcome.usage = usage_;
    return outcome;
  }

  // --- The run and its turns ---------------------------------------------------------------------------------------

  void open_run(const std::string& task) {
    if (writer_) {
      writer_->reopen();
      writer_->commit();
      return;
    }
    write_to(ledger_.create_run(
        {.task = task,
         .model = model_.name(),
         .params = config_.params,
         .sandbox = config_.sandbox_level}
    ));
    emit(ThreadStarted{run_id_});
  }

  void write_to(store::RunWriter writer) {
    writer_.emplace(std::move(writer));
    run_id_ = writer_->id();
    events_.emplace(*writer_, sink_);
    dispatcher_.emplace(registry_, *writer_, *events_, config_);
  }

  // Makes this agent the writer of a recorded run.
  Result<store::RunRecord> take_over(std::string_view id) {
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

  // Opens the model's session and puts the recorded log into it, or else the system and developer messages, all or
  // nothing.
  std::optional<Ending> open_session(const store::RunRecord* record = nullptr) {
    if (step_) return std::nullopt;
    has_functions_ = has_function_tools(registry_);
    Result<harmony::Renderer> renderer = harmony::Renderer::make(model_.tokenizer());
    if (!renderer) return ending_for(renderer.error());
    renderer_.emplace(std::move(*renderer));
    const std::vector<harmony::Message> opening = opening_messages(config_, registry_);
    Result<TokenLog> log = TokenLog::open(model_, *writer_, renderer_->control(), opening);
    if (!log) return ending_for(log.error());
    log_.emplace(std::move(*log));
    if (record != nullptr && !record->segments.empty()) {
      if (Result<void> restored = log_->restore(record->timeline()); !restored) {
        return ending_for(restored.error());
      }
    } else if (
        auto ending = append_messages(SegmentKind::kPrompt, opening)
    ) {
      return ending;
    }
    step_.emplace(*log_, *renderer_, *writer_, *events_, config_, tool_names(registry_).all_shown(), pages_);
    return std::nullopt;
  }

  // What bounds one turn in time.
  struct Clock {
    Clock(const std::stop_token& stop, std::chrono::milliseconds timeout)
        : watchdog(stop),
          deadline(
              timeout.count() > 0 ? std::optional(Watchdog::Clock::now() + timeout) : std::nullopt
          ),
          watch(watchdog.watch(deadline)) {}
    Watchdog watchdog;
    const std::optional<Watchdog::Clock::time_point> deadline;
    const Watchdog::Watch watch;
    std::stop_token stop() const { return watch.token(); }
  };

  Ending take_turn(const std::string& text, const std::stop_token& stop, std::string& final) {
    Clock clock(stop, config_.limits.timeout);
    outer_stop_ = stop;
    n_malformed_ = 0;
    if (auto ending = open_session()) return *ending;
    if (auto ending = hear(text)) return *ending;
    return loop(clock, {}, final);
  }

  std::optional<Ending> hear(const std::string& text) {
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

  // What steer() left, before the next model call.
  std::optional<Ending> hear_steering() {
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

  // --- The log made shorter ----------------------------------------------------------------------------------------

  Tokens recorded_log() {
    writer_->commit();
    return ledger_.load_run(run_id_).value_or_throw().timeline();
  }

  std::optional<Ending> edit_log(const Tokens& log, const std::optional<LogEdit>& edit) {
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

  // Before each model call: a log that grew too long is shortened to half.
  std::optional<Ending> keep_short() {
    const std::int64_t n_context = model_.capabilities().n_context;
    const std::int64_t set = config_.limits.compact_at_tokens;
    const std::int64_t limit = set > 0 ? set : n_context - n_context / 5;
    // Where little could go, the next attempt waits until there is something new.
    const std::int64_t worth_it = n_tokens_compacted_ + limit / 8;
    if (limit <= 0 || log_->n_tokens() <= std::max(limit, worth_it)) return std::nullopt;
    return shorten_log(limit / 2);
  }

  std::optional<Ending> shorten_log(std::int64_t target) {
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

  // The model went round in circles for `n` steps: they go, and it is told so in their place.
  std::optional<Ending> cut_loop(int n, const std::string& recipient, const std::string& why) {
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

  // What is left to do of the last recorded step.
  struct Unfinished {
    std::optional<StepResult> step;
    std::vector<store::CallRow> begun;  // intents of its first calls
  };

  Ending resume_turn(
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
      if (is_told(message)) dispatcher_->trust().tell(message.content);
    }
    dispatcher_->budget().recall(record.calls);
    put_back_files();
    has_history_ = true;
    Unfinished unfinished = finish_last_step(record, clock.stop(), text.has_value());
    if (!find_resume_point(record, n_opening(), renderer_->control()).has_task) {
      if (auto ending = hear(record.summary.task)) return *ending;
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

  void put_back_files() {
    if (!config_.files.put_back) return;
    std::vector<store::SessionFile> files;
    for (const store::SessionFile& file : ledger_.session_files(run_id_).value_or_throw()) {
      files.push_back(ledger_.session_file(run_id_, file.path).value_or_throw());
    }
    config_.files.put_back(std::move(files));
  }

  std::size_t n_opening() const {
    return renderer_->opening(harmony::Role::kAssistant).size();
  }

  // `cut_off`: the model is not to go on with a message it was in.
  Unfinished finish_last_step(
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

  // Steps until something ends the turn. `first`: a step that was taken before, in whole or in part.
  Ending loop(Clock& clock, Unfinished first, std::string& final) {
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

  void close_run(const Ending& ending, RunOutcome& outcome) {
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
      const std::vector<store::CallRow>& begun,
      Clock& clock
  ) {
    for (std::size_t i = 0; i < calls.size(); ++i) {
      const MessageStream::Done& call = calls[i];
      const CallOutcome outcome =
          i < begun.size()
              ? dispatcher_->resume(call, begun[i], clock.watchdog, clock.deadline)
              : dispatcher_->dispatch(call, clock.watchdog, clock.deadline);
      // Not made: the call stays the last word of the log, and a resumed run makes it unless the user says something else.
      const bool waits = outcome.verdict == Verdict::kWaits;
      if (waits || outcome.verdict == Verdict::kOverBudget) {
        unanswered_.assign(calls.begin() + static_cast<std::ptrdiff_t>(i), calls.end());
        why_unanswered_ = waits ? "the user said something else before it was made" : outcome.reason;
        asked_ = waits;
        return waits ? Ending{5, "approval_needed", outcome.reason} : Ending{4, "budget", outcome.reason};
      }
      // The answer enters the log whatever comes next: every way out leaves a complete transcript.
      std::optional<Ending> appended;
      if (Result<void> settled = log_->settle(); !settled) appended = ending_for(settled.error());
      if (!appended) appended = append_result(outcome.answer);
      pages_.show(outcome.answer.name.value_or(""), outcome.answer.text());
      if (!appended && outcome.n_loop_steps > 0 && calls.size() == 1) {
        appended = cut_loop(
            outcome.n_loop_steps, call.message.recipient.value_or(""), outcome.answer.text()
        );
      }
      events_->flush();
      if (auto ending = ending_of(outcome, call)) return ending;
      if (clock.stop().stop_requested()) return stopped();
      if (appended) return appended;
    }
    return std::nullopt;
  }

  // Before anything else follows the calls that the last turn left open.
  std::optional<Ending> refuse_unanswered() {
    for (; !unanswered_.empty(); unanswered_.pop_front()) {
      const CallOutcome outcome = dispatcher_->refuse(unanswered_.front(), why_unanswered_, std::exchange(asked_, false));
      if (Result<void> settled = log_->settle(); !settled) return ending_for(settled.error());
      if (auto ending = append_result(outcome.answer)) return ending;
      events_->flush();
    }
    return std::nullopt;
  }

  // A result that does not fit the context gets room where there is any.
  std::optional<Ending> append_result(const harmony::Message& answer) {
    auto ending = append_messages(SegmentKind::kTool, {answer});
    if (!ending || ending->reason != "context_full") return ending;
    if (auto failed = shorten_log(model_.capabilities().n_context / 4)) return failed;
    return append_messages(SegmentKind::kTool, {answer});
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
    bool asked_again = false;
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

  // An answer that does not satisfy the output schema: the model is told why, once.
  std::optional<Ending> ask_again(const std::string& objection, Mending& mending) {
    if (std::exchange(mending.asked_again, true)) {
      return Ending{8, "schema_unmet", "the answer does not satisfy the output schema: " + objection};
    }
    notice("The answer did not satisfy the output schema (" + objection + "); the model was asked for another.");
    if (Result<void> settled = log_->settle(); !settled) return ending_for(settled.error());
    const std::string text = "The answer was refused: " + objection +
                             ". Answer with nothing but JSON that matches the schema under Response Formats.";
    return append_messages(SegmentKind::kUser, {harmony::Message::text(harmony::Role::kDeveloper, text)});
  }

  // --- Small parts -------------------------------------------------------------------------------------------------

  // All of them or none.
  std::optional<Ending> append_messages(
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
    if (auto ending = over_budget(*log_, config_.limits, std::ssize(tokens))) return ending;
    if (Result<void> appended = log_->append(kind, tokens); !appended) {
      return ending_for(appended.error());
    }
    for (const harmony::Message& message : messages) {
      const store::MessageRow row = recorded(message);
      writer_->add_message(row);
      if (is_told(row)) dispatcher_->trust().tell(row.content);
    }
    return std::nullopt;
  }

  // The row of a message; of the system and developer messages, the text they were rendered to.
  store::MessageRow recorded(const harmony::Message& message) const {
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
  RunPages pages_;
  store::Ledger& ledger_;
  const AgentConfig config_;
  const EventSink sink_;

  std::string run_id_;
  std::string broken_;  // how the ledger failed: what is pending is lost, so no turn can follow
  std::optional<store::RunWriter> writer_;
  std::optional<EventQueue> events_;
  std::optional<Dispatcher> dispatcher_;
  std::optional<harmony::Renderer> renderer_;
  std::optional<TokenLog> log_;

  std::optional<Step> step_;
  bool has_functions_ = false;  // the model was told of functions; set with the session

  // Length of the log before each of the last steps; none from before an edit.
  std::deque<std::int64_t> step_marks_;
  std::int64_t n_tokens_compacted_ = 0;  // length after the last attempt to shorten it
  bool has_history_ = false;             // a turn or a recorded run stands in the log
  std::mutex steering_mutex_;
  std::vector<std::string> steering_;
  int n_malformed_ = 0;
  std::deque<MessageStream::Done> unanswered_;  // calls at the end of the log that were not made
  std::string why_unanswered_;
  bool asked_ = false;  // the first of them waits for approval
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
RunOutcome Agent::resume(
    std::string_view run_id, std::optional<std::string_view> user_message, std::stop_token stop
) {
  return impl_->resume(run_id, user_message, std::move(stop));
}
void Agent::steer(std::string_view text) { impl_->steer(std::string(text)); }
const std::string& Agent::run_id() const { return impl_->run_id(); }
Usage Agent::session_usage() const { return impl_->session_usage(); }

}  // namespace toccata::agent
