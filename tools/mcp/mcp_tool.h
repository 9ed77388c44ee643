#pragma once

#include <memory>
#include <string>
#include <vector>

#include "tools/mcp/server.h"
#include "tools/tool.h"

namespace toccata::tools::mcp {

// Everything a server offers as tools of one namespace, one a function: those it calls read-only are pure, those it
// calls idempotent keyed, all others effectful; what does more than read asks for approval. With resources, the functions
// list_resources and read_resource, unless the server has such of its own.
std::vector<std::unique_ptr<Tool>> make_tools(
    const std::shared_ptr<Server>& server, const Manifest& manifest, const std::string& name_space
);

}  // namespace toccata::tools::mcp
