// The body of POST /v1/messages. Only for the .cpp files of this folder.
#pragma once

#include "agent/server/conversation.h"
#include "agent/server/generation.h"
#include "agent/server/json_fields.h"
#include "agent/server/services.h"

namespace toccata::server {

struct MessagesCall {
  ChatRequest request;
  StepOptions step;
  bool stream = false, show_thinking = false;
};

// Throws ApiError. Unknown fields, and tools and blocks that run on Anthropic's side, are left out.
MessagesCall read_messages_call(const Json& body, const Services& services);

}  // namespace toccata::server
