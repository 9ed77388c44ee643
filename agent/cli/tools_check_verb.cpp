#include "agent/cli/tools_check_verb.h"

#include <iostream>
#include <nlohmann/json.hpp>

#include "agent/cli/exit_code.h"
#include "agent/cli/terminal_text.h"
#include "agent/harmony/tool_schema.h"
#include "agent/loop/prompt.h"
#include "agent/toolfile/tool_file.h"
#include "core/base/json.h"

namespace toccata::cli {
namespace {

using tools::declared::Definition;

// Only to be declared: nothing is called.
class ShownTool final : public tools::Tool {
 public:
  explicit ShownTool(const Definition& tool) {
    spec_.name_space = tool.name_space;
    spec_.functions = {tool.function};
  }
  const tools::ToolSpec& spec() const override { return spec_; }
  tools::ToolResult call(const tools::ToolCall&, std::stop_token) override { return {}; }

 private:
  tools::ToolSpec spec_;
};

const char* to_string(tools::Effect effect) {
  return effect == tools::Effect::kPure ? "pure" : effect == tools::Effect::kKeyed ? "keyed" : "effectful";
}

std::string behind(const Definition& tool) {
  if (const auto* http = tool.http()) return http->method + " at " + http->origin;
  const auto& command = *tool.command();
  const std::string what = command.shell.empty() ? "runs " + command.argv[0].words[0].pieces()[0].text : "runs a shell";
  return what + (command.on_host ? " on this machine" : " in the sandbox");
}

nlohmann::ordered_json about(const Definition& tool) {
  return {{"name", tool.name_space + "." + tool.function.name},
          {"effect", to_string(tool.effect)},
          {"concurrent", tool.concurrent},
          {"approval", tool.needs_approval},
          {"untrusted", tool.untrusted},
          {"timeout_ms", tool.timeout.count()},
          {"output_bytes", tool.output_bytes_max},
          {"call", behind(tool)},
          {"secrets", tool.secrets}};
}

void print(const toolfile::ToolFile& file, tools::Secrets& secrets, const tools::Registry& registry) {
  std::cout << "What the model is told:\n\n"
            << harmony::tools_section(agent::tool_namespaces(registry, tools::Placement::kDeveloper), harmony::SchemaStyle::kReadable).value_or_throw()
            << "\n\nWhat a call does:\n\n";
  for (const Definition& tool : file.tools) {
    std::cout << for_terminal(tool.name_space + "." + tool.function.name) << ": " << for_terminal(behind(tool)) << "; " << to_string(tool.effect) << ", "
              << (tool.needs_approval ? "asks for approval" : "does not ask") << ", at most " << tool.timeout.count() << " ms and "
              << tool.output_bytes_max << " bytes" << (tool.untrusted ? "; its answers count as strangers' words" : "") << '\n';
  }
  for (const auto& [name, unused] : file.secrets) std::cout << "secret " << name << ": " << for_terminal(secrets.whereabouts(name)) << '\n';
}

}  // namespace

int tools_check_verb(const ToolsCheckOptions& options, const Environment& env) {
  tools::Registry registry;
  tools::Secrets secrets(env.variable, env.config_home / "secrets", env.home);
  toolfile::ToolFile all;
  std::vector<task::Problem> problems;
  for (const std::string& file : options.files) {
    toolfile::ParsedToolFile parsed = toolfile::load_tool_file(file);
    problems.insert(problems.end(), parsed.problems.begin(), parsed.problems.end());
    if (!parsed.problems.empty()) continue;
    for (const auto& [name, source] : parsed.file.secrets) secrets.declare(name, source).value_or_throw();
    all.secrets.merge(parsed.file.secrets);
    for (Definition& tool : parsed.file.tools) {
      registry.add(std::make_unique<ShownTool>(tool));
      all.tools.push_back(std::move(tool));
    }
  }
  if (options.json) {
    nlohmann::ordered_json json = {{"problems", nlohmann::ordered_json::array()}, {"tools", nlohmann::ordered_json::array()}};
    for (const task::Problem& problem : problems) {
      json["problems"].push_back({{"file", problem.place.file}, {"line", problem.place.line}, {"column", problem.place.column}, {"message", problem.message}});
    }
    for (const Definition& tool : all.tools) json["tools"].push_back(about(tool));
    std::cout << json_text(json) << '\n';
  } else if (!problems.empty()) {
    std::cerr << for_terminal(task::text_of(problems)) << '\n';
  } else {
    print(all, secrets, registry);
  }
  return problems.empty() ? kExitDone : kExitUsage;
}

}  // namespace toccata::cli
