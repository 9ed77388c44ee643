#pragma once

#include <string>

#include "agent/loop/events.h"
#include "tools/tool.h"

namespace toccata::agent {

// The item that shows a call: python as command_execution, browser.search as web_search, all else as mcp_tool_call.
Item call_started_item(std::string id, const std::string& recipient, const std::string& arguments);
// The same item with the tool's answer in it.
Item call_completed_item(Item started, const tools::ToolResult& result);

}  // namespace toccata::agent
