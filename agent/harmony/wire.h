// Messages as JSON, in the form openai-harmony writes:
//   {"role", "name"?, "content": text or parts, "channel"?, "recipient"?, "content_type"?}
// An absent field is none; nothing is filled in. Key order inside tool parameters is kept.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include "agent/harmony/message.h"
#include "core/base/error.h"

namespace toccata::harmony {

// kInvalidArgument says which field is wrong.
Result<Message> message_from_json(const nlohmann::ordered_json& json);
// {"messages": [...]}
Result<Conversation> conversation_from_json(const nlohmann::ordered_json& json);

// Text content is written as a string.
nlohmann::ordered_json to_json(const Message& message);

}  // namespace toccata::harmony
