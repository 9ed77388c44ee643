// What a request is promised about its answer, kept by masks: that it satisfies a schema, that a tool is called, that a
// strict tool's arguments satisfy theirs.
#pragma once

#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include "agent/harmony/constraint.h"
#include "agent/model/token_model.h"
#include "agent/server/conversation.h"
#include "agent/server/generation.h"

namespace toccata::server {

// Compiled rules of late requests: the steps of a conversation promise the same. Any thread.
class PromisePlans {
 public:
  PromisePlans(const agent::TokenModel& model, const harmony::Renderer& renderer) : model_(model), renderer_(renderer) {}

  // Sets `step.constraint` where the request promises something and the model takes masks. Throws ApiError 400 when a
  // strict schema cannot be kept: by this model, or by any grammar (the keyword is named). Schemas that are not strict
  // stay what the model is told. `format_param`: the request's field for the format.
  void keep(const ChatRequest& request, StepOptions& step, const char* format_param);

 private:
  using Plan = std::shared_ptr<const harmony::ConstraintPlan>;
  Result<Plan> plan_of(const harmony::ConstraintRules& rules);

  const agent::TokenModel& model_;
  const harmony::Renderer& renderer_;
  std::mutex mutex_;
  std::shared_ptr<const grammar::TokenTrie> trie_;  // made when first needed
  std::list<std::pair<std::string, Plan>> plans_;   // latest first
};

}  // namespace toccata::server
