// POST /v1/chat/completions and POST /v1/completions.
#pragma once

#include <memory>

#include "agent/server/services.h"

namespace toccata::server {

void chat_completions(Services& services, const std::shared_ptr<Exchange>& exchange);
// The prompt is a text, a list of texts, token ids or a list of those; nothing is rendered around it.
void completions(Services& services, const std::shared_ptr<Exchange>& exchange);

// The tokens of a chat request: {"tokens", "text"}. For /render and /v1/render.
HttpReply render_chat(Services& services, const HttpRequest& request);

}  // namespace toccata::server
