#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "agent/harmony/message.h"
#include "agent/harmony/name_map.h"
#include "agent/loop/agent.h"
#include "agent/loop/budget.h"
#include "agent/loop/crew.h"
#include "agent/loop/guesses.h"
#include "agent/loop/message_stream.h"
#include "agent/loop/trust.h"
#include "agent/loop/watchdog.h"
#include "agent/store/ledger.h"
#include "core/base/shorten.h"
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
    kWaits,       // for approval: not made and not answered; ends the run with exit 5; `reason` says so in words
    kOverBudget,  // not made and not answered: ends the run with exit 4; `reason` says why in words
    kUnfinished,  // begun and not answered: a resumed run makes it again with its key; `call` is its row, and `reason` says
                  // in words what it waits for, when it does
  } verdict = Verdict::kRan;
  // The model goes round in circles: this and the steps before it, so many together, say nothing new. `answer` then
  // stands for what the model is to be told once they are gone.
  int n_loop_steps = 0;
  bool malformed = false;   // counts towards Limits::malformed_max
  std::string reason;       // terminal_reason of kDenied and kStopsRun
  harmony::Message answer;  // what the model reads
  int call = 0;             // of kUnfinished
};

// From a call the model wrote to the message it reads: finds the tool, checks what can be checked, asks for approval,
// writes the intent, runs the tool, writes the result. One per agent. What has to do with guesses is in
// dispatcher_guesses.cpp.
class Dispatcher {
 public:
  Dispatcher(
      const tools::Registry& registry,
      store::RunWriter& writer,
      EventQueue& events,
      const AgentConfig& config,
      Budget& budget
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
  // The calls of one step together, `begun` those of them that an earlier process had begun. Calls of tools that allow it
  // run side by side; what has effects that a second call would repeat runs alone, in its place in the order. Outcomes in
  // the order of the calls; behind one that ends the run stand those only that ran beside it.
  std::vector<CallOutcome> dispatch_all(
      const std::vector<MessageStream::Done>& calls,
      const std::vector<store::CallRow>& begun,
      Watchdog& watchdog,
      std::optional<Watchdog::Clock::time_point> run_deadline
  );
  // Called when a call of a pure tool runs alone: what it returns stands while the call runs, on whose thread nothing else
  // happens meanwhile. Given is what stands for the call's result until there is one. Not called where nothing could be guessed,
  // or guesses wait to be used.
  using Meanwhile = std::function<std::shared_ptr<void>(harmony::Message stub, Watchdog& watchdog)>;
  void set_meanwhile(Meanwhile meanwhile) { meanwhile_ = std::move(meanwhile); }
  // Makes a call ahead, if it may be guessed (guesses.h) and would be made without asking anybody: what stands for its result until
  // there is one. Another thread may ask while the run's is in a tool.
  std::optional<harmony::Message> guess(const MessageStream::Done& call);
  // The last of these calls has been read, and their answer goes on: it is begun ahead, unless one before it may have effects.
  void begin_early(const std::vector<MessageStream::Done>& messages);
  // Stops the calls that were made ahead and not used, which become notes in the ledger.
  void end_guesses();
  Guesses::Count guess_count() const { return guesses_.count(); }
  // While calls run side by side, their crew; else null. For tools that have something to say to the run's thread.
  Crew* crew() const { return crew_; }
  // A call that is not made, or not made to its end (`call`, its row; 0: it has none); the model is told `why`, a clause.
  // `asked`: it waited for approval, and this is a no.
  CallOutcome refuse(const MessageStream::Done& done, const std::string& why, bool asked, int call = 0);
  // The recipient of the registry for a name as the model is told it.
  std::string own_name(const std::string& shown) const { return find(shown).recipient; }
  // The tools of these recipients lost what they kept between calls, which the model is told at the next call.
  void forget_state_of(const std::string& recipient);
  // Whose words the run has read: the loop tells it the user's and what earlier processes read.
  Trust& trust() { return trust_; }

 private:
  struct Target {
    std::string recipient;  // resolved, or as written
    tools::Tool* tool = nullptr;
  };
  Target find(const std::string& written) const;
  // tool_names() of the registry, made once.
  const harmony::NameMap& names() const;
  std::string unusable_because(const Target& target, const MessageStream::Done& call) const;
  std::string unknown_tool(const std::string& recipient) const;
  // Asks the person where there is one; both sides stand in the ledger as notes.
  // `always`: whatever was approved beforehand.
  Decision ask_for(const std::string& recipient, const std::string& arguments, bool always);
  bool is_approved_beforehand() const;
  static std::size_t hash_of(const std::string& recipient, const std::string& arguments);
  // Calls at the end of the history, and this one, that repeat earlier ones: 0 when they do not.
  int repeats(const Target& target, const std::string& arguments) const;
  void remember(const Target& target, const std::string& arguments, const std::string& content);
  // What the tool gets: mended where only one reading is possible; a raw body and an empty one are passed on as they are.
  static std::string arguments_of(const Target& target, const harmony::Message& call);
  void read(int call, const Target& target, const std::string& arguments, tools::ToolResult& result);
  // A call whose intent stands in the ledger.
  struct Begun {
    Target target;
    harmony::Message call;
    int number = 0;
    tools::ToolCall request;
    Item item;
    std::unique_ptr<Guess> guess = {};  // that this call was
    Watchdog::Clock::duration took{};
    tools::ToolResult result = {};
    CallNote note = {};
  };
  // The call, begun, or what came of it without running.
  std::variant<CallOutcome, Begun> begin(const MessageStream::Done& done);
  std::variant<CallOutcome, Begun> begin_again(const MessageStream::Done& done, const store::CallRow& row);
  // Writes the intent; `row`: of an earlier process, which wrote it.
  std::variant<CallOutcome, Begun> begin_tool(
      const Target& target, const harmony::Message& call, const std::string& arguments, const store::CallRow* row
  );
  // The tool's own answer, within its time; `note` gets when.
  tools::ToolResult call_tool(
      tools::Tool& tool, const tools::ToolCall& request, Watchdog& watchdog, std::optional<Watchdog::Clock::time_point> run_deadline,
      const std::stop_token& stop, CallNote& note
  ) const;
  // Whether calls of this tool may be made ahead, others allowing.
  static bool is_guessable(const tools::ToolSpec& spec);
  bool can_guess() const;  // some tool's
  // What a fork of the session reads in place of the call's result.
  harmony::Message running_stub(const Target& target, const harmony::Message& call) const;
  bool may_guess(const Target& target, const std::string& arguments) const;
  bool make_ahead(const Target& target, const MessageStream::Done& done, Foresight foresight);
  // False: there is none, or it came to nothing.
  bool take_result_of_guess(Begun& begun, Watchdog& watchdog, std::optional<Watchdog::Clock::time_point> run_deadline) const;
  static Guesses::Key key_of(const Target& target, const std::string& arguments);
  void note_unused();
  // Runs it: on any thread, where its tool allows that.
  void execute(Begun& begun, Watchdog& watchdog, std::optional<Watchdog::Clock::time_point> run_deadline) const;
  CallOutcome finish(Begun& begun);
  CallOutcome run(
      std::variant<CallOutcome, Begun> call, Watchdog& watchdog, std::optional<Watchdog::Clock::time_point> run_deadline
  );
  // May run beside others.
  static bool is_concurrent(const Begun& begun);
  bool may_be_concurrent(const MessageStream::Done& done) const;
  // Records a call that was not run and what the model is told instead.
  CallOutcome answer_without_running(
      const Target& target, const harmony::Message& call, const char* status, std::string text, int row = 0
  );
  harmony::Message answer_message(
      const Target& target, const harmony::Message& call, std::string author, std::string text
  ) const;

  const tools::Registry& registry_;
  store::RunWriter& writer_;
  EventQueue& events_;
  const AgentConfig& config_;
  std::string how_to_see(int call) const;
  mutable std::optional<harmony::NameMap> names_;
  mutable std::size_t n_tools_named_ = 0;
  Budget& budget_;
  Trust trust_;
  Crew* crew_ = nullptr;
  Meanwhile meanwhile_;
  Watchdog guess_watchdog_{std::stop_token()};  // of calls that may outlive the turn's
  Guesses guesses_;                             // behind what its threads use
  std::set<std::string> lost_state_;  // recipients
  // The last calls that ran, newest last.
  struct Made {
    std::size_t call = 0;    // hash of recipient and arguments
    std::size_t result = 0;  // hash of what it gave
    friend bool operator==(const Made&, const Made&) = default;
  };
  std::deque<Made> made_;
  std::set<std::size_t> told_of_;  // calls the model was told not to make again
};

}  // namespace toccata::agent
