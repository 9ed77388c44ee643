// Calls made before the model asks for them: that they are, and that nothing else is different.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <csignal>

#include "agent/loop/replay.h"
#include "tests/agent/loop/loop_fixture.h"
#include "tests/support/watched_model.h"
#include "tests/support/watched_tool.h"

namespace toccata::agent {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::calls;
using testing::says_final;
using testing::thinks;
using tools::ToolResult;
using tools::ToolStatus;

const std::string kNext = "<|start|>assistant";

std::string city(const std::string& name) { return R"({"city":")" + name + R"("})"; }
std::string weather(const std::string& name) { return calls("functions.weather", city(name)); }

tools::ToolSpec weather_spec() {
  tools::ToolSpec spec;
  spec.name_space = "functions";
  spec.functions = {{"weather", "The weather of a city.", R"({"type":"object","properties":{"city":{"type":"string"}}})"}};
  spec.effect = tools::Effect::kPure;
  spec.concurrent = true;
  return spec;
}

class LookAheadTest : public LoopTest {
 protected:
  LookAheadTest() { config_.look_ahead.after = std::chrono::milliseconds(0); }

  ToolResult sunny(const tools::ToolCall& call) const { return {ToolStatus::kOk, call.recipient, "sunny for " + call.arguments, "{}"}; }
  void add_weather(testing::WatchedTool::Action action, tools::ToolSpec spec = weather_spec()) {
    registry_.add(std::make_unique<testing::WatchedTool>(std::move(spec), watch_, std::move(action)));
  }
  // `main`: what the model says; `forks`: what its forks say, else the same.
  RunOutcome ask(const std::vector<std::string>& main, const std::vector<std::string>& forks = {}, std::stop_token stop = {}) {
    script_texts(main);
    if (!forks.empty()) forks_ = testing::scripted_model(forks);
    watched_.emplace(*model_, forks.empty() ? nullptr : forks_.get());
    watched_->before_sample = before_sample_;
    if (!can_fork_) watched_->cannot_fork();
    agent_.emplace(*watched_, registry_, *ledger_, config_, [this](const Event& event) { events_.push_back(event); });
    return run("How is it?", std::move(stop));
  }
  std::vector<std::string> called() const {
    std::vector<std::string> arguments;
    for (const store::CallRow& call : record().calls) arguments.push_back(call.intent.arguments);
    return arguments;
  }
  std::vector<std::string> notes() const {
    std::vector<std::string> details;
    for (const store::NoteRow& note : record().notes) {
      if (note.kind == "guess") details.push_back(note.detail);
    }
    return details;
  }

