#include "tools/mcp/mcp_tool.h"

#include <algorithm>

namespace toccata::tools::mcp {
namespace {

constexpr std::chrono::milliseconds kSlack{5000};  // for the client to say itself that time is up
constexpr const char* kRestarted =
    "[The server had ended and was started again: what earlier calls left in its memory is gone.]\n";
constexpr const char* kUriParameters =
    R"({"type":"object","properties":{"uri":{"type":"string"}},"required":["uri"],"additionalProperties":false})";
constexpr const char* kNoParameters = R"({"type":"object","properties":{},"additionalProperties":false})";

// One function of a server, or one of the two that read resources.
class McpTool final : public Tool {
 public:
  enum class Request { kCall, kListResources, kReadResource };

  McpTool(std::shared_ptr<Server> server, Request request, ToolSpec spec)
      : server_(std::move(server)), request_(request), spec_(std::move(spec)) {
    const Result<Json> schema = parse_object(spec_.functions.front().parameters);
    if (auto params = schema ? header_params(*schema) : schema.error()) headers_ = std::move(*params);
  }

  const ToolSpec& spec() const override { return spec_; }

  ToolResult call(const ToolCall& call, std::stop_token stop) override {
    const auto begin = std::chrono::steady_clock::now();
    Result<CallResult> answer = ask(call, stop);
    ToolResult result{ToolStatus::kFailed, call.recipient, {}, "{}"};
    // The server is the user's choice: what it gives may be their own. Why there is no answer is no secret.
    result.provenance = {true, "mcp:" + server_->config().name, bool(answer)};
    if (answer) {
      result.status = answer->is_error ? ToolStatus::kFailed : ToolStatus::kOk;
      result.content = std::move(answer->text);
      if (result.content.empty()) result.content = answer->is_error ? "The call failed." : "(no output)";
    } else {
      result.content = answer.error().message;
    }
    if (server_->was_restarted() && answer && spec_.stateful) result.content = kRestarted + result.content;
    const auto took = std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - begin);
    result.metadata = to_text(Json{{"mcp_server", server_->config().name}, {"duration_ms", took.count()}});
    if (answer) server_->keep_up(stop);
    return result;
  }

 private:
  Result<CallResult> ask(const ToolCall& call, std::stop_token stop) {
    CallOptions options{.timeout = server_->config().timeout, .headers = headers_, .traceparent = call.traceparent};
    if (call.on_output) {
      options.on_progress = [&](const Progress& progress) { call.on_output(progress.message + "\n"); };
    }
    Client& client = server_->client();
    if (request_ == Request::kListResources) return client.list_resources(options, stop);
    if (request_ == Request::kCall) return client.call_tool(spec_.functions.front().name, call.arguments, options, stop);
    const Result<Json> arguments = parse_object(call.arguments);
    const Json uri = arguments ? arguments->value("uri", Json()) : Json();
    if (!uri.is_string()) return Error{ErrorCode::kInvalidArgument, "expected {\"uri\": \"...\"}, one of list_resources"};
    return client.read_resource(uri.get<std::string>(), options, stop);
  }

  std::shared_ptr<Server> server_;
  Request request_;
  ToolSpec spec_;
  std::vector<HeaderParam> headers_;
};

}  // namespace

std::vector<std::unique_ptr<Tool>> make_tools(
    const std::shared_ptr<Server>& server, const Manifest& manifest, const std::string& name_space
) {
  const ServerConfig& config = server->config();
  std::vector<std::unique_ptr<Tool>> tools;
  const auto add = [&](McpTool::Request request, const ToolInfo& tool) {
    ToolSpec spec;
    spec.name_space = name_space;
    spec.description = manifest.facts.instructions;
    spec.functions = {{.name = tool.name, .description = tool.description, .parameters = tool.parameters}};
    spec.effect = tool.read_only ? Effect::kPure : tool.idempotent ? Effect::kKeyed : Effect::kEffectful;
    spec.reaches_out = true;
    spec.needs_approval = !tool.read_only && config.asks_for(tool.name);
    spec.stateful = !config.process.program.empty();
    spec.timeout = config.start_timeout + config.timeout + kSlack;
    tools.push_back(std::make_unique<McpTool>(server, request, std::move(spec)));
  };
  for (const ToolInfo& tool : manifest.tools) {
    if (config.offers(tool.name)) add(McpTool::Request::kCall, tool);
  }
  const auto add_own = [&](McpTool::Request request, const char* name, const char* description, const char* parameters) {
    const bool taken = std::any_of(manifest.tools.begin(), manifest.tools.end(), [&](const ToolInfo& tool) {
      return tool.name == name;
    });
    if (!taken && config.offers(name)) add(request, {name, description, parameters, /*read_only=*/true, true});
  };
  if (manifest.facts.resources) {
    add_own(McpTool::Request::kListResources, "list_resources", "Lists the resources of this server.", kNoParameters);
    add_own(McpTool::Request::kReadResource, "read_resource", "Shows a resource of this server.", kUriParameters);
  }
  return tools;
}

}  // namespace toccata::tools::mcp
