#include "agent/server/turn_masks.h"

#include <nlohmann/json.hpp>

#include "agent/server/api_error.h"
#include "core/base/json.h"
#include "core/grammar/schema.h"

namespace toccata::server {
namespace {

constexpr const char* kAnyObject = R"({"type":"object"})";

std::string enforceable(const std::string& schema, bool strict, const std::string& whose, const char* parameter) {
  const grammar::CompiledSchema compiled = grammar::compile_schema_text(schema);
  const auto* error = std::get_if<grammar::SchemaError>(&compiled);
  if (error == nullptr) return schema;
  if (!strict) return kAnyObject;
  throw ApiError(400, "the strict schema of " + whose + " cannot be enforced: " + error->text(), "invalid_json_schema", parameter);
}

// Whether a call to `recipient` counts where one to `must_call` is wanted: "python", "browser", or "" for anything.
bool may_call(const std::optional<std::string>& must_call, std::string_view recipient) {
  if (!must_call || must_call->empty() || recipient == *must_call) return true;
  return recipient.starts_with(*must_call + ".");
}

void add_spaces(const harmony::ToolNamespaces& spaces, const std::optional<std::string>& must_call, harmony::ConstraintRules& rules) {
  for (const auto& [name, space] : spaces) {
    if (space.tools.empty() && may_call(must_call, name)) rules.tools.push_back({name, std::nullopt});
    for (const harmony::ToolDescription& tool : space.tools) {
      const std::string recipient = name + "." + tool.name;
      if (!may_call(must_call, recipient)) continue;
      std::string schema = tool.parameters.value_or("");
      if (!schema.empty()) schema = enforceable(schema, /*strict=*/false, recipient, "tools");
      rules.tools.push_back({recipient, schema});
    }
  }
}

harmony::ConstraintRules rules_of(const ChatRequest& request, const std::optional<std::string>& must_call) {
  harmony::ConstraintRules rules;
  add_spaces(request.built_in, must_call, rules);
  add_spaces(request.further, must_call, rules);
  for (const harmony::ToolDescription& function : request.functions) {
    if (must_call && !must_call->empty() && *must_call != function.name) continue;
    std::string schema = function.parameters.value_or("");
    const bool strict = request.strict_functions.contains(function.name);
    if (!schema.empty()) schema = enforceable(schema, strict, function.name, "tools");
    rules.tools.push_back({"functions." + function.name, schema});
  }
  rules.must_call = must_call.has_value();
  if (!request.response_format.empty()) {
    rules.final_schema = enforceable(request.response_format, request.strict_format, "the answer", "response_format");
  }
  return rules;
}

// Everything that rules_of() reads, so that a request whose plan is kept compiles nothing.
std::string key_of(const ChatRequest& request, const std::optional<std::string>& must_call) {
  nlohmann::ordered_json key = {must_call.has_value(), must_call.value_or(""), request.response_format, request.strict_format};
  for (const harmony::ToolDescription& function : request.functions) {
    key.push_back({function.name, function.parameters.value_or(""), request.strict_functions.contains(function.name)});
  }
  for (const harmony::ToolNamespaces* spaces : {&request.built_in, &request.further}) {
    for (const auto& [name, space] : *spaces) {
      key.push_back(name);
      for (const harmony::ToolDescription& tool : space.tools) key.push_back({tool.name, tool.parameters.value_or("")});
    }
  }
  return json_text(key);
}

}  // namespace

std::shared_ptr<const harmony::ConstraintPlan> TurnMasks::of(
    const ChatRequest& request, const std::optional<std::string>& must_call
) const {
  if (!on_) return nullptr;
  const std::string key = key_of(request, must_call);
  const std::lock_guard lock(mutex_);
  if (const auto found = found_.find(key); found != found_.end()) {
    plans_.splice(plans_.begin(), plans_, found->second);
    return plans_.front().second;
  }
  if (!trie_) trie_ = grammar::TokenTrie::make(renderer_.tokenizer());
  auto plan = harmony::ConstraintPlan::make(rules_of(request, must_call), renderer_, trie_, model_.capabilities().n_vocab);
  if (!plan) throw ApiError(400, plan.error().message, "invalid_json_schema", "tools");
  plans_.emplace_front(key, *plan);
  found_[key] = plans_.begin();
  if (plans_.size() > kKept) {
    found_.erase(plans_.back().first);
    plans_.pop_back();
  }
  return *plan;
}

}  // namespace toccata::server
