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

TEST(McpHttp, GoesOnWithAStreamThatTheServerEnded) {
  Server server({"legacy"});
  const Result<CallResult> rest = server.call("resume", {.timeout = 20s});
  ASSERT_TRUE(rest) << rest.error().message;
  EXPECT_THAT(rest->text, HasSubstr(R"("POST stream", "GET first", "GET first")"));
  EXPECT_THAT(Server({"modern"}).error("resume"), HasSubstr("ended its stream without an answer")) << "streams of this era are not resumed";
}

TEST(McpHttp, AnswersWhatTheServerAsksBesideTheCall) {
  Server server({"legacy", "listens"});
  for (int i = 0; i < 2; ++i) {
    const Result<CallResult> asked = server.call("ask aside", {.timeout = 20s});
    ASSERT_TRUE(asked) << asked.error().message;
    EXPECT_THAT(asked->text, HasSubstr("The server asked the user \"Who?\". Nobody can be asked here"));
    EXPECT_THAT(asked->text, HasSubstr(R"({"action": "decline"})"));
    server.client->close();  // the next call has a session and a stream of its own
  }
}

TEST(McpHttp, ArgumentsAreHeadersTooWhereTheSchemaSaysSo) {
  const Json schema = parse_object(R"({"properties": {
      "region": {"type": "string", "x-mcp-header": "Region"}, "n": {"type": "integer", "x-mcp-header": "N"},
      "on": {"type": "boolean", "x-mcp-header": "On"}, "empty": {"type": "string", "x-mcp-header": "Empty"}, "none": {"type": "string", "x-mcp-header": "None"}, "do": {"type": "string"}}})")
                          .value_or_throw();
  const CallOptions options{.headers = header_params(schema).value_or_throw()};
  for (const char* era : {"modern", "legacy"}) {
    Server server({era});
    const auto answer =
        server.client->call_tool("seen", R"({"do": "tell", "region": "café", "n": 42, "on": false, "empty": "", "none": null})", options);
    ASSERT_TRUE(answer) << answer.error().message;
    const auto seen = json_from_valid<nlohmann::json>(answer->text);
    const bool modern = era == std::string("modern");
    EXPECT_EQ(modern ? "=?base64?Y2Fmw6k=?=" : "", seen.value("mcp-param-region", ""));
    EXPECT_EQ(modern ? "42" : "", seen.value("mcp-param-n", ""));
    EXPECT_EQ(modern ? "false" : "", seen.value("mcp-param-on", ""));
    EXPECT_EQ(modern, seen.contains("mcp-param-empty"));
    EXPECT_FALSE(seen.contains("mcp-param-none"));
    EXPECT_FALSE(seen.contains("mcp-param-do"));
    std::vector<std::string> left_out;
    EXPECT_EQ(2u, server.client->list_tools({}, &left_out)->size());
    EXPECT_THAT(left_out, ::testing::ElementsAre(HasSubstr("bad: x-mcp-header of a may only stand on")));
  }
}

TEST(McpHttp, HeadersOfArgumentsHaveNamesOfTheirOwn) {
  const auto error = [](const std::string& properties) {
    const auto params = header_params(parse_object(R"({"properties": )" + properties + "}").value_or_throw());
    return params ? "fine" : params.error().message;
  };
  EXPECT_EQ("fine", error(R"({"a": {"type": "string", "x-mcp-header": "A"}, "b": 7})"));
  for (const char* name : {"", "My Region", "Region:Primary", "R\u00e9gion", "Region\t1", "a\r\nb"}) {
    EXPECT_THAT(error(R"({"a": {"type": "string", "x-mcp-header": )" + to_text(Json(name)) + "}}"), HasSubstr("must be the name of a header"));
  }
  EXPECT_THAT(error(R"({"a": {"type": "string", "x-mcp-header": 7}})"), HasSubstr("must be the name of a header"));
  for (const char* type : {"object", "array", "null", "number"}) {
    EXPECT_THAT(error(R"({"a": {"x-mcp-header": "A", "type": ")" + std::string(type) + "\"}}"), HasSubstr("may only stand on"));
  }
  EXPECT_THAT(error(R"({"a": {"type": "string", "x-mcp-header": "A"}, "b": {"type": "string", "x-mcp-header": "a"}})"), HasSubstr("another parameter"));
}

TEST(McpHttp, EventsAreReadHoweverTheyAreCut) {
  const std::string stream = ": hello\r\nid: 1\nretry: 5\ndata: a\ndata:b\n\nid:two words\nretry: soon\ndata: c\n\nid: 3\ndata: never";
  for (std::size_t step = 1; step <= stream.size(); ++step) {
    EventReader events(100);
    std::vector<std::string> read;
    for (std::size_t at = 0; at < stream.size(); at += step) {
      ASSERT_TRUE(events.push(std::string_view(stream).substr(at, step)));
      while (auto event = events.next()) read.push_back(*event);
    }
    EXPECT_THAT(read, ::testing::ElementsAre("a\nb", "c"));
    EXPECT_EQ("1", events.last_id());
    EXPECT_EQ(5ms, events.retry());
  }
  EventReader events(10);
  EXPECT_FALSE(events.push("data: 123456\ndata: 7"));
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
