#include "agent/cli/agent_flags.h"

#include <CLI/CLI.hpp>
#include <vector>

#include "core/base/mapped_file.h"

namespace toccata::cli {

namespace {

constexpr int kSubagents = 8, kSubagentsMax = 1000;

// Of --subagents, which CLI11 calls "true", or --subagents=N.
int subagents_in(const std::string& value) {
  if (value == "true") return kSubagents;
  const bool is_number = !value.empty() && value.size() < 5 && value.find_first_not_of("0123456789") == std::string::npos;
  const int n = is_number ? std::stoi(value) : -1;
  if (n < 0 || n > kSubagentsMax) {
    throw CLI::ValidationError("found '" + value + "', expected a number from 0 to " + std::to_string(kSubagentsMax));
  }
  return n;
}

// "off", or a number.
int look_ahead_in(const std::string& value) {
  if (value == "off") return 0;
  const bool is_number = !value.empty() && value.size() < 4 && value.find_first_not_of("0123456789") == std::string::npos;
  const int n = is_number ? std::stoi(value) : -1;
  if (n < 0 || n > kLookAheadMax) {
    throw CLI::ValidationError("--look-ahead", "found '" + value + "', expected off or a number from 0 to " + std::to_string(kLookAheadMax));
  }
  return n;
}

}  // namespace

void add_agent_options(CLI::App& app, AgentOptions& o) {
  const auto levels =
      CLI::IsMember({"full", "full-nocg", "noproc", "landlock", "seccomp", "none"});
  app.add_option("-m,--model", o.model, "nano | folder | Hugging Face id in the cache | URL | script:FILE")
      ->envname("TOCCATA_MODEL")
      ->capture_default_str();
  app.add_option("--device", o.device, "Where the built-in engine runs; auto = a GPU when there is one")
      ->check(CLI::IsMember({"auto", "cpu", "cuda"}))
      ->envname("TOCCATA_DEVICE")
      ->capture_default_str();
  app.add_option("--precision", o.precision, "Arithmetic of the built-in engine: f32, or fast (8 bits on the CPU); auto = f32 on the CPU")
      ->check(CLI::IsMember({"auto", "f32", "fast"}))
      ->envname("TOCCATA_PRECISION")
      ->capture_default_str();
  app.add_option("--kv", o.kv, "Keys and values of the built-in engine on the CPU: f16 is half of f32, q8 half of that; auto = f32, and f16 when fast")
      ->check(CLI::IsMember({"auto", "f32", "f16", "q8"}))
      ->envname("TOCCATA_KV")
      ->capture_default_str();
  app.add_option("--prefix-cache", o.prefix_cache_mib, "MiB of keys and values kept for sessions that begin alike: the rows of a task, sub-agents, requests; 0 = none")
      ->type_name("MIB")
      ->check(CLI::Range(0, 1 << 20))
      ->envname("TOCCATA_PREFIX_CACHE")
      ->capture_default_str();
  app.add_option("--prefix-folder", o.prefix_folder, "Folder where these are kept for later processes too, up to 4 GiB: a large model then begins at once")
      ->type_name("DIR")
      ->envname("TOCCATA_PREFIX_FOLDER");
  app.add_option("--tools", o.tools, "Tools the model may call: python, browser, shell, files, patch, recall, skills, mcp = the servers of the user's mcp.json, none")
      ->delimiter(',')
      ->allow_extra_args(false)  // the task follows
      ->envname("TOCCATA_TOOLS")
      ->capture_default_str();
  app.add_option("--tool-file", o.tool_files, "File that declares further tools, an HTTP request or a program behind each (docs/tools.md); may be repeated")
      ->type_name("FILE")
      ->allow_extra_args(false);
  app.add_option("--scripted-tools", o.scripted_tools, "For tests: tools answer what this file says, and nothing of them runs; a call it does not expect ends the run, exit 6")
      ->type_name("FILE");
  app.add_option("--workspace", o.workspace, "Folder that files and patch work in, never outside; default: that of -C")
      ->capture_default_str();
  app.add_option("--instructions", o.instructions, "Text of the developer message");
  app.add_option("--reasoning", o.reasoning, "Reasoning effort")
      ->check(CLI::IsMember({"low", "medium", "high"}))
      ->envname("TOCCATA_REASONING")
      ->capture_default_str();
  app.add_option("--temperature", o.temperature, "0 = greedy (default: the model's own, else 1)")
      ->check(CLI::Range(0.0, 100.0));
  app.add_option("--top-p", o.top_p, "Keep the likeliest tokens up to this probability")
      ->check(CLI::Range(0.0, 1.0));
  app.add_option("--top-k", o.top_k, "Keep this many likeliest tokens")->check(CLI::NonNegativeNumber);
  app.add_option("--min-p", o.min_p, "Drop tokens less likely than this times the likeliest")
      ->check(CLI::Range(0.0, 1.0));
  app.add_option("--seed", o.seed, "Same seed, same tokens (default: random, recorded in the ledger)")
      ->envname("TOCCATA_SEED");
  app.add_option("--max-turns", o.max_turns, "Most model calls in a run")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.add_option("--budget-tokens", o.budget_tokens, "Most tokens read and written; 0 = no limit")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  app.add_option("--max-prefill-tokens", o.max_prefill_tokens, "Most tokens read; 0 = no limit")->check(CLI::NonNegativeNumber);
  app.add_option("--max-decode-tokens", o.max_decode_tokens, "Most tokens written, in the whole run; 0 = no limit")->check(CLI::NonNegativeNumber);
  app.add_flag("--subagents")
      ->description("Let the model hand parts of the task to sub-agents, at most 8 or --subagents=N of them; they share the run's budget")
      ->each([&o](const std::string& value) { o.subagents = subagents_in(value); });
  app.add_option("--subagent-depth", o.subagent_depth, "1 = sub-agents make none of their own")->check(CLI::Range(1, 8))->capture_default_str();
  app.add_option_function<std::string>("--look-ahead", [&o](const std::string& value) { o.look_ahead = look_ahead_in(value); }, "While a tool runs, ask a fork of the model what it would call next, and begin at most N such calls of tools that only read; off")
      ->type_name("off|N")
      ->default_str(std::to_string(o.look_ahead));
  app.add_option("--max-step-tokens", o.max_step_tokens, "Most tokens written in one model call; 0 = no limit")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  app.add_option("--max-reasoning-tokens", o.max_reasoning_tokens, "Most reasoning in one model call; then it must answer; 0 = no limit")
      ->check(CLI::NonNegativeNumber);
  app.add_option("--max-calls", o.max_calls, "Most tool calls: 20, or of one tool: browser=5")
      ->allow_extra_args(false);
  app.add_option("--context-tokens", o.context_tokens, "Shorten the log when it grows past this; 0 = 4/5 of the context")
      ->check(CLI::NonNegativeNumber);
  app.add_flag("--no-project-notes", o.no_project_notes, "Do not read AGENTS.md");
  app.add_option("--constrain", o.constrain, "auto = the model can only write valid headers and arguments, where it takes masks; off")
      ->check(CLI::IsMember({"auto", "off"}))
      ->envname("TOCCATA_CONSTRAIN")
      ->capture_default_str();
  app.add_option("--output-schema", [&o](const CLI::results_t& values) {
       o.output_schema = read_text_file(values.at(0)).value_or_throw();
       return true;
     }, "The answer is JSON that satisfies the JSON schema in this file; else exit code 8")
      ->type_name("FILE")
      ->check(CLI::ExistingFile);
  app.add_option("--timeout", o.timeout_s, "Seconds for the whole run; 0 = no limit")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  app.add_option("--tool-timeout", o.tool_timeout_s, "Seconds for one call of python or shell")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.add_option("--max-sandbox-cpu", o.max_sandbox_cpu_s, "Most seconds of CPU time for python, shell and declared programs in the sandbox, in the whole run; 0 = no limit")
      ->check(CLI::Range(0.0, 1e9))
      ->type_name("SECONDS");
  app.add_option("--approve", o.approve, "Ask before tools that need approval; trusted = only once the run has read what strangers wrote (pages, searches)")
      ->check(CLI::IsMember({"never", "on-request", "trusted", "always"}))
      ->capture_default_str();
  const auto add_rules = [&o](const std::vector<std::string>& rules) { o.approve_rules.insert(o.approve_rules.begin(), rules.begin(), rules.end()); };
  app.add_option_function<std::vector<std::string>>("--approve-rule", add_rules, "TOOL[:ARGUMENT=GLOB | :ARGUMENT~REGEX]=allow|ask|deny: decides calls that fit, ahead of --approve; the first that fits wins; may be repeated")
      ->type_name("RULE")
      ->allow_extra_args(false);
  app.add_option("--sandbox", o.sandbox, "Least level of protection accepted")
      ->check(levels)
      ->envname("TOCCATA_SANDBOX")
      ->capture_default_str();
  app.add_option("--sandbox-start", o.sandbox_start, "zygote = interpreters are forked, with numpy and others imported, from one made ready in the background; cold = each is started when it is needed")
      ->check(CLI::IsMember({"zygote", "cold"}))
      ->envname("TOCCATA_SANDBOX_START")
      ->capture_default_str();
  app.add_option("--python", o.python, "Interpreter of sandbox sessions, or a virtual environment (default: that of `toccata tools python`, else /usr/bin/python3)")
      ->type_name("PATH")
      ->envname("TOCCATA_PYTHON");
  app.add_option("--mount", o.mounts, "Folder or file, PATH or PATH:NAME, that sandbox sessions may read at /mnt/NAME (default: its own name); may be repeated")
      ->type_name("PATH")
      ->allow_extra_args(false);
  app.add_option("--sandbox-net", o.sandbox_net, "Host that sandbox sessions may reach, by HTTP and HTTPS: pypi.org, *.example.org, example.org:8443; may be repeated (default: none)")
      ->type_name("HOST")
      ->delimiter(',')
      ->allow_extra_args(false);
  app.add_option("--index", o.index, "Local documents of the browser tool")->envname("TOCCATA_INDEX");
  app.add_option("--ledger", o.ledger, "SQLite file the run is recorded in")->envname("TOCCATA_LEDGER");
  app.add_option("--allow-origin", o.allow_origins, "Origin the browser, and a host of --sandbox-net, may be although it is not public: http://127.0.0.1:8000; may be repeated")
      ->allow_extra_args(false);
  app.add_option("--page-text", o.page_text, "How the browser opens pages: whole, or main = without menus and other side matter")
      ->check(CLI::IsMember({"whole", "main"}))
      ->envname("TOCCATA_PAGE_TEXT")
      ->capture_default_str();
  app.add_option("--allow-domain", o.allow_domains, "Pages come from this host and those below it only: example.org; may be repeated")
      ->delimiter(',')
      ->allow_extra_args(false);
  app.add_option("--search", o.search, "Search service the browser asks: brave, exa, jina, kagi, mediawiki, serper, tavily, you, searxng=URL, or one of config.toml; may be repeated")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->envname("TOCCATA_SEARCH");
  add_embeddings_options(app, o.embeddings);
  app.add_option("--page-cache", o.page_cache, "SQLite file that keeps pages between runs and records what each run read; none = neither (default: pages.db beside the ledger of the user)")
      ->envname("TOCCATA_PAGE_CACHE");
  app.add_option("--proxy", o.proxy, "Proxy for pages and search services, or none (default: http_proxy, HTTPS_PROXY, NO_PROXY)")
      ->envname("TOCCATA_PROXY");
  app.add_option("--proxy-names", o.proxy_names, "trusted = the proxy may open names that have no address here; else they are refused")
      ->check(CLI::IsMember({"checked", "trusted"}))
      ->capture_default_str();
  app.add_option("--otlp", o.otlp, "Send spans to this OpenTelemetry collector, as JSON over HTTP: http://127.0.0.1:4318 (default: OTEL_EXPORTER_OTLP_ENDPOINT)")
      ->type_name("URL");
  app.add_flag("--offline", o.offline, "Refuse everything that needs the network");
  app.add_flag("--json", o.json, "JSON Lines events on stdout instead of the answer");
  app.add_flag("-q,--quiet", o.quiet, "Only the answer: no progress on stderr");
  app.add_flag("--no-color", o.no_color, "No colours");
}

void add_best_of_options(CLI::App& app, AgentOptions& o) {
  app.add_option("--best-of", o.best_of, "Answer this many times at once, each with a seed of its own, and take the best")->check(CLI::Range(1, 64))->capture_default_str();
  app.add_option("--judge", o.judge, "Which of them: majority, first-valid, model = ask the model, command=... = a program that gets them as JSON and prints a number")
      ->check([](const std::string& judge) {
        return judge == "majority" || judge == "first-valid" || judge == "model" || (judge.starts_with("command=") && judge.size() > 8)
                   ? std::string()
                   : "found '" + judge + "', expected majority, first-valid, model or command=PROGRAM";
      })
      ->type_name("JUDGE")
      ->capture_default_str();
}

void add_files_option(CLI::App& app, AgentOptions& o) {
  app.add_option("--save-files", o.save_files, "Folder that gets what python and shell left in /mnt/data (later: toccata runs files)")
      ->type_name("FOLDER");
}

void add_embeddings_options(CLI::App& app, EmbeddingsOptions& o) {
  app.add_option("--embeddings", o.url, "Service with OpenAI's embeddings endpoint, for search by meaning in the index: http://127.0.0.1:8080/v1")
      ->type_name("URL")
      ->envname("TOCCATA_EMBEDDINGS");
  app.add_option("--embeddings-model", o.model, "Its model (default: the one whose vectors the index has)")
      ->envname("TOCCATA_EMBEDDINGS_MODEL");
  app.add_option("--embeddings-key-env", o.key_env, "Variable with its key")->type_name("NAME");
}

void add_mcp_option(CLI::App& app, AgentOptions& o) {
  const auto add = [&o](const std::vector<std::string>& files) {
    std::erase(o.tools, "none");
    for (const std::string& file : files) o.tools.push_back("mcp=" + file);
  };
  app.add_option_function<std::vector<std::string>>("--mcp", add, "File that names MCP servers whose tools the model may call: --tools mcp=FILE, added; may be repeated")
      ->type_name("FILE")
      ->allow_extra_args(false)
      ->envname("TOCCATA_MCP");
}

std::set<std::string> given(const CLI::App& app) {
  std::set<std::string> names;
  for (const CLI::Option* option : app.get_options()) {
    if (option->count() > 0) names.insert(option->get_name());
    if (option->count() > 0 && option->get_name() == "--mcp") names.insert("--tools");
  }
  return names;
}

}  // namespace toccata::cli
