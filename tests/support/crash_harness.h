// A run of 30 steps with tools that count, killed at a given point and resumed: what must hold afterwards.
#pragma once

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "agent/loop/agent.h"
#include "agent/store/ledger.h"
#include "tests/support/fake_tool.h"
#include "tests/support/faulty_disk.h"
#include "tests/support/scripted_model.h"
#include "tests/support/temp_folder.h"

namespace toccata::testing {

struct Killed {
  bool killed = false;  // false: it came to its end first
  long n_points = 0;    // passed, when it was not killed
};

// Does `work` in a child process until `fault` strikes at its point `at`.
inline Killed run_until(Fault fault, long at, int eighths, const std::function<void()>& work) {
  int fds[2];
  if (pipe(fds) != 0) throw std::runtime_error("pipe");
  const pid_t child = fork();
  if (child == 0) {
    FaultyDisk::arm(fault, at, eighths);
    work();
    const long n = FaultyDisk::n_operations();
    (void)!write(fds[1], &n, sizeof n);
    _exit(0);
  }
  close(fds[1]);
  Killed result;
  (void)!read(fds[0], &result.n_points, sizeof result.n_points);
  close(fds[0]);
  int status = 0;
  waitpid(child, &status, 0);
  result.killed = WIFSIGNALED(status);
  return result;
}

// functions.pure, keyed.send and effects.send: each call is a line "key recipient" of the file `effects`.
inline void add_counting_tools(tools::Registry& registry, const std::filesystem::path& effects) {
  const auto add = [&](const char* name_space, const char* function, tools::Effect effect) {
    tools::ToolSpec spec;
    spec.name_space = name_space;
    spec.functions = {{function, "Counts.", R"({"type":"object","properties":{"n":{"type":"number"}}})"}};
    spec.effect = effect;
    registry.add(std::make_unique<FakeTool>(spec, [effects](const tools::ToolCall& call, std::stop_token) {
      FaultyDisk::point();
      const std::string line = call.idempotency_key + " " + call.recipient + "\n";
      const int file = ::open(effects.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
      (void)!write(file, line.data(), line.size());
      close(file);
      FaultyDisk::point();
      return tools::ToolResult{tools::ToolStatus::kOk, call.recipient, "did " + call.arguments, "{}"};
    }));
  };
  add("functions", "pure", tools::Effect::kPure);
  add("keyed", "send", tools::Effect::kKeyed);
  add("effects", "send", tools::Effect::kEffectful);
}

// Every call stands in the ledger once; a key was used by one call alone; no effectful call ran twice, and one that did not
// run, or may have run, was reported as unknown.
inline void check_effects(
    const std::vector<store::RunRecord>& runs, const std::filesystem::path& effects, std::vector<std::string>& found
) {
  std::map<std::string, int> n_ran;
  std::ifstream file(effects);
  for (std::string key, recipient; file >> key >> recipient;) ++n_ran[key];
  std::set<std::string> keys;
  std::size_t n_calls = 0;
  for (const store::RunRecord& run : runs) {
    n_calls += run.calls.size();
    for (const store::CallRow& call : run.calls) {
      const std::string name = "call " + call.intent.idempotency_key;
      keys.insert(call.intent.idempotency_key);
      const int n = n_ran[call.intent.idempotency_key];
      const bool counts = call.intent.recipient != "functions.delegate";
      if (!call.result) {
        found.push_back(name + " has no result");
      } else if (call.result->status == "unknown") {
        if (call.intent.effect != "effectful") found.push_back(name + " could have run again");
      } else if (n == 0 && counts) {
        found.push_back(name + " has a result and never ran");
      }
      if (call.intent.effect == "effectful" && n > 1) found.push_back(name + " took effect twice");
    }
  }
  if (keys.size() != n_calls) found.push_back("calls share a key");
  for (const auto& [key, n] : n_ran) {
    if (!keys.contains(key)) found.push_back("an effect without a call: " + key);
  }
}

class CrashHarness {
 public:
  static constexpr int kSteps = 30;

  CrashHarness() {
    std::vector<agent::ScriptedCompletion> texts;
    const char* names[] = {"functions.pure", "keyed.send", "effects.send"};
    for (int step = 0; step < kSteps; ++step) {
      const std::string n = std::to_string(step);
      // Every second one is waited for token by token: the beginnings of its messages are commits of their own.
      texts.push_back({
          .text = thinks("Step " + n + " of the plan.") + announces("Now comes " + n + ".") +
                  calls(names[step % 3], "{\"n\":" + n + "}"),
          .token_delay = std::chrono::microseconds(step % 2)});
    }
    texts.push_back({.text = says_final("all " + std::to_string(kSteps) + " done")});
    model_ = scripted_model(std::move(texts));
    FaultyDisk::install();
  }

  // Runs (or, when the ledger has a run, resumes) in a child process until `fault` strikes at its point `at`.
  Killed run_child(const std::filesystem::path& folder, Fault fault, long at, int eighths = 4) const {
    return run_until(fault, at, eighths, [&] { run_here(folder); });
  }

  agent::RunOutcome run_here(const std::filesystem::path& folder) const {
    auto opened = store::Ledger::open(folder / "ledger.db");
    if (!opened) return {.exit_code = 1, .terminal_reason = "no ledger", .message = opened.error().message, .final = {}, .run_id = {}, .usage = {}};
    store::Ledger& ledger = **opened;
    const auto runs = ledger.list_runs(1);
    tools::Registry registry;
    add_counting_tools(registry, folder / "effects");
    agent::Agent agent(*model_, registry, ledger, {});
    return runs.empty() ? agent.run("go") : agent.resume(runs.front().id);
  }

  // What does not hold of a run that was killed at any points and resumed to its end; empty: all does.
  std::vector<std::string> defects(
      const std::filesystem::path& folder, const agent::RunOutcome& outcome
  ) const {
    std::vector<std::string> found;
    const std::string answer = "all " + std::to_string(kSteps) + " done";
    if (outcome.exit_code != 0 || outcome.final != answer) {
      found.push_back("answer '" + outcome.final + "' " + outcome.terminal_reason + " " + outcome.message);
    }
    auto ledger = store::Ledger::open(folder / "ledger.db").value_or_throw();
    for (const std::string& defect : ledger->check()) found.push_back("ledger: " + defect);
    const store::RunRecord run = ledger->load_run("last").value_or_throw();
    if (ledger->list_runs().size() != 1) found.push_back("more than one run");
    if (run.calls.size() != kSteps) found.push_back(std::to_string(run.calls.size()) + " calls");
    check_effects({run}, folder / "effects", found);
    check_log(run, found);
    return found;
  }

 private:
  // What the model said stands in the log once and in order, and in the messages as well.
  void check_log(const store::RunRecord& run, std::vector<std::string>& found) const {
    Tokens said, expected;
    for (const store::Segment& segment : run.segments) {
      if (segment.kind != store::SegmentKind::kSampled) continue;
      said.insert(said.end(), segment.tokens.begin(), segment.tokens.end());
    }
    for (const auto& line : model_->lines()) {
      expected.insert(expected.end(), line.tokens.begin(), line.tokens.end());
    }
    if (said != expected) found.push_back("the model's tokens are not those it says alone");
    // system, developer, user; reasoning, preamble, call, result; answer.
    if (run.messages.size() != 3 + 4 * kSteps + 1) {
      found.push_back(std::to_string(run.messages.size()) + " messages");
    }
    for (const store::MessageRow& message : run.messages) {
      if (!message.complete) found.push_back("an incomplete message: " + message.content);
    }
  }

  std::unique_ptr<agent::ScriptedModel> model_;
};

}  // namespace toccata::testing
