// The command line as values: one struct a verb, filled by command_line.cpp.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "tools/web/search_shape.h"

namespace toccata::cli {

// What the user's configuration says of a search service: where its key is, or the whole of a service of their own.
struct SearchSettings {
  std::string key_env = {};             // variable with the key; empty = the service's usual one
  std::filesystem::path key_file = {};  // read when the variable is not set
  std::optional<tools::SearchShape> shape = {};
};

// A service with OpenAI's embeddings endpoint, for search by meaning in the index.
struct EmbeddingsOptions {
  std::string url = {};    // "http://127.0.0.1:8080/v1"; empty = none
  std::string model = {};  // empty = the one whose vectors the index has
  std::string key_env = {};             // variable with its key
  std::filesystem::path key_file = {};  // read when there is no such variable
  std::string query_prefix = {}, text_prefix = {};  // what the model wants before a query and before a text
};

constexpr int kLookAheadMax = 64;

// What `run` and `chat` share. Precedence: flag > TOCCATA_* variable > ./toccata.toml > user's config.toml > default.
struct AgentOptions {
  std::string model = "nano";
  std::string device = "auto";         // auto, cpu, cuda: of the built-in engine
  std::string kv = "auto";             // auto, f32, f16, q8: keys and values of the built-in engine on the CPU
  int prefix_cache_mib = 256;          // keys and values kept for sessions that begin alike; 0 = none
  std::filesystem::path prefix_folder = {};  // and on disk, for later processes; empty = none
  std::string precision = "auto";      // auto, f32, fast: arithmetic of the built-in engine
  std::vector<std::string> tools = {"python"};
  std::vector<std::string> tool_files = {};  // that declare further tools: docs/tools.md
  std::filesystem::path scripted_tools = {};  // file whose answers stand in place of every tool's work; empty = tools work
  std::string instructions;  // developer message
  std::string reasoning = "medium";
  std::string sandbox = "full-nocg";  // least level accepted
  std::string sandbox_start = "zygote";  // zygote, cold: how interpreters are started
  std::filesystem::path python = {};  // of sessions: an interpreter or a venv; empty = that of `tools python`, else the system's
  std::vector<std::string> mounts = {};  // "PATH" or "PATH:NAME", a folder or file: read-only at /mnt/NAME
  std::vector<std::string> sandbox_net = {};  // hosts that sessions may reach: "pypi.org", "*.example.org:8443"
  std::string approve = "on-request";
  std::vector<std::string> approve_rules = {};  // the first that fits a call wins: agent/loop/approval_rule.h
  int max_turns = 50;                  // model calls
  std::int64_t budget_tokens = 0;      // prefilled + decoded; 0 = no limit
  std::int64_t max_prefill_tokens = 0;  // of these, prefilled
  std::int64_t max_decode_tokens = 0;   // of these, decoded
  int subagents = 0;                   // runs that the model may make for parts of the task; 0 = it has no tool for it
  int subagent_depth = 1;              // how far below the run there may be some
  int look_ahead = 8;                  // calls made before the model asks for them, at most kLookAheadMax; 0 = none
  int best_of = 1;                     // candidates for each answer
  std::string judge = "majority";      // majority, first-valid, model, command=...: which of them is taken
  std::int64_t max_step_tokens = 0;    // decoded in one model call; 0 = what the context holds
  std::int64_t max_reasoning_tokens = 0;  // in one model call; then the answer is opened; 0 = no limit
  std::vector<std::string> max_calls = {};  // "20" in all, "browser=5" of one tool
  std::int64_t context_tokens = 0;     // the log is kept below this; 0 = 4/5 of the context
  bool no_project_notes = false;       // AGENTS.md is not read
  std::string constrain = "auto";      // auto, off: masks for headers and arguments
  std::string output_schema = {};      // JSON text; empty = any answer
  double timeout_s = 0;                // whole run; 0 = no limit
  double tool_timeout_s = 120;         // one python cell or shell command
  double max_sandbox_cpu_s = 0;        // CPU time of programs in the sandbox, in the whole run; 0 = no limit
  std::optional<float> temperature;    // unset: the model's own generation_config, else 1.0
  std::optional<float> top_p;
  std::optional<int> top_k;
  std::optional<float> min_p;
  std::optional<std::uint64_t> seed;  // unset: drawn at random and recorded
  std::filesystem::path workspace = ".";  // the folder that file tools work on
  std::filesystem::path index;        // local documents of the browser tool; empty = the user's index
  std::filesystem::path ledger;       // empty = the user's runs.db
  std::vector<std::string> allow_origins = {};  // asked although not public
  std::string page_text = "whole";    // whole, main: how the browser opens pages
  std::vector<std::string> allow_domains = {};  // when there are any, pages come from these hosts only
  std::vector<std::string> search = {};  // services the browser asks: "brave", "searxng=http://127.0.0.1:8888"
  std::map<std::string, SearchSettings> search_services = {};  // by name; from the user's config.toml only
  EmbeddingsOptions embeddings = {};     // from the flags and the user's config.toml only
  std::string proxy = {};  // for pages and search services; empty = that of the environment; "none"
  std::string proxy_names = "checked";  // checked, trusted: who says that a name leads to no private address
  std::filesystem::path page_cache = {};  // pages kept between runs; empty = the user's pages.db; "none"
  std::string recorded_pages_of = {};       // the browser reads what this run read; empty = the web
  std::filesystem::path save_files = {};  // folder that gets the files of the session's /mnt/data at the end; empty = none
  std::string otlp = {};  // OpenTelemetry collector that gets spans; empty = as the environment says
  bool offline = false;
  bool json = false;
  bool quiet = false;
  bool no_color = false;
};

struct RunOptions {
  AgentOptions agent;
  std::string task;  // "-" = read stdin
  std::string resume = {};            // a run to go on with; the task is then a further message, or empty
  std::set<std::string> given = {};   // long names of the options the user named
};

struct ChatOptions {
  AgentOptions agent;
  std::string resume = {};           // a run to go on with
  std::set<std::string> given = {};  // as in RunOptions
};

struct RunsOptions {
  std::string run;  // id or unique beginning; for `show`
  int limit = 20;
  bool json = false;
  bool quiet = false;
  std::filesystem::path ledger;
};

struct RunsResumeOptions {
  AgentOptions agent;
  std::set<std::string> given = {};  // as in RunOptions: these win over what the run recorded
  std::string run = {};
  std::optional<std::string> message = {};
};

struct RunsForkOptions {
  RunsResumeOptions resume;
  std::optional<int> step = {};  // the last one shared; unset: the last there is
  bool no_run = false;           // make it and print its id
};

struct RunsReplayOptions {
  AgentOptions agent;
  std::set<std::string> given = {};
  std::string run = {};
  bool recorded_tools = false;  // a new run whose tools answer what was recorded
  bool recorded_pages = false;  // a new run whose browser reads the pages that were recorded
};

// files, export, rm, gc, check
struct RunsCareOptions {
  std::vector<std::string> runs;
  std::filesystem::path to;      // folder the files go to; empty = they are listed
  bool json = false;
  std::string format = "jsonl";  // jsonl, markdown, html
  std::string output;            // file; empty = stdout
  std::optional<double> older_than_days;
  std::optional<int> keep;
  bool quiet = false;
  std::filesystem::path ledger;
};

struct ModelsOptions {
  bool json = false;
};

struct DoctorOptions {
  bool json = false;
  AgentOptions agent = {};  // what decides on the sandbox
  std::vector<std::string> search = {};  // as in AgentOptions, with what belongs to it
  std::map<std::string, SearchSettings> search_services = {};
};

}  // namespace toccata::cli
