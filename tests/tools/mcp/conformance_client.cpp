// The client that the official conformance suite drives: scripts/mcp_conformance builds it. Its argument is the address of a
// server of the suite; it lists what is there, reads a resource, and calls every tool, or what MCP_CONFORMANCE_CONTEXT says.
#include <algorithm>
#include <cstdlib>
#include <iostream>
#include <thread>

#include "core/net/client.h"
#include "tools/mcp/client.h"
#include "tools/mcp/http_transport.h"
#include "tools/oauth/authorizer.h"

namespace toccata::tools::mcp {
namespace {

using namespace std::chrono_literals;

// Something of the type that each required argument has.
Json arguments_for(const ToolInfo& tool) {
  const Json schema = parse_object(tool.parameters).value_or_throw();
  const Json properties = schema.value("properties", Json::object());
  Json arguments = Json::object();
  for (const Json& name : schema.value("required", Json::array())) {
    const Json type = properties.value(name.get<std::string>(), Json::object()).value("type", Json("string"));
    Json& value = arguments[name.get<std::string>()];
    value = "text";
    if (type == "integer" || type == "number") value = 5;
    if (type == "boolean") value = true;
    if (type == "array") value = Json::array();
    if (type == "object") value = Json::object();
  }
  return arguments;
}

void say(const std::string& what, const Result<CallResult>& result) {
  std::cout << what << ": " << (result ? excerpt(result->text, 300) : result.error().message) << '\n';
}

// A user who opens the address at once: the suite's authorization servers send everybody back.
oauth::LoginDesk willing_user(std::vector<std::jthread>& browsers) {
  return {.show = [&browsers](const std::string& url) {
    std::cout << "logging in at " << url << '\n';
    browsers.emplace_back([url] {
      net::Client browser;
      (void)browser.send({.url = url, .redirects_max = 3}).ok();
    });
  }, .time = 10s};
}

// Who the suite's scenario says that we are.
OAuthSettings settings_of(const Json& context) {
  const auto text = [&](const char* key) { return context.value(key, std::string()); };
  OAuthSettings settings;
  settings.client_id = text("client_id");
  settings.client_secret = text("client_secret");
  settings.issuer = text("issuer");
  settings.client_metadata_url = "https://conformance-test.local/client-metadata.json";
  settings.private_key = text("private_key_pem");
  settings.assertion = text("valid_jwt");
  settings.identity = {text("idp_token_endpoint"), text("idp_client_id"), {}, text("idp_id_token")};
  const std::string name = text("name");
  if (name.starts_with("auth/client-credentials")) settings.grant = Grant::kClientCredentials;
  if (!settings.assertion.empty() || !settings.identity.token_endpoint.empty()) settings.grant = Grant::kJwtBearer;
  return settings;
}

int drive(const std::string& url) {
  const char* context_text = std::getenv("MCP_CONFORMANCE_CONTEXT");
  const Json context = context_text != nullptr ? parse_object(context_text).value_or_throw() : Json::object();
  ClientOptions options{.name = "toccata-conformance", .version = "1"};
  options.answer = [](const Question& question, std::stop_token) {
    std::cout << "asked: " << question.message << '\n';
    return Reply{Reply::Action::kAccept, Json::object()};  // with the schema's defaults
  };
  std::vector<std::jthread> browsers;
  oauth::AuthorizerOrder login{.name = "suite", .server_url = url, .settings = settings_of(context), .desk = willing_user(browsers)};
  auto authorization = std::make_shared<oauth::Authorizer>(std::move(login), oauth::LoginStore({}, "suite", url));
  Client client("suite", std::make_unique<HttpTransport>(HttpOrder{url, {}, {}, std::move(authorization)}, TransportLimits{}), options);
  std::vector<std::string> left_out;
  const Result<std::vector<ToolInfo>> tools = client.list_tools({}, &left_out);
  if (!tools) {
    std::cerr << tools.error().message << '\n';
    return 1;
  }
  for (const std::string& why : left_out) std::cout << "left out: " << why << '\n';
  if (client.facts().resources) {
    const Result<CallResult> list = client.list_resources();
    say("resources", list);
    if (list && list->text.find("  ") != std::string::npos) {
      say("resource", client.read_resource(list->text.substr(0, list->text.find("  "))));
    }
  }
  for (const ToolInfo& tool : *tools) {
    CallOptions how{.timeout = 20s};
    how.headers = header_params(parse_object(tool.parameters).value_or_throw()).value_or_throw();
    bool called = false;
    for (const Json& call : context.value("toolCalls", Json::array())) {
      if (call.value("name", "") != tool.name) continue;
      say(tool.name, client.call_tool(tool.name, to_text(call.value("arguments", Json::object())), how));
      called = true;
    }
    // The suite looks at what became of a schema on its way through the client.
    const auto rich = std::find_if(tools->begin(), tools->end(), [](const ToolInfo& other) { return other.name == "json_schema_2020_12_tool"; });
    if (tool.name == "json_schema_echo" && rich != tools->end()) {
      say(tool.name, client.call_tool(tool.name, to_text(Json{{"schema", parse_object(rich->parameters).value_or_throw()}}), how));
      called = true;
    }
    if (!called) say(tool.name, client.call_tool(tool.name, to_text(arguments_for(tool)), how));
  }
  return 0;
}

}  // namespace
}  // namespace toccata::tools::mcp

int main(int argc, char** argv) {
  if (argc != 2) {
    std::cerr << "usage: mcp_conformance_client URL\n";
    return 2;
  }
  return toccata::tools::mcp::drive(argv[1]);
}