  testing::CallWatch watch_;
  std::unique_ptr<ScriptedModel> forks_;
  std::optional<testing::WatchedModel> watched_;
  std::function<void(const TokenSession&)> before_sample_;
  bool can_fork_ = true;
};

const std::vector<std::string> kThreeCities = {thinks("Three of them.") + weather("Oslo"), weather("Rome"), weather("Paris"), says_final("Sunny.")};

TEST_F(LookAheadTest, TheNextCallsRunWhileTheModelWaitsForTheFirst) {
  add_weather([this](const tools::ToolCall& call, std::stop_token) {
    // Nothing but a guess can begin the others before this call has ended.
    if (call.arguments == city("Oslo")) {
      EXPECT_TRUE(watch_.wait_for_begin(city("Rome")));
      EXPECT_TRUE(watch_.wait_for_begin(city("Paris")));
    }
    return sunny(call);
  });
  const RunOutcome outcome = ask(kThreeCities);
  EXPECT_EQ(outcome.final, "Sunny.");
  EXPECT_THAT(called(), ElementsAre(city("Oslo"), city("Rome"), city("Paris")));
  EXPECT_EQ(watch_.n_begun(), 3) << "each once";
  for (const store::CallRow& call : record().calls) EXPECT_EQ(call.result->content, "sunny for " + call.intent.arguments);
  EXPECT_THAT(record().calls[2].result->metadata, HasSubstr("begun_ahead_ms"));
  EXPECT_EQ(outcome.usage.guessed_calls, 2);
  EXPECT_EQ(outcome.usage.used_guesses, 2);
  EXPECT_GT(outcome.usage.guessed_tokens, 20);
  EXPECT_THAT(record().usage, HasSubstr("\"used_guesses\":2"));
  EXPECT_THAT(notes(), IsEmpty());
  EXPECT_THAT(ledger_->check(), IsEmpty());
}

TEST_F(LookAheadTest, TheLogIsThatOfARunWhichDoesNotLookAhead) {
  add_weather([this](const tools::ToolCall& call, std::stop_token) {
    if (config_.look_ahead.calls_max > 0 && call.arguments == city("Oslo")) { EXPECT_TRUE(watch_.wait_for_begin(city("Paris"))); }
    return sunny(call);
  });
  const RunOutcome ahead = ask(kThreeCities);
  const Tokens log = record().timeline();
  const Usage usage = agent_->session_usage();
  const auto steps = record().steps.size();
  config_.look_ahead.calls_max = 0;
  const RunOutcome one_by_one = ask(kThreeCities);
  EXPECT_EQ(one_by_one.usage.guessed_calls, 0);
  EXPECT_EQ(record().timeline(), log);
  EXPECT_EQ(agent_->session_usage(), usage);
  EXPECT_EQ(usage.appended, usage.prefilled);
  EXPECT_EQ(record().steps.size(), steps);
  EXPECT_EQ(ahead.usage.input_tokens, one_by_one.usage.input_tokens);
  EXPECT_EQ(ahead.usage.output_tokens, one_by_one.usage.output_tokens);
}

TEST_F(LookAheadTest, WhatTheModelDoesNotAskForIsDroppedAndNoted) {
  std::atomic<bool> stopped = false;
  add_weather([&](const tools::ToolCall& call, std::stop_token stop) {
    if (call.arguments == city("Oslo")) { EXPECT_TRUE(watch_.wait_for_begin(city("Bern"))); }
    if (call.arguments == city("Bern")) stopped = testing::wait_for_stop(stop);
    return sunny(call);
  });
  const RunOutcome outcome = ask({weather("Oslo"), weather("Rome"), says_final("Sunny.")}, {weather("Bern"), says_final("So?")});
  EXPECT_EQ(outcome.final, "Sunny.");
  EXPECT_TRUE(stopped);
  EXPECT_THAT(called(), ElementsAre(city("Oslo"), city("Rome")));
  EXPECT_EQ(log_text().find("Bern"), std::string::npos);
  EXPECT_THAT(notes(), ::testing::Contains("made ahead and not used: functions.weather " + city("Bern")));
  EXPECT_GE(outcome.usage.guessed_calls, 1);
  EXPECT_EQ(outcome.usage.used_guesses, 0);
}

TEST_F(LookAheadTest, AGuessThatFailedIsMadeAgainByTheRun) {
  add_weather([&](const tools::ToolCall& call, std::stop_token) -> ToolResult {
    if (call.arguments == city("Oslo")) { EXPECT_TRUE(watch_.wait_for_end(city("Rome"))); }
    if (call.arguments == city("Rome") && watch_.n_begun(call.arguments) == 1) return {ToolStatus::kFailed, call.recipient, "too many at once", "{}"};
    return sunny(call);
  });
  EXPECT_EQ(ask({weather("Oslo"), weather("Rome"), says_final("Sunny.")}).final, "Sunny.");
  EXPECT_EQ(watch_.n_begun(city("Rome")), 2);
  EXPECT_EQ(record().calls[1].result->content, "sunny for " + city("Rome"));
  EXPECT_EQ(record().calls[1].result->status, "ok");
}

TEST_F(LookAheadTest, AGuessThatThrewIsMadeAgainByTheRun) {
  add_weather([&](const tools::ToolCall& call, std::stop_token) -> ToolResult {
    if (call.arguments == city("Oslo")) { EXPECT_TRUE(watch_.wait_for_begin(city("Rome"))); }
    if (call.arguments == city("Rome") && watch_.n_begun(call.arguments) == 1) throw std::runtime_error("broken");
    return sunny(call);
  });
  EXPECT_EQ(ask({weather("Oslo"), weather("Rome"), says_final("Sunny.")}).final, "Sunny.");
  EXPECT_EQ(record().calls[1].result->content, "sunny for " + city("Rome"));
}

TEST_F(LookAheadTest, StoppingTheRunStopsItsGuesses) {
  std::stop_source user;
  add_weather([&](const tools::ToolCall& call, std::stop_token stop) {
    if (call.arguments == city("Rome")) { EXPECT_TRUE(testing::wait_for_stop(stop)); }
    if (call.arguments == city("Oslo")) {
      EXPECT_TRUE(watch_.wait_for_begin(city("Rome")));
      user.request_stop();
    }
    return sunny(call);
  });
  const RunOutcome outcome = ask({weather("Oslo"), weather("Rome"), says_final("Sunny.")}, {}, user.get_token());
  EXPECT_EQ(outcome.exit_code, 130);
  EXPECT_THAT(called(), ElementsAre(city("Oslo")));
  EXPECT_EQ(outcome.usage.guessed_calls, 1);
  EXPECT_EQ(outcome.usage.used_guesses, 0);
}

TEST_F(LookAheadTest, StoppingARunThatWaitsForAGuessStopsThat) {
  std::stop_source user;
  add_weather([&](const tools::ToolCall& call, std::stop_token stop) {
    if (call.arguments == city("Oslo")) { EXPECT_TRUE(watch_.wait_for_begin(city("Rome"))); }
    if (call.arguments == city("Rome")) { EXPECT_TRUE(testing::wait_for_stop(stop)); }
    return sunny(call);
  });
  on_event_ = [&](const Event& event) {
    const auto* started = std::get_if<ItemStarted>(&event);
    const auto* call = started != nullptr ? std::get_if<ToolCallItem>(&started->item.details) : nullptr;
    if (call != nullptr && call->arguments == city("Rome")) user.request_stop();
  };
  script_texts({weather("Oslo"), weather("Rome"), says_final("Sunny.")});
  EXPECT_EQ(run("How is it?", user.get_token()).exit_code, 130);
  EXPECT_EQ(watch_.n_begun(city("Rome")), 1);
  ASSERT_EQ(record().calls.size(), 2U);
  EXPECT_TRUE(record().calls[1].result) << "what a call that is stopped comes to";
}

TEST_F(LookAheadTest, BehindACallWithEffectsNothingThatWasGuessedCounts) {
  std::atomic<int> version = 0;
  add_weather([&](const tools::ToolCall& call, std::stop_token) -> ToolResult {
    const int seen = version;
    if (call.arguments == city("Oslo")) { EXPECT_TRUE(watch_.wait_for_end(city("Rome"))); }
    return {ToolStatus::kOk, call.recipient, "version " + std::to_string(seen), "{}"};
  });
  tools::ToolSpec spec = weather_spec();
  spec.functions[0].name = "change";
  spec.effect = tools::Effect::kEffectful;
  add(std::make_unique<testing::FakeTool>(spec, [&](const tools::ToolCall& call, std::stop_token) {
    ++version;
    return ToolResult{ToolStatus::kOk, call.recipient, "changed", "{}"};
  }));
  const RunOutcome outcome = ask(
      {weather("Oslo"), calls("functions.change", "{}"), weather("Rome"), says_final("Sunny.")}, {weather("Rome"), says_final("So?")}
  );
  EXPECT_EQ(outcome.final, "Sunny.");
  EXPECT_EQ(record().calls[2].result->content, "version 1");
  EXPECT_EQ(outcome.usage.used_guesses, 0);
}

TEST_F(LookAheadTest, NobodyGuessesWhileACallWithEffectsRuns) {
  add_weather([this](const tools::ToolCall& call, std::stop_token) { return sunny(call); });
  tools::ToolSpec spec = weather_spec();
  spec.functions[0].name = "change";
  spec.effect = tools::Effect::kKeyed;
  add(std::make_unique<testing::FakeTool>(spec, testing::answering("changed")));
  EXPECT_EQ(ask({calls("functions.change", "{}"), says_final("Done.")}).final, "Done.");
  EXPECT_EQ(watched_->n_forks(), 0);
}

// What the fork calls and no guess may begin; the run is not hindered in it.
struct Forbidden {
  std::string name;
  std::function<void(AgentConfig&, tools::ToolSpec&)> forbid;
};
class ForbiddenGuessTest : public LookAheadTest, public ::testing::WithParamInterface<Forbidden> {};

TEST_P(ForbiddenGuessTest, IsNotMade) {
  add_weather([this](const tools::ToolCall& call, std::stop_token) {
    EXPECT_TRUE(watched_->wait_for_forks(1));
    return sunny(call);
  });
  tools::ToolSpec spec = weather_spec();
  spec.functions[0].name = "tide";
  GetParam().forbid(config_, spec);
  int n_tides = 0;
  add(std::make_unique<testing::FakeTool>(spec, [&](const tools::ToolCall& call, std::stop_token) {
    ++n_tides;
    return sunny(call);
  }));
  EXPECT_EQ(ask({weather("Oslo"), says_final("Sunny.")}, {calls("functions.tide", "{}"), says_final("So?")}).final, "Sunny.");
  EXPECT_GT(watched_->n_sampled_by_forks(), 0);
  EXPECT_EQ(n_tides, 0);
}

INSTANTIATE_TEST_SUITE_P(
    All,
    ForbiddenGuessTest,
    ::testing::Values(
        Forbidden{"Effectful", [](AgentConfig&, tools::ToolSpec& spec) { spec.effect = tools::Effect::kEffectful; }},
        Forbidden{"Keyed", [](AgentConfig&, tools::ToolSpec& spec) { spec.effect = tools::Effect::kKeyed; }},
        Forbidden{"OneAtATime", [](AgentConfig&, tools::ToolSpec& spec) { spec.concurrent = false; }},
        Forbidden{"Stateful", [](AgentConfig&, tools::ToolSpec& spec) { spec.stateful = true; }},
        Forbidden{"Program", [](AgentConfig&, tools::ToolSpec& spec) { spec.runs_code = true; }},
        Forbidden{"NeedsApproval", [](AgentConfig&, tools::ToolSpec& spec) { spec.needs_approval = true; }},
        Forbidden{"DeniedByRule", [](AgentConfig& config, tools::ToolSpec&) {
                    config.approval.rules = {ApprovalRule::parse("functions.tide=deny").value_or_throw()};
                  }},
        Forbidden{"AskedByRule", [](AgentConfig& config, tools::ToolSpec&) {
                    config.approval.mode = ApprovalPolicy::Mode::kAlways;
                    config.approval.rules = {ApprovalRule::parse("functions.tide=ask").value_or_throw()};
                  }},
        Forbidden{"NoBudgetForTheTool", [](AgentConfig& config, tools::ToolSpec&) { config.limits.calls_of_max = {{"functions.tide", 0}}; }},
        Forbidden{"LastCallOfTheBudget", [](AgentConfig& config, tools::ToolSpec&) { config.limits.calls_max = 1; }}
    ),
    [](const auto& forbidden) { return forbidden.param.name; }
);

TEST_F(LookAheadTest, WhatARuleAllowsIsGuessedThoughItNeedsApproval) {
  config_.approval.rules = {ApprovalRule::parse("functions.weather:city=R*=allow").value_or_throw(), ApprovalRule::parse("functions.weather:city=Oslo=allow").value_or_throw()};
  tools::ToolSpec spec = weather_spec();
  spec.needs_approval = true;
  add_weather([this](const tools::ToolCall& call, std::stop_token) {
    if (call.arguments == city("Oslo")) { EXPECT_TRUE(watch_.wait_for_begin(city("Rome"))); }
    return sunny(call);
  }, spec);
  EXPECT_EQ(ask({weather("Oslo"), weather("Rome"), says_final("Sunny.")}).usage.used_guesses, 1);
}

TEST_F(LookAheadTest, ModelsWithoutForksAreNotAsked) {
  can_fork_ = false;
  add_weather([this](const tools::ToolCall& call, std::stop_token) { return sunny(call); });
  const RunOutcome outcome = ask(kThreeCities);
  EXPECT_EQ(outcome.final, "Sunny.");
  EXPECT_EQ(outcome.usage.guessed_calls, 0);
  EXPECT_EQ(watched_->n_forks(), 0);
}

TEST_F(LookAheadTest, NoMoreCallsAreGuessedThanMayBe) {
  config_.look_ahead.calls_max = 2;
  add_weather([this](const tools::ToolCall& call, std::stop_token) {
    if (call.arguments == city("1")) {
      EXPECT_TRUE(watched_->wait_for_forks(1));
      EXPECT_TRUE(watch_.wait_for_begin(city("2")));
      EXPECT_TRUE(watch_.wait_for_begin(city("3")));
      EXPECT_EQ(watch_.n_begun(), 3);
    }
    return sunny(call);
  });
  EXPECT_EQ(ask({weather("1"), weather("2"), weather("3"), weather("4"), weather("5"), says_final("Sunny.")}).final, "Sunny.");
}

TEST_F(LookAheadTest, AForkThatDoesNotCallAnythingEndsAtItsBound) {
  config_.look_ahead.tokens_max = 50;
  add_weather([this](const tools::ToolCall& call, std::stop_token) {
    EXPECT_TRUE(watched_->wait_for_forks(1));
    return sunny(call);
  });
  script({{.text = weather("Oslo")}, {.text = says_final("Sunny.")}});
  forks_ = testing::scripted_model({{.text = "<|channel|>analysis<|message|>and on ", .then = ScriptedCompletion::Then::kRepeat}});
  watched_.emplace(*model_, forks_.get());
  agent_.emplace(*watched_, registry_, *ledger_, config_);
  EXPECT_EQ(agent_->run("How is it?").final, "Sunny.");
  EXPECT_EQ(watched_->n_sampled_by_forks(), 50);
}

TEST_F(LookAheadTest, AnAnswerOfTheForkEndsItAtOnce) {
  add_weather([this](const tools::ToolCall& call, std::stop_token) {
    EXPECT_TRUE(watched_->wait_for_forks(1));
    return sunny(call);
  });
  EXPECT_EQ(ask({weather("Oslo"), says_final("Sunny.")}).final, "Sunny.");
  EXPECT_EQ(watched_->n_sampled_by_forks(), 3) << "<|channel|>final<|message|>";
}

TEST_F(LookAheadTest, GuessesLeaveTheRunItsShareOfTheBudget) {
  config_.look_ahead.tokens_max = 100'000;
  config_.limits.budget_tokens = 4000;
  add_weather([this](const tools::ToolCall& call, std::stop_token) {
    EXPECT_TRUE(watched_->wait_for_forks(1));
    return sunny(call);
  });
  script({{.text = weather("Oslo")}, {.text = thinks(std::string(2000, 'x')) + says_final("Sunny.")}});
  forks_ = testing::scripted_model({{.text = "<|channel|>analysis<|message|>and on ", .then = ScriptedCompletion::Then::kRepeat}});
  watched_.emplace(*model_, forks_.get());
  agent_.emplace(*watched_, registry_, *ledger_, config_);
  const RunOutcome outcome = agent_->run("How is it?");
  EXPECT_EQ(outcome.final, "Sunny.");
  EXPECT_EQ(outcome.usage.guessed_tokens, 4000 / Budget::kGuessShare);
}

TEST_F(LookAheadTest, WhatForksSpendCountsInTheBudget) {
  config_.look_ahead.tokens_max = 100'000;
  add_weather([this](const tools::ToolCall& call, std::stop_token) {
    if (config_.look_ahead.calls_max > 0) { EXPECT_TRUE(watched_->wait_for_forks(1)); }
    return sunny(call);
  });
  const auto end_with = [&](std::int64_t budget) {
    config_.limits.budget_tokens = budget;
    script({{.text = weather("Oslo")}, {.text = says_final(std::string(4000, 'x'))}});
    forks_ = testing::scripted_model({{.text = "<|channel|>analysis<|message|>and on ", .then = ScriptedCompletion::Then::kRepeat}});
    watched_.emplace(*model_, forks_.get());
    agent_.emplace(*watched_, registry_, *ledger_, config_);
    return agent_->run("How is it?").terminal_reason;
  };
  config_.look_ahead.calls_max = 0;
  ASSERT_EQ(end_with(100'000), "final");
  const Usage used = agent_->session_usage();
  ASSERT_EQ(end_with(used.appended + used.decoded), "final");
  config_.look_ahead.calls_max = 8;
  EXPECT_EQ(end_with(used.appended + used.decoded), "budget");
}

TEST_F(LookAheadTest, ACallThatHasEndedBeginsWhileTheAnswerGoesOn) {
  add_weather([this](const tools::ToolCall& call, std::stop_token) { return sunny(call); });
  // Nothing but an early begin lets the second call be written.
  const auto n_first = std::ssize(tokenizer::Tokenizer::o200k_harmony()->encode(weather("Oslo"), tokenizer::Specials::kAll));
  std::int64_t n_sampled = 0;
  before_sample_ = [&](const TokenSession&) {
    if (n_sampled++ == n_first) { EXPECT_TRUE(watch_.wait_for_begin(city("Oslo"))); }
  };
  const RunOutcome outcome = ask({weather("Oslo") + kNext + weather("Rome"), says_final("Sunny.")});
  EXPECT_EQ(outcome.final, "Sunny.");
  EXPECT_THAT(called(), ElementsAre(city("Oslo"), city("Rome")));
  EXPECT_EQ(watch_.n_begun(), 2);
  EXPECT_EQ(outcome.usage.guessed_calls, 1);
  EXPECT_EQ(outcome.usage.used_guesses, 1);
}

TEST_F(LookAheadTest, BehindACallWithEffectsInTheSameAnswerNothingBeginsEarly) {
  add_weather([this](const tools::ToolCall& call, std::stop_token) { return sunny(call); });
  tools::ToolSpec spec = weather_spec();
  spec.functions[0].name = "change";
  spec.effect = tools::Effect::kEffectful;
  add(std::make_unique<testing::FakeTool>(spec, [&](const tools::ToolCall& call, std::stop_token) {
    EXPECT_EQ(watch_.n_begun(), 0);
    return ToolResult{ToolStatus::kOk, call.recipient, "changed", "{}"};
  }));
  const RunOutcome outcome = ask({calls("functions.change", "{}") + kNext + weather("Oslo") + kNext + weather("Rome"), says_final("Sunny.")});
  EXPECT_EQ(outcome.final, "Sunny.");
  EXPECT_EQ(outcome.usage.guessed_calls, 0);
}

// A process that is killed while it guesses, and another that goes on.
TEST_F(LookAheadTest, KilledWhileGuessingAndResumedItComesToTheSame) {
  const auto start = [&](bool dies) {
    tools::Registry registry;
    registry.add(std::make_unique<testing::WatchedTool>(weather_spec(), watch_, [&, dies](const tools::ToolCall& call, std::stop_token) {
      if (dies && call.arguments == city("Oslo")) {
        if (!watch_.wait_for_end(city("Rome"))) _exit(1);
        kill(getpid(), SIGKILL);
      }
      return sunny(call);
    }));
    const auto ledger = store::Ledger::open(path_).value_or_throw();
    const auto model = testing::scripted_model(kThreeCities);
    Agent agent(*model, registry, *ledger, config_);
    return dies ? agent.run("How is it?") : agent.resume("last");
  };
  ledger_.reset();
  const pid_t child = fork();
  if (child == 0) {
    start(true);
    _exit(2);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFSIGNALED(status)) << status;
  EXPECT_EQ(start(false).final, "Sunny.");
  ledger_ = store::Ledger::open(path_).value_or_throw();
  const store::RunRecord resumed = ledger_->load_run("last").value_or_throw();
  EXPECT_EQ(resumed.calls.size(), 3U);
  EXPECT_THAT(ledger_->check(), IsEmpty());
  registry_ = tools::Registry();
  add_weather([this](const tools::ToolCall& call, std::stop_token) { return sunny(call); });
  config_.look_ahead.calls_max = 0;
  EXPECT_EQ(ask(kThreeCities).final, "Sunny.");
  EXPECT_EQ(resumed.timeline(), record().timeline());
}

TEST_F(LookAheadTest, RecordedAnswersAreNotGuessedAhead) {
  add_weather([this](const tools::ToolCall& call, std::stop_token) { return sunny(call); });
  ASSERT_EQ(ask(kThreeCities).exit_code, 0);
  const tools::Registry recorded = recorded_tools(registry_, record());
  EXPECT_FALSE(recorded.tools().front()->spec().concurrent);
}

}  // namespace
}  // namespace toccata::agent
