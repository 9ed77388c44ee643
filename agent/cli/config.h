#pragma once

#include <filesystem>

#include "agent/cli/options.h"

namespace toccata::cli {

// Who wrote the file. What would send the user's keys somewhere is taken from the user only: whoever gives them a folder to work in could
// otherwise name an address of their own.
enum class ConfigOwner { kUser, kProject };

// Overwrites `options` with what a TOML file says. A missing file changes nothing.
//   model = "openai/gpt-oss-20b"
//   tools = ["python", "browser"]
//   reasoning = "high"
//   max_turns = 30
//   search = ["brave", "mine"]
//   [search_service.brave]                        # of the user's file only
//   key_file = "~/.keys/brave"                    # else BRAVE_API_KEY
//   [search_service.mine]
//   url = "https://mine.example/find?q={query}&n={count}"
//   headers = { Authorization = "Bearer {key}" }
//   key_env = "MINE_KEY"
//   results = "/items"                            # JSON pointers: to the list, then within each result
//   title = "/name"
//   link = "/href"
//   summary = "/text"
//   [embeddings]                                  # of the user's file only
//   url = "http://127.0.0.1:8080/v1"
//   model = "bge-m3"                              # and key_env, key_file, query_prefix, text_prefix
// Keys are the long option names with '_' for '-'. Throws Exception(kInvalidArgument) with file, line and the known
// keys on a syntax error, an unknown key or a value of the wrong type.
void apply_config_file(const std::filesystem::path& file, ConfigOwner owner, AgentOptions& options);

}  // namespace toccata::cli
