// Conversation -> token ids, as openai-harmony 0.0.8 writes them.
//
// Every text field is encoded on its own with special tokens off, so nothing a user, page or tool wrote can become
// structure; only the renderer emits control tokens.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "agent/harmony/message.h"
#include "agent/harmony/tool_schema.h"
#include "core/base/error.h"
#include "core/base/token.h"
#include "core/tokenizer/tokenizer.h"

namespace toccata::harmony {

// Which reasoning of earlier turns is left out.
enum class DropRule {
  kNone,
  kReference,      // openai-harmony's auto_drop_analysis, defects included (for parity)
  kFinishedTurns,  // analysis before the last final goes, everything after it stays
};

// Where a call's recipient stands in its header.
enum class CallOrder {
  kRoleFirst,     // `assistant to=f<|channel|>commentary`: the reference renderer
  kChannelFirst,  // `assistant<|channel|>commentary to=f`: what the models write
};

struct RenderConfig {
  DropRule drop = DropRule::kReference;
  CallOrder call_order = CallOrder::kRoleFirst;
  SchemaStyle schemas = SchemaStyle::kReference;
  // What agents use: finished reasoning dropped, calls as the models write them, tool types in full.
  static RenderConfig live() {
    return {DropRule::kFinishedTurns, CallOrder::kChannelFirst, SchemaStyle::kReadable};
  }
  friend bool operator==(const RenderConfig&, const RenderConfig&) = default;
};

// The ids of the control tokens in one vocabulary.
struct ControlTokens {
  Token start, end, message, channel, constrain, return_, call;
  std::optional<Token> endoftext;  // 199999 in o200k_harmony; nano has none
  // kUnsupported naming the missing spelling.
  static Result<ControlTokens> of(const tokenizer::Tokenizer& tokenizer);
  // <|return|>, <|call|> (and <|endoftext|>): where sampling stops. <|end|> ends a message, not the turn.
  Tokens stop_tokens() const;
};

// Immutable and shareable between threads.
class Renderer {
 public:
  static Result<Renderer> make(std::shared_ptr<const tokenizer::Tokenizer> tokenizer);

  // All messages, then `<|start|>` + role: a prompt.
  Result<Tokens> completion(
      const Conversation& conversation, Role next_role, const RenderConfig& config = {}
  ) const;
  Result<Tokens> conversation(const Conversation& conversation, const RenderConfig& config = {}) const;
  // As conversation(); a closing assistant final ends in `<|return|>`.
  Result<Tokens> training(const Conversation& conversation, const RenderConfig& config = {}) const;
  // One message. `has_function_tools`: whether the conversation declares functions (a line in the system message).
  Result<Tokens> message(
      const Message& message, bool has_function_tools = false, const RenderConfig& config = {}
  ) const;
  // `<|start|>` + role: what goes before a completion.
  Tokens opening(Role next_role) const;

  const ControlTokens& control() const { return control_; }
  const tokenizer::Tokenizer& tokenizer() const { return *tokenizer_; }

 private:
  Renderer(std::shared_ptr<const tokenizer::Tokenizer> tokenizer, ControlTokens control)
      : tokenizer_(std::move(tokenizer)), control_(control) {}
  std::shared_ptr<const tokenizer::Tokenizer> tokenizer_;
  ControlTokens control_;
};

// The text of the system and developer messages (what stands after `<|message|>`).
std::string system_text(
    const SystemContent& content, bool has_function_tools, SchemaStyle style = SchemaStyle::kReference
);
std::string developer_text(const DeveloperContent& content, SchemaStyle style = SchemaStyle::kReference);

// The conversation with its system messages as one and its developer messages as one, before everything else: models and templates look at one only. Instructions are joined by a blank line, tools by namespace; plain text
// in either becomes instructions of the developer message.
Conversation merge_preambles(const Conversation& conversation);

}  // namespace toccata::harmony
