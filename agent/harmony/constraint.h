// Keeps what a model writes inside the harmony format: which tokens may come next in a turn, as masks over the
// vocabulary. A header names a declared recipient, arguments satisfy their JSON schema, an answer satisfies its own, and
// each message ends the way it must. Control tokens are symbols of their own: no text can forge them, and no schema can
// block the one that ends a body.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "agent/harmony/renderer.h"
#include "agent/harmony/turn_grammar.h"
#include "core/base/error.h"
#include "core/base/token.h"
#include "core/grammar/matcher.h"

namespace toccata::harmony {

struct ConstraintTool {
  std::string recipient;  // as the model is told: "functions.get_weather", "python"
  // JSON schema of the arguments; "" = an empty object; nullopt: the body is raw text. Objects that list properties and do
  // not speak of others are closed: the model writes listed ones only.
  std::optional<std::string> parameters;
};

struct ConstraintRules {
  std::vector<ConstraintTool> tools;
  bool must_call = false;                        // no answer before a call
  std::optional<std::string> final_schema = {};  // JSON schema of the answer
};

// Rules compiled for one vocabulary. Immutable; any number of Constraints on any threads may share one.
class ConstraintPlan {
 public:
  // `n_columns`: of the logits that masks are for; columns without a token are always forbidden.
  // kUnsupported or kInvalidArgument naming tool, keyword and path of a schema that cannot be enforced.
  static Result<std::shared_ptr<const ConstraintPlan>> make(
      const ConstraintRules& rules,
      const Renderer& renderer,
      std::shared_ptr<const grammar::TokenTrie> trie,
      int n_columns
  );

  const grammar::TokenTrie& trie() const { return *trie_; }
  // For another plan of the same tokenizer.
  const std::shared_ptr<const grammar::TokenTrie>& shared_trie() const { return trie_; }

 private:
  friend class Constraint;
  ConstraintPlan(const Renderer& renderer, TurnGrammar headers) : renderer_(renderer), headers_(std::move(headers)) {}

  Renderer renderer_;
  TurnGrammar headers_;
  std::shared_ptr<const grammar::TokenTrie> trie_;
  std::size_t n_words_ = 0;                                     // of a mask
  std::vector<std::shared_ptr<const grammar::Grammar>> bodies_;  // of each tool; null: raw text
  std::shared_ptr<const grammar::Grammar> final_;                // null: any text
  grammar::TokenMask any_text_;                                  // every token that is text
};

// Follows one log. One thread at a time.
//
//   constraint.begin();                       // the log ends with `<|start|>assistant`
//   for (;;) {
//     for (Token t : constraint.forced()) ... append t, constraint.observe(t)
//     token = session.sample(params, constraint.mask(), stop);
//     constraint.observe(token);
//   }
class Constraint {
 public:
  explicit Constraint(std::shared_ptr<const ConstraintPlan> plan);

  // Behind `<|start|>assistant`.
  void begin();
  // Takes a token, sampled or not. One that the mask forbids (of a log from elsewhere) loses the thread: there are no
  // masks until the next `<|start|>assistant`.
  void observe(Token token);
  // Whether the mask allows it.
  bool allows(Token token);

  // Tokens that may come next, as TokenSession::sample() takes them; valid until the next call. nullopt: anything, after
  // a token that was not allowed and at the end of the turn. Never empty.
  std::optional<std::span<const std::uint32_t>> mask();
  // Tokens that come next whatever the model would choose, in the spelling it would choose; they need no forward pass of
  // their own. A last token that might be spelled together with what follows is left to the model.
  Tokens forced();
  // Behind `<|call|>` or `<|return|>`.
  bool at_end() const { return where_ == Where::kDone; }

 private:
  enum class Where { kHeader, kText, kJson, kLost, kDone };
  using Mask = grammar::TokenMask;

  bool accept(Token token);
  bool accept_in_header(Token token);
  void enter_body(BodyKind kind);
  void end_message();
  const Mask& header_mask(int node);
  void walk_header(const grammar::Trie& trie, int node, Mask& mask) const;
  Tokens forced_header() const;
  Tokens forced_json();
  std::optional<int> symbol_of(Token token) const;
  Token token_of(int symbol) const;

  std::shared_ptr<const ConstraintPlan> plan_;
  Where where_ = Where::kLost;
  int node_ = 0;   // kHeader
  int tool_ = -1;  // named by the header so far
  Token end_ = 0;  // of the body
  grammar::Matcher* matcher_ = nullptr;  // kJson
  std::vector<std::unique_ptr<grammar::Matcher>> matchers_;  // of each tool, the answer's last; made when first needed
  std::unordered_map<int, Mask> header_masks_;
  Mask mask_;
};

}  // namespace toccata::harmony
