#include "agent/cli/agent_options_json.h"

#include <functional>
#include <limits>
#include <nlohmann/json.hpp>

#include "core/base/error.h"
#include "core/base/json.h"

namespace toccata::cli {
namespace {

using nlohmann::ordered_json;

using Taker = std::function<void(const ordered_json&)>;

template <class T>
Taker into(T& to) {
  return [&to](const ordered_json& value) { to = value.get<T>(); };
}
template <class T>
Taker into(std::optional<T>& to) {
  return [&to](const ordered_json& value) { to = value.get<T>(); };
}
Taker into(std::filesystem::path& to) {
  return [&to](const ordered_json& value) { to = value.get<std::string>(); };
}
Taker into(std::vector<std::string>& to) {
  return [&to](const ordered_json& value) {
    to = value.is_string() ? std::vector{value.get<std::string>()} : value.get<std::vector<std::string>>();
  };
}

std::string shown(const ordered_json& value) {
  return json_text(value).substr(0, 80);
}

// What the command line checks before it sets a value, and JSON's conversions would let through.
std::string expected(const std::string& key, const ordered_json& value) {
  static const std::set<std::string> flags = {"offline"};
  static const std::set<std::string> whole = {"max_turns", "max_prefill_tokens", "max_decode_tokens", "subagents", "subagent_depth", "look_ahead", "best_of", "budget_tokens", "max_step_tokens", "max_reasoning_tokens",
                                              "context_tokens", "top_k", "seed", "prefix_cache"};
  constexpr std::int64_t kIntMax = std::numeric_limits<int>::max(), kTokensMax = std::int64_t{1} << 53, kSecondsMax = 1'000'000'000;
  struct Range {
    std::int64_t low, high;
  };
  static const std::map<std::string, Range> ranges = {
      {"max_turns", {1, kIntMax}},          {"top_k", {0, kIntMax}},
      {"prefix_cache", {0, 1 << 20}},
      {"budget_tokens", {0, kTokensMax}},   {"max_step_tokens", {0, kTokensMax}},
      {"max_prefill_tokens", {0, kTokensMax}}, {"max_decode_tokens", {0, kTokensMax}},
      {"subagents", {0, 1000}},             {"subagent_depth", {1, 8}},
      {"best_of", {1, 64}},                 {"look_ahead", {0, 64}},
      {"context_tokens", {0, kTokensMax}},  {"max_reasoning_tokens", {0, kTokensMax}},
      {"timeout", {0, kSecondsMax}},        {"tool_timeout", {0, kSecondsMax}},
      {"max_sandbox_cpu", {0, kSecondsMax}},
      {"temperature", {0, 100}},            {"top_p", {0, 1}},
      {"min_p", {0, 1}},
  };
  static const std::map<std::string, std::vector<std::string>> words = {
      {"device", {"auto", "cpu", "cuda"}},       {"precision", {"auto", "f32", "fast"}},
      {"kv", {"auto", "f32", "f16", "q8"}},
      {"constrain", {"auto", "off"}},            {"approve", {"never", "on-request", "trusted", "always"}},
      {"sandbox_start", {"zygote", "cold"}},     {"reasoning", {"low", "medium", "high"}},
      {"page_text", {"whole", "main"}},          {"proxy_names", {"checked", "trusted"}},
  };
  if (flags.contains(key)) return value.is_boolean() ? "" : "true or false";
  if (value.is_boolean()) return "no true or false";
  if (value.is_number() && value.get<double>() < 0) return "no negative number";
  if (whole.contains(key) && !value.is_number_integer()) return "a whole number";
  if (const auto range = ranges.find(key); range != ranges.end() && value.is_number()) {
    const auto [low, high] = range->second;
    const double number = value.get<double>();
    if (number < static_cast<double>(low) || number > static_cast<double>(high)) {
      return "a number between " + std::to_string(low) + " and " + std::to_string(high);
    }
    if (key == "tool_timeout" && number == 0) return "more than 0 seconds";
  }
  if (key == "judge" && value.is_string()) {
    const auto judge = value.get<std::string>();
    const bool known_judge = judge == "majority" || judge == "first-valid" || judge == "model" || (judge.starts_with("command=") && judge.size() > 8);
    return known_judge ? "" : "majority, first-valid, model or command=PROGRAM";
  }
  const auto known = words.find(key);
  if (known == words.end() || !value.is_string()) return "";
  std::string list;
  for (const std::string& word : known->second) {
    if (word == value.get<std::string>()) return "";
    list += (list.empty() ? "one of " : ", ") + word;
  }
  return list;
}

std::map<std::string, Taker> takers(AgentOptions& o, std::vector<std::string>& mcp_files) {
  return {
      {"model", into(o.model)},
      {"mcp", into(mcp_files)},
      {"device", into(o.device)},
      {"precision", into(o.precision)},
      {"kv", into(o.kv)},
      {"prefix_cache", into(o.prefix_cache_mib)},
      {"prefix_folder", into(o.prefix_folder)},
      {"tools", into(o.tools)},
      {"tool_file", into(o.tool_files)},
      {"scripted_tools", into(o.scripted_tools)},
      {"instructions", into(o.instructions)},
      {"reasoning", into(o.reasoning)},
      {"sandbox", into(o.sandbox)},
      {"sandbox_start", into(o.sandbox_start)},
      {"python", into(o.python)},
      {"mount", into(o.mounts)},
      {"sandbox_net", into(o.sandbox_net)},
      {"approve", into(o.approve)},
      {"approve_rule", into(o.approve_rules)},
      {"max_turns", into(o.max_turns)},
      {"budget_tokens", into(o.budget_tokens)},
      {"max_prefill_tokens", into(o.max_prefill_tokens)},
      {"max_decode_tokens", into(o.max_decode_tokens)},
      {"subagents", into(o.subagents)},
      {"subagent_depth", into(o.subagent_depth)},
      {"look_ahead", into(o.look_ahead)},
      {"best_of", into(o.best_of)},
      {"judge", into(o.judge)},
      {"max_step_tokens", into(o.max_step_tokens)},
      {"max_reasoning_tokens", into(o.max_reasoning_tokens)},
      {"max_calls", into(o.max_calls)},
      {"context_tokens", into(o.context_tokens)},
      {"constrain", into(o.constrain)},
      {"output_schema", into(o.output_schema)},
      {"timeout", into(o.timeout_s)},
      {"tool_timeout", into(o.tool_timeout_s)},
      {"max_sandbox_cpu", into(o.max_sandbox_cpu_s)},
      {"temperature", into(o.temperature)},
      {"top_p", into(o.top_p)},
      {"top_k", into(o.top_k)},
      {"min_p", into(o.min_p)},
      {"seed", into(o.seed)},
      {"workspace", into(o.workspace)},
      {"index", into(o.index)},
      {"ledger", into(o.ledger)},
      {"allow_origin", into(o.allow_origins)},
      {"allow_domain", into(o.allow_domains)},
      {"page_text", into(o.page_text)},
      {"search", into(o.search)},
      {"embeddings", into(o.embeddings.url)},
      {"embeddings_model", into(o.embeddings.model)},
      {"embeddings_key_env", into(o.embeddings.key_env)},
      {"proxy", into(o.proxy)},
      {"proxy_names", into(o.proxy_names)},
      {"save_files", into(o.save_files)},
      {"page_cache", into(o.page_cache)},
      {"otlp", into(o.otlp)},
      {"offline", into(o.offline)},
  };
}

}  // namespace

AgentOptions agent_options_from_json(const std::string& text) {
  const ordered_json json = json_from<ordered_json>(text);
  if (!json.is_object()) {
    throw Exception(ErrorCode::kInvalidArgument, "options are '" + text.substr(0, 80) + "', expected one JSON object");
  }
  AgentOptions options;
  options.no_project_notes = true;
  std::vector<std::string> mcp_files;  // names of tools, on the command line too
  const std::map<std::string, Taker> known = takers(options, mcp_files);
  for (const auto& [key, value] : json.items()) {
    const auto taker = known.find(key);
    if (taker == known.end()) {
      std::string names;
      for (const auto& [name, _] : known) names += (names.empty() ? "" : ", ") + name;
      throw Exception(ErrorCode::kInvalidArgument, "unknown option '" + key + "'; known: " + names);
    }
    if (value.is_null()) continue;
    std::string wanted = expected(key, value);
    try {
      if (wanted.empty()) taker->second(value);
    } catch (const ordered_json::type_error&) {
      wanted = "another type";
    }
    if (!wanted.empty()) {
      throw Exception(ErrorCode::kInvalidArgument, "option " + key + " is " + shown(value) + ", expected " + wanted);
    }
  }
  for (const std::string& file : mcp_files) options.tools.push_back("mcp=" + file);
  return options;
}

}  // namespace toccata::cli
