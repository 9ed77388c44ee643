// Token ids -> messages, one token at a time. The lenient parser never throws on what a model writes, never loses
// generated text silently and never shows control text; the strict one reproduces openai-harmony 0.0.8.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "agent/harmony/message.h"
#include "agent/harmony/renderer.h"
#include "core/base/error.h"
#include "core/base/token.h"

namespace toccata::harmony {

// A message's header is complete; its content follows.
struct MessageStarted {
  Role role = Role::kAssistant;
  std::optional<std::string> name, channel, recipient, content_type;
  friend bool operator==(const MessageStarted&, const MessageStarted&) = default;
};
// Text added to the open message: whole UTF-8 characters only.
struct ContentDelta {
  std::string text;
  friend bool operator==(const ContentDelta&, const ContentDelta&) = default;
};
struct MessageDone {
  Message message;
  // How it ended: <|end|>, <|call|>, <|return|>, a structural token that implied the end, or the end of the stream.
  enum class End { kEnd, kCall, kReturn, kImplied, kEos } end = End::kEnd;
  friend bool operator==(const MessageDone&, const MessageDone&) = default;
};
// Something odd was met and mended; `position` is the index of the token in the stream.
struct Warning {
  std::size_t position = 0;
  std::string what;
  friend bool operator==(const Warning&, const Warning&) = default;
};
using ParseEvent = std::variant<MessageStarted, ContentDelta, MessageDone, Warning>;

struct ParserOptions {
  // The completion begins in the header of this role (`<|start|>assistant` was the end of the prompt).
  std::optional<Role> role = Role::kAssistant;
  bool strict = false;
  // Declared recipients ("functions.get_weather", "python", "browser.search"): lets the lenient parser resolve
  // names a model garbled (rule L11). Empty: no resolution.
  std::vector<std::string> tools;
};

// One per completion; not shared between threads.
//   Parser parser(renderer, {});
//   for (Token t : sampled) for (const ParseEvent& e : parser.push(t)) ...
//   for (const ParseEvent& e : parser.finish()) ...
class Parser {
 public:
  Parser(const Renderer& renderer, ParserOptions options);
  ~Parser();
  Parser(Parser&&) noexcept;
  Parser& operator=(Parser&&) noexcept;

  // Lenient: never fails. Strict: the reference's error, after which the parser stands before a `<|start|>`.
  Result<std::vector<ParseEvent>> push(Token token);
  Result<std::vector<ParseEvent>> finish();
  // The same, appending to `out`: nothing is allocated for a token in the middle of a message.
  Result<void> push(Token token, std::vector<ParseEvent>& out);
  Result<void> finish(std::vector<ParseEvent>& out);

  // Messages completed so far.
  const std::vector<Message>& messages() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// A call the model asked for.
struct CallRequest {
  std::string recipient;  // resolved: "python", "functions.get_weather"
  std::string arguments;
  friend bool operator==(const CallRequest&, const CallRequest&) = default;
};

// What a finished completion means to its reader, by channel and recipient.
struct Projection {
  std::string reasoning;  // analysis
  std::string preamble;   // commentary without recipient
  std::string final;      // the answer
  std::vector<CallRequest> calls;
  friend bool operator==(const Projection&, const Projection&) = default;
};
Projection project(const std::vector<Message>& messages, const std::vector<std::string>& tools);

// `recipient` as a declared tool name, mending what models do to names (rule L11), or nullopt.
std::optional<std::string> resolve_tool(
    std::string_view recipient, const std::vector<std::string>& tools
);

}  // namespace toccata::harmony
