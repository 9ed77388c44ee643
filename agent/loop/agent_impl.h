// The agent loop's insides: what agent.cpp (runs and turns), agent_log.cpp (what enters the log, and the log made
// shorter), agent_calls.cpp (what follows a step), agent_children.cpp (runs that it makes) and agent_resume.cpp (recorded
// runs) share. Not for other folders.
#pragma once

#include <deque>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "agent/harmony/renderer.h"
#include "agent/loop/agent.h"
#include "agent/loop/budget.h"
#include "agent/loop/child_run.h"
#include "agent/loop/dispatcher.h"
#include "agent/loop/log_edit.h"
#include "agent/loop/look_ahead.h"
#include "agent/loop/message_stream.h"
#include "agent/loop/shown_pages.h"
#include "agent/loop/step.h"
#include "agent/loop/subagent_tool.h"
#include "agent/loop/token_log.h"
#include "agent/loop/watchdog.h"

namespace toccata::agent {

class Agent::Impl {
 public:
  Impl(TokenModel& model, tools::Registry& registry, store::Ledger& ledger, AgentConfig config, EventSink sink)
      : model_(model),
        registry_(registry),
        pages_(registry),
        ledger_(ledger),
        config_(std::move(config)),
        sink_(std::move(sink)),
        budget_(config_.limits, config_.lineage ? config_.lineage->budget : nullptr) {}
  ~Impl() {
    if (subagents_ != nullptr) subagents_->serve({});
  }

  RunOutcome run(std::string_view user_message, std::stop_token stop);
  RunOutcome resume(std::string_view id, std::optional<std::string_view> user_message, std::stop_token stop);
  void steer(std::string text);
  const std::string& run_id() const { return run_id_; }
  Usage session_usage() const { return log_ ? log_->usage() : Usage{}; }

 private:
  // What bounds one turn in time.
  struct Clock {
    Clock(const std::stop_token& stop, std::chrono::milliseconds timeout)
        : watchdog(stop),
          deadline(timeout.count() > 0 ? std::optional(Watchdog::Clock::now() + timeout) : std::nullopt),
          watch(watchdog.watch(deadline)) {}
    Watchdog watchdog;
    const std::optional<Watchdog::Clock::time_point> deadline;
    const Watchdog::Watch watch;
    std::stop_token stop() const { return watch.token(); }
  };
  // What is left to do of the last recorded step.
  struct Unfinished {
    std::optional<StepResult> step;
    std::vector<store::CallRow> begun;  // intents of its first calls
  };
  // What was tried of a step without call and without answer, each thing once.
  struct Mending {
    bool asked_again = false;
    bool nudged = false;
    bool forced = false;
    bool force_final = false;  // the next step begins inside a final message
  };

  // --- The run and its turns (agent.cpp)

  // What a user says, as the model may read it.
  std::string readable(std::string_view text) const;
  // What a turn throws is an outcome too.
  template <class Turn>
  RunOutcome guarded(const Turn& turn);
  void open_run(const std::string& task);
  void begin_turn(const std::string& text);
  void write_to(store::RunWriter writer);
  // Opens the model's session and puts the recorded log into it, or else the system and developer messages, all or
  // nothing.
  std::optional<Ending> open_session(const store::RunRecord* record = nullptr);
  Ending take_turn(const std::string& text, const std::stop_token& stop, std::string& final);
  // Steps until something ends the turn. `first`: a step that was taken before, in whole or in part.
  Ending loop(Clock& clock, Unfinished first, std::string& final);
  void close_run(const Ending& ending, RunOutcome& outcome);
  // Nobody asks for what was guessed any more: stops it, and counts it.
  void end_guesses();
  // After something threw: writes what can be written, and says what happened.
  void fail(RunOutcome& outcome, const char* reason, const Exception& failure);
  void report_failure(const RunOutcome& outcome);
  // All of them or none.
  std::optional<Ending> append_messages(store::SegmentKind kind, const std::vector<harmony::Message>& messages);
  // The row of a message; of the system and developer messages, the text they were rendered to.
  store::MessageRow recorded(const harmony::Message& message) const;
  void emit(Event event);
  void notice(const std::string& message);
  Ending too_many_steps() const;
  Ending stopped() const;

  // --- Recorded runs (agent_resume.cpp)

  // Makes this agent the writer of a recorded run.
  Result<store::RunRecord> take_over(std::string_view id);
  Ending resume_turn(
      const store::RunRecord& record, const std::optional<std::string>& text, const std::stop_token& stop, std::string& final
  );
  std::optional<Ending> restore_log(const store::RunRecord& record);
  Ending resume_best_of(
      const store::RunRecord& record, const std::optional<std::string>& text, Clock& clock, std::string& final
  );
  // A message of those that nobody but the user and the program says. What a caller says is the model's, and it tells its
  // child itself what is to be trusted (Lineage).
  void tell_trust(const store::MessageRow& row) {
    if (config_.lineage == nullptr || row.role != "user") dispatcher_->trust().tell(row.content);
  }
  void put_back_files();
  std::size_t n_opening() const { return renderer_->opening(harmony::Role::kAssistant).size(); }
  // `cut_off`: the model is not to go on with a message it was in.
  Unfinished finish_last_step(const store::RunRecord& record, const std::stop_token& stop, bool cut_off);

  // --- The log (agent_log.cpp)

