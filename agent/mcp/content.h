// Content blocks of tool results and resources, as MCP writes them.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "tools/mcp/message.h"

namespace toccata::mcp {

tools::mcp::Json text_block(const std::string& text);
tools::mcp::Json image_block(std::string_view bytes, const std::string& mime_type);
tools::mcp::Json resource_link(const std::string& uri, const std::string& name, std::uint64_t size);
// As text when it is UTF-8 without control characters but tab and line ends, else as base64.
tools::mcp::Json resource_contents(const std::string& uri, const std::string& bytes);

// Percent-encoding of everything that is neither unreserved in RFC 3986 nor '/'.
std::string uri_path(std::string_view path);
// nullopt for a broken escape or a zero byte.
std::optional<std::string> from_uri_path(std::string_view text);

}  // namespace toccata::mcp
