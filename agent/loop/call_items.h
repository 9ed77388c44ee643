#pragma once

#include <span>
#include <string>

#include "agent/loop/events.h"
#include "agent/store/ledger.h"
#include "tools/tool.h"

namespace toccata::agent {

// The item that shows a call: python as command_execution, browser.search as web_search, all else as mcp_tool_call.
Item call_started_item(std::string id, const std::string& recipient, const std::string& arguments);
// The same item with the tool's answer in it, and the files that changed with the call.
Item call_completed_item(
    Item started, const tools::ToolResult& result, std::span<const store::SessionFile> files = {}
);

}  // namespace toccata::agent
