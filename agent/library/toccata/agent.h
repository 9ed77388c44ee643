// Toccata as a library: find_package(toccata), target_link_libraries(app toccata::toccata), #include <toccata/agent.h>.
//
//   #include <toccata/agent.h>
//   #include <iostream>
//
//   int main() {
//     toccata::Agent agent({.model = "nano", .tools = {"python"}});
//     std::cout << agent.run("What is 48213 * 977 + 5?").final << '\n';
//   }
//
// The public headers are this one and the four that come with it (errors, events, citations, provenance); they need
// nothing but the C++20 standard library.
// Everything runs in the calling process: engine, loop, sandbox and ledger are those of the program `toccata`, whose
// `toccata runs` shows what an agent did.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "agent/loop/events.h"  // Event: what happens in a run, typed
#include "core/base/error.h"    // Exception and its ErrorCode

namespace toccata {

// A function of the caller's that the model may call as functions.NAME.
struct Function {
  std::string name;
  std::string description;
  std::string parameters;  // JSON schema of an object; "" = it takes nothing
  // The arguments as JSON text in, what the model reads out. On the thread of run(). What it throws is told to the
  // model, which may try again; masks keep the arguments inside the schema where the model takes masks.
  std::function<std::string(const std::string& arguments)> call;
  bool pure = false;  // changes nothing: a resumed run may call it again
  // May be called at the same time as others, itself too, on other threads. What is pure as well may be called before the model asks
  // for it (look_ahead), and for nothing.
  bool concurrent = false;
};

struct Options {
  std::string model = "nano";  // nano | folder | GGUF file | Hugging Face id in the cache | URL | script:FILE
  std::vector<std::string> tools = {"python"};  // python, browser, shell, files, patch, recall, skills
  std::vector<Function> functions = {};
  std::vector<std::string> tool_files = {};  // that declare further ones: an HTTP request or a program behind each
  std::string instructions = {};       // developer message
  std::string reasoning = "medium";    // low, medium, high
  std::string output_schema = {};      // JSON schema the answer satisfies; "" = any answer
  std::optional<float> temperature = {};  // 0 = greedy; unset: the model's own, else 1
  std::optional<std::uint64_t> seed = {};
  int max_turns = 50;                  // model calls
  std::int64_t budget_tokens = 0;      // read and written; 0 = no limit
  double timeout_s = 0;                // of a run; 0 = no limit
  std::string sandbox = "full-nocg";   // least protection accepted: full, full-nocg, noproc, landlock, seccomp, none
  std::filesystem::path python = {};   // interpreter or venv of sessions; empty = that of `toccata tools python`, else the system's
  std::vector<std::string> mounts = {};  // folders and files that sessions may read: "PATH" or "PATH:NAME", at /mnt/NAME
  std::vector<std::string> sandbox_net = {};  // hosts that sessions may reach: "pypi.org", "*.example.org", "example.org:8443"
  std::filesystem::path workspace = ".";  // the folder of the files and patch tools
  std::filesystem::path ledger = {};   // SQLite file of the record; empty = the user's
  bool offline = false;                // refuse everything that needs the network
  // Any further option of `toccata run`: one JSON object, its long names with underscores for hyphens, such as
  // {"search": ["brave"], "allow_domain": ["example.org"], "top_k": 40}. It wins over the fields above.
  std::string more = "{}";
};

// How a run ended.
struct Outcome {
  std::string final;    // the answer
  int exit_code = 1;    // 0 done, 1 failed, 4 limit, 5 denied, 6 tool unavailable, 7 model error, 8 schema unmet, 124, 130
  std::string reason;   // "final", "max_turns", "timeout", ...
  std::string message;  // why, in plain words; empty when done
  std::string run_id;   // in the ledger: toccata runs show RUN_ID
  agent::TokenUsage usage;
  bool ok() const { return exit_code == 0; }
};

// One conversation with a model that has tools. One thread at a time, except stop() and steer().
class Agent {
 public:
  // Loads the model and makes the sandbox. Throws Exception naming the option at fault, the model or what the sandbox
  // lacks. `on_event` is called on the thread of run(), in order, each event after the ledger has it; it must not throw.
  explicit Agent(Options options = {}, std::function<void(const agent::Event&)> on_event = {});
  ~Agent();
  Agent(Agent&&) noexcept;
  Agent& operator=(Agent&&) noexcept;

  // One turn: from a message to the answer; further calls go on in the same conversation. What the model or a tool does
  // never throws: each way out is an outcome.
  Outcome run(std::string_view message);
  // Goes on with a recorded run of the same ledger; the first thing an agent does. exit_code 2: it cannot be.
  Outcome resume(std::string_view run_id, std::optional<std::string_view> message = std::nullopt);

  // From any thread: ends the run under way soon, in a state that can be resumed.
  void stop();
  // From any thread: a message for the run under way, read before its next model call.
  void steer(std::string_view text);

  std::string run_id() const;         // "" before the first run
  std::string sandbox_level() const;  // the protection reached; "" without python and shell

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

// The event as `toccata run --json` prints it: one line of JSON, without the newline.
std::string to_json_line(const agent::Event& event);

// "0.1.0"
std::string_view version();

}  // namespace toccata