  std::optional<Ending> hear(const std::string& text);
  // What steer() left, before the next model call.
  std::optional<Ending> hear_steering();
  Tokens recorded_log();
  std::optional<Ending> edit_log(const Tokens& log, const std::optional<LogEdit>& edit);
  // Before each model call: a log that grew too long is shortened to half.
  std::optional<Ending> keep_short();
  std::optional<Ending> shorten_log(std::int64_t target);
  // The model went round in circles for `n` steps: they go, and it is told so in their place.
  std::optional<Ending> cut_loop(int n, const std::string& recipient, const std::string& why);

  // --- Calls, and steps without one (agent_calls.cpp)

  std::optional<Ending> answer_calls(
      const std::vector<MessageStream::Done>& calls, const std::vector<store::CallRow>& begun, Clock& clock
  );
  std::optional<Ending> take_outcome(const MessageStream::Done& call, CallOutcome outcome, bool among_others, Clock& clock);
  // Before anything else follows the calls that the last turn left open.
  std::optional<Ending> refuse_unanswered();
  // A result that does not fit the context gets room where there is any.
  std::optional<Ending> append_result(const harmony::Message& answer);
  std::optional<Ending> ending_of(const CallOutcome& outcome, const MessageStream::Done& call);
  // A preamble alone: the model gets one more message to act on it. Nothing but reasoning: the next message is opened
  // as final. Each once, then the run has no answer.
  std::optional<Ending> mend(const StepResult& step, Mending& mending, std::string& final);
  // An answer that does not satisfy the output schema: the model is told why, once.
  std::optional<Ending> ask_again(const std::string& objection, Mending& mending);

  // --- Runs that this one makes (agent_children.cpp)

  void serve_subagents();
  std::optional<Ending> share_prefix(
      Tokens tokens, std::vector<store::MessageRow> rows, const std::vector<harmony::Message>& opening
  );
  bool makes_runs() const { return subagents_ != nullptr || config_.best_of.n > 1; }
  void recall_children(const store::RunRecord& record);
  // `crew`: what the child runs in; null: the thread of this run.
  AgentConfig child_config(const store::Caller& caller, Crew* crew);
  void constrain_child(AgentConfig& config, std::optional<std::string> final_schema) const;
  EventSink child_sink(const store::Caller& caller, Crew* crew);
  tools::ToolResult delegate(const tools::ToolCall& call, const std::stop_token& stop);
  // The number of the first candidate of a turn that has none chosen yet.
  static std::optional<int> open_best_of(const store::RunRecord& record);
  // The turn's answer by candidates; `first`: of an earlier process, which had made them or some.
  Ending best_of_turn(const std::string& task, std::optional<int> first, Clock& clock, std::string& final);
  std::vector<ChildEnd> run_candidates(
      const std::shared_ptr<SharedPrefix>& prefix, std::size_t n_task, int first, const std::string& task, const Clock& clock
  );
  std::pair<int, std::string> choose(
      const std::string& task, const std::vector<Candidate>& candidates, int judge_part, const std::stop_token& stop
  );
  Result<int> ask_judge(
      const std::string& task, const std::vector<Candidate>& candidates, int part, const std::stop_token& stop
  );
  Ending adopt(
      const ChildEnd& winner, const Tokens& log, std::size_t n_messages, int number, const std::string& why, std::string& final
  );

  TokenModel& model_;
  tools::Registry& registry_;
  RunPages pages_;
  store::Ledger& ledger_;
  const AgentConfig config_;
  const EventSink sink_;
  Budget budget_;

  std::string run_id_;
  std::string broken_;  // how the ledger failed: what is pending is lost, so no turn can follow
  std::optional<store::RunWriter> writer_;
  std::optional<EventQueue> events_;
  std::optional<Dispatcher> dispatcher_;
  std::optional<harmony::Renderer> renderer_;
  std::optional<TokenLog> log_;
  std::optional<Step> step_;
  std::optional<LookAhead> look_ahead_;
  Guesses::Count guesses_counted_;       // in usage_, of this turn and those before it
  std::int64_t guessed_tokens_counted_ = 0;
  SubagentTool* subagents_ = nullptr;       // of the registry
  std::vector<harmony::Message> opening_;   // the system and developer messages
  std::shared_ptr<SharedPrefix> prefix_;    // these read, where runs are made
  bool has_functions_ = false;  // the model was told of functions; set with the session

  // Length of the log before each of the last steps; none from before an edit.
  std::deque<std::int64_t> step_marks_;
  std::int64_t n_tokens_compacted_ = 0;  // length after the last attempt to shorten it
  bool has_history_ = false;             // a turn or a recorded run stands in the log
  std::mutex steering_mutex_;
  std::vector<std::string> steering_;
  int n_malformed_ = 0;
  // Calls at the end of the log without a result there: not made, or what came of them already.
  struct Unanswered {
    MessageStream::Done call;
    std::optional<CallOutcome> outcome;
  };
  std::deque<Unanswered> unanswered_;
  std::string why_unanswered_;
  bool asked_ = false;  // the first of them waits for approval
  TokenUsage usage_;    // of this turn
  std::stop_token outer_stop_;
};

// Nothing a tool or the model has said.
inline bool is_told(const store::MessageRow& row) {
  return row.role == "system" || row.role == "developer" || row.role == "user";
}

}  // namespace toccata::agent
