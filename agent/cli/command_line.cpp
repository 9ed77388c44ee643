// The verbs of the command line on one page. CLI11 compiles slowly: only this file and those named *_flags.cpp see it.
#include "agent/cli/command_line.h"

#include <CLI/CLI.hpp>
#include <filesystem>
#include <functional>
#include <iostream>
#include <set>
#include <string>
#include <string_view>

#include "agent/cli/agent_flags.h"
#include "agent/cli/completion.h"
#include "agent/cli/config.h"
#include "agent/cli/bench_flags.h"
#include "agent/cli/dev_flags.h"
#include "agent/cli/eval_verb.h"
#include "agent/cli/exit_code.h"
#include "agent/cli/index_verb.h"
#include "agent/cli/manual.h"
#include "agent/cli/mcp_flags.h"
#include "agent/cli/mcp_serve_verb.h"
#include "agent/cli/options.h"
#include "agent/cli/pull_verb.h"
#ifdef TOCCATA_SERVER
#include "agent/cli/launch_verb.h"
#include "agent/cli/serve_verb.h"
#endif
#include "agent/cli/task_flags.h"
#include "agent/cli/tools_flags.h"
#include "agent/cli/verbs.h"
#include "agent/cli/version.h"

namespace toccata::cli {
namespace {

constexpr const char* kExamples = R"(Examples:
  toccata run "What is 48213 * 977 + 5?"           one agent run; the answer goes to stdout
  toccata run --best-of 5 "What is 2^31 - 1?"      five answers at once; the one that most of them give
  toccata run --subagents "Compare A and B"        the model may hand parts of it to sub-agents
  toccata run -m openai/gpt-oss-20b --reasoning high "Which primes below 10^6 are palindromes?"
  toccata run --json "..." | jq .                   every event as one JSON object a line
  toccata chat                                      talk to the agent
  toccata pull gpt-oss-20b                          download weights; again after an interruption: goes on
  toccata index add ~/notes && toccata run --tools python,browser "Where did I write about DNS?"
  toccata run --tools browser --search brave "..."  the web too; BRAVE_API_KEY, or searxng=http://127.0.0.1:8888
  toccata run --sandbox-net pypi.org,files.pythonhosted.org "..."   hosts that sandboxed code may reach; else none
  toccata run --mcp mcp.json --approve always "..." tools of MCP servers (docs/mcp.md)
  toccata task run report.yaml -p topic=tides       steps in an order that code keeps
  toccata serve                                     http://127.0.0.1:8080/v1 for every OpenAI client; a page at /
  toccata launch codex                              Codex, Claude Code or opencode on that server
  toccata runs list; toccata runs show 3f2c         what happened, from the ledger
  toccata runs resume last                          go on after an interruption, a limit or a crash
  toccata tools python install numpy pandas         modules for the sandbox
  toccata doctor                                    what this machine offers

Exit codes: 0 done, 1 run failed, 2 usage, 3 assertion failed, 4 limit reached, 5 denied,
6 tool or sandbox unavailable, 7 model error, 8 output schema unmet, 124 time-out, 130/143 stopped by a signal.)";

void add_run(CLI::App& app, RunOptions& o, Action& action, const Environment& env) {
  CLI::App* run = app.add_subcommand("run", "One agent run: give a task, get the answer on stdout");
  CLI::Option* task = run->add_option("task", o.task, "The task; - reads it from stdin");
  run->add_option("--resume", o.resume, "Go on with this run; the task is then a further message");
  add_agent_options(*run, o.agent);
  add_best_of_options(*run, o.agent);
  add_files_option(*run, o.agent);
  add_mcp_option(*run, o.agent);
  run->callback([&o, &action, &env, run, task] {
    if (o.resume.empty() && task->count() == 0) throw CLI::RequiredError("task");
    o.given = given(*run);
    action = [&] { return run_verb(o, env); };
  });
}

void add_chat(CLI::App& app, ChatOptions& o, Action& action, const Environment& env) {
  CLI::App* chat = app.add_subcommand("chat", "Talk to the agent; /help there names the commands");
  chat->add_option("--resume", o.resume, "Go on with this run: its id, the beginning of one, or last");
  add_agent_options(*chat, o.agent);
  add_best_of_options(*chat, o.agent);
  add_files_option(*chat, o.agent);
  add_mcp_option(*chat, o.agent);
  chat->callback([&o, &action, &env, chat] {
    o.given = given(*chat);
    action = [&] { return chat_verb(o, env); };
  });
}

#ifdef TOCCATA_SERVER
void add_serve(CLI::App& app, ServeOptions& o, Action& action, const Environment& env) {
  CLI::App* serve = app.add_subcommand("serve", "OpenAI-compatible HTTP server over the model");
  add_agent_options(*serve, o.agent);
  add_mcp_option(*serve, o.agent);
  serve->add_option("--host", o.host, "Address to listen on")->envname("TOCCATA_HOST")->capture_default_str();
  serve->add_option("-p,--port", o.port, "Port; 0 = any free one")
      ->check(CLI::Range(0, 65535))->envname("TOCCATA_PORT")->capture_default_str();
  serve->add_option("--api-key", o.api_keys, "Key a client must send; may be repeated")->envname("TOCCATA_SERVER_KEY");
  serve->add_option("--api-key-file", o.api_key_file, "File with one key a line");
  serve->add_option("--cors-origin", o.cors_origins, "Web page that may ask, such as https://chat.example; may be repeated");
  serve->add_option("--allow-host", o.allowed_hosts, "Further name of this server; may be repeated");
  serve->add_option("--model-id", o.model_id, "What clients are told the model is called");
  serve->add_flag("--strict-model", o.strict_model, "Refuse requests that name another model");
  serve->add_flag("--hide-reasoning", o.hide_reasoning, "Send no reasoning to clients");
  serve->add_option("--reasoning-field", o.reasoning_field, "Of Chat Completions")
      ->check(CLI::IsMember({"reasoning", "reasoning_content", "both"}))->capture_default_str();
  serve->add_option("--parallel", o.parallel, "Requests served at once")->check(CLI::Range(1, 1024))->capture_default_str();
  serve->add_option("--queue", o.queue, "Requests that may wait; one more is told 429")
      ->check(CLI::NonNegativeNumber)->capture_default_str();
  serve->add_option("--sessions", o.sessions, "Idle conversations kept in memory")
      ->check(CLI::NonNegativeNumber)->capture_default_str();
  serve->add_option("--max-body", o.max_body_mb, "Largest request, MiB")->check(CLI::Range(1, 1024))->capture_default_str();
  serve->add_option("--drain", o.drain_s, "Seconds that open requests get after SIGTERM")
      ->check(CLI::NonNegativeNumber)->capture_default_str();
  serve->add_flag("--metric-aliases", o.metric_aliases, "Metrics under vLLM's names too");
  serve->add_flag("--forget-responses", o.forget_responses, "Keep stored responses in memory, not in the ledger");
  serve->add_flag("--agent", o.agent_runs, "Run agents here, with --tools: POST /v1/toccata/runs, and in the page's chat");
  serve->add_flag("--api-tools", o.api_tools, "Run those of --tools and --mcp here that API requests ask for: code_interpreter = python, web_search = browser, mcp");
  serve->add_option("--containers", o.containers, "Conversations whose interpreter and pages are kept for --api-tools")
      ->check(CLI::Range(1, 4096))->capture_default_str();
  serve->add_option("--container-idle", o.container_idle_s, "Seconds after which an unused one is closed")
      ->check(CLI::Range(1.0, 86400.0 * 30))->capture_default_str();
  serve->add_option("--show-runs", o.show_runs, "Show the ledger's runs to everyone who may ask: auto = when listening on this machine only")
      ->check(CLI::IsMember({"auto", "on", "off"}))->capture_default_str();
  serve->footer(R"(Examples:
  toccata serve                                     the API below http://127.0.0.1:8080/v1, a page at http://127.0.0.1:8080/
  toccata serve --agent --tools python,browser      the page's chat works with tools, in the sandbox
  toccata serve --api-tools --tools python,browser  so do API requests with web_search and code_interpreter
  toccata serve --host 0.0.0.0 --api-key-file keys  for other machines)");
  serve->callback([&o, &action, &env] { action = [&] { return serve_verb(o, env); }; });
}

void add_launch(CLI::App& app, LaunchOptions& o, Action& action, const Environment& env) {
  CLI::App* launch = app.add_subcommand("launch", "Start a coding agent made by others on this server's model; its own configuration stays as it is");
  launch->add_option("client", o.client, "codex, claude or opencode")->required()->check(CLI::IsMember({"codex", "claude", "opencode"}));
  launch->add_option("args", o.arguments, "Arguments of the client, after --");
  launch->add_option("--base-url", o.base_url, "Server to use (default: http://127.0.0.1:8080/v1); where none answers, one is started and ends with the client")
      ->type_name("URL");
  launch->add_option("-m,--model", o.model, "Model: one that is served there, or for the server that is started (default: as of serve)");
  launch->add_flag("--print", o.print, "Only print what would be set and run");
  launch->footer(R"(Examples:
  toccata launch codex                              Codex in this folder, on the model of `toccata serve`
  toccata launch codex -m gpt-oss-20b -- exec "Why does the build fail?"
  toccata launch claude --base-url http://gpu.example:8080 -- -p "Summarise README.md"
  toccata launch opencode --print                   as a shell command, to look at or to keep
The key for the server, if it wants one, is that in TOCCATA_API_KEY.
Exit codes: those of the client; 2 usage or wrong model, 5 wrong key, 6 client not installed or no server.)");
  launch->callback([&o, &action, &env] { action = [&] { return launch_verb(o, env); }; });
}
#endif

CLI::App* add_mcp_serve(CLI::App& app, McpServeOptions& o, Action& action, const Environment& env) {
  const auto made = app.get_subcommands([](const CLI::App* verb) { return verb->get_name() == "mcp"; });
  CLI::App* mcp = made.empty() ? app.add_subcommand("mcp", "Model Context Protocol")->require_subcommand(1) : made.front();
  CLI::App* serve = mcp->add_subcommand("serve", "Offer Toccata's tools to any MCP client, over stdio or HTTP");
  add_agent_options(*serve, o.agent);
  serve->remove_option(serve->get_option("--tools"));
  o.agent.tools = {"python", "browser", "files", "shell"};
  serve->add_option("--tools", o.agent.tools, "What is offered: python, browser, files, shell, skills (as prompts), run (an agent with --model)")
      ->delimiter(',')->allow_extra_args(false)->capture_default_str();
  serve->add_option("--run-tools", o.run_tools, "What the agent of `run` may call")
      ->delimiter(',')->allow_extra_args(false)->capture_default_str();
  serve->add_option("--listen", o.listen, "Serve streamable HTTP at HOST:PORT instead of stdio; port 0 = any free one");
  serve->add_option("--api-key", o.api_keys, "Key a client must send; may be repeated")->envname("TOCCATA_SERVER_KEY");
  serve->add_option("--cors-origin", o.cors_origins, "Web page that may ask, such as https://chat.example; may be repeated");
  serve->add_option("--allow-host", o.allowed_hosts, "Further name of this server; may be repeated");
  serve->add_option("--sessions", o.sessions, "Interpreters and browsers kept at once")->check(CLI::Range(1, 1024))->capture_default_str();
  serve->add_option("--drain", o.drain_s, "Seconds that open requests get after SIGTERM")
      ->check(CLI::NonNegativeNumber)->capture_default_str();
  serve->footer(R"(Examples:
  toccata mcp serve                                 what a client starts: {"command": "toccata", "args": ["mcp", "serve"]}
  toccata mcp serve --tools python,shell            a sandbox and nothing else
  toccata mcp serve --tools run -m openai/gpt-oss-20b --run-tools python,browser
  toccata mcp serve --listen 127.0.0.1:8765         http://127.0.0.1:8765/mcp for clients that take a URL
More: docs/mcp_serve.md)");
  serve->callback([&o, &action, &env] { action = [&] { return mcp_serve_verb(o, env); }; });
  return mcp;
}

void add_eval(CLI::App& app, EvalOptions& o, Action& action, const Environment& env) {
  CLI::App* eval = app.add_subcommand("eval", "How often is the model right? Graded by code, or by a judge");
  eval->add_option("preset", o.preset, "numeric, choice, code, short, facts, calls, citations")->required();
  eval->add_option("data", o.data, "Rows: .jsonl or .csv")->required();
  eval->add_option("--samples", o.samples, "Answers of each row; gives pass@k")->check(CLI::Range(1, 1024))->capture_default_str();
  eval->add_option("--limit", o.limit, "Only the first rows")->check(CLI::PositiveNumber);
  eval->add_option("--shard", o.shard, "Only part i of n of the answers, i from 0: --shard 0/8; for as many processes");
  eval->add_option("--jobs", o.jobs, "Answers at once")->check(CLI::Range(1, 1024))->capture_default_str();
  eval->add_option("--out", o.out, "Folder for results and reports; the same command goes on where it stopped");
  eval->add_option("--judge", o.judge, "Model of the judge (default: the model itself)");
  eval->add_option("--fail-under", o.fail_under, "Exit 3 when the accuracy is below this, in percent")->check(CLI::Range(0.0, 100.0));
  add_agent_options(*eval, o.agent);
  eval->footer(eval_presets_help() + R"(Examples:
  toccata eval numeric aime.jsonl -m openai/gpt-oss-20b --reasoning high --samples 8 --jobs 4 --out results/aime
  toccata eval numeric examples/evals/sums.jsonl -m nano --tools python --temperature 0
  toccata eval facts people.jsonl --judge openai/gpt-oss-120b --out results/people
Tools are none unless --tools names some. The seed is 1 unless --seed names one.)");
  eval->callback([&o, &action, &env, eval] {
    o.given = given(*eval);
    action = [&] { return eval_verb(o, env); };
  });
}

CLI::App* add_runs(CLI::App& app, RunsOptions& o, Action& action, const Environment& env) {
  CLI::App* runs = app.add_subcommand("runs", "What earlier runs did, from the ledger");
  runs->require_subcommand(1);
  CLI::App* list = runs->add_subcommand("list", "The latest runs, newest first");
  list->add_option("-n,--limit", o.limit, "How many")->check(CLI::PositiveNumber)->capture_default_str();
  list->add_flag("-q,--quiet", o.quiet, "Ids only");
  CLI::App* show = runs->add_subcommand("show", "One run, whole");
  show->add_option("run", o.run, "Id, or the beginning of one")->required();
  for (CLI::App* verb : {list, show}) {
    verb->add_flag("--json", o.json, "Machine-readable");
    verb->add_option("--ledger", o.ledger, "SQLite file to read")->envname("TOCCATA_LEDGER");
  }
  list->callback([&o, &action, &env] { action = [&] { return runs_list_verb(o, env); }; });
  show->callback([&o, &action, &env] { action = [&] { return runs_show_verb(o, env); }; });
  return runs;
}

// Runs that go on. Their agent options are those the run recorded, unless named.
struct RunsAgainOptions {
  RunsResumeOptions resume;
  RunsForkOptions fork;
  RunsReplayOptions replay;
};

void add_runs_again(CLI::App& runs, RunsAgainOptions& o, Action& action, const Environment& env) {
  CLI::App* resume = runs.add_subcommand("resume", "Go on where a run stopped");
  resume->add_option("run", o.resume.run, "Id, or the beginning of one, or last")->required();
  resume->add_option("message", o.resume.message, "A further message of the user");
  CLI::App* fork = runs.add_subcommand("fork", "Another way from a step of a run");
  fork->add_option("run", o.fork.resume.run, "Id, or the beginning of one, or last")->required();
  fork->add_option("message", o.fork.resume.message, "A further message of the user");
  fork->add_option("--step", o.fork.step, "The last step to share; 0 = only the task (default: all)");
  fork->add_flag("--no-run", o.fork.no_run, "Make it and print its id");
  CLI::App* replay = runs.add_subcommand("replay", "Does the model say the same tokens again?");
  replay->add_option("run", o.replay.run, "Id, or the beginning of one, or last")->required();
  replay->add_flag("--recorded-tools", o.replay.recorded_tools, "A new run whose tools answer what was recorded");
  replay->add_flag("--recorded-pages", o.replay.recorded_pages, "A new run whose browser reads the pages and searches that were recorded, without the network; other tools run");
  add_agent_options(*resume, o.resume.agent);
  add_agent_options(*fork, o.fork.resume.agent);
  add_agent_options(*replay, o.replay.agent);
  add_files_option(*resume, o.resume.agent);
  add_files_option(*fork, o.fork.resume.agent);
  add_mcp_option(*resume, o.resume.agent);
  add_mcp_option(*fork, o.fork.resume.agent);
  resume->callback([&o, &action, &env, resume] {
    o.resume.given = given(*resume);
    action = [&] { return runs_resume_verb(o.resume, env); };
  });
  fork->callback([&o, &action, &env, fork] {
    o.fork.resume.given = given(*fork);
    action = [&] { return runs_fork_verb(o.fork, env); };
  });
  replay->callback([&o, &action, &env, replay] {
    o.replay.given = given(*replay);
    action = [&] { return runs_replay_verb(o.replay, env); };
  });
}

void add_runs_care(CLI::App& runs, RunsCareOptions& o, Action& action, const Environment& env) {
  CLI::App* files = runs.add_subcommand("files", "What python and shell left in /mnt/data: plots, tables, documents");
  files->add_option("run", o.runs, "Id, or the beginning of one, or last")->required()->expected(1);
  files->add_option("--to", o.to, "Folder to write them to; without it they are listed")->type_name("FOLDER");
  files->add_flag("--json", o.json, "Machine-readable");
  CLI::App* export_ = runs.add_subcommand("export", "One run as a document");
  export_->add_option("run", o.runs, "Id, or the beginning of one, or last")->required()->expected(1);
  export_->add_option("--format", o.format, "jsonl = everything; markdown and html = for reading")
      ->check(CLI::IsMember({"jsonl", "markdown", "html"}))
      ->capture_default_str();
  export_->add_option("-o,--output", o.output, "File (default: stdout)");
  CLI::App* rm = runs.add_subcommand("rm", "Delete runs");
  rm->add_option("run", o.runs, "Ids, or beginnings of some")->required();
  CLI::App* gc = runs.add_subcommand("gc", "Give back the space of deleted runs; delete old ones");
  gc->add_option("--older-than", o.older_than_days, "Delete runs older than this many days")
      ->check(CLI::NonNegativeNumber);
  gc->add_option("--keep", o.keep, "Delete all but this many")->check(CLI::NonNegativeNumber);
  gc->add_flag("-q,--quiet", o.quiet, "Say nothing");
  CLI::App* check = runs.add_subcommand("check", "Is the ledger whole? One line a defect, exit 1");
  check->add_flag("-q,--quiet", o.quiet, "Defects only");
  for (CLI::App* verb : {files, export_, rm, gc, check}) {
    verb->add_option("--ledger", o.ledger, "SQLite file")->envname("TOCCATA_LEDGER");
  }
  files->callback([&o, &action, &env] { action = [&] { return runs_files_verb(o, env); }; });
  export_->callback([&o, &action, &env] { action = [&] { return runs_export_verb(o, env); }; });
  rm->callback([&o, &action, &env] { action = [&] { return runs_rm_verb(o, env); }; });
  gc->callback([&o, &action, &env] { action = [&] { return runs_gc_verb(o, env); }; });
  check->callback([&o, &action, &env] { action = [&] { return runs_check_verb(o, env); }; });
}

void add_machine(
    CLI::App& app, ModelsOptions& models_o, DoctorOptions& doctor_o, Action& action, const Environment& env
) {
  CLI::App* models = app.add_subcommand("models", "Models that can be run from this machine");
  models->add_flag("--json", models_o.json, "Machine-readable");
  models->callback([&, a = &action] { *a = [&] { return models_verb(models_o, env); }; });
  CLI::App* doctor = app.add_subcommand("doctor", "What this machine offers and what is missing");
  doctor->add_flag("--json", doctor_o.json, "Machine-readable");
  doctor->add_option("--sandbox", doctor_o.agent.sandbox, "Least level of protection accepted")
      ->capture_default_str();
  doctor->add_option("--python", doctor_o.agent.python, "Interpreter of sandbox sessions, as of `run`")->envname("TOCCATA_PYTHON");
  doctor->add_option("--sandbox-net", doctor_o.agent.sandbox_net, "Hosts that sessions are to reach, as of `run`")
      ->delimiter(',')->allow_extra_args(false);
  doctor->add_option("--search", doctor_o.search, "Search services that are to be used")
      ->delimiter(',')->allow_extra_args(false)->envname("TOCCATA_SEARCH");
  doctor->callback([&, a = &action] { *a = [&] { return doctor_verb(doctor_o, env); }; });
}

void add_pull(CLI::App& app, PullOptions& o, Action& action, const Environment& env) {
  CLI::App* pull = app.add_subcommand("pull", "Download a model from a hub: resumed, checked, into the Hugging Face cache");
  pull->add_option("model", o.model, "owner/name, or a short name: 20b, 120b, gpt-oss-20b, gpt-oss-120b")->required();
  pull->add_option("--revision", o.revision, "Branch, tag or commit")->capture_default_str();
  pull->add_flag("--original", o.original, "The files below original/ instead of the Hugging Face layout");
  pull->add_option("--gguf", o.gguf, "A GGUF file instead, of which this is a pattern or a part of the name (optional)")
      ->expected(0, 1)
      ->type_name("[PATTERN]");
  pull->add_option("--include", o.include, "Only files that fit: '*.json', original/; may be repeated")->allow_extra_args(false);
  pull->add_option("--exclude", o.exclude, "No files that fit; may be repeated")->allow_extra_args(false);
  pull->add_option("--to", o.to, "Into this folder, not the cache")->type_name("DIR");
  pull->add_option("-j,--jobs", o.jobs, "Connections at once")->check(CLI::Range(1, 64))->capture_default_str();
  pull->add_option("--stall-timeout", o.stall_timeout_s, "Seconds of silence after which a connection is opened anew")
      ->check(CLI::Range(0.1, 86400.0))
      ->capture_default_str();
  pull->add_flag("--verify", o.verify, "Hash files that are here already, and fetch those that are wrong");
  pull->add_flag("--dry-run", o.dry_run, "Say what would be downloaded");
  pull->add_flag("--offline", o.offline, "Only say where it is");
  pull->add_flag("-q,--quiet", o.quiet, "Only the path");
  pull->add_flag("--json", o.json, "JSON Lines on stdout: plan, progress, file, note, done");
  pull->footer(R"(Examples:
  toccata pull gpt-oss-20b && toccata run -m gpt-oss-20b "..."
  toccata pull 120b --to /data/gpt-oss-120b         a plain folder
  toccata pull 20b --gguf                           one file, from ggml-org/gpt-oss-20b-GGUF
  toccata pull unsloth/gpt-oss-20b-GGUF --gguf F16
  HF_ENDPOINT=https://hub.example toccata pull openai/gpt-oss-20b --revision main
Environment: HF_TOKEN, HF_TOKEN_PATH, HF_HOME, HF_HUB_CACHE, HF_ENDPOINT, HF_HUB_OFFLINE, as huggingface_hub has them.
Exit codes: 0 done, 1 the bytes are wrong, 2 no such model, 4 disk too full, 5 no access, 6 hub out of reach.)");
  pull->callback([&o, &action, &env] { action = [&] { return pull_verb(o, env); }; });
}

void add_site_options(CLI::App& add, IndexOptions& o) {
  add.add_option("--max-pages", o.max_pages, "Most pages of a site")->check(CLI::PositiveNumber)->capture_default_str();
  add.add_option("--max-depth", o.max_depth, "Most links from the address of a site to a page")->check(CLI::NonNegativeNumber)->capture_default_str();
  add.add_option("--max-mib", o.max_mib, "Most MiB of pages read from a site")->check(CLI::PositiveNumber)->capture_default_str();
  add.add_option("--delay", o.delay_s, "Seconds between two requests to a site; robots.txt may ask for more")->check(CLI::Range(0.0, 3600.0))->capture_default_str();
  add.add_option("--allow-origin", o.allow_origins, "Origin that may be read although it is not public: http://127.0.0.1:8000; may be repeated")
      ->allow_extra_args(false);
  add.add_option("--proxy", o.proxy, "Proxy for pages, or none (default: http_proxy, HTTPS_PROXY, NO_PROXY)")->envname("TOCCATA_PROXY");
  add.add_option("--sandbox", o.sandbox, "Least level of protection in which PDF and ZIM files are read")
      ->check(CLI::IsMember({"full", "full-nocg", "noproc", "landlock", "seccomp", "none"}))
      ->envname("TOCCATA_SANDBOX")
      ->capture_default_str();
}

void add_index(CLI::App& app, IndexOptions& o, Action& action, const Environment& env) {
  CLI::App* index = app.add_subcommand("index", "Documents of this machine that the browser tool may search");
  index->require_subcommand(1);
  CLI::App* add = index->add_subcommand("add", "Add a folder, a file or a web site; again later: what changed");
  add->add_option("path", o.paths, "Folders, files (also ZIM archives), or addresses: the pages below https://example.org/guide/, or those a sitemap names")->required();
  add_site_options(*add, o);
  CLI::App* search = index->add_subcommand("search", "What the browser tool would find");
  search->add_option("query", o.query, "Words")->required();
  search->add_option("-n,--limit", o.limit, "Most results")->check(CLI::PositiveNumber)->capture_default_str();
  CLI::App* list = index->add_subcommand("list", "Every document");
  CLI::App* remove = index->add_subcommand("remove", "Forget a folder, a file or a web site");
  remove->add_option("path", o.paths, "Folders, files or addresses")->required();
  for (CLI::App* verb : {add, search}) add_embeddings_options(*verb, o.embeddings);
  for (CLI::App* verb : {search, list}) verb->add_flag("--json", o.json, "Machine-readable");
  for (CLI::App* verb : {add, search, list, remove}) {
    verb->add_option("--index", o.index, "SQLite file of the index")->envname("TOCCATA_INDEX");
  }
  add->callback([&o, &action, &env] { action = [&] { return index_add_verb(o, env); }; });
  search->callback([&o, &action, &env] { action = [&] { return index_search_verb(o, env); }; });
  list->callback([&o, &action, &env] { action = [&] { return index_list_verb(o, env); }; });
  remove->callback([&o, &action, &env] { action = [&] { return index_remove_verb(o, env); }; });
}

// The words in "TEXT:{auto,cpu,cuda}", which is what CLI11 calls an option with a list of values.
std::vector<std::string> choices_of(const std::string& type_name) {
  std::vector<std::string> words;
  const auto open = type_name.find('{');
  if (open == std::string::npos || type_name.find('}') == std::string::npos) return words;
  std::string word;
  for (std::size_t i = open + 1; i < type_name.size(); ++i) {
    if (type_name[i] != ',' && type_name[i] != '}') {
      word += type_name[i];
      continue;
    }
    words.push_back(std::exchange(word, {}));
    if (type_name[i] == '}') break;
  }
  return words;
}

// The tables above, for the shells.
CompletionVerb described(const CLI::App& app) {
  CompletionVerb verb{app.get_name(), app.get_description()};
  // CLI11 hands a verb without one that of its parent.
  if (app.get_parent() == nullptr || app.get_footer() != app.get_parent()->get_footer()) verb.footer = app.get_footer();
  for (const CLI::Option* option : app.get_options()) {
    const bool takes_value = option->get_expected_max() > 0 && option->get_type_size_max() > 0;
    const auto choices = choices_of(option->get_type_name());
    if (option->get_positional()) {
      verb.words.insert(verb.words.end(), choices.begin(), choices.end());
      verb.arguments.push_back({option->get_name(), option->get_description(), option->get_required(), option->get_items_expected_max() > 1});
      continue;
    }
    CompletionOption described_option{{}, option->get_description(), takes_value, choices};
    if (takes_value) described_option.value = option->get_type_name().substr(0, option->get_type_name().find(':'));
    described_option.default_value = option->get_default_str();
    described_option.variable = option->get_envname();
    for (const std::string& name : option->get_snames()) described_option.names.push_back("-" + name);
    for (const std::string& name : option->get_lnames()) described_option.names.push_back("--" + name);
    verb.options.push_back(std::move(described_option));
  }
  for (const CLI::App* child : app.get_subcommands([](const CLI::App*) { return true; })) {
    verb.verbs.push_back(described(*child));
  }
  return verb;
}

void add_manual(CLI::App& app, CLI::App& dev, std::string& format, Action& action) {
  CLI::App* manual = dev.add_subcommand("manual", "This command line as a page: man (roff) or markdown");
  manual->add_option("format", format, "man or markdown")->required()->check(CLI::IsMember({"man", "markdown"}));
  manual->callback([&app, &format, &action] {
    action = [&app, &format] {
      std::cout << (format == "man" ? manual_man(described(app), kVersion) : manual_markdown(described(app)));
      return kExitDone;
    };
  });
}

void add_completion(CLI::App& app, std::string& shell, Action& action) {
  CLI::App* completion = app.add_subcommand("completion", "A script that completes verbs and options in a shell");
  completion->add_option("shell", shell, "bash, zsh or fish")->required()->check(CLI::IsMember({"bash", "zsh", "fish"}));
  completion->footer(R"(Examples:
  source <(toccata completion bash)                 in ~/.bashrc
  toccata completion zsh > "${fpath[1]}/_toccata"
  toccata completion fish > ~/.config/fish/completions/toccata.fish)");
  completion->callback([&] {
    action = [&] {
      std::cout << completion_script(shell, described(app)).value_or_throw();
      return kExitDone;
    };
  });
}

// The folder named by -C must be current before ./toccata.toml is read, so it is looked for ahead of parsing.
void enter_folder(int argc, char** argv) {
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument = argv[i];
    if (argument == "--") return;  // behind it: arguments of another program
    std::string folder;
    if ((argument == "-C" || argument == "--cd") && i + 1 < argc) folder = argv[i + 1];
    if (argument.starts_with("--cd=")) folder = argument.substr(5);
    if (folder.empty()) continue;
    std::error_code failure;
    std::filesystem::current_path(folder, failure);
    if (failure) {
      throw Exception(
          ErrorCode::kInvalidArgument, "-C " + folder + ": " + failure.message()
      );
    }
    return;
  }
}

