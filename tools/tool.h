// What a tool is: declared to the model by namespace and name, routed by recipient, text in, text out.
// Tools have never heard of tokens or harmony; the agent loop renders their results.
#pragma once

#include <chrono>
#include <filesystem>
#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "tools/citable_pages.h"
#include "tools/provenance.h"

namespace toccata::tools {

// One function of a namespace, as the model is told of it.
struct FunctionSpec {
  std::string name;         // "search"
  std::string description;  // lines separated by '\n'
  std::string parameters;   // JSON Schema text, key order kept; "" = takes nothing
  friend bool operator==(const FunctionSpec&, const FunctionSpec&) = default;
};

// Where the declaration goes: built-in tools stand in the system message, functions in the developer message.
enum class Placement { kSystem, kDeveloper };

// What a second call with the same arguments does; decides what resume may repeat.
enum class Effect {
  kPure,       // reads only: may run again
  kKeyed,      // takes the idempotency key: may be sent again with the same key
  kEffectful,  // anything else: an unknown outcome is reported, never repeated
};

struct ToolSpec {
  std::string name_space;   // "browser", "python", "functions"
  std::string description;  // of the namespace
  std::vector<FunctionSpec> functions;  // empty: the body is raw text addressed to the namespace itself
  Placement placement = Placement::kDeveloper;
  Effect effect = Effect::kEffectful;
  bool needs_approval = false;
  bool stateful = false;  // keeps something in memory between calls: a resumed run has lost it
  bool reaches_out = false;  // what the model writes into its arguments can leave this machine
  // Calls may run at the same time as others, of this tool too, on threads other than the run's. Those of a pure tool without
  // state may then be made before the model asks for them, and for nothing (agent/loop/guesses.h).
  bool concurrent = false;
  bool in_sandbox = false;   // programs of its calls run in the sandbox: their CPU time counts
  bool runs_code = false;    // its arguments are a program, with addresses somewhere in it; it says itself whose words come out
  std::chrono::milliseconds timeout{120'000};
};

struct ToolCall {
  std::string recipient;  // as the model wrote it, cleaned: "browser.search", "python", "functions.f"
  std::string arguments;  // the body, verbatim: JSON or raw text
  std::string idempotency_key;
  std::string traceparent = {};  // W3C trace context, for requests to servers that know what to do with it; "" = none
  // Hears what the call prints while it runs, on the caller's thread; null = nobody listens. The result has it all again.
  std::function<void(std::string_view)> on_output = {};
  // Takes what programs of the call have used of CPU time in the sandbox, as they use it, and says how much more they may use; null =
  // as much as they like. On the caller's thread.
  std::function<std::chrono::microseconds(std::chrono::microseconds used)> charge_cpu = {};
};

enum class ToolStatus {
  kOk,
  kFailed,    // told to the model, which may try again
  kStopsRun,  // the run cannot go on (sandbox gone, denied)
  kUnfinished,  // it was stopped, and goes on when the call is made again with the same key; nobody has a result
};

struct ToolResult {
  ToolStatus status = ToolStatus::kOk;
  std::string author;   // who speaks to the model: "python", "browser.search"
  std::string content;  // what the model reads
  // One JSON object for the ledger and the event stream, never for the model: duration_ms, level, exit ...
  std::string metadata = "{}";
  Provenance provenance = {};
  std::chrono::microseconds sandbox_cpu{0};  // what was charged
  friend bool operator==(const ToolResult&, const ToolResult&) = default;
};

// A stateful tool belongs to one run; calls come one at a time, unless its spec says that it is `concurrent`.
class Tool {
 public:
  virtual ~Tool() = default;
  virtual const ToolSpec& spec() const = 0;
  // Runs the call. Never throws on what the model wrote: bad arguments are a kFailed result in plain words.
  // Returns soon after `stop` is requested.
  virtual ToolResult call(const ToolCall& call, std::stop_token stop) = 0;
  // The pages it has shown, for a tool whose lines can be cited; null: it has none.
  virtual const CitablePages* citable_pages() const { return nullptr; }
};

}  // namespace toccata::tools
