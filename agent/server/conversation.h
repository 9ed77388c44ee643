// A request of any protocol, as one shape; and the prompt it becomes.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <variant>
#include <vector>

#include "agent/harmony/message.h"
#include "agent/harmony/renderer.h"
#include "agent/server/step_memory.h"
#include "core/base/error.h"
#include "core/base/token.h"

namespace toccata::server {

struct UserText {
  std::string text;
};
// A system or developer message in the middle of a conversation.
struct DeveloperText {
  std::string text;
};
struct Call {
  std::string recipient;  // "functions.f", "python", "browser.search"
  std::string arguments;
};
// A call that a server made in the middle of a step.
struct MadeCall {
  Call call;
  std::string result;
};
// One model call of the past; or several with the calls that a server made between them, which its client saw as one.
struct AssistantStep {
  std::string reasoning;
  std::string text;  // preamble and answer
  std::vector<MadeCall> made = {};
  std::vector<Call> calls = {};
};
struct ToolText {
  std::string author;  // as Call::recipient
  std::string text;
};
using Turn = std::variant<UserText, DeveloperText, AssistantStep, ToolText>;

struct ChatRequest {
  harmony::ReasoningEffort effort = harmony::ReasoningEffort::kMedium;
  std::string instructions;
  std::vector<harmony::ToolDescription> functions;
  harmony::ToolNamespaces built_in;  // python, browser: declared in the system message
  harmony::ToolNamespaces further;   // namespaces beside `functions`, declared in the developer message
  std::string response_format;       // a JSON schema the answer must satisfy; empty: none
  bool strict_format = false;        // it is enforced, or the request refused
  std::set<std::string> strict_functions;  // the same for the arguments of these
  std::optional<std::string> current_date;
  std::vector<Turn> turns;
  bool archived_steps = true;  // what the archive has of the steps may be asked for
  std::map<std::string, Tokens> sampled;  // step_key() -> tokens, from the boxes that the client sent back
};

struct Prompt {
  Tokens tokens;      // ends in `<|start|>assistant`
  PrefixHash before;  // of `tokens`
  std::vector<harmony::Message> opening;  // the system and developer messages at its head
  bool has_functions = false;
  std::vector<std::string> steps = {};  // keys of the steps that stand in it as they were sampled
};

// The step that was sampled after `prompt`, as it is remembered, kept and sealed.
std::string step_key(const Prompt& prompt, const AssistantStep& step);

// Renders what came from outside, and puts the tokens that were sampled where the client sends back what it saw of
// them. Reasoning of turns that are finished is left out where it must be rendered, as the format document says; where
// the sampled tokens are known they stay whole, so that nothing already read is read again.
Result<Prompt> build_prompt(
    const ChatRequest& request, const harmony::Renderer& renderer, StepMemory& memory
);

// What a client shows of a step, for StepMemory. JSON arguments count as equal however they are spaced.
std::string seen_of(const AssistantStep& step);

// Sampled tokens as history: a closing `<|return|>` becomes `<|end|>`, a message that was cut off is closed.
void settle(Tokens& tokens, const harmony::ControlTokens& control);

}  // namespace toccata::server
