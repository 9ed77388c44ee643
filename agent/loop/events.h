// What happens in a run, as one typed stream: the terminal, JSON Lines, server-sent events and
// callbacks all read it. The shapes are those of `codex exec --json`, so its readers work on ours.
//
// An event is emitted only after everything in it has been committed to the ledger.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "agent/loop/citation.h"
#include "tools/provenance.h"

namespace toccata::agent {

// Tokens of one turn (user message to final answer).
struct TokenUsage {
  std::int64_t input_tokens = 0;         // length of the timeline at each model call, summed
  std::int64_t cached_input_tokens = 0;  // of these, the ones the model did not have to read again
  std::int64_t output_tokens = 0;        // sampled
  std::int64_t reasoning_output_tokens = 0;  // of these, the ones in analysis messages
  // Beside all these: what calls made ahead have cost (guesses.h).
  std::int64_t guessed_tokens = 0;  // read and sampled by forks
  int guessed_calls = 0;            // made ahead
  int used_guesses = 0;             // of these, the ones that the model made
  friend bool operator==(const TokenUsage&, const TokenUsage&) = default;
};

enum class ItemStatus { kInProgress, kCompleted, kFailed };

// Text the user may see: the answer, or a preamble before a call.
struct AgentMessageItem {
  enum class Phase { kPreamble, kFinal } phase = Phase::kFinal;
  std::string text;                       // as the model wrote it, markers of citations included
  std::vector<Citation> citations = {};   // of an answer, in the order of the text
  friend bool operator==(const AgentMessageItem&, const AgentMessageItem&) = default;
};
struct ReasoningItem {
  std::string text;
  friend bool operator==(const ReasoningItem&, const ReasoningItem&) = default;
};
// A file that a call made or changed in the session's /mnt/data, as the ledger keeps it.
struct FileNote {
  std::string path;
  std::uint64_t size = 0;
  friend bool operator==(const FileNote&, const FileNote&) = default;
};
// Code or a command run in the sandbox (python).
struct CommandItem {
  std::string command = {};            // the body of the call, verbatim
  std::string aggregated_output = {};  // what the model reads
  // From the tool's metadata, else 0 or 1 by status; none while it runs.
  std::optional<int> exit_code = {};
  ItemStatus status = ItemStatus::kInProgress;
  std::vector<FileNote> files = {};
  friend bool operator==(const CommandItem&, const CommandItem&) = default;
};
// Any other tool call; `server` is the namespace.
struct ToolCallItem {
  std::string server;
  std::string tool;
  std::string arguments;              // verbatim
  std::optional<std::string> result;  // what the model reads
  std::optional<std::string> error;
  ItemStatus status = ItemStatus::kInProgress;
  friend bool operator==(const ToolCallItem&, const ToolCallItem&) = default;
};
struct WebSearchItem {
  std::string query = {};
  std::optional<std::string> result = {};
  ItemStatus status = ItemStatus::kInProgress;
  std::vector<std::string> sources = {};  // addresses that were found; not in the JSON
  friend bool operator==(const WebSearchItem&, const WebSearchItem&) = default;
};
// Something odd that did not end the run: a mended header, a nudge, a refused call.
struct NoticeItem {
  std::string message;
  friend bool operator==(const NoticeItem&, const NoticeItem&) = default;
};

struct Item {
  std::string id;  // "item_0", "item_1", ...: unique in the thread
  std::
      variant<AgentMessageItem, ReasoningItem, CommandItem, ToolCallItem, WebSearchItem, NoticeItem>
          details;
  tools::Provenance provenance = {};  // of a tool's result, once it is there
  std::int64_t sandbox_cpu_us = 0;    // that a call's programs have used in the sandbox
  friend bool operator==(const Item&, const Item&) = default;
};

struct ThreadStarted {
  std::string thread_id;  // the run id in the ledger
};
struct TurnStarted {
  std::string input = {};  // what the user said; empty when a run just goes on. Not in the JSON
};
struct ItemStarted {
  Item item;  // text is still empty
  int call = 0;  // its number in the ledger; 0: none, or not known yet. Not in the JSON, as what CallNote says
};
// What the ledger has of a call that ended.
struct CallNote {
  int call = 0;
  std::string status;  // as in store::CallResult
  bool out_of_time = false;
  // When its tool was at work; both the same where it was not asked.
  std::chrono::system_clock::time_point begin = {}, end = {};
};
// Text added to an open agent_message or reasoning item, or printed by a command that still runs (whose completed item has
// it again). Whole characters.
struct ItemDelta {
  std::string item_id;
  enum class Kind { kFinal, kPreamble, kReasoning, kOutput } kind = Kind::kFinal;
  std::string delta;
  // Whose markers stand in this delta; a marker is never split between two.
  std::vector<Citation> citations = {};
};
struct ItemCompleted {
  Item item;
  std::optional<CallNote> call = {};  // of a call's item
};
struct TurnCompleted {
  TokenUsage usage;
};
struct TurnFailed {
  std::string message;
  std::string terminal_reason;  // as in RunOutcome
  int exit_code = 1;
  TokenUsage usage;
};
struct AnyEvent;
// Something happened in a run that this one made: a sub-agent, or a candidate for its answer.
struct ChildEvent {
  std::string run_id;  // of the child
  std::string caller;  // id of the run that made it
  int call = 0;        // the caller's call; 0: none
  int part = 0;        // as in store::Caller
  std::shared_ptr<const AnyEvent> event;  // never null, and no ChildEvent
  std::chrono::system_clock::time_point at = {};  // when it happened, which may be before it is told. Not in the JSON
};
// The stream itself broke (the ledger could not be written, say); a TurnFailed follows where
// possible.
struct StreamError {
  std::string message;
};

using Event = std::variant<
    ThreadStarted,
    TurnStarted,
    ItemStarted,
    ItemDelta,
    ItemCompleted,
    TurnCompleted,
    TurnFailed,
    StreamError,
    ChildEvent>;

struct AnyEvent {
  Event event;
};

// Called on the thread of Agent::run, in order. Must not throw.
using EventSink = std::function<void(const Event&)>;

}  // namespace toccata::agent
