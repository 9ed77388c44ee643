// POST /v1/chat/completions.
#pragma once

#include <memory>

#include "agent/server/services.h"

namespace toccata::server {

void chat_completions(Services& services, const std::shared_ptr<Exchange>& exchange);

// The tokens of a chat request: {"tokens", "text"}. For /render and /v1/render.
HttpReply render_chat(Services& services, const HttpRequest& request);

}  // namespace toccata::server
