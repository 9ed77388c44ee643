// Runs of the built-in model with a tool that answers at once, recorded for tests that replay them.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "agent/loop/agent.h"
#include "agent/loop/replay.h"
#include "agent/model/nano.h"
#include "agent/store/ledger.h"
#include "tests/support/fake_tool.h"

namespace toccata::testing {

// Temperature high enough that every draw matters.
inline SamplingParams nano_sampling(int n) {
  return {.temperature = 0.9F, .seed = 1000U + static_cast<unsigned>(n)};
}

// The n-th run's id.
inline std::string record_nano_run(agent::TokenModel& nano, store::Ledger& ledger, int n) {
  tools::Registry registry;
  registry.add(fake_python(answering(std::to_string(n * 17))));
  agent::AgentConfig config;
  config.sampling = nano_sampling(n);
  config.limits.max_turns = 6;
  config.limits.step_tokens_max = 200;
  agent::Agent agent(nano, registry, ledger, config);
  return agent.run("What is " + std::to_string(n + 312) + " * 977 + " + std::to_string(n) + "?").run_id;
}

// All of them at once, a thread each, in sessions of one model. Run n was recorded with nano_sampling(first + n).
inline std::vector<Result<agent::ReplayReport>> replay_together(
    agent::TokenModel& model, std::span<const store::RunRecord> runs, int first = 0
) {
  std::vector<Result<agent::ReplayReport>> reports(runs.size(), agent::ReplayReport{});
  std::vector<std::thread> threads;
  for (std::size_t n = 0; n < runs.size(); ++n) {
    threads.emplace_back([&, n] {
      reports[n] = agent::replay_tokens(model, runs[n], nano_sampling(first + static_cast<int>(n)));
    });
  }
  for (std::thread& thread : threads) thread.join();
  return reports;
}

}  // namespace toccata::testing
