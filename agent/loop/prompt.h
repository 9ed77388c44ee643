// Tools and settings -> the harmony messages that open a session, and the messages tools answer with.
#pragma once

#include <string>
#include <vector>

#include "agent/harmony/message.h"
#include "agent/harmony/name_map.h"
#include "agent/loop/agent.h"
#include "tools/registry.h"

namespace toccata::agent {

// Every recipient of the registry and the name the model is told for it: an MCP tool `get-weather` is shown as
// `functions.get_weather`.
harmony::NameMap tool_names(const tools::Registry& registry);

// The declarations of one placement: namespace name -> its functions. A tool without functions keeps an empty list, and
// its description is printed as plain text (python).
harmony::ToolNamespaces tool_namespaces(
    const tools::Registry& registry, tools::Placement placement
);

// Whether the system message must say that calls to `functions` go to the commentary channel: some developer tool
// stands in the namespace `functions` (harmony format, system message).
bool has_function_tools(const tools::Registry& registry);

// The system message, and the developer message when there are instructions or developer tools.
std::vector<harmony::Message> opening_messages(
    const AgentConfig& config, const tools::Registry& registry
);

// `<|start|>{author} to=assistant<|channel|>{channel}<|message|>{content}<|end|>`.
harmony::Message tool_message(std::string author, std::string channel, std::string content);

// A name the model wrote, as it may stand in a header: letters, digits, `_`, `-`, `.`; at most 64 bytes; never empty.
std::string safe_author(std::string_view name);

}  // namespace toccata::agent
