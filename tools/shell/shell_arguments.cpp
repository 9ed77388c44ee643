#include "tools/shell/shell_arguments.h"

#include <nlohmann/json.hpp>
#include <string>

#include "core/base/json.h"

namespace toccata::tools {
namespace {

using nlohmann::json;

constexpr std::int64_t kTimeoutMaxMs = 86'400'000;

Error wrong(const std::string& what) {
  return {
      ErrorCode::kInvalidArgument,
      what + R"( Expected {"command": "ls -l"} or {"command": ["ls", "-l"]}, with "workdir" and "timeout_ms" if needed.)"};
}

const json* member(const json& body, const char* name, const char* other) {
  for (const char* key : {name, other}) {
    const auto found = body.find(key);
    if (found != body.end() && !found->is_null()) return &*found;
  }
  return nullptr;
}

Result<sandbox::Command> command_of(const json& value) {
  if (value.is_string()) return sandbox::Command::shell(value.get<std::string>());
  if (!value.is_array() || value.empty())
    return wrong("\"command\" is neither a text nor an array of texts.");
  sandbox::Command command;
  for (const json& part : value) {
    if (!part.is_string()) return wrong("\"command\" has an item that is not a text.");
    command.argv.push_back(part.get<std::string>());
  }
  const bool is_text =
      command.argv.size() == 1 && command.argv[0].find_first_of(" \t\n|&;<>$*") != std::string::npos;
  return is_text ? sandbox::Command::shell(command.argv[0]) : command;
}

}  // namespace

Result<ShellArguments> parse_shell_arguments(std::string_view text) {
  const json body = json_from<json>(text);
  if (!body.is_object()) return wrong("The arguments are not a JSON object.");
  ShellArguments arguments;
  const json* command = member(body, "command", "cmd");
  if (command == nullptr) return wrong("There is no \"command\".");
  Result<sandbox::Command> parsed = command_of(*command);
  if (!parsed) return parsed.error();
  arguments.command = std::move(*parsed);
  if (const json* folder = member(body, "workdir", "cwd")) {
    if (!folder->is_string()) return wrong("\"workdir\" is not a text.");
    arguments.command.folder = folder->get<std::string>();
  }
  if (const json* timeout = member(body, "timeout_ms", "timeout")) {
    const double ms = timeout->is_number() ? timeout->get<double>() : -1;
    if (!(ms >= 1 && ms <= static_cast<double>(kTimeoutMaxMs)))
      return wrong("\"timeout_ms\" is not a number of milliseconds from 1 to 86400000.");
    arguments.timeout = std::chrono::milliseconds(static_cast<std::int64_t>(ms));
  }
  return arguments;
}

}  // namespace toccata::tools
