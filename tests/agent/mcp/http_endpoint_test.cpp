#include "agent/mcp/http_endpoint.h"

#include <gtest/gtest.h>

#include "agent/mcp/http_headers.h"
#include "agent/mcp/peer.h"
#include "core/base/json.h"
#include "core/net/client.h"
#include "tests/agent/mcp/peer_fixture.h"

namespace toccata::mcp {
namespace {

using testing::Gate;
using testing::PeerTest;
using testing::saying;
using Headers = std::vector<std::pair<std::string, std::string>>;

constexpr const char* kInitialize = R"({"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{}}})";

class HttpEndpointTest : public PeerTest {
 protected:
  HttpEndpointTest() {
    service.add("talk", "", [](const Call& call) {
      call.progress("half way");
      return saying("done");
    });
    service.add("whose", "", [](const Call& call) { return saying(call.client); });
    start({});
  }
  void start(server::AccessOptions access) {
    endpoint.reset();
    EndpointOptions options;
    options.http.port = 0;
    options.access = std::move(access);
    options.sessions_max = 3;
    endpoint = HttpEndpoint::start(service, queue, identity, options).value_or_throw();
  }
  net::Request request(const std::string& body, Headers headers, const std::string& method = "POST") const {
    headers.emplace_back("Content-Type", "application/json");
    headers.emplace_back("Accept", "application/json, text/event-stream");
    return {.method = method, .url = "http://127.0.0.1:" + std::to_string(endpoint->port()) + "/mcp", .headers = headers, .body = body};
  }
  net::Response send(const std::string& body, Headers headers = {}, const std::string& method = "POST") {
    return client.send(request(body, std::move(headers), method), {}).value_or_throw();
  }
  static Headers modern(const std::string& method, const std::string& name = "") {
    Headers headers = {{"MCP-Protocol-Version", "2026-07-28"}, {"Mcp-Method", method}};
    if (!name.empty()) headers.emplace_back("Mcp-Name", name);
    return headers;
  }
  std::string open_session() { return std::string(send(kInitialize).header("mcp-session-id").value_or("")); }
  static int code(const net::Response& answer) { return json_from_valid<Json>(answer.body)["error"]["code"]; }

  ServerIdentity identity{"1", ""};
  std::unique_ptr<HttpEndpoint> endpoint;
  WorkQueue queue{4, 64};
  net::Client client;
};

TEST_F(HttpEndpointTest, LegacySessionsAreOpenedUsedAndEnded) {
  const std::string id = open_session();
  EXPECT_EQ(32u, id.size());
  const Headers with = {{"Mcp-Session-Id", id}, {"MCP-Protocol-Version", "2025-11-25"}};
  EXPECT_EQ(202, send(R"({"jsonrpc":"2.0","method":"notifications/initialized"})", with).status);
  EXPECT_EQ(202, send(R"({"jsonrpc":"2.0","id":1,"result":{}})", with).status);
  EXPECT_EQ("hi", json_from_valid<Json>(send(body(1, "tools/call", R"({"name":"echo","arguments":{"z":"hi"}})"), with).body)["result"]["content"][0]["text"]);
  EXPECT_EQ(400, send(body(1, "tools/list")).status);
  EXPECT_EQ(404, send(body(1, "tools/list"), {{"Mcp-Session-Id", "feed"}}).status);
  EXPECT_EQ(400, send(body(1, "tools/list"), {{"Mcp-Session-Id", id}, {"MCP-Protocol-Version", "2019-01-01"}}).status);
  EXPECT_EQ(405, send("", with, "GET").status);
  EXPECT_EQ(204, send("", with, "DELETE").status);
  EXPECT_EQ(404, send(body(2, "tools/list"), with).status);
  EXPECT_EQ(404, send("", with, "DELETE").status);
}

TEST_F(HttpEndpointTest, ProgressTurnsTheAnswerIntoAStream) {
  const Headers with = {{"Mcp-Session-Id", open_session()}};
  const net::Response answer = send(body(1, "tools/call", R"({"name":"talk","_meta":{"progressToken":4}})"), with);
  EXPECT_EQ("text/event-stream", answer.header("content-type").value_or(""));
  const auto first = answer.body.find("notifications/progress"), last = answer.body.find("\"result\"");
  ASSERT_NE(std::string::npos, first);
  ASSERT_NE(std::string::npos, last);
  EXPECT_LT(first, last);
  EXPECT_EQ("application/json", send(body(2, "tools/call", R"({"name":"talk"})"), with).header("content-type").value_or(""));
}

