// OpenAI's Conversations API: lists of items that responses read and go on writing (`conversation` in POST /v1/responses).
#pragma once

#include <string_view>

#include "agent/server/services.h"

namespace toccata::server {

constexpr std::string_view kConversationsPath = "/v1/conversations";

// POST {base}; GET, POST, DELETE {base}/{id}; GET, POST .../items; GET, DELETE .../items/{item_id}.
// ApiError 404 for an unknown id and where the server keeps none, 405 for another method.
HttpReply conversations(Services& services, const HttpRequest& request);

}  // namespace toccata::server
