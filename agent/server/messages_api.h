// Anthropic's Messages: POST /v1/messages and POST /v1/messages/count_tokens.
#pragma once

#include <memory>

#include "agent/server/services.h"

namespace toccata::server {

void messages(Services& services, const std::shared_ptr<Exchange>& exchange);
// {"input_tokens"} of a request.
HttpReply count_message_tokens(Services& services, const HttpRequest& request);

}  // namespace toccata::server
