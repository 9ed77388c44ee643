// Results of MCP tools as text for a model.
#pragma once

#include <cstddef>
#include <string>

#include "tools/mcp/client.h"
#include "tools/mcp/message.h"

namespace toccata::tools::mcp {

// Text blocks as they are, one under the other; pictures, sound and links named in brackets, never shown; the structured
// content when there is nothing else. At most `bytes_max` bytes and a line saying what was cut. kCorrupt when it is no
// result of a tool, kUnsupported when the server asks for input instead.
Result<CallResult> read_result(const Json& result, std::size_t bytes_max);

// The result of resources/read, in the same way.
Result<CallResult> read_contents(const Json& result, std::size_t bytes_max);

// One entry of tools/list. kCorrupt naming what is wrong with it.
Result<ToolInfo> read_tool(const Json& tool);

// One entry of resources/list or resources/templates/list: "file:///x  name, text/plain: what it is".
std::string resource_line(const Json& resource);

// What the result of server/discover or initialize says; what it does not say stays empty.
ServerFacts read_facts(const Json& greeting);

}  // namespace toccata::tools::mcp
