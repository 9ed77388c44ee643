// Arguments of a tool that are repeated as headers over HTTP, where its schema says so with "x-mcp-header" (2026-07-28,
// transports: custom headers from tool parameters).
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "core/base/error.h"
#include "tools/mcp/message.h"

namespace toccata::tools::mcp {

struct HeaderParam {
  std::string parameter;  // a property of the tool's arguments
  std::string header;     // "Mcp-Param-Region"
};

// Of the tool's inputSchema. kCorrupt naming the mistake: such a tool is not to be used.
Result<std::vector<HeaderParam>> header_params(const Json& schema);

// Name and value of each; an argument that is absent or null has no header.
std::vector<std::pair<std::string, std::string>> headers_for(const std::vector<HeaderParam>& params, const Json& arguments);

}  // namespace toccata::tools::mcp
