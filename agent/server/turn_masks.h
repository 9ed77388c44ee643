// The masks of requests: compiled when first asked for, kept for the requests that come after with the same tools.
#pragma once

#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>

#include "agent/harmony/constraint.h"
#include "agent/model/token_model.h"
#include "agent/server/conversation.h"

namespace toccata::server {

// Any thread.
class TurnMasks {
 public:
  // `on`: off, and with a model that takes no masks, there are none.
  TurnMasks(const agent::TokenModel& model, const harmony::Renderer& renderer, bool on)
      : model_(model), renderer_(renderer), on_(on && model.capabilities().constraint) {}

  bool on() const { return on_; }
  // nullptr where there are none. A function whose schema cannot be enforced may be called with any object, unless it
  // says it is strict; then, as with a strict format, the ApiError names keyword and path. `must_call` as in StepOptions.
  std::shared_ptr<const harmony::ConstraintPlan> of(
      const ChatRequest& request, const std::optional<std::string>& must_call
  ) const;

 private:
  static constexpr std::size_t kKept = 64;
  using Plan = std::shared_ptr<const harmony::ConstraintPlan>;

  const agent::TokenModel& model_;
  const harmony::Renderer& renderer_;
  const bool on_;
  // What follows only remembers.
  mutable std::mutex mutex_;
  mutable std::shared_ptr<const grammar::TokenTrie> trie_;  // made when first needed
  mutable std::list<std::pair<std::string, Plan>> plans_;   // latest first
  mutable std::unordered_map<std::string, std::list<std::pair<std::string, Plan>>::iterator> found_;
};

}  // namespace toccata::server
