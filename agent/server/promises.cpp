#include "agent/server/promises.h"

#include "agent/loop/output_schema.h"
#include "agent/server/api_error.h"

namespace toccata::server {
namespace {

constexpr std::size_t kPlansMax = 32;
// Arguments without a schema, or with one that no grammar can keep.
constexpr const char* kAnyObject = R"({"type":"object"})";

bool is_object_schema(const std::string& schema) { return agent::OutputSchema::parse(schema).ok(); }

harmony::ConstraintRules rules_of(const ChatRequest& request, const StepOptions& step) {
  harmony::ConstraintRules rules;
  rules.must_call = step.must_call.has_value();
  for (const harmony::ToolDescription& function : request.functions) {
    if (rules.must_call && !step.must_call->empty() && function.name != *step.must_call) continue;
    const bool kept = function.parameters && is_object_schema(*function.parameters);
    rules.tools.push_back({"functions." + function.name, kept ? *function.parameters : kAnyObject});
  }
  if (!request.response_format.empty()) rules.final_schema = request.response_format;
  return rules;
}

// Each part behind its length: no two rules have the same key.
std::string key_of(const harmony::ConstraintRules& rules) {
  std::string key = rules.must_call ? "!" : ".";
  const auto add = [&](const std::string& part) { key += std::to_string(part.size()) + ":" + part; };
  for (const harmony::ConstraintTool& tool : rules.tools) {
    add(tool.recipient);
    add(tool.parameters.value_or(""));
  }
  if (rules.final_schema) add(*rules.final_schema);
  return key;
}

}  // namespace

void PromisePlans::keep(const ChatRequest& request, StepOptions& step, const char* format_param) {
  const bool has_format = !request.response_format.empty();
  if (!has_format && !step.must_call && !step.strict_tools) return;
  if (!model_.capabilities().constraint) {
    if (!has_format || !request.strict_format) return;
    throw ApiError(
        400,
        "a strict JSON schema is asked for, but this model takes no masks, so nothing would enforce it; send \"strict\": "
        "false and check the answer",
        "unsupported_parameter", format_param
    );
  }
  harmony::ConstraintRules rules = rules_of(request, step);
  Result<Plan> plan = plan_of(rules);
  if (!plan && has_format && !request.strict_format) {
    rules.final_schema.reset();
    plan = plan_of(rules);
  }
  if (!plan) throw ApiError(400, plan.error().message, "invalid_json_schema", format_param);
  step.constraint = std::move(*plan);
}

Result<PromisePlans::Plan> PromisePlans::plan_of(const harmony::ConstraintRules& rules) {
  std::string key = key_of(rules);
  std::shared_ptr<const grammar::TokenTrie> trie;
  {
    const std::lock_guard lock(mutex_);
    for (auto it = plans_.begin(); it != plans_.end(); ++it) {
      if (it->first != key) continue;
      plans_.splice(plans_.begin(), plans_, it);
      return it->second;
    }
    if (trie_ == nullptr) trie_ = grammar::TokenTrie::make(renderer_.tokenizer());
    trie = trie_;
  }
  Result<Plan> plan = harmony::ConstraintPlan::make(rules, renderer_, std::move(trie), model_.capabilities().n_vocab);
  if (!plan) return plan.error();
  const std::lock_guard lock(mutex_);
  plans_.emplace_front(std::move(key), *plan);
  if (plans_.size() > kPlansMax) plans_.pop_back();
  return plan;
}

}  // namespace toccata::server
