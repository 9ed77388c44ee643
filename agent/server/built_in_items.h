// Calls that the server makes, as output items of the Responses API. Only for the .cpp files of this folder.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>

#include "agent/loop/events.h"
#include "agent/server/json_fields.h"

namespace toccata::server {

// What a request wants to see of its calls.
struct ItemOptions {
  bool sources = false;                            // include: web_search_call.action.sources
  bool outputs = false;                            // include: code_interpreter_call.outputs
  std::string container = {};                      // in which python runs
  std::map<std::string, std::string> labels = {};  // of MCP servers: namespace -> server_label
  std::map<std::string, std::string> names = {};   // recipient as the model is told it -> as it is
  // A file that a call left; empty: there is none.
  std::function<std::string(const std::string& path)> file = {};
};

enum class ToolKind { kNone, kSearch, kPython, kMcp };
// Of a call by its recipient; kNone for what has no item.
ToolKind tool_kind(const std::string& recipient, const ItemOptions& options);

// The item of a call that begins, status "in_progress": of a search without its action, of python without code.
Json begun_item(ToolKind kind, const std::string& recipient, const ItemOptions& options);

// {"type": "search" | "open_page" | "find_in_page", ...}, from the call and, once it is there, its result.
Json search_action(const agent::Item& call, const ItemOptions& options);
// [{"type": "logs", "logs"}, {"type": "image", "url": "data:..."}]
Json interpreter_outputs(const agent::CommandItem& call, const ItemOptions& options);

// "completed" or "failed".
const char* status_name(agent::ItemStatus status);

}  // namespace toccata::server
