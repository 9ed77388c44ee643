#include "agent/cli/config.h"

#include <functional>
#include <map>
#include <sstream>
#include <toml++/toml.h>

#include "core/base/error.h"

namespace toccata::cli {
namespace {

[[noreturn]] void fail(
    const std::filesystem::path& file, const toml::source_region& where, const std::string& what
) {
  std::ostringstream message;
  message << file.string() << ":" << where.begin.line << ": " << what;
  throw Exception(ErrorCode::kInvalidArgument, message.str());
}

using Setter = std::function<bool(const toml::node&)>;

template <class T>
Setter set(T& field) {
  return [&field](const toml::node& node) {
    const auto value = node.value<T>();
    if (value) field = *value;
    return value.has_value();
  };
}
template <class T, class Field = T>
Setter set_optional(std::optional<Field>& field) {
  return [&field](const toml::node& node) {
    const auto value = node.value<T>();
    if (value) field = static_cast<Field>(*value);
    return value.has_value();
  };
}
Setter set_path(std::filesystem::path& field) {
  return [&field](const toml::node& node) {
    const auto value = node.value<std::string>();
    if (value) field = *value;
    return value.has_value();
  };
}
Setter set_list(std::vector<std::string>& field) {
  return [&field](const toml::node& node) {
    const toml::array* list = node.as_array();
    if (list == nullptr) return false;
    std::vector<std::string> values;
    for (const toml::node& item : *list) {
      const auto value = item.value<std::string>();
      if (!value) return false;
      values.push_back(*value);
    }
    field = values;
    return true;
  };
}

std::map<std::string, Setter, std::less<>> setters(AgentOptions& o) {
  return {
      {"model", set(o.model)},
      {"device", set(o.device)},
      {"tools", set_list(o.tools)},
      {"instructions", set(o.instructions)},
      {"reasoning", set(o.reasoning)},
      {"sandbox", set(o.sandbox)},
      {"sandbox_start", set(o.sandbox_start)},
      {"approve", set(o.approve)},
      {"max_turns", set(o.max_turns)},
      {"budget_tokens", set(o.budget_tokens)},
      {"max_step_tokens", set(o.max_step_tokens)},
      {"max_reasoning_tokens", set(o.max_reasoning_tokens)},
      {"max_calls", set_list(o.max_calls)},
      {"context_tokens", set(o.context_tokens)},
      {"no_project_notes", set(o.no_project_notes)},
      {"timeout", set(o.timeout_s)},
      {"tool_timeout", set(o.tool_timeout_s)},
      {"temperature", set_optional<double>(o.temperature)},
      {"top_p", set_optional<double>(o.top_p)},
      {"top_k", set_optional<int>(o.top_k)},
      {"min_p", set_optional<double>(o.min_p)},
      {"seed", set_optional<std::int64_t>(o.seed)},
      {"index", set_path(o.index)},
      {"ledger", set_path(o.ledger)},
      {"allow_origin", set_list(o.allow_origins)},
      {"offline", set(o.offline)},
  };
}

}  // namespace

void apply_config_file(const std::filesystem::path& file, AgentOptions& options) {
  std::error_code missing;
  if (!std::filesystem::exists(file, missing)) return;
  toml::table table;
  try {
    table = toml::parse_file(file.string());
  } catch (const toml::parse_error& e) {
    fail(file, e.source(), std::string(e.description()));
  }
  const auto known = setters(options);
  for (const auto& [key, node] : table) {
    const auto setter = known.find(key.str());
    if (setter == known.end()) {
      std::string names;
      for (const auto& [name, unused] : known) names += (names.empty() ? "" : ", ") + name;
      fail(file, node.source(), "unknown key '" + std::string(key.str()) + "'; known: " + names);
    }
    if (!setter->second(node)) {
      fail(file, node.source(), "'" + std::string(key.str()) + "' has a value of the wrong type");
    }
  }
}

}  // namespace toccata::cli
