#include "agent/cli/config.h"

#include <algorithm>
#include <chrono>
#include <functional>
#include <map>
#include <sstream>
#include <toml++/toml.h>

#include "agent/cli/mcp_setup.h"
#include "agent/loop/approval_rule.h"
#include "core/base/error.h"
#include "tools/web/search_services.h"

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
// A number, or "off".
Setter set_look_ahead(int& field) {
  return [&field](const toml::node& node) {
    const bool off = node.value<std::string>() == "off";
    const auto n = off ? std::optional<std::int64_t>(0) : node.value<std::int64_t>();
    const bool usable = n && *n >= 0 && *n <= kLookAheadMax;
    if (usable) field = static_cast<int>(*n);
    return usable;
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
      {"precision", set(o.precision)},
      {"kv", set(o.kv)},
      {"prefix_cache", set(o.prefix_cache_mib)},
      {"prefix_folder", set_path(o.prefix_folder)},
      {"tools", set_list(o.tools)},
      {"tool_file", set_list(o.tool_files)},
      {"instructions", set(o.instructions)},
      {"reasoning", set(o.reasoning)},
      {"sandbox", set(o.sandbox)},
      {"sandbox_start", set(o.sandbox_start)},
      {"python", set_path(o.python)},
      {"mount", set_list(o.mounts)},
      {"sandbox_net", set_list(o.sandbox_net)},
      {"approve", set(o.approve)},
      {"max_turns", set(o.max_turns)},
      {"budget_tokens", set(o.budget_tokens)},
      {"max_prefill_tokens", set(o.max_prefill_tokens)},
      {"max_decode_tokens", set(o.max_decode_tokens)},
      {"look_ahead", set_look_ahead(o.look_ahead)},
      {"max_step_tokens", set(o.max_step_tokens)},
      {"max_reasoning_tokens", set(o.max_reasoning_tokens)},
      {"max_calls", set_list(o.max_calls)},
      {"context_tokens", set(o.context_tokens)},
      {"no_project_notes", set(o.no_project_notes)},
      {"timeout", set(o.timeout_s)},
      {"tool_timeout", set(o.tool_timeout_s)},
      {"max_sandbox_cpu", set(o.max_sandbox_cpu_s)},
      {"temperature", set_optional<double>(o.temperature)},
      {"top_p", set_optional<double>(o.top_p)},
      {"top_k", set_optional<int>(o.top_k)},
      {"min_p", set_optional<double>(o.min_p)},
      {"seed", set_optional<std::int64_t>(o.seed)},
      {"index", set_path(o.index)},
      {"ledger", set_path(o.ledger)},
      {"allow_origin", set_list(o.allow_origins)},
      {"page_text", set(o.page_text)},
      {"offline", set(o.offline)},
      {"allow_domain", set_list(o.allow_domains)},
      {"search", set_list(o.search)},
      {"proxy", set(o.proxy)},
      {"proxy_names", set(o.proxy_names)},
  };
}

// A text, or a list of texts.
Setter set_texts(std::vector<std::string>& field) {
  return [&field](const toml::node& node) {
    if (const auto text = node.value<std::string>()) {
      field = {*text};
      return true;
    }
    return set_list(field)(node);
  };
}

Setter set_headers(std::vector<std::pair<std::string, std::string>>& field) {
  return [&field](const toml::node& node) {
    const toml::table* table = node.as_table();
    if (table == nullptr) return false;
    field.clear();
    for (const auto& [name, value] : *table) {
      const auto text = value.value<std::string>();
      if (!text) return false;
      field.emplace_back(std::string(name.str()), *text);
    }
    return true;
  };
}

