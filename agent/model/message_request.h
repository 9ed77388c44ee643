// A token log as the request that a Chat Completions or Responses endpoint takes.
//
// Such an endpoint wants messages and JSON schemas; the log has tokens, and its tools stand there as TypeScript. So the
// messages are read back from the tokens, and what the head of the log says comes as the values it was rendered from
// (TokenSession::introduce).
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "agent/harmony/message.h"
#include "agent/harmony/renderer.h"
#include "core/base/error.h"
#include "core/base/sampling_params.h"
#include "core/base/token.h"

namespace toccata::agent {

enum class MessageApi { kChat, kResponses };

// One tool as these endpoints know it: a function of a name that holds letters, digits, `_` and `-`.
struct DeclaredFunction {
  std::string name;       // "get_weather", "browser_search", "python"
  std::string recipient;  // "functions.get_weather", "browser.search", "python"
  std::string description;
  nlohmann::ordered_json parameters;
  // The tool takes text as it is (python's code); the function takes it as its one argument "code".
  bool takes_text = false;
};

class FunctionTable {
 public:
  FunctionTable() = default;
  // Of the namespaces in system and developer messages.
  explicit FunctionTable(std::span<const harmony::Message> opening);

  const std::vector<DeclaredFunction>& functions() const { return functions_; }
  const DeclaredFunction* named(std::string_view name) const;     // null: none
  const DeclaredFunction* at(std::string_view recipient) const;   // null: none
  // A call's arguments as the tool wants them, and as the endpoint does.
  static std::string to_tool(const DeclaredFunction* function, const std::string& arguments);
  static std::string to_endpoint(const DeclaredFunction* function, const std::string& arguments);

 private:
  void add(const harmony::ToolNamespace& name_space);
  std::vector<DeclaredFunction> functions_;
};

// What a session was introduced with.
struct Introduction {
  bool given = false;
  FunctionTable functions;
  std::string instructions;  // "" = none
  std::optional<harmony::ReasoningEffort> effort;
};
Introduction introduction_of(std::span<const harmony::Message> opening);

// The log behind its opening messages.
struct Dialogue {
  std::vector<harmony::Message> messages;  // complete ones
  std::string instructions;                // of developer messages at its head, when no introduction was given
  // The message that the log ends in: "final" when an answer was opened for the model, "analysis" or "commentary" when
  // one was cut off (it is left out of the request and ends where it is); "" behind `<|start|>assistant`.
  std::string open_channel;
  bool in_final() const { return open_channel == "final"; }
};
// kUnsupported when the log ends inside a header, a call or the words of an answer: an endpoint cannot go on there.
Result<Dialogue> read_dialogue(std::span<const Token> log, const harmony::Renderer& renderer, bool introduced);

struct MessageRequest {
  std::string model;
  const Introduction& introduction;
  const Dialogue& dialogue;
  const SamplingParams& sampling;
  std::int64_t seed = 0;
  std::string reasoning_field = "reasoning";  // of Chat messages
};
std::string body_of(MessageApi api, const MessageRequest& request);

}  // namespace toccata::agent
