// Prompt text: source files of this folder, built into the program.
#pragma once

#include <string>
#include <string_view>

namespace toccata::prompts {

// The python tool's description: the bytes gpt-oss was trained with (openai/harmony src/chat.rs, Apache-2.0).
std::string_view python_tool();
// The browser namespace as JSON: {"name", "description", "tools": [{"name", "description", "parameters"}]};
// renders to the bytes gpt-oss was trained with (same source).
std::string_view browser_tool_json();
// functions.shell as JSON: {"name", "description", "parameters"}.
std::string_view shell_tool();
// The files namespace as JSON, in the shape of the browser's; "writes": true marks functions that change files.
std::string_view files_tool();
// Heads the list of the folders that a sandbox's sessions may read, in the developer message.
std::string_view shown_folders();
// Heads the list of the hosts that a sandbox's sessions may reach, in the same place.
std::string_view allowed_hosts();

}  // namespace toccata::prompts