TEST_F(HttpEndpointTest, ModernRequestsStandForThemselves) {
  const net::Response listed = send(body(1, "tools/list", meta()), modern("tools/list"));
  EXPECT_EQ(200, listed.status);
  EXPECT_EQ(std::nullopt, listed.header("mcp-session-id"));
  EXPECT_EQ(200, send(body(2, "tools/call", meta(R"("name":"echo")")), modern("tools/call", "  echo  ")).status);
  EXPECT_EQ(200, send(body(2, "tools/call", meta(R"("name":"echo")")), modern("tools/call", "=?base64?ZWNobw==?=")).status);
  EXPECT_EQ(202, send(R"({"jsonrpc":"2.0","method":"notifications/cancelled"})", modern("notifications/cancelled")).status);
  const net::Response unknown = send(body(3, "ping", meta()), modern("ping"));
  EXPECT_EQ(404, unknown.status);
  EXPECT_EQ(-32601, code(unknown));
  EXPECT_EQ(400, send(body(4, "tools/call", meta(R"("name":"nil")")), modern("tools/call", "nil")).status);
}

TEST_F(HttpEndpointTest, HeadersMustSayWhatTheBodySays) {
  const auto refused = [&](const std::string& text, const Headers& headers, int expected) {
    const net::Response answer = send(text, headers);
    EXPECT_EQ(400, answer.status) << answer.body;
    EXPECT_EQ(expected, code(answer)) << answer.body;
  };
  const std::string list = body(1, "tools/list", meta()), call = body(1, "tools/call", meta(R"("name":"echo")"));
  refused(list, {}, kHeaderMismatch);
  refused(list, {{"MCP-Protocol-Version", "2026-07-28"}}, kHeaderMismatch);
  refused(list, modern("tools/call"), kHeaderMismatch);
  refused(list, modern("TOOLS/LIST"), kHeaderMismatch);
  refused(list, {{"MCP-Protocol-Version", "2025-11-25"}, {"Mcp-Method", "tools/list"}}, kHeaderMismatch);
  refused(call, modern("tools/call"), kHeaderMismatch);
  refused(call, modern("tools/call", "talk"), kHeaderMismatch);
  refused(call, modern("tools/call", "=?base64?ZWNobw?="), kHeaderMismatch);
  refused(body(1, "tools/list"), modern("tools/list"), -32602);
  const std::string other = R"({"_meta":{"io.modelcontextprotocol/protocolVersion":"2030-01-01","io.modelcontextprotocol/clientCapabilities":{}}})";
  refused(body(1, "tools/list", other), {{"MCP-Protocol-Version", "2030-01-01"}, {"Mcp-Method", "tools/list"}}, -32022);
}

TEST_F(HttpEndpointTest, WhoHangsUpCancelsInBothEras) {
  for (const bool is_modern : {true, false}) {
    Gate began, over;
    const std::string name = is_modern ? "wait_m" : "wait_l";
    service.add(name, "", [&](const Call& call) { return wait_for_stop(call, began, over); });
    const Headers headers = is_modern ? modern("tools/call", name) : Headers{{"Mcp-Session-Id", open_session()}};
    std::stop_source hang_up;
    std::jthread asking([&] {
      net::Client own;
      const auto answer = own.send(
          request(body(1, "tools/call", is_modern ? meta("\"name\":\"" + name + "\"") : "{\"name\":\"" + name + "\"}"), headers), hang_up.get_token()
      );
      EXPECT_FALSE(answer.ok());
    });
    began.pass();
    hang_up.request_stop();
    over.pass();
  }
}

