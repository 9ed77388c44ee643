#include "agent/cli/recording_tool.h"

namespace toccata::cli {

using task::Value;

RecordingTool::RecordingTool(const Value& functions) : functions_(functions) {
  spec_.name_space = "functions";
  spec_.effect = tools::Effect::kPure;
  for (const Value& f : functions_) {
    const Value parameters = f.value("parameters", Value());
    spec_.functions.push_back({.name = f.at("name").get<std::string>(),
                               .description = task::to_text(f.value("description", Value())),
                               .parameters = parameters.is_object() ? task::to_json_text(parameters) : std::string()});
  }
}

tools::ToolResult RecordingTool::call(const tools::ToolCall& call, std::stop_token) {
  const std::string name = call.recipient.substr(call.recipient.find('.') + 1);
  for (const Value& f : functions_) {
    if (f.at("name") != name) continue;
    Value arguments;
    const bool empty = call.arguments.find_first_not_of(" \t\r\n") == std::string::npos;
    if (empty) arguments = Value::object();
    if (!empty && (!task::parse_json(call.arguments, arguments) || !arguments.is_object())) arguments = call.arguments;
    calls_.push_back({{"name", name}, {"arguments", arguments}});
    return {tools::ToolStatus::kOk, call.recipient, f.contains("result") ? task::to_text(f["result"]) : "{\"ok\": true}", "{}"};
  }
  return {tools::ToolStatus::kFailed, call.recipient, "no function " + name, "{}"};
}

}  // namespace toccata::cli
