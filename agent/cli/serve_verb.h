#pragma once

#include <string>
#include <vector>

#include "agent/cli/environment.h"
#include "agent/cli/options.h"

namespace toccata::cli {

struct ServeOptions {
  AgentOptions agent;
  std::string host = "127.0.0.1";
  int port = 8080;                         // 0 = any free one
  std::vector<std::string> api_keys;
  std::filesystem::path api_key_file;      // one key a line
  std::vector<std::string> cors_origins;
  std::vector<std::string> allowed_hosts;
  std::string model_id;                    // what clients are told; empty = the model's name
  bool strict_model = false;
  bool hide_reasoning = false;
  std::string reasoning_field = "reasoning";
  int parallel = 8;                        // requests served at once
  int queue = 512;                         // requests that may wait
  int sessions = 64;                       // idle sessions kept for their prefix
  int max_body_mb = 32;
  double drain_s = 30;                     // after SIGTERM
  bool metric_aliases = false;
  bool forget_responses = false;           // stored responses live in memory only
  bool agent_runs = false;                 // agents run here, with the tools of `agent`
  bool api_tools = false;                  // those of `agent` that API requests ask for run here
  int containers = 16;                     // in which conversations keep them
  double container_idle_s = 1200;          // then one is closed
  std::string show_runs = "auto";          // the ledger's runs: auto = when only this machine can ask, on, off
};

// Serves until SIGINT or SIGTERM, which end it with exit code 0 once the open requests are done; a second signal ends
// it at once.
int serve_verb(const ServeOptions& options, const Environment& env);

}  // namespace toccata::cli
