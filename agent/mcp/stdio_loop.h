// MCP over two file descriptors.
#pragma once

#include <stop_token>

#include "agent/mcp/service.h"

namespace toccata::mcp {

// Serves one client until its input ends, its output breaks, or `stop`; what it began has ended when this returns.
// `in` and `out` stay open. A client that does not read is waited for, but not past `stop`.
void serve_stdio(Service& service, const ServerIdentity& identity, int in, int out, std::stop_token stop);

}  // namespace toccata::mcp
