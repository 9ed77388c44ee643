// OpenAI's Responses API: POST /v1/responses and what hangs below it.
#pragma once

#include <memory>

#include "agent/server/services.h"

namespace toccata::server {

// Whole, as a stream, or in the background.
void create_response(Services& services, const std::shared_ptr<Exchange>& exchange);
// GET, DELETE /v1/responses/{id}, POST .../cancel, GET .../input_items. With ?stream=true&starting_after=N a background
// response's events are sent again. ApiError 404 for an unknown id, 405 for another method.
void stored_response(Services& services, const std::shared_ptr<Exchange>& exchange);
// POST /v1/responses/input_tokens: {"input_tokens"} of a request.
HttpReply count_input_tokens(Services& services, const HttpRequest& request);

}  // namespace toccata::server
