// An agent with a scripted model, fake tools and a real ledger in a temporary folder.
#pragma once

#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <vector>

#include "agent/loop/agent.h"
#include "agent/store/ledger.h"
#include "tests/support/fake_tool.h"
#include "tests/support/scripted_model.h"
#include "tests/support/temp_folder.h"

namespace toccata::agent {

class LoopTest : public ::testing::Test {
 protected:
  // What the model will say; the next run() begins a new agent.
  void script(std::vector<ScriptedCompletion> completions, ScriptedOptions options = {}) {
    agent_.reset();
    model_ = testing::scripted_model(std::move(completions), std::move(options));
  }
  void script_texts(const std::vector<std::string>& texts) {
    agent_.reset();
    model_ = testing::scripted_model(texts);
  }
  std::shared_ptr<std::vector<tools::ToolCall>> add(std::unique_ptr<testing::FakeTool> tool) {
    auto calls = tool->calls;
    registry_.add(std::move(tool));
    return calls;
  }

  // One turn; further calls go on in the same session.
  RunOutcome run(std::string_view message, std::stop_token stop = {}) {
    if (!agent_) {
      agent_.emplace(*model_, registry_, *ledger_, config_, [this](const Event& event) {
        events_.push_back(event);
        if (on_event_) on_event_(event);
      });
    }
    return agent_->run(message, std::move(stop));
  }

  store::RunRecord record() const { return ledger_->load_run(agent_->run_id()).value_or_throw(); }
  // The token log, control tokens spelled out, without the system and developer messages.
  std::string log_text() const {
    const std::string text =
        model_->tokenizer()->decode_bytes(record().timeline()).value_or_throw();
    return text.substr(text.find("<|start|>user"));
  }
  std::vector<Item> completed_items() const {
    std::vector<Item> items;
    for (const Event& event : events_) {
      if (const auto* completed = std::get_if<ItemCompleted>(&event))
        items.push_back(completed->item);
    }
    return items;
  }

  testing::TempFolder folder_;
  std::filesystem::path path_ = folder_ / "ledger.db";
  std::unique_ptr<store::Ledger> ledger_ = store::Ledger::open(path_).value_or_throw();
  tools::Registry registry_;
  std::unique_ptr<ScriptedModel> model_;
  AgentConfig config_;
  std::vector<Event> events_;
  EventSink on_event_;
  std::optional<Agent> agent_;
};

}  // namespace toccata::agent
