// Rules: openai/harmony docs/format.md and src/encoding.rs at v0.0.8.
#include "agent/harmony/renderer.h"

#include <algorithm>

#include "agent/harmony/tool_schema.h"

namespace toccata::harmony {
namespace {

constexpr std::string_view kConstrain = "<|constrain|>";

const char* effort_text(ReasoningEffort effort) {
  switch (effort) {
    case ReasoningEffort::kLow: return "low";
    case ReasoningEffort::kMedium: return "medium";
    case ReasoningEffort::kHigh: return "high";
  }
  return "?";
}

std::string join(const std::vector<std::string>& parts, const char* between) {
  std::string out;
  for (std::size_t i = 0; i < parts.size(); ++i) out += (i == 0 ? "" : between) + parts[i];
  return out;
}

Result<std::string> system_section(const SystemContent& content, bool has_function_tools, SchemaStyle style) {
  std::vector<std::string> identity;
  if (content.model_identity) identity.push_back(*content.model_identity);
  if (content.knowledge_cutoff) identity.push_back("Knowledge cutoff: " + *content.knowledge_cutoff);
  if (content.conversation_start_date) {
    identity.push_back("Current date: " + *content.conversation_start_date);
  }
  std::vector<std::string> blocks;
  if (!identity.empty()) blocks.push_back(join(identity, "\n"));
  if (content.reasoning_effort) {
    blocks.push_back(std::string("Reasoning: ") + effort_text(*content.reasoning_effort));
  }
  if (content.tools && !content.tools->empty()) {
    auto section = tools_section(*content.tools, style);
    if (!section) return section.error();
    blocks.push_back(*section);
  }
  if (content.channel_config && !content.channel_config->valid_channels.empty()) {
    std::string line = "# Valid channels: " + join(content.channel_config->valid_channels, ", ") + ".";
    if (content.channel_config->channel_required) line += " Channel must be included for every message.";
    if (has_function_tools) {
      line += "\nCalls to these tools must go to the commentary channel: 'functions'.";
    }
    blocks.push_back(line);
  }
  return join(blocks, "\n\n");
}

Result<std::string> developer_section(const DeveloperContent& content, SchemaStyle style) {
  std::vector<std::string> blocks;
  if (content.instructions) blocks.push_back("# Instructions\n\n" + *content.instructions);
  if (content.tools && !content.tools->empty()) {
    auto section = tools_section(*content.tools, style);
    if (!section) return section.error();
    blocks.push_back(*section);
  }
  return join(blocks, "\n\n");
}

bool declares_functions(const Conversation& conversation) {
  for (const Message& message : conversation.messages) {
    for (const Content& part : message.content) {
      const auto* developer = std::get_if<DeveloperContent>(&part);
      if (developer == nullptr || !developer->tools) continue;
      const auto functions = developer->tools->find("functions");
      if (functions != developer->tools->end() && !functions->second.tools.empty()) return true;
    }
  }
  return false;
}

bool on(const Message& message, const char* channel) { return message.channel == channel; }

// The first message that is kept whatever its channel; analysis before it is dropped.
std::size_t first_kept(const std::vector<Message>& messages, DropRule rule) {
  const auto is_final = [](const Message& m) { return on(m, "final"); };
  if (rule == DropRule::kFinishedTurns) {
    const auto last = std::find_if(messages.rbegin(), messages.rend(), is_final);
    return static_cast<std::size_t>(messages.rend() - last);
  }
  const auto last_assistant = std::find_if(messages.rbegin(), messages.rend(), [](const Message& m) {
    return m.role == Role::kAssistant;
  });
  if (last_assistant == messages.rend() || !is_final(*last_assistant)) return 0;
  return static_cast<std::size_t>(
      std::find_if(messages.begin(), messages.end(), is_final) - messages.begin()
  );
}

}  // namespace

Result<ControlTokens> ControlTokens::of(const tokenizer::Tokenizer& tokenizer) {
  ControlTokens c{};
  const std::pair<const char*, Token*> wanted[] = {
      {"<|start|>", &c.start},     {"<|end|>", &c.end},       {"<|message|>", &c.message},
      {"<|channel|>", &c.channel}, {"<|constrain|>", &c.constrain}, {"<|return|>", &c.return_},
      {"<|call|>", &c.call}};
  for (const auto& [spelling, id] : wanted) {
    const auto found = tokenizer.special_id(spelling);
    if (!found) {
      return Error{
          ErrorCode::kUnsupported,
          std::string("the vocabulary has no ") + spelling + ": not a harmony model's"};
    }
    *id = *found;
  }
  c.endoftext = tokenizer.special_id("<|endoftext|>");
  return c;
}

Tokens ControlTokens::stop_tokens() const {
  Tokens tokens = {return_, call};
  if (endoftext) tokens.push_back(*endoftext);
  return tokens;
}

namespace {

// Writes messages into a buffer. Every text is encoded by itself, specials off.
class Writer {
 public:
  Writer(const tokenizer::Tokenizer& tokenizer, const ControlTokens& control, const RenderConfig& config, bool functions)
      : tokenizer_(tokenizer), control_(control), config_(config), has_function_tools_(functions) {}

