#include "agent/cli/session_setup.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <ctime>
#include <iostream>
#include <map>
#include <mutex>
#include <nlohmann/json.hpp>
#include <random>

#include "agent/cli/judge_program.h"
#include "agent/cli/mcp_setup.h"
#include "agent/cli/page_setup.h"
#include "agent/cli/project_notes.h"
#include "agent/cli/python_environment.h"
#include "agent/cli/sandbox_setup.h"
#include "agent/cli/search_setup.h"
#include "agent/cli/shared_tool.h"
#include "agent/cli/terminal_text.h"
#include "agent/cli/token_prefix.h"
#include "agent/cli/tool_file_setup.h"
#include "agent/loop/prompt.h"
#include "agent/loop/recall_tool.h"
#include "agent/loop/subagent_tool.h"
#include "agent/loop/turn_rules.h"
#include "agent/toolfile/tool_script.h"
#include "core/base/calendar.h"
#include "core/base/json.h"
#include "sandbox/sandbox.h"
#include "tools/browser/browser_tool.h"
#include "tools/browser/live_pages.h"
#include "tools/files/files_tool.h"
#include "tools/patch/patch_tool.h"
#include "tools/python/python_tool.h"
#include "tools/shell/shell_tool.h"
#include "tools/skills/skills_tool.h"

