// The options of every verb that runs an agent.
#pragma once

#include <set>
#include <string>

#include "agent/cli/options.h"

namespace CLI {
class App;
}

namespace toccata::cli {

void add_agent_options(CLI::App& app, AgentOptions& o);

// --best-of and --judge, of the verbs whose answer is the model's own.
void add_best_of_options(CLI::App& app, AgentOptions& o);

// Where the files of the session go: of the verbs that are over when their run is.
void add_files_option(CLI::App& app, AgentOptions& o);
// --embeddings and what belongs to it, of an agent and of the index.
void add_embeddings_options(CLI::App& app, EmbeddingsOptions& options);

// Of the verbs that may start MCP servers. Behind --tools, to whose names it adds.
void add_mcp_option(CLI::App& app, AgentOptions& o);

// Long names of the options that stood on the command line or in the environment.
std::set<std::string> given(const CLI::App& app);

}  // namespace toccata::cli
