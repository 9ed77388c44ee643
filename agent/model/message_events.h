// What a streamed Chat Completions or Responses answer says, event by event.
#pragma once

#include <deque>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/model/message_request.h"
#include "core/base/error.h"

namespace toccata::agent {

struct SpokenReasoning {
  std::string text;
};
struct SpokenText {
  std::string text;
  std::optional<bool> is_final = {};  // none: the endpoint does not tell an answer from a preamble
};
struct SpokenCall {
  std::string name, arguments;
};
struct SpokenEnd {
  bool at_limit = false;  // cut at the endpoint's limit of tokens
};
using Spoken = std::variant<SpokenReasoning, SpokenText, SpokenCall, SpokenEnd>;

// One per answer. Servers differ in what they send: fields that are missing or of another type are passed over, and
// items that come whole, without their deltas, count all the same.
class MessageEvents {
 public:
  explicit MessageEvents(MessageApi api) : api_(api) {}

  // `data` of one event. kUnavailable with the server's words when it reports a failure, kCorrupt for what is no JSON
  // object. Behind a SpokenEnd nothing else is to be read.
  Result<std::vector<Spoken>> take(std::string_view data);
  // In which field of a Chat message the reasoning came; "" when none did.
  const std::string& reasoning_field() const { return reasoning_field_; }

 private:
  Result<std::vector<Spoken>> take_chat(const nlohmann::json& event);
  Result<std::vector<Spoken>> take_response(const nlohmann::json& event);
  void take_chat_calls(const nlohmann::json& deltas);
  void take_item(const nlohmann::json& item, std::vector<Spoken>& spoken);

  MessageApi api_;
  std::deque<SpokenCall> calls_;  // Chat: by index, arguments in pieces
  std::string reasoning_field_;
  std::optional<bool> phase_;     // Responses: of the open message
  bool had_delta_ = false;        // Responses: the open item came in pieces
  bool had_summary_ = false;      // Responses: reasoning comes as a summary only
};

}  // namespace toccata::agent