  Result<void> message(const Message& m) {
    control(control_.start);
    if (m.role == Role::kTool) {
      if (!m.name) return Error{ErrorCode::kInvalidArgument, "Tools should have a name!"};
      text(*m.name);
    } else {
      text(m.name ? std::string(to_string(m.role)) + ":" + *m.name : to_string(m.role));
    }
    // Only what the assistant addresses is written channel first; a tool's answer has one form.
    const bool channel_first =
        config_.call_order == CallOrder::kChannelFirst && m.role == Role::kAssistant;
    if (!channel_first) recipient(m);
    if (m.channel) {
      control(control_.channel);
      text(*m.channel);
    }
    if (channel_first) recipient(m);
    if (m.content_type) content_type(*m.content_type);
    control(control_.message);
    for (const Content& part : m.content) {
      if (auto done = content(m, part); !done) return done;
    }
    const bool is_call = m.role == Role::kAssistant && m.recipient;
    control(is_call ? control_.call : control_.end);
    return {};
  }

  Tokens take() { return std::move(out_); }

 private:
  void control(Token token) { out_.push_back(token); }
  void text(std::string_view text) { tokenizer_.encode_into(text, tokenizer::Specials::kNone, out_); }

  void recipient(const Message& m) {
    if (m.recipient && *m.recipient != "all") text(" to=" + *m.recipient);
  }
  void content_type(const std::string& type) {
    if (!type.starts_with(kConstrain)) {
      text(" " + type);
      return;
    }
    text(" ");
    control(control_.constrain);
    text(std::string_view(type).substr(kConstrain.size()));
  }
  Result<void> content(const Message& m, const Content& part) {
    if (const auto* plain = std::get_if<TextContent>(&part)) {
      text(plain->text);
      return {};
    }
    const bool is_system = std::holds_alternative<SystemContent>(part);
    if (m.role != (is_system ? Role::kSystem : Role::kDeveloper)) {
      return Error{
          ErrorCode::kInvalidArgument, std::string(is_system ? "system" : "developer") +
                                           " content in a message of role " + to_string(m.role)};
    }
    auto section = is_system ? system_section(std::get<SystemContent>(part), has_function_tools_, config_.schemas)
                             : developer_section(std::get<DeveloperContent>(part), config_.schemas);
    if (!section) return section.error();
    text(*section);
    return {};
  }

  const tokenizer::Tokenizer& tokenizer_;
  const ControlTokens& control_;
  const RenderConfig& config_;
  bool has_function_tools_;
  Tokens out_;
};

}  // namespace

Result<Renderer> Renderer::make(std::shared_ptr<const tokenizer::Tokenizer> tokenizer) {
  auto control = ControlTokens::of(*tokenizer);
  if (!control) return control.error();
  return Renderer(std::move(tokenizer), *control);
}

Result<Tokens> Renderer::conversation(const Conversation& conversation, const RenderConfig& config) const {
  const auto& messages = conversation.messages;
  const std::size_t kept = config.drop == DropRule::kNone ? 0 : first_kept(messages, config.drop);
  Writer writer(*tokenizer_, control_, config, declares_functions(conversation));
  for (std::size_t i = 0; i < messages.size(); ++i) {
    if (i < kept && on(messages[i], "analysis")) continue;
    if (auto done = writer.message(messages[i]); !done) return done.error();
  }
  return writer.take();
}

Result<Tokens> Renderer::completion(
    const Conversation& conversation, Role next_role, const RenderConfig& config
) const {
  auto tokens = this->conversation(conversation, config);
  if (!tokens) return tokens;
  const Tokens next = opening(next_role);
  tokens->insert(tokens->end(), next.begin(), next.end());
  return tokens;
}

Result<Tokens> Renderer::training(const Conversation& conversation, const RenderConfig& config) const {
  auto tokens = this->conversation(conversation, config);
  if (!tokens || tokens->empty()) return tokens;
  const Message& last = conversation.messages.back();
  if (last.role == Role::kAssistant && on(last, "final")) tokens->back() = control_.return_;
  return tokens;
}

Result<Tokens> Renderer::message(
    const Message& message, bool has_function_tools, const RenderConfig& config
) const {
  Writer writer(*tokenizer_, control_, config, has_function_tools);
  if (auto done = writer.message(message); !done) return done.error();
  return writer.take();
}

Tokens Renderer::opening(Role next_role) const {
  Tokens tokens = {control_.start};
  tokenizer_->encode_into(to_string(next_role), tokenizer::Specials::kNone, tokens);
  return tokens;
}

std::string system_text(const SystemContent& content, bool has_function_tools, SchemaStyle style) {
  return system_section(content, has_function_tools, style).value_or_throw();
}

std::string developer_text(const DeveloperContent& content, SchemaStyle style) {
  return developer_section(content, style).value_or_throw();
}

}  // namespace toccata::harmony