// [search_service.NAME]: with an url it is a service of the user's own, else it says where the key of a known one is.
SearchSettings search_settings(const std::filesystem::path& file, const std::string& name, const toml::table& table) {
  SearchSettings settings;
  tools::SearchShape shape;
  shape.name = name;
  const std::map<std::string, Setter, std::less<>> known = {
      {"key_env", set(settings.key_env)},
      {"key_file", set_path(settings.key_file)},
      {"key_required", set(shape.key_required)},
      {"url", set(shape.path)},
      {"method", set(shape.method)},
      {"headers", set_headers(shape.headers)},
      {"body", set(shape.body)},
      {"results", set_texts(shape.lists)},
      {"results_optional", set(shape.lists_optional)},
      {"title", set(shape.title)},
      {"link", set(shape.link)},
      {"summary", set_texts(shape.summaries)},
      {"results_max", set(shape.results_max)},
      {"interval_ms",
       [&shape](const toml::node& node) {
         const auto value = node.value<std::int64_t>();
         if (value) shape.interval = std::chrono::milliseconds(std::clamp<std::int64_t>(*value, 0, 600'000));
         return value.has_value();
       }}};
  for (const auto& [key, node] : table) {
    const auto setter = known.find(key.str());
    if (setter == known.end()) fail(file, node.source(), "search_service." + name + " has an unknown key '" + std::string(key.str()) + "'");
    if (!setter->second(node)) fail(file, node.source(), "'" + std::string(key.str()) + "' has a value of the wrong type");
  }
  if (shape.path.empty()) return settings;
  shape.key_variable = settings.key_env;
  if (const auto sound = tools::check_shape(shape); !sound) fail(file, table.source(), sound.error().message);
  settings.shape = shape;
  return settings;
}

void set_search_services(const std::filesystem::path& file, const toml::node& node, ConfigOwner owner, AgentOptions& options) {
  if (owner == ConfigOwner::kProject) {
    fail(file, node.source(), "search_service belongs into the user's own config.toml: it decides where keys are sent");
  }
  const toml::table* services = node.as_table();
  if (services == nullptr) fail(file, node.source(), "search_service is no table: write [search_service.NAME]");
  for (const auto& [name, table] : *services) {
    if (table.as_table() == nullptr) fail(file, table.source(), "search_service is no table: write [search_service.NAME]");
    const std::string text(name.str());
    options.search_services[text] = search_settings(file, text, *table.as_table());
  }
}

// [embeddings]
void set_embeddings(const std::filesystem::path& file, const toml::node& node, ConfigOwner owner, EmbeddingsOptions& options) {
  if (owner == ConfigOwner::kProject) fail(file, node.source(), "embeddings belongs into the user's own config.toml: it decides where texts and keys are sent");
  const toml::table* table = node.as_table();
  if (table == nullptr) fail(file, node.source(), "embeddings is no table: write [embeddings]");
  const std::map<std::string, Setter, std::less<>> known = {
      {"url", set(options.url)},
      {"model", set(options.model)},
      {"key_env", set(options.key_env)},
      {"key_file", set_path(options.key_file)},
      {"query_prefix", set(options.query_prefix)},
      {"text_prefix", set(options.text_prefix)}};
  for (const auto& [key, value] : *table) {
    const auto setter = known.find(key.str());
    if (setter == known.end()) {
      fail(file, value.source(), "embeddings has an unknown key '" + std::string(key.str()) + "'; known: key_env, key_file, model, query_prefix, text_prefix, url");
    }
    if (!setter->second(value)) fail(file, value.source(), "'" + std::string(key.str()) + "' has a value of the wrong type");
  }
}

// A folder may choose among the user's services, and name the address of one that takes no key.
void check_project_search(const std::filesystem::path& file, const toml::node& node, const AgentOptions& options) {
  for (const std::string& spec : options.search) {
    const std::string name = spec.substr(0, spec.find('='));
    if (name == spec) continue;
    const auto& known = tools::known_searches();
    const bool keyless = !options.search_services.contains(name) && std::any_of(known.begin(), known.end(), [&](const auto& shape) {
      return shape.name == name && shape.key_variable.empty();
    });
    if (!keyless) fail(file, node.source(), "search: the address of " + name + " belongs into the user's own config.toml: a key is sent there");
  }
}

// A folder may make rules stricter, and stands behind the user's own.
void add_approve_rules(const std::filesystem::path& file, const toml::node& node, ConfigOwner owner, AgentOptions& options) {
  std::vector<std::string> rules;
  if (!set_list(rules)(node)) fail(file, node.source(), "'approve_rule' has a value of the wrong type");
  for (const std::string& text : rules) {
    const auto rule = agent::ApprovalRule::parse(text);
    if (!rule) fail(file, node.source(), rule.error().message);
    if (owner == ConfigOwner::kProject && rule->action() == agent::ApprovalRule::Action::kAllow) {
      fail(file, node.source(), "the approval rule '" + text + "' allows something, and such rules belong into the user's own config.toml, or onto the command line");
    }
    options.approve_rules.push_back(text);
  }
}

// Why a folder that somebody may have sent must not decide this; null: it may.
const char* why_not_of_a_folder(std::string_view key, const AgentOptions& options) {
  static const std::map<std::string_view, const char*> kOwn = {
      {"python", "it names a program"},
      {"mount", "it opens folders"},
      {"tool_file", "such files start programs"},
      {"sandbox_net", "it opens the network"},
      {"allow_origin", "it opens addresses of this machine"},
      {"sandbox", "it says how weak a protection is accepted"},
      {"approve", "it says what happens without asking"},
      {"prefix_folder", "it says where what was read is kept"},
      {"proxy", "it decides who sees what is asked"},
      {"proxy_names", "it decides who sees what is asked"}};
  if (const auto own = kOwn.find(key); own != kOwn.end()) return own->second;
  if (key == "model" && (options.model.starts_with("http://") || options.model.starts_with("https://"))) return "an address decides who reads what is said";
  return nullptr;
}

void check_project_key(const std::filesystem::path& file, const toml::node& node, std::string_view key, const AgentOptions& options) {
  if (const char* why = why_not_of_a_folder(key, options)) {
    fail(file, node.source(), "'" + std::string(key) + "' belongs into the user's own config.toml, or onto the command line: " + why);
  }
  if (key == "tools" && std::any_of(options.tools.begin(), options.tools.end(), names_mcp)) {
    fail(file, node.source(), "the tool mcp belongs into the user's own config.toml, or onto the command line: it starts programs");
  }
}

}  // namespace

void apply_config_file(const std::filesystem::path& file, ConfigOwner owner, AgentOptions& options) {
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
    if (key.str() == "search_service") {
      set_search_services(file, node, owner, options);
      continue;
    }
    if (key.str() == "approve_rule") {
      add_approve_rules(file, node, owner, options);
      continue;
    }
    if (key.str() == "embeddings") {
      set_embeddings(file, node, owner, options.embeddings);
      continue;
    }
    if (owner == ConfigOwner::kProject && key.str() == "allow_domain" && !options.allow_domains.empty()) {
      fail(file, node.source(), "allow_domain is set in the user's own config.toml, and a folder cannot change it");
    }
    const auto setter = known.find(key.str());
    if (setter == known.end()) {
      std::string names;
      for (const auto& [name, unused] : known) names += (names.empty() ? "" : ", ") + name;
      fail(file, node.source(), "unknown key '" + std::string(key.str()) + "'; known: " + names);
    }
    if (!setter->second(node)) {
      fail(file, node.source(), "'" + std::string(key.str()) + "' has a value of the wrong type");
    }
    if (owner == ConfigOwner::kProject) check_project_key(file, node, key.str(), options);
    if (owner == ConfigOwner::kProject && key.str() == "search") check_project_search(file, node, options);
  }
}

}  // namespace toccata::cli
