#include "tools/shell/shell_tool.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "core/base/json.h"
#include "prompts/prompts.h"
#include "tools/session_network.h"
#include "tools/shell/shell_arguments.h"

namespace toccata::tools {
namespace {

using nlohmann::ordered_json;

constexpr const char* kAuthor = "functions.shell";
// The command's own limit comes first: it says what happened. The caller's is the backstop.
constexpr std::chrono::seconds kGrace{10};

std::string dump(const ordered_json& json) {
  return json_text(json);
}

std::string metadata(const sandbox::Outcome& outcome) {
  ordered_json json = {
      {"level", sandbox::to_string(outcome.level)},
      {"status", sandbox::to_string(outcome.status)},
      {"duration_ms", outcome.duration.count()},
      {"truncated", outcome.truncated},
      {"restarted", outcome.restarted},
      {"artifacts", ordered_json::array()},
  };
  if (outcome.exit_code) json["exit_code"] = *outcome.exit_code;
  for (const auto& file : outcome.artifacts)
    json["artifacts"].push_back({{"name", file.path}, {"size", file.size}});
  add_network(json, outcome);
  return dump(json);
}

ToolResult failure(ToolStatus status, const std::string& message) {
  return {status, kAuthor, message, dump({{"error", message}})};
}

}  // namespace

ShellTool::ShellTool(std::shared_ptr<sandbox::SessionSlot> slot, std::chrono::milliseconds longest)
    : slot_(std::move(slot)), longest_(longest) {
  const auto json = json_from_valid<ordered_json>(prompts::shell_tool());
  spec_.name_space = "functions";
  const std::string description = json["description"];
  spec_.functions = {
      {json["name"], slot_->has_network() ? told_of_network(description) : description, json_text(json["parameters"])}};
  spec_.effect = Effect::kEffectful;
  spec_.stateful = true;  // its files
  spec_.reaches_out = slot_->has_network();
  spec_.in_sandbox = true;
  spec_.runs_code = true;
  spec_.timeout = longest + kGrace;
}

ToolResult ShellTool::call(const ToolCall& call, std::stop_token stop) {
  const Result<ShellArguments> arguments = parse_shell_arguments(call.arguments);
  if (!arguments) return failure(ToolStatus::kFailed, arguments.error().message);
  const Result<sandbox::Session*> session = slot_->open();
  if (!session)
    return failure(ToolStatus::kStopsRun, "The sandbox is not available: " + session.error().message);
  const auto asked = arguments->timeout.count() > 0 ? arguments->timeout : longest_;
  (*session)->listen(call.on_output);
  const sandbox::Outcome outcome =
      (*session)->run_command(arguments->command, std::min(asked, longest_), stop, call.charge_cpu);
  (*session)->listen(nullptr);
  const bool ok = outcome.status == sandbox::Status::kOk;
  return {ok ? ToolStatus::kOk : ToolStatus::kFailed, kAuthor, outcome.output, metadata(outcome), provenance_of(**session), outcome.cpu};
}

}  // namespace toccata::tools
