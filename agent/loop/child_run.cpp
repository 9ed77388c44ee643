#include "agent/loop/child_run.h"

#include <nlohmann/json.hpp>

#include "agent/loop/subagent_tool.h"
#include "agent/loop/trust.h"
#include "agent/loop/turn_rules.h"
#include "core/base/json.h"

namespace toccata::agent {
namespace {

TokenUsage usage_in(const std::string& text) {
  const auto json = json_from<nlohmann::json>(text);
  TokenUsage usage;
  if (!json.is_object()) return usage;
  usage.input_tokens = json.value("input_tokens", std::int64_t{0});
  usage.cached_input_tokens = json.value("cached_input_tokens", std::int64_t{0});
  usage.output_tokens = json.value("output_tokens", std::int64_t{0});
  usage.reasoning_output_tokens = json.value("reasoning_output_tokens", std::int64_t{0});
  usage.guessed_tokens = json.value("guessed_tokens", std::int64_t{0});
  usage.guessed_calls = json.value("guessed_calls", 0);
  usage.used_guesses = json.value("used_guesses", 0);
  return usage;
}

// Of a run that has come to its end, unless it goes on when it is asked for again.
std::optional<ChildEnd> end_of(store::RunRecord record) {
  if (!record.summary.finished_ms) return std::nullopt;
  ChildEnd end;
  end.exit_code = record.summary.exit_code.value_or(1);
  end.reason = record.summary.terminal_reason;
  end.message = record.message;
  end.usage = usage_in(record.usage);
  end.record = std::move(record);
  if (end.is_unfinished() || end.reason == "ledger_error") return std::nullopt;
  return end;
}

}  // namespace

tools::Provenance ChildEnd::provenance() const {
  for (const store::CallRow& call : record.calls) {
    if (!call.result) continue;
    tools::Provenance read = provenance_in(call.result->metadata);
    // What it says may come from this machine as well.
    if (read.untrusted) return {true, std::move(read.origin), true};
  }
  return {};
}

ChildEnd run_child(
    TokenModel& model, const std::filesystem::path& ledger_path, ChildOrder order, const EventSink& sink, std::stop_token stop
) {
  if (ledger_path == ":memory:") {
    ChildEnd end;
    end.refused = "it needs a ledger in a file, and this one is kept in memory";
    return end;
  }
  const auto ledger = store::Ledger::open(ledger_path).value_or_throw();
  const store::Caller caller = order.config.lineage->caller;
  const std::optional<store::RunSummary> known = ledger->find_child(caller);
  if (known) {
    if (auto end = end_of(ledger->load_run(known->id).value_or_throw())) return *std::move(end);
  } else if (order.admit) {
    if (auto why = order.admit()) {
      ChildEnd end;
      end.refused = std::move(why);
      return end;
    }
  }
  ChildTools made = order.config.child_tools ? order.config.child_tools() : ChildTools{};
  if (order.may_delegate) made.tools.add(std::make_unique<SubagentTool>());
  order.config.files = made.files;
  Agent agent(model, made.tools, *ledger, std::move(order.config), sink);
  const RunOutcome outcome = known ? agent.resume(known->id, std::nullopt, stop) : agent.run(order.task, stop);
  ChildEnd end;
  end.exit_code = outcome.exit_code;
  end.reason = outcome.terminal_reason;
  end.message = outcome.message;
  end.usage = outcome.usage;
  if (!outcome.run_id.empty()) end.record = ledger->load_run(outcome.run_id).value_or_throw();
  end.record.final = outcome.final;
  return end;
}

std::string child_params(const std::string& params, std::uint64_t seed, const harmony::ConstraintRules* rules) {
  auto json = json_from<nlohmann::ordered_json>(params);
  if (!json.is_object()) json = nlohmann::ordered_json::object();
  for (const char* key : {"best_of", "judge", "turn_rules"}) json.erase(key);
  json["seed"] = seed;
  if (rules != nullptr) json["turn_rules"] = to_json(*rules);
  return json_text(json);
}

// Splitmix64, by Sebastiano Vigna: neighbours give numbers that have nothing in common.
std::uint64_t child_seed(std::uint64_t seed, const store::Caller& caller) {
  std::uint64_t z = seed + 0x9e3779b97f4a7c15 * (static_cast<std::uint64_t>(caller.call) << 20 | static_cast<std::uint64_t>(caller.part));
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return z ^ (z >> 31);
}

}  // namespace toccata::agent
