#include "core/base/json.h"
#include "tools/mcp/http_transport.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>

#include <nlohmann/json.hpp>

#include "tools/mcp/client.h"
#include "tools/mcp/process.h"

namespace toccata::tools::mcp {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;

// The scripted server and a client of it.
struct Server {
  std::unique_ptr<Process> process;
  std::unique_ptr<Client> client;

  explicit Server(std::vector<std::string> behaviour, std::string token = {}, TransportLimits limits = {}) {
    behaviour.insert(behaviour.begin(), MCP_TESTS "/http_server.py");
    Result<Process> started = Process::start(
        {.program = "python3", .arguments = behaviour, .environment = {"PATH=/usr/local/bin:/usr/bin:/bin", "PYTHONDONTWRITEBYTECODE=1"}}
    );
    process = std::make_unique<Process>(std::move(started).value_or_throw());
    std::string port;
    pollfd ready = {process->out.get(), POLLIN, 0};
    for (char c = 0; poll(&ready, 1, 30'000) > 0 && read(process->out.get(), &c, 1) == 1 && c != '\n';) port += c;
    HttpOrder order{.url = "http://127.0.0.1:" + port + "/mcp"};
    if (!token.empty()) order.headers.emplace_back("Authorization", "Bearer " + token);
    client = std::make_unique<Client>("web", std::make_unique<HttpTransport>(order, limits), ClientOptions{.backoff_first = 1ms});
  }

  Result<CallResult> call(const std::string& what, CallOptions options = {}, const std::string& tool = "seen") {
    return client->call_tool(tool, json_text(nlohmann::json{{"do", what}}), options);
  }
  nlohmann::json seen(const std::string& tool = "seen") {
    const Result<CallResult> result = call("tell", {}, tool);
    EXPECT_TRUE(result) << result.error().message;
    return result ? json_from_valid<nlohmann::json>(result->text) : nlohmann::json::object();
  }
  std::string error(const std::string& what) {
    const Result<CallResult> result = call(what, {.timeout = 20s});
    return result ? "no error: " + result->text : to_string(result.error().code) + (": " + result.error().message);
  }
};

TEST(McpHttp, TheModernEraSaysInHeadersWhatTheMessageSays) {
  for (const char* form : {"plain", "events"}) {
    Server server({"modern", form});
    const nlohmann::json seen = server.seen();
    EXPECT_EQ("2026-07-28", seen.value("mcp-protocol-version", ""));
    EXPECT_EQ("tools/call", seen.value("mcp-method", ""));
    EXPECT_EQ("seen", seen.value("mcp-name", ""));
    EXPECT_FALSE(seen.contains("mcp-session-id"));
    EXPECT_EQ((nlohmann::json{"server/discover", "tools/call"}), seen["methods"]);
    EXPECT_EQ("=?base64?Y2Fmw6k=?=", server.seen("café").value("mcp-name", ""));
    EXPECT_EQ(2u, server.client->list_tools()->size());
  }
}

TEST(McpHttp, TheLegacyEraKeepsASession) {
  for (const char* form : {"plain", "events"}) {
    Server server({"legacy", form});
    const nlohmann::json seen = server.seen();
    EXPECT_EQ("2025-11-25", seen.value("mcp-protocol-version", ""));
    EXPECT_THAT(seen.value("mcp-session-id", ""), HasSubstr("session-"));
    EXPECT_FALSE(seen.contains("mcp-method"));
    EXPECT_EQ((nlohmann::json{"server/discover", "initialize", "notifications/initialized", "tools/call"}), seen["methods"]);
    EXPECT_EQ("http 1", server.client->facts().name);
    server.client->close();
    EXPECT_THAT(json_text(server.seen()["methods"]), HasSubstr("DELETE")) << "the session was ended";
  }
}

TEST(McpHttp, BeginsANewSessionWhenTheServerForgot) {
  Server server({"legacy", "forgets"});
  const std::string first = server.seen().value("mcp-session-id", "");
  const std::string second = server.seen().value("mcp-session-id", "");
  EXPECT_THAT(second, HasSubstr("session-"));
  EXPECT_NE(first, second);
}

TEST(McpHttp, HearsProgressAndAnswersRequestsInTheStream) {
  Server server({"modern", "events"});
  std::string heard;
  CallOptions options;
  options.on_progress = [&](const Progress& progress) { heard += progress.message; };
  ASSERT_TRUE(server.call("tell", options));
  EXPECT_EQ("half", heard);
  Server legacy({"legacy", "events"});
  EXPECT_EQ(R"({"jsonrpc": "2.0", "id": "p", "result": {}})", legacy.call("ask")->text);
}

TEST(McpHttp, SaysWhatIsWrong) {
  Server server({"modern"});
  EXPECT_THAT(server.error("page"), HasSubstr("the type 'text/html', expected application/json"));
  EXPECT_THAT(server.error("busy"), HasSubstr("HTTP status 503: later"));
  EXPECT_THAT(server.error("break"), HasSubstr("ended its stream without an answer"));
  EXPECT_TRUE(server.seen().contains("mcp-method")) << "and goes on";
  const Result<CallResult> late = server.call("sleep", {.timeout = 200ms});
  ASSERT_FALSE(late);
  EXPECT_EQ(ErrorCode::kTimeout, late.error().code);
  server.process->end(0ms);
  EXPECT_THAT(server.error("tell"), HasSubstr("unavailable: MCP server 'web': http://127.0.0.1:"));
}

TEST(McpHttp, SendsTheHeadersOfTheUser) {
  EXPECT_THAT(Server({"legacy", "locked"}).error("tell"), HasSubstr("HTTP status 401: who are you? (its entry in mcp.json may need"));
  Server server({"legacy", "locked"}, "open sesame");
  EXPECT_EQ("Bearer open sesame", server.seen().value("authorization", ""));
}

TEST(McpHttp, BoundsWhatComes) {
  Server server({"modern", "events"}, {}, {.message_bytes_max = 300});
  EXPECT_THAT(server.error("tell"), HasSubstr("resource exhausted: MCP server 'web': the server sent a message of more than 300 bytes"));
}

TEST(McpHttp, HeaderValuesThatHeadersCannotCarryAreEncoded) {
  EXPECT_EQ("get weather", header_value("get weather"));
  EXPECT_EQ("=?base64?IGE=?=", header_value(" a"));
  EXPECT_EQ("=?base64?YQpi?=", header_value("a\nb"));
  EXPECT_EQ("=?base64?PT9iYXNlNjQ/eD89?=", header_value("=?base64?x?="));
}

}  // namespace
}  // namespace toccata::tools::mcp
