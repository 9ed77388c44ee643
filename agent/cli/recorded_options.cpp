#include "agent/cli/recorded_options.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "core/base/json.h"

namespace toccata::cli {

namespace {

// Behind those of today's configuration, which may have become stricter.
void add_recorded_rules(const nlohmann::json& params, std::vector<std::string>& rules) {
  const auto recorded = params.find("approve_rules");
  if (recorded == params.end() || !recorded->is_array()) return;
  for (const nlohmann::json& rule : *recorded) {
    if (!rule.is_string()) continue;
    const auto text = rule.get<std::string>();
    if (std::find(rules.begin(), rules.end(), text) == rules.end()) rules.push_back(text);
  }
}

}  // namespace

void apply_recorded(
    const store::RunRecord& run, const std::set<std::string>& given, AgentOptions& options
) {
  const auto params = json_from<nlohmann::json>(run.params);
  if (!params.is_object()) return;
  const auto take = [&]<class T>(const char* key, const char* flag, T& to) {
    const auto value = params.find(key);
    if (value == params.end() || given.contains(flag)) return;
    try {
      to = value->template get<T>();
    } catch (const nlohmann::json::exception&) {
      throw Exception(
          ErrorCode::kCorrupt,
          "run " + run.summary.id + " recorded " + key + " = " + json_text(*value) + ", which is no such value; give " + flag
      );
    }
  };
  const auto take_optional = [&]<class T>(const char* key, const char* flag, std::optional<T>& to) {
    if (!params.contains(key) || given.contains(flag)) return;
    T value{};
    take(key, flag, value);
    to = value;
  };
  take("model_spec", "--model", options.model);
  take("precision", "--precision", options.precision);
  take("kv", "--kv", options.kv);
  take("tools", "--tools", options.tools);
  take("tool_files", "--tool-file", options.tool_files);
  std::string scripted_tools = options.scripted_tools.string();
  take("scripted_tools", "--scripted-tools", scripted_tools);
  options.scripted_tools = scripted_tools;
  if (!given.contains("--approve-rule")) add_recorded_rules(params, options.approve_rules);
  take("reasoning", "--reasoning", options.reasoning);
  take("sandbox", "--sandbox", options.sandbox);
  std::string python = options.python.string();
  take("python", "--python", python);
  options.python = python;
  take("mounts", "--mount", options.mounts);
  if (!given.contains("--sandbox-net")) options.sandbox_net.clear();  // an older program's had none
  take("sandbox_net", "--sandbox-net", options.sandbox_net);
  take("max_turns", "--max-turns", options.max_turns);
  take("budget_tokens", "--budget-tokens", options.budget_tokens);
  take("max_prefill_tokens", "--max-prefill-tokens", options.max_prefill_tokens);
  take("max_decode_tokens", "--max-decode-tokens", options.max_decode_tokens);
  take("subagents", "--subagents", options.subagents);
  take("subagent_depth", "--subagent-depth", options.subagent_depth);
  take("look_ahead", "--look-ahead", options.look_ahead);
  take("best_of", "--best-of", options.best_of);
  take("judge", "--judge", options.judge);
  take("max_step_tokens", "--max-step-tokens", options.max_step_tokens);
  take("max_reasoning_tokens", "--max-reasoning-tokens", options.max_reasoning_tokens);
  take("max_calls", "--max-calls", options.max_calls);
  take("context_tokens", "--context-tokens", options.context_tokens);
  take("page_text", "--page-text", options.page_text);
  take("timeout_s", "--timeout", options.timeout_s);
  take("max_sandbox_cpu_s", "--max-sandbox-cpu", options.max_sandbox_cpu_s);
  if (!params.contains("constrain") && !given.contains("--constrain")) options.constrain = "off";  // an older program's
  take("constrain", "--constrain", options.constrain);
  take("output_schema", "--output-schema", options.output_schema);
  take("search", "--search", options.search);
  take("allow_origins", "--allow-origin", options.allow_origins);
  std::vector<std::string> domains;
  take("allow_domains", "--allow-domain", domains);
  if (!domains.empty()) options.allow_domains = domains;
  bool was_offline = false;
  take("offline", "--offline", was_offline);
  options.offline = options.offline || was_offline;  // what the configuration closed since stays closed
  take_optional("temperature", "--temperature", options.temperature);
  take_optional("top_p", "--top-p", options.top_p);
  take_optional("top_k", "--top-k", options.top_k);
  take_optional("min_p", "--min-p", options.min_p);
  take_optional("seed", "--seed", options.seed);
}

}  // namespace toccata::cli