namespace toccata::cli {
namespace {

std::chrono::milliseconds milliseconds(double seconds) {
  return std::chrono::milliseconds(static_cast<std::int64_t>(seconds * 1000));
}

harmony::ReasoningEffort reasoning(const std::string& name) {
  if (name == "low") return harmony::ReasoningEffort::kLow;
  if (name == "medium") return harmony::ReasoningEffort::kMedium;
  if (name == "high") return harmony::ReasoningEffort::kHigh;
  throw Exception(
      ErrorCode::kInvalidArgument, "reasoning is '" + name + "', expected low, medium or high"
  );
}

std::uint64_t random_seed() {
  std::random_device device;
  return std::uint64_t{device()} << 32 | device();
}

SamplingParams sampling(const AgentOptions& options, SamplingParams params) {
  params.temperature = options.temperature.value_or(params.temperature);
  params.top_p = options.top_p.value_or(params.top_p);
  params.top_k = options.top_k.value_or(params.top_k);
  params.min_p = options.min_p.value_or(params.min_p);
  params.seed = options.seed.value_or(random_seed());
  return params;
}

agent::ApprovalPolicy::Mode approval_mode(const std::string& mode, const Environment& env) {
  using Mode = agent::ApprovalPolicy::Mode;
  if (mode == "always") return Mode::kAlways;
  if (mode == "trusted") return Mode::kTrusted;
  return mode == "never" || !env.stdin_is_terminal ? Mode::kNever : Mode::kOnRequest;
}

// y/n on the terminal; without one nobody can be asked.
agent::ApprovalPolicy approval(const AgentOptions& options, const Environment& env) {
  agent::ApprovalPolicy policy{approval_mode(options.approve, env), {}};
  for (const std::string& rule : options.approve_rules) policy.rules.push_back(agent::ApprovalRule::parse(rule).value_or_throw());
  if (policy.mode == agent::ApprovalPolicy::Mode::kNever || !env.stdin_is_terminal) return policy;
  policy.ask = [](const agent::ApprovalRequest& request) {
    if (!request.untrusted_origins.empty()) {
      std::cerr << "This run has read text that others wrote, which may be behind this call:";
      for (const std::string& origin : request.untrusted_origins) std::cerr << " " << for_terminal(origin);
      std::cerr << "\n";
    }
    std::cerr << "allow " << request.recipient << " " << for_terminal(request.arguments)
              << "? [y/N, q = refuse and stop, l = decide later] ";
    std::string answer;
    std::getline(std::cin, answer);
    if (answer == "l" || !std::cin) return agent::Decision::kLater;
    if (answer == "q") return agent::Decision::kStop;
    return answer == "y" || answer == "Y" ? agent::Decision::kApprove : agent::Decision::kRefuse;
  };
  return policy;
}

// `rules`: of the masks; null without.
std::string params_json(
    const AgentOptions& options, const Environment& env, const SamplingParams& params, const harmony::ConstraintRules* rules
) {
  // By default, whatever is the interpreter when the run goes on.
  const std::string python = options.python.empty() ? "" : choose_python(options.python, env).python.string();
  nlohmann::ordered_json json = {
      {"model_spec", options.model},        {"sandbox", options.sandbox},
      {"precision", options.precision},     {"python", python},
      {"kv", options.kv},
      {"mounts", with_whole_folders(options.mounts)}, {"sandbox_net", options.sandbox_net},
      {"max_step_tokens", options.max_step_tokens}, {"max_calls", options.max_calls},
      {"max_reasoning_tokens", options.max_reasoning_tokens}, {"context_tokens", options.context_tokens},
      {"approve", options.approve},         {"approve_rules", options.approve_rules},
      {"reasoning", options.reasoning},     {"tools", with_whole_paths(options.tools)},
      {"tool_files", whole_paths(options.tool_files)},
      {"scripted_tools", options.scripted_tools.empty() ? "" : std::filesystem::absolute(options.scripted_tools).string()},
      {"temperature", params.temperature},  {"top_p", params.top_p},
      {"top_k", params.top_k},              {"min_p", params.min_p},
      {"seed", params.seed},                {"max_turns", options.max_turns},
      {"max_prefill_tokens", options.max_prefill_tokens}, {"max_decode_tokens", options.max_decode_tokens},
      {"subagents", options.subagents},     {"subagent_depth", options.subagent_depth},
      {"look_ahead", options.look_ahead},
      {"best_of", options.best_of},         {"judge", options.judge},
      {"budget_tokens", options.budget_tokens}, {"timeout_s", options.timeout_s},
      {"max_sandbox_cpu_s", options.max_sandbox_cpu_s},
      {"constrain", options.constrain},     {"output_schema", options.output_schema},
      {"page_text", options.page_text},
      {"search", options.search},           {"allow_origins", options.allow_origins},
      {"offline", options.offline},         {"allow_domains", options.allow_domains}};
  if (rules != nullptr) json["turn_rules"] = agent::to_json(*rules);
  return json_text(json);
}

// Any object, where the schema cannot be enforced.
void free_arguments(const std::set<std::string>& recipients, const tools::Registry& tools, harmony::ConstraintRules& rules) {
  const harmony::NameMap names = agent::tool_names(tools);
  for (const std::string& recipient : recipients) {
    for (harmony::ConstraintTool& tool : rules.tools) {
      if (tool.recipient == names.shown(recipient)) tool.parameters = R"({"type":"object"})";
    }
  }
}

agent::SessionFiles files_of(const std::shared_ptr<sandbox::SessionSlot>& slot) {
  const auto take = [slot] {
    std::vector<store::SessionFile> files;
    for (sandbox::KeptFile& file : slot->take_changes()) {
      std::optional<std::uint64_t> size;
      if (file.bytes) size = file.bytes->size();
      files.push_back({std::move(file.path), size, std::move(file.bytes).value_or("")});
    }
    return files;
  };
  const auto put_back = [slot](std::vector<store::SessionFile> files) {
    std::map<std::string, std::string> by_path;
    for (store::SessionFile& file : files) by_path.emplace(std::move(file.path), std::move(file.bytes));
    slot->add_files(std::move(by_path));
  };
  return {take, put_back};
}

// The session that python and shell share.
std::shared_ptr<sandbox::SessionSlot> session_slot(const AgentOptions& options, const Environment& env, AgentSetup& setup) {
  if (setup.slot) return setup.slot;
  setup.sandbox = std::make_unique<sandbox::Sandbox>(make_sandbox(options, env));
  setup.config.sandbox_level = sandbox::to_string(setup.sandbox->level());
  warn_if_weak(*setup.sandbox);
  setup.slot = std::make_shared<sandbox::SessionSlot>(*setup.sandbox);
  setup.config.files = files_of(setup.slot);
  return setup.slot;
}

void add_browser(const AgentOptions& options, const Environment& env, AgentSetup& setup) {
  const auto path = options.index.empty() ? env.index_path() : options.index;
  const tools::PageScope scope = tools::page_scope(options.page_text).value_or_throw();
  std::shared_ptr<tools::PageStore> store;
  const auto kept = options.page_cache.empty() ? env.pages_path() : options.page_cache;
  if (kept != "none") {
    store = std::make_shared<tools::PageStore>(kept, [](const std::string& warning) { std::cerr << "toccata: WARNING: " << warning << '\n'; });
  }
  if (!options.recorded_pages_of.empty()) {
    if (store == nullptr || store->n_recorded(options.recorded_pages_of) == 0) {
      throw Exception(
          ErrorCode::kNotFound, kept.string() + " holds no recorded pages of run " + options.recorded_pages_of +
                                    ": the run read none, ran without a page cache, or they gave way to newer ones"
      );
    }
    setup.tools.add(std::make_unique<tools::BrowserTool>(
        std::make_unique<tools::ReplayingBackend>(std::move(store), options.recorded_pages_of), o200k_prefix(), scope
    ));
    return;
  }
  if (options.offline) {
    setup.tools.add(tools::open_local_browser(path, o200k_prefix(), scope).value_or_throw());  // its vectors would need the network
    return;
  }
  std::unique_ptr<tools::LocalIndex> index;
  std::error_code missing;
  if (!options.index.empty() || std::filesystem::exists(path, missing)) {
    index = tools::LocalIndex::open(path, tools::LocalIndex::Mode::kRead).value_or_throw();
  }
  const tools::ProxyRules proxy = proxy_rules(options.proxy, options.proxy_names, env);
  if (index != nullptr) use_embeddings(*index, options.embeddings, proxy, env);
  tools::Fetcher fetcher(tools::AddressPolicy::make(options.allow_origins, options.allow_domains).value_or_throw(), {}, {}, proxy);
  fetcher.read_pdfs(pdf_to_text(options.sandbox));
  std::unique_ptr<tools::BrowserBackend> pages = std::make_unique<tools::LivePages>(
      std::move(index), std::move(fetcher), make_searches(options.search, options.search_services, proxy, env, setup.secrets.get()), store
  );
  if (store != nullptr) pages = std::make_unique<tools::RecordingBackend>(std::move(pages), store);
  setup.tools.add(std::make_unique<tools::BrowserTool>(std::move(pages), o200k_prefix(), scope));
}

// Both places when code runs in this run, also when its tool is named later.
void add_files(const AgentOptions& options, const Environment& env, AgentSetup& setup) {
  const auto& names = options.tools;
  const bool runs_code = std::any_of(names.begin(), names.end(), [](const std::string& name) {
    return name == "python" || name == "shell";
  });
  const auto places =
      tools::FilePlaces::open(options.workspace, runs_code ? session_slot(options, env, setup) : nullptr).value_or_throw();
  using Half = tools::FilesTool::Half;
  for (const Half half : {Half::kReading, Half::kWriting})
    setup.tools.add(std::make_unique<tools::FilesTool>(half, places));
}

void add_tools(const AgentOptions& options, const Environment& env, AgentSetup& setup) {
  for (const std::string& name : options.tools) {
    if (name == "none" || names_mcp(name)) continue;
    if (name == "python") {
      setup.tools.add(std::make_unique<tools::PythonTool>(
          session_slot(options, env, setup), milliseconds(options.tool_timeout_s)
      ));
    } else if (name == "shell") {
      setup.tools.add(std::make_unique<tools::ShellTool>(
          session_slot(options, env, setup), milliseconds(options.tool_timeout_s)
      ));
    } else if (name == "browser") {
      add_browser(options, env, setup);
    } else if (name == "files") {
      add_files(options, env, setup);
    } else if (name == "patch") {
      setup.tools.add(std::make_unique<tools::PatchTool>(
          tools::WorkFolder::open(options.workspace).value_or_throw()
      ));
    } else if (name == "recall") {
      setup.tools.add(std::make_unique<agent::RecallTool>(*setup.ledger));
    } else if (name == "skills") {
      const auto folders = skill_folders(std::filesystem::current_path(), env.config_home);
      setup.tools.add(tools::SkillsTool::open(folders).value_or_throw());
    } else {
      throw Exception(
          ErrorCode::kInvalidArgument,
          "unknown tool '" + name + "'; known: python, browser, shell, files, patch, recall, skills, mcp, none"
      );
    }
  }
}

std::shared_ptr<tools::Secrets> secrets_of(const Environment& env) {
  return std::make_shared<tools::Secrets>(env.variable, env.config_home / "secrets", env.home);
}

void add_declared_tools(const AgentOptions& options, const Environment& env, AgentSetup& setup) {
  for (toolfile::ToolFile& file : read_tool_files(options)) {
    const bool sandboxed = std::any_of(file.tools.begin(), file.tools.end(), [](const auto& tool) {
      return tool.command() != nullptr && !tool.command()->on_host;
    });
    const std::shared_ptr<sandbox::SessionSlot> slot = sandboxed ? session_slot(options, env, setup) : nullptr;
    declare_tools(std::move(file), options, env, {setup.secrets, slot}, setup.tools);
  }
}

// "20", "browser=5" or "browser.search=5".
void set_call_limit(const std::string& text, agent::Limits& limits) {
  const std::size_t equals = text.find('=');
  const std::string number = equals == std::string::npos ? text : text.substr(equals + 1);
  if (number.empty() || number.size() > 9 || number.find_first_not_of("0123456789") != std::string::npos || equals == 0) {
    throw Exception(
        ErrorCode::kInvalidArgument, "--max-calls is '" + text + "', expected a number such as 20, or browser=5"
    );
  }
  if (equals == std::string::npos) {
    limits.calls_max = std::stoi(number);
  } else {
    limits.calls_of_max[text.substr(0, equals)] = std::stoi(number);
  }
}

// The user's own, then what the project says, then what code may read and reach.
std::string instructions(const AgentOptions& options, const sandbox::Sandbox* sandbox) {
  std::string text = options.instructions;
  const auto add = [&](const std::string& notes) {
    if (!text.empty() && !notes.empty()) text += "\n\n";
    text += notes;
  };
  if (!options.no_project_notes) add(project_notes(std::filesystem::current_path()));
  if (sandbox != nullptr) add(sandbox_notes(*sandbox));
  return text;
}

agent::Limits limits(const AgentOptions& options) {
  agent::Limits limits;
  limits.max_turns = options.max_turns;
  limits.budget_tokens = options.budget_tokens;
  limits.prefill_tokens_max = options.max_prefill_tokens;
  limits.decode_tokens_max = options.max_decode_tokens;
  limits.children_max = options.subagents;
  limits.depth_max = options.subagent_depth;
  if (options.max_step_tokens > 0) limits.step_tokens_max = options.max_step_tokens;
  limits.timeout = milliseconds(options.timeout_s);
  limits.sandbox_cpu_max = std::chrono::ceil<std::chrono::milliseconds>(std::chrono::duration<double>(options.max_sandbox_cpu_s));
  limits.reasoning_tokens_max = options.max_reasoning_tokens;
  limits.compact_at_tokens = options.context_tokens;
  for (const std::string& limit : options.max_calls) set_call_limit(limit, limits);
  return limits;
}

// What the run may make runs for, and with which tools. Shared by them are functions of the caller's.
void set_up_children(const AgentOptions& options, const Environment& env, std::vector<tools::Tool*> shared, AgentSetup& setup) {
  if (options.subagents > 0) setup.tools.add(std::make_unique<agent::SubagentTool>());
  if (options.subagents > 0 || options.best_of > 1) {
    setup.config.child_tools = [options, env, shared, secrets = setup.secrets, sandbox = setup.sandbox.get(), calls = std::make_shared<std::mutex>()] {
      auto child = std::make_shared<AgentSetup>(set_up_child(options, env, secrets, sandbox));
      agent::ChildTools made{child, std::move(child->tools), child->config.files};
      for (tools::Tool* tool : shared) made.tools.add(std::make_unique<SharedTool>(*tool, calls));
      if (!options.scripted_tools.empty()) {
        made.tools = toolfile::scripted_tools(made.tools, toolfile::load_tool_script(options.scripted_tools)).registry;
      }
      return made;
    };
  }
  agent::BestOf& best = setup.config.best_of;
  using Judge = agent::BestOf::Judge;
  best.n = options.best_of;
  if (options.judge == "first-valid") best.judge = Judge::kFirstValid;
  if (options.judge == "model") best.judge = Judge::kModel;
  if (!options.judge.starts_with("command=")) return;
  best.judge = Judge::kProgram;
  best.ask = [command = options.judge.substr(8)](const std::string& task, const std::vector<agent::Candidate>& candidates) {
    return ask_program(command, task, candidates);
  };
}

}  // namespace

AgentSetup set_up(
    const AgentOptions& options, const Environment& env, std::vector<std::unique_ptr<tools::Tool>> more
) {
  reasoning(options.reasoning);  // refused before a model is loaded
  ChosenModel model = choose_model(options.model, {options.device, options.precision, options.kv, options.prefix_cache_mib, options.prefix_folder}, options.offline, env);
  return set_up(options, env, std::move(model), std::move(more));
}

AgentSetup set_up(
    const AgentOptions& options,
    const Environment& env,
    ChosenModel model,
    std::vector<std::unique_ptr<tools::Tool>> more
) {
  AgentSetup setup;
  setup.config.reasoning = reasoning(options.reasoning);
  setup.model = std::move(model);
  const auto ledger = options.ledger.empty() ? env.ledger_path() : options.ledger;
  setup.ledger = store::Ledger::open(ledger).value_or_throw();
  setup.secrets = secrets_of(env);
  add_tools(options, env, setup);
  add_declared_tools(options, env, setup);
  std::vector<tools::Tool*> shared;
  for (std::unique_ptr<tools::Tool>& tool : more) {
    shared.push_back(tool.get());
    setup.tools.add(std::move(tool));
  }
  const bool constrained = options.constrain != "off" && setup.model.model->capabilities().constraint;
  const std::set<std::string> unconstrained = add_mcp_tools(options, env, constrained, setup.secrets, setup.tools, nullptr, /*may_log_in=*/true);
  if (!options.scripted_tools.empty()) {
    toolfile::ScriptedTools scripted = toolfile::scripted_tools(setup.tools, toolfile::load_tool_script(options.scripted_tools));
    setup.tools = std::move(scripted.registry);
    setup.unused_answers = std::move(scripted.unused);
  }
  setup.config.limits = limits(options);
  setup.config.look_ahead.calls_max = options.look_ahead;
  set_up_children(options, env, std::move(shared), setup);
  setup.config.sampling = sampling(options, setup.model.sampling);
  if (const std::string text = instructions(options, setup.sandbox.get()); !text.empty()) setup.config.instructions = setup.secrets->redact(text);
  setup.config.secrets = setup.secrets;
  setup.config.current_date = today();
  setup.config.approval = approval(options, env);
  if (!options.output_schema.empty()) {
    setup.config.output_schema = agent::OutputSchema::parse(options.output_schema).value_or_throw();
  }
  harmony::ConstraintRules rules = agent::turn_rules(setup.tools, setup.config.output_schema);
  free_arguments(unconstrained, setup.tools, rules);
  if (options.constrain != "off") {
    setup.config.constraint = agent::turn_constraint(*setup.model.model, rules).value_or_throw();
  }
  setup.config.params = params_json(options, env, setup.config.sampling, setup.config.constraint ? &rules : nullptr);
  return setup;
}

AgentSetup set_up_tools(const AgentOptions& options, const Environment& env, sandbox::Sandbox* sandbox) {
  AgentSetup setup;
  if (sandbox != nullptr) {
    setup.slot = std::make_shared<sandbox::SessionSlot>(*sandbox);
    setup.config.files = files_of(setup.slot);
  }
  setup.secrets = setup.config.secrets = secrets_of(env);
  add_tools(options, env, setup);
  setup.config.limits = limits(options);
  setup.config.look_ahead.calls_max = options.look_ahead;
  setup.config.approval = approval(options, env);
  return setup;
}

AgentSetup set_up_child(
    const AgentOptions& options, const Environment& env, std::shared_ptr<tools::Secrets> secrets, sandbox::Sandbox* sandbox
) {
  AgentSetup setup;
  setup.secrets = std::move(secrets);
  setup.ledger = store::Ledger::open(options.ledger.empty() ? env.ledger_path() : options.ledger).value_or_throw();
  if (sandbox != nullptr) {
    setup.slot = std::make_shared<sandbox::SessionSlot>(*sandbox);
    setup.config.files = files_of(setup.slot);
  }
  add_tools(options, env, setup);
  add_declared_tools(options, env, setup);
  add_mcp_tools(options, env, /*constrained=*/false, setup.secrets, setup.tools);  // the masks are the maker's
  return setup;
}

agent::RunOutcome with_answers_used(agent::RunOutcome outcome, const AgentSetup& setup) {
  const std::vector<std::string> unused = setup.unused_answers ? setup.unused_answers() : std::vector<std::string>();
  if (outcome.exit_code != 0 || unused.empty()) return outcome;
  outcome.exit_code = 3;
  outcome.terminal_reason = "answers_unused";
  outcome.message = "the script of tools demands calls that did not come:";
  for (const std::string& place : unused) outcome.message += " " + place;
  return outcome;
}

void report(const agent::RunOutcome& outcome) {
  if (outcome.exit_code == 0) return;
  std::fprintf(
      stderr, "toccata: run %s ended without an answer: %s (%s)\n", outcome.run_id.c_str(),
      outcome.message.c_str(), outcome.terminal_reason.c_str()
  );
}

}  // namespace toccata::cli
