#include "tools/python/python_tool.h"

#include <nlohmann/json.hpp>

#include "core/base/json.h"
#include "prompts/prompts.h"
#include "tools/python/cell_code.h"
#include "tools/session_network.h"

namespace toccata::tools {
namespace {

using nlohmann::ordered_json;

constexpr const char* kName = "python";
// The cell's own limit comes first: it can keep the variables and says what happened. The caller's is the backstop.
constexpr std::chrono::seconds kGrace{10};

std::string metadata(const sandbox::Outcome& outcome) {
  ordered_json files = ordered_json::array();
  for (const auto& file : outcome.artifacts)
    files.push_back({{"name", file.path}, {"size", file.size}});
  ordered_json json = {
      {"level", sandbox::to_string(outcome.level)},
      {"status", sandbox::to_string(outcome.status)},
      {"duration_ms", outcome.duration.count()},
      {"truncated", outcome.truncated},
      {"restarted", outcome.restarted},
      {"state_lost", outcome.state_lost},
      {"artifacts", files},
  };
  add_network(json, outcome);
  return json_text(json);
}

ToolResult no_sandbox(const Error& error) {
  return {
      .status = ToolStatus::kStopsRun,
      .author = kName,
      .content = "The Python sandbox is not available: " + error.message,
      .metadata = json_text(ordered_json{{"error", error.message}}),
  };
}

}  // namespace

PythonTool::PythonTool(sandbox::Sandbox& sandbox, std::chrono::milliseconds timeout)
    : PythonTool(std::make_shared<sandbox::SessionSlot>(sandbox), timeout) {}

PythonTool::PythonTool(
    std::shared_ptr<sandbox::SessionSlot> slot, std::chrono::milliseconds timeout
)
    : slot_(std::move(slot)),
      timeout_(timeout),
      spec_{
          .name_space = kName,
          .description = std::string(prompts::python_tool()),
          .functions = {},
          .placement = Placement::kSystem,
          .effect = Effect::kEffectful,
          .needs_approval = false,
          .stateful = true,
          .reaches_out = slot_->has_network(),
          .in_sandbox = true,
          .runs_code = true,
          .timeout = timeout + kGrace,
      } {}

ToolResult PythonTool::call(const ToolCall& call, std::stop_token stop) {
  const Result<sandbox::Session*> session = slot_->open();
  if (!session) return no_sandbox(session.error());
  (*session)->listen(call.on_output);
  const sandbox::Outcome outcome = (*session)->execute(cell_code(call.arguments), timeout_, stop, call.charge_cpu);
  (*session)->listen(nullptr);
  return {
      .status = outcome.status == sandbox::Status::kOk ? ToolStatus::kOk : ToolStatus::kFailed,
      .author = kName,
      .content = outcome.output,
      .metadata = metadata(outcome),
      .provenance = provenance_of(**session),
      .sandbox_cpu = outcome.cpu,
  };
}

}  // namespace toccata::tools
