#include "tools/declared/declared_tool.h"

#include <chrono>
#include <nlohmann/json.hpp>

#include "core/base/json.h"
#include "core/base/json_depth.h"
#include "core/base/shorten.h"
#include "tools/declared/command_call.h"
#include "tools/declared/http_call.h"

namespace toccata::tools::declared {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::chrono::seconds kSlack{10};  // the tool's own limit comes first: it says what happened
constexpr int kDepthMax = 100;              // of arguments

class DeclaredTool final : public Tool {
 public:
  DeclaredTool(Definition definition, Surroundings surroundings)
      : definition_(std::move(definition)), around_(std::move(surroundings)) {
    const CommandCall* command = definition_.command();
    spec_.name_space = definition_.name_space;
    spec_.functions = {definition_.function};
    spec_.effect = definition_.effect;
    spec_.needs_approval = definition_.needs_approval;
    spec_.stateful = command != nullptr && !command->on_host;  // the session's files
    spec_.concurrent = definition_.concurrent && !spec_.stateful;
    spec_.in_sandbox = command != nullptr && !command->on_host;
    spec_.reaches_out = command == nullptr || definition_.untrusted;
    spec_.timeout = definition_.timeout + kSlack;
  }

  const ToolSpec& spec() const override { return spec_; }

  ToolResult call(const ToolCall& call, std::stop_token stop) override {
    ToolResult result{ToolStatus::kFailed, call.recipient, {}, "{}"};
    const bool empty = call.arguments.find_first_not_of(" \t\r\n") == std::string::npos;
    const bool deep = json_depth(call.arguments) > kDepthMax;
    const Json object = empty ? Json::object() : deep ? Json() : json_from<Json>(call.arguments);
    if (!object.is_object()) {
      result.content = "The arguments must be one JSON object" + std::string(deep ? ", not so deeply nested." : ".");
      return result;
    }
    if (const std::string objection = definition_.objection ? definition_.objection(object) : ""; !objection.empty()) {
      result.content = "The arguments break the schema of " + call.recipient + ": " + objection + ". Nothing was called.";
      return result;
    }
    const Arguments arguments(object, *around_.secrets);
    const std::string key = definition_.effect == Effect::kKeyed ? call.idempotency_key : "";
    const Result<void> done = definition_.http() != nullptr ? send(*definition_.http(), arguments, key, stop, result)
                                                            : run(*definition_.command(), object, arguments, key, call, stop, result);
    if (!done) {
      result.status = definition_.command() != nullptr && done.error().code == ErrorCode::kUnavailable && spec_.stateful ? ToolStatus::kStopsRun
                                                                                                                   : ToolStatus::kFailed;
      result.content = done.error().message;
    }
    result.content = shorten(around_.secrets->redact(result.content), definition_.output_bytes_max);
    result.metadata = around_.secrets->redact(result.metadata);
    return result;
  }

 private:
  Result<void> send(const HttpCall& http, const Arguments& arguments, const std::string& key, std::stop_token stop, ToolResult& result) {
    const auto begin = std::chrono::steady_clock::now();
    result.provenance = provenance(http.origin, /*is_private=*/false);
    Result<net::Request> request = make_request(http, arguments, key);
    if (!request) return request.error();
    Result<HttpAnswer> answer = ask(http, std::move(*request), around_.proxy, definition_.timeout, stop);
    if (!answer) return answer.error();
    // The service is the user's choice: what it gives may be their own.
    result.provenance = provenance(http.origin, /*is_private=*/true);
    result.status = answer->ok ? ToolStatus::kOk : ToolStatus::kFailed;
    result.content = std::move(answer->text);
    const auto took = std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - begin);
    result.metadata = json_text(Json{{"origin", http.origin}, {"http_status", answer->status}, {"duration_ms", took.count()}});
    return {};
  }

  Result<void> run(
      const CommandCall& command, const Json& object, const Arguments& arguments, const std::string& key, const ToolCall& call,
      std::stop_token stop, ToolResult& result
  ) {
    Result<CommandLine> line = make_command_line(command, object, arguments, key);
    if (!line) return line.error();
    result.provenance = provenance(line->argv.at(0), /*is_private=*/true);
    Result<CommandEnd> end = command.on_host
                                 ? run_on_host(command, *line, around_.environment, definition_.timeout, stop)
                                 : run_in_sandbox(command, *line, *around_.slot, definition_.timeout, call, stop);
    if (!end) return end.error();
    result.status = end->ok ? ToolStatus::kOk : ToolStatus::kFailed;
    result.content = std::move(end->text);
    result.metadata = std::move(end->metadata);
    result.sandbox_cpu = end->sandbox_cpu;
    return {};
  }

  Provenance provenance(const std::string& origin, bool is_private) const {
    return definition_.untrusted ? Provenance{true, origin, is_private} : Provenance{};
  }

  Definition definition_;
  Surroundings around_;
  ToolSpec spec_;
};

}  // namespace

std::unique_ptr<Tool> make_tool(Definition definition, Surroundings surroundings) {
  TOCCATA_CHECK(surroundings.secrets != nullptr);
  const CommandCall* command = definition.command();
  TOCCATA_CHECK(command == nullptr || command->on_host || surroundings.slot != nullptr);
  return std::make_unique<DeclaredTool>(std::move(definition), std::move(surroundings));
}

}  // namespace toccata::tools::declared
