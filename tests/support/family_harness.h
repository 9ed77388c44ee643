// Runs that make others, killed at a given point and resumed: what must hold afterwards.
#pragma once

#include <string>
#include <vector>

#include "agent/loop/subagent_tool.h"
#include "tests/support/crash_harness.h"

namespace toccata::testing {

// With sub-agents: one that works alone, two that work side by side. With candidates: three of them, of which two agree.
// Every run has tools that count.
class FamilyHarness {
 public:
  enum class Kind { kSubAgents, kCandidates };

  explicit FamilyHarness(Kind kind) : kind_(kind) {
    const auto work = [](const std::string& n, const std::string& answer) {
      std::vector<agent::ScriptedCompletion> completions;
      for (const char* name : {"keyed.send", "effects.send", "functions.pure"}) {
        completions.push_back({.text = thinks("part " + n) + calls(name, "{\"n\":" + n + "}")});
      }
      completions.push_back({.text = says_final(answer)});
      return completions;
    };
    std::vector<agent::ScriptedCompletion> parent;
    std::vector<agent::ScriptedBranch> branches;
    if (kind == Kind::kSubAgents) {
      const auto delegates = [](const char* task) { return calls(agent::kDelegateRecipient, std::string(R"({"task":")") + task + "\"}"); };
      parent.push_back({.text = thinks("first") + delegates("part 1")});
      parent.push_back({.text = delegates("part 2") + "<|start|>assistant" + delegates("part 3")});
      parent.push_back({.text = calls("effects.send", R"({"n":9})")});
      parent.push_back({.text = says_final("all done")});
      for (const char* n : {"1", "2", "3"}) {
        branches.push_back({.when = std::string("part ") + n, .seed = {}, .completions = work(n, std::string("done ") + n)});
      }
    } else {
      branches.push_back({.when = "", .seed = 5, .completions = work("1", "nothing done")});
      branches.push_back({.when = "", .seed = 6, .completions = work("2", "all done")});
      branches.push_back({.when = "", .seed = 7, .completions = work("3", "all done")});
    }
    model_ = std::make_unique<agent::ScriptedModel>(
        tokenizer::Tokenizer::o200k_harmony(), std::move(parent), agent::ScriptedOptions{}, std::move(branches)
    );
    FaultyDisk::install();
  }

  Killed run_child(const std::filesystem::path& folder, Fault fault, long at, int eighths = 4) const {
    return run_until(fault, at, eighths, [&] { run_here(folder); });
  }

  agent::RunOutcome run_here(const std::filesystem::path& folder) const {
    auto opened = store::Ledger::open(folder / "ledger.db");
    if (!opened) return {.exit_code = 1, .terminal_reason = "no ledger", .message = opened.error().message, .final = {}, .run_id = {}, .usage = {}};
    store::Ledger& ledger = **opened;
    const auto effects = folder / "effects";
    tools::Registry registry;
    add_counting_tools(registry, effects);
    agent::AgentConfig config;
    config.sampling.seed = 5;
    config.child_tools = [effects] {
      agent::ChildTools made;
      add_counting_tools(made.tools, effects);
      return made;
    };
    if (kind_ == Kind::kSubAgents) {
      registry.add(std::make_unique<agent::SubagentTool>());
    } else {
      config.best_of.n = 3;
    }
    agent::Agent agent(*model_, registry, ledger, config);
    const auto runs = ledger.list_runs(1);
    return runs.empty() ? agent.run("go") : agent.resume(runs.front().id);
  }

  // What does not hold of a family that was killed at any points and resumed to its end; empty: all does.
  std::vector<std::string> defects(const std::filesystem::path& folder, const agent::RunOutcome& outcome) const {
    std::vector<std::string> found;
    if (outcome.exit_code != 0 || outcome.final != "all done") {
      found.push_back("answer '" + outcome.final + "' " + outcome.terminal_reason + " " + outcome.message);
    }
    auto ledger = store::Ledger::open(folder / "ledger.db").value_or_throw();
    for (const std::string& defect : ledger->check()) found.push_back("ledger: " + defect);
    if (ledger->list_runs().size() != 1) found.push_back("more than one run");
    std::vector<store::RunRecord> runs = {ledger->load_run("last").value_or_throw()};
    const std::vector<store::RunSummary> children = runs[0].children;
    if (children.size() != 3) found.push_back(std::to_string(children.size()) + " children");
    for (const store::RunSummary& child : children) {
      if (child.status != store::RunStatus::kDone) found.push_back("child " + child.id + " is " + to_string(child.status));
      runs.push_back(ledger->load_run(child.id).value_or_throw());
      if (runs.back().calls.size() != 3) found.push_back("child " + child.id + " has " + std::to_string(runs.back().calls.size()) + " calls");
    }
    const std::size_t n_own = kind_ == Kind::kSubAgents ? 4 : 0;
    if (runs[0].calls.size() != n_own) found.push_back(std::to_string(runs[0].calls.size()) + " calls of the parent");
    check_effects(runs, folder / "effects", found);
    for (const store::RunRecord& run : runs) {
      for (const store::MessageRow& message : run.messages) {
        if (!message.complete) found.push_back("an incomplete message: " + message.content);
      }
    }
    return found;
  }

 private:
  Kind kind_;
  std::unique_ptr<agent::ScriptedModel> model_;
};

}  // namespace toccata::testing
