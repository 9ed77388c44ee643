#include "agent/loop/turn_rules.h"

#include <nlohmann/json.hpp>

#include "agent/loop/prompt.h"

namespace toccata::agent {

harmony::ConstraintRules turn_rules(const tools::Registry& registry, const std::optional<OutputSchema>& schema) {
  const harmony::NameMap names = tool_names(registry);
  harmony::ConstraintRules rules;
  for (const auto& tool : registry.tools()) {
    const tools::ToolSpec& spec = tool->spec();
    if (spec.functions.empty()) rules.tools.push_back({names.shown(spec.name_space).value(), std::nullopt});
    for (const tools::FunctionSpec& function : spec.functions) {
      rules.tools.push_back({names.shown(spec.name_space + "." + function.name).value(), function.parameters});
    }
  }
  if (schema) rules.final_schema = schema->text();
  return rules;
}

Result<std::shared_ptr<const harmony::ConstraintPlan>> turn_constraint(
    const TokenModel& model, const harmony::ConstraintRules& rules
) {
  if (!model.capabilities().constraint) return std::shared_ptr<const harmony::ConstraintPlan>();
  Result<harmony::Renderer> renderer = harmony::Renderer::make(model.tokenizer());
  if (!renderer) return renderer.error();
  return harmony::ConstraintPlan::make(
      rules, *renderer, grammar::TokenTrie::make(*model.tokenizer()), model.capabilities().n_vocab
  );
}

nlohmann::ordered_json to_json(const harmony::ConstraintRules& rules) {
  nlohmann::ordered_json json{{"tools", nlohmann::ordered_json::array()}};
  for (const harmony::ConstraintTool& tool : rules.tools) {
    json["tools"].push_back({{"recipient", tool.recipient}});
    if (tool.parameters) json["tools"].back()["parameters"] = *tool.parameters;
  }
  if (rules.must_call) json["must_call"] = true;
  if (rules.final_schema) json["final_schema"] = *rules.final_schema;
  return json;
}

Result<harmony::ConstraintRules> rules_from_json(const nlohmann::ordered_json& json) {
  try {
    harmony::ConstraintRules rules;
    for (const auto& tool : json.at("tools")) {
      rules.tools.push_back({tool.at("recipient").get<std::string>(), std::nullopt});
      if (tool.contains("parameters")) rules.tools.back().parameters = tool.at("parameters").get<std::string>();
    }
    rules.must_call = json.value("must_call", false);
    if (json.contains("final_schema")) rules.final_schema = json.at("final_schema").get<std::string>();
    return rules;
  } catch (const nlohmann::json::exception& error) {
    return Error{ErrorCode::kCorrupt, std::string("recorded rules of a turn are damaged: ") + error.what()};
  }
}

}  // namespace toccata::agent
