// What the model of an agent may write in a turn, from its tools and settings.
#pragma once

#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>

#include "agent/harmony/constraint.h"
#include "agent/loop/output_schema.h"
#include "agent/model/token_model.h"
#include "tools/registry.h"

namespace toccata::agent {

// Every recipient of the registry under the name the model is told, its arguments by their schema, and the answer by
// `schema`.
harmony::ConstraintRules turn_rules(const tools::Registry& registry, const std::optional<OutputSchema>& schema);

// The masks for `model`; nullptr where it takes none (a remote model). Errors of ConstraintPlan::make().
Result<std::shared_ptr<const harmony::ConstraintPlan>> turn_constraint(
    const TokenModel& model, const harmony::ConstraintRules& rules
);

// Rules as the ledger keeps them, so that a replay needs no tools: {"tools": [{"recipient", "parameters"?}],
// "must_call"?, "final_schema"?}.
nlohmann::ordered_json to_json(const harmony::ConstraintRules& rules);
// kCorrupt for what to_json() does not write.
Result<harmony::ConstraintRules> rules_from_json(const nlohmann::ordered_json& json);

}  // namespace toccata::agent
