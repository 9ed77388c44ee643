#pragma once

#include <filesystem>

#include "agent/cli/options.h"

namespace toccata::cli {

// Overwrites `options` with what a TOML file says. A missing file changes nothing.
//   model = "openai/gpt-oss-20b"
//   tools = ["python", "browser"]
//   reasoning = "high"
//   max_turns = 30
// Keys are the long option names with '_' for '-'. Throws Exception(kInvalidArgument) with file, line and the known
// keys on a syntax error, an unknown key or a value of the wrong type.
void apply_config_file(const std::filesystem::path& file, AgentOptions& options);

}  // namespace toccata::cli
