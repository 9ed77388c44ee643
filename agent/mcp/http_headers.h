// The headers of a modern request against its body.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "agent/mcp/protocol.h"
#include "agent/server/http_server.h"

namespace toccata::mcp {

// Without the blanks around it; "=?base64?...?=" is decoded. nullopt when that is broken.
std::optional<std::string> header_value(std::string_view text);
// Source: specification 2026-07-28, Streamable HTTP, "Server Validation".
std::optional<Refusal> check_headers(const server::HttpRequest& http, const Message& request);
// Which of the two types a client takes; no Accept header means both.
bool accepts(const server::HttpRequest& http, std::string_view type);

}  // namespace toccata::mcp