AgentOptions configured_defaults(const Environment& env) {
  AgentOptions options;
  apply_config_file(env.config_home / "config.toml", ConfigOwner::kUser, options);
  apply_config_file("toccata.toml", ConfigOwner::kProject, options);
  return options;
}

}  // namespace

int run_command_line(int argc, char** argv, const Environment& env) {
  if (argc == 2 && std::string_view(argv[1]) == "--version") {
    std::cout << "toccata " << kVersion << '\n';
    return kExitDone;
  }
  enter_folder(argc, argv);
  const AgentOptions defaults = configured_defaults(env);

  CLI::App app{"Toccata: from gpt-oss weights to finished agent work, in one program.", "toccata"};
  app.footer(kExamples);
  app.set_version_flag("--version", std::string("toccata ") + kVersion);
  app.require_subcommand(1);
  app.fallthrough();  // -C may stand after the verb
  std::string folder;
  app.add_option("-C,--cd", folder, "Work in this folder");

  Action action;
  RunOptions run{defaults, "", "", {}};
  ChatOptions chat{defaults};
#ifdef TOCCATA_SERVER
  ServeOptions serve;
  serve.agent = defaults;
  add_serve(app, serve, action, env);
  LaunchOptions launch;
  add_launch(app, launch, action, env);
#endif
  RunsOptions runs;
  runs.ledger = defaults.ledger;
  RunsAgainOptions runs_again{{defaults}, {{defaults}}, {defaults}};
  RunsCareOptions runs_care;
  runs_care.ledger = defaults.ledger;
  ModelsOptions models;
  DoctorOptions doctor;
  BenchOptions bench;
  doctor.agent = defaults;
  doctor.search = defaults.search;
  doctor.search_services = defaults.search_services;
  add_run(app, run, action, env);
  add_chat(app, chat, action, env);
  TaskOptions task{defaults};
  add_task(app, task, action, env);
  McpServeOptions mcp_serve{defaults};
  McpLoginOptions mcp_login{defaults};
  add_mcp_logins(*add_mcp_serve(app, mcp_serve, action, env), mcp_login, action, env);
  EvalOptions eval{defaults};
  add_eval(app, eval, action, env);
  IndexOptions index;
  index.index = defaults.index;
  index.embeddings = defaults.embeddings;
  index.sandbox = defaults.sandbox;
  index.allow_origins = defaults.allow_origins;
  index.proxy = defaults.proxy;
  index.proxy_names = defaults.proxy_names;
  ToolsOptions tools;
  tools.python.offline = defaults.offline;
  add_tools(app, tools, action, env);
  DevOptions dev;
  PullOptions pull;
  add_pull(app, pull, action, env);
  add_index(app, index, action, env);
  CLI::App* runs_app = add_runs(app, runs, action, env);
  add_runs_again(*runs_app, runs_again, action, env);
  add_runs_care(*runs_app, runs_care, action, env);
  add_machine(app, models, doctor, action, env);
  add_bench(app, bench, action, env);
  std::string manual_format;
  add_manual(app, *add_dev(app, dev, action, env), manual_format, action);
  std::string shell;
  add_completion(app, shell, action);

  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    return app.exit(e) == 0 ? kExitDone : kExitUsage;
  }
  return action();
}

}  // namespace toccata::cli