// What the end of a connection cancels: a client that has its answer may use the id again before the server hears that it
// hung up.
TEST_F(HttpEndpointTest, ARequestIsCancelledByWhatItReturnedAndNotByItsId) {
  struct Silent : Outlet {
    explicit Silent(Gate& its_gate) : gate(its_gate) {}
    void notify(const std::string&) override {}
    void answer(const std::string&, int) override { gate.open(); }
    void drop() override { gate.open(); }
    Gate& gate;
  };
  const auto peer = std::make_shared<Peer>(service, queue, identity, "client");
  const auto call = [&](const std::string& tool, Gate& over) {
    const auto message = tools::mcp::parse_message(body(1, "tools/call", meta("\"name\":\"" + tool + "\""))).value_or_throw();
    return peer->request(message, Era::kModern, std::make_shared<Silent>(over));
  };
  Gate first_over, second_over;
  std::stop_source first = call("echo", first_over);
  first_over.pass();
  std::stop_source second = call("wait", second_over);
  started.pass();
  first.request_stop();
  EXPECT_FALSE(second.stop_requested());
  second.request_stop();
  second_over.pass();
  peer->wait();
}

TEST_F(HttpEndpointTest, TheEndOfASessionEndsItsCallsAndItsState) {
  const Headers with = {{"Mcp-Session-Id", open_session()}};
  std::jthread asking([&] {
    net::Client own;
    const auto answer = own.send(request(body(1, "tools/call", R"({"name":"wait"})"), with), {});
    EXPECT_EQ("", answer ? answer->body : "refused");  // cancelled: a stream without an answer
  });
  started.pass();
  send("", with, "DELETE");
  ended.pass();
  asking.join();
  while (true) {
    const std::lock_guard lock(service.mutex);
    if (!service.forgotten.empty()) break;
  }
  EXPECT_EQ("session:" + with[0].second, service.forgotten[0]);
}

TEST_F(HttpEndpointTest, TheQuietestSessionMakesRoom) {
  const std::string first = open_session(), second = open_session(), third = open_session();
  send(body(1, "ping"), {{"Mcp-Session-Id", first}});
  open_session();
  EXPECT_EQ(200, send(body(1, "ping"), {{"Mcp-Session-Id", first}}).status);
  EXPECT_EQ(404, send(body(1, "ping"), {{"Mcp-Session-Id", second}}).status);
  EXPECT_EQ(200, send(body(1, "ping"), {{"Mcp-Session-Id", third}}).status);
}

TEST_F(HttpEndpointTest, ForeignPagesNamesAndKeysAreRefused) {
  EXPECT_EQ(403, send(kInitialize, {{"Origin", "http://evil.example"}}).status);
  EXPECT_EQ(403, send(kInitialize, {{"Host", "evil.example"}}).status);
  start({.api_keys = {"k1", "k2"}, .cors_origins = {"https://chat.example"}});
  EXPECT_EQ(401, send(kInitialize).status);
  const net::Response page = send(kInitialize, {{"Origin", "https://chat.example"}, {"Authorization", "Bearer k1"}});
  EXPECT_EQ(200, page.status);
  EXPECT_NE(std::string_view::npos, page.header("access-control-allow-headers").value_or("").find("mcp-protocol-version"));
  EXPECT_NE(std::string_view::npos, page.header("access-control-expose-headers").value_or("").find("mcp-session-id"));
  const auto whose = [&](const std::string& key) {
    Headers headers = modern("tools/call", "whose");
    headers.emplace_back("Authorization", "Bearer " + key);
    return json_from_valid<Json>(send(body(1, "tools/call", meta(R"("name":"whose")")), headers).body)["result"]["content"][0]["text"];
  };
  EXPECT_EQ(whose("k1"), whose("k1"));
  EXPECT_NE(whose("k1"), whose("k2"));
}

TEST_F(HttpEndpointTest, OddRequestsGetPlainRefusals) {
  EXPECT_EQ(-32700, code(send("{")));
  EXPECT_EQ(400, send("[" + std::string(kInitialize) + "]").status);
  EXPECT_EQ(-32600, code(send(R"({"jsonrpc":"2.0"})")));
  EXPECT_EQ(400, send(std::string(100'000, '[')).status);
  net::Request plain{.method = "POST", .url = request("", {}).url, .headers = {{"Content-Type", "text/plain"}}, .body = kInitialize};
  EXPECT_EQ(415, client.send(plain, {}).value_or_throw().status);
  plain.headers = {{"Content-Type", "application/json"}, {"Accept", "text/html"}};
  EXPECT_EQ(406, client.send(plain, {}).value_or_throw().status);
  plain.url += "x";
  EXPECT_EQ(404, client.send(plain, {}).value_or_throw().status);
}

}  // namespace
}  // namespace toccata::mcp
