#pragma once

#include <set>
#include <string>
#include <string_view>

#include "agent/harmony/message.h"
#include "agent/loop/agent.h"
#include "agent/loop/message_stream.h"
#include "agent/loop/watchdog.h"
#include "agent/store/ledger.h"
#include "tools/registry.h"

namespace toccata::agent {

// What came of one call.
struct CallOutcome {
  enum class Verdict {
    kRan,       // the tool answered, well or badly
    kNotRun,    // the model is told why: unknown tool, unusable arguments, refused
    kRepeated,  // not run: the same call again; the model was told once already
    kDenied,    // ends the run: exit 5
    kStopsRun,  // ends the run: exit 6
  } verdict = Verdict::kRan;
  bool malformed = false;   // counts towards Limits::malformed_max
  std::string reason;       // terminal_reason of kDenied and kStopsRun
  harmony::Message answer;  // what the model reads
};

// From a call the model wrote to the message it reads: finds the tool, checks what can be checked, asks for approval,
// writes the intent, runs the tool, writes the result. One per agent.
class Dispatcher {
 public:
  Dispatcher(
      const tools::Registry& registry,
      store::RunWriter& writer,
      EventQueue& events,
      const AgentConfig& config
  );

  // `run_deadline` bounds the tool as its own time-out does. The result is pending in the ledger on return; the events
  // are queued: flush once the answer has been appended to the token log.
  CallOutcome dispatch(
      const MessageStream::Done& call,
      Watchdog& watchdog,
      std::optional<Watchdog::Clock::time_point> run_deadline
  );

  // A call that an earlier process had begun: its intent is `row`. With a result, that is the answer. Without one a pure
  // tool runs again and a keyed one is sent again with the same key; of anything else the model is told that its outcome
  // is not known.
  CallOutcome resume(
      const MessageStream::Done& call,
      const store::CallRow& row,
      Watchdog& watchdog,
      std::optional<Watchdog::Clock::time_point> run_deadline
  );
  // The tools of these recipients lost what they kept between calls, which the model is told at the next call.
  void forget_state_of(const std::string& recipient);

 private:
  struct Target {
    std::string recipient;  // resolved, or as written
    tools::Tool* tool = nullptr;
  };
  Target find(const std::string& written) const;
  std::string unusable_because(const Target& target, const MessageStream::Done& call) const;
  std::string unknown_tool(const std::string& recipient) const;
  bool is_repeat(const Target& target, const std::string& arguments) const;
  void remember(const Target& target, const std::string& arguments, const std::string& content);
  CallOutcome run_tool(
      const Target& target,
      const harmony::Message& call,
      const store::CallRow* begun,  // by an earlier process; null: the intent is written here
      Watchdog& watchdog,
      std::optional<Watchdog::Clock::time_point> run_deadline
  );
  tools::ToolResult call_bounded(
      tools::Tool& tool,
      const tools::ToolCall& call,
      Watchdog& watchdog,
      std::optional<Watchdog::Clock::time_point> run_deadline
  );
  // Records a call that was not run and what the model is told instead.
  CallOutcome answer_without_running(
      const Target& target, const harmony::Message& call, const char* status, std::string text
  );
  harmony::Message answer_message(
      const Target& target, const harmony::Message& call, std::string author, std::string text
  ) const;

  const tools::Registry& registry_;
  store::RunWriter& writer_;
  EventQueue& events_;
  const AgentConfig& config_;
  std::set<std::string> lost_state_;  // recipients
  // The last call that ran, what it gave, and how often in a row.
  std::string last_recipient_, last_arguments_, last_content_;
  int n_same_ = 0;
  bool told_of_repeat_ = false;
};

// At most `bytes_max` bytes of `text`, whole characters: its beginning and its end, and between them how much is missing.
std::string shorten(std::string text, std::size_t bytes_max);

}  // namespace toccata::agent
