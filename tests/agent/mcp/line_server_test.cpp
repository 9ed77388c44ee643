#include "agent/mcp/line_server.h"

#include <gtest/gtest.h>

#include <random>
#include <set>

#include "core/base/json.h"
#include "tests/agent/mcp/peer_fixture.h"

namespace toccata::mcp {
namespace {

using testing::Gate;
using testing::Inbox;
using testing::PeerTest;
using testing::saying;

class LineServerTest : public PeerTest {
 protected:
  LineServerTest() {
    service.add("gated", "", [this](const Call&) {
      gate.pass();
      return saying("through");
    });
    service.add("fail", "", [](const Call&) -> CallResult { throw std::runtime_error("no disk"); });
    service.add("talk", "", [](const Call& call) {
      call.progress("one");
      call.progress("two");
      call.log("debug", "fine print");
      call.log("warning", "hot");
      return saying("done");
    });
  }
  void send(const std::string& line) { server.push(line + "\n"); }
  Json ask(const Json& id, const std::string& method, const std::string& params = "{}") {
    send(body(id, method, params));
    return inbox.answer(id);
  }
  void initialize() {
    ask("hello", "initialize", R"({"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"t","version":"1"}})");
    send(R"({"jsonrpc":"2.0","method":"notifications/initialized"})");
  }

  Gate gate;
  Inbox inbox;
  ServerIdentity identity{"1.2.3", "Be kind."};
  WorkQueue queue{8, 64};
  LineServer server{service, queue, identity, [this](const std::string& message) { inbox.put(message); }};
};

TEST_F(LineServerTest, HandshakeAgreesOnAVersionAndTellsWhatIsOffered) {
  const Json result = ask(1, "initialize", R"({"protocolVersion":"2025-06-18","capabilities":{}})")["result"];
  EXPECT_EQ("2025-06-18", result["protocolVersion"]);
  EXPECT_EQ("1.2.3", result["serverInfo"]["version"]);
  EXPECT_EQ("Be kind.", result["instructions"]);
  EXPECT_TRUE(result["capabilities"].contains("tools"));
  EXPECT_FALSE(result["capabilities"].contains("resources"));
  EXPECT_EQ("2025-11-25", ask(2, "initialize", R"({"protocolVersion":"2099-01-01"})")["result"]["protocolVersion"]);
  EXPECT_EQ(Json::object(), ask(3, "ping")["result"]);
  EXPECT_EQ(Json::object(), ask(4, "logging/setLevel", R"({"level":"error"})")["result"]);
  EXPECT_EQ(-32602, ask(5, "logging/setLevel", R"({"level":"loud"})")["error"]["code"]);
  EXPECT_EQ(-32601, ask(6, "server/nothing")["error"]["code"]);
}

TEST_F(LineServerTest, RequestsBeforeTheHandshakeAreRefusedButPing) {
  EXPECT_EQ(-32600, ask(1, "tools/list")["error"]["code"]);
  EXPECT_EQ(Json::object(), ask(2, "ping")["result"]);
}

TEST_F(LineServerTest, ToolsAreListedWithSchemasInTheirOwnOrderAndHints) {
  initialize();
  const Json tools = ask(1, "tools/list")["result"]["tools"];
  ASSERT_EQ(5u, tools.size());
  EXPECT_EQ("echo", tools[0]["name"]);
  EXPECT_EQ("z", tools[0]["inputSchema"]["properties"].begin().key());
  EXPECT_EQ(true, tools[0]["annotations"]["readOnlyHint"]);
  EXPECT_EQ(false, tools[1]["annotations"]["readOnlyHint"]);
  EXPECT_EQ(-32602, ask(2, "tools/list", R"({"cursor":"x"})")["error"]["code"]);
}

TEST_F(LineServerTest, CallsAnswerAndFailAsToolsDo) {
  initialize();
  const Json good = ask("c1", "tools/call", R"({"name":"echo","arguments":{"z":"hi"}})")["result"];
  EXPECT_EQ("hi", good["content"][0]["text"]);
  EXPECT_EQ(false, good["isError"]);
  const Json failed = ask("c2", "tools/call", R"({"name":"fail"})")["result"];
  EXPECT_EQ(true, failed["isError"]);
  EXPECT_EQ("The tool failed: no disk", failed["content"][0]["text"]);
  const Json unknown = ask("c3", "tools/call", R"({"name":"ech"})")["error"];
  EXPECT_EQ(-32602, unknown["code"]);
  EXPECT_EQ("echo", unknown["data"]["known"][0]);
  EXPECT_EQ(-32602, ask("c4", "tools/call", R"({"name":"echo","arguments":[1]})")["error"]["code"]);
  EXPECT_EQ(-32602, ask("c5", "tools/call", R"([1])")["error"]["code"]);
}

TEST_F(LineServerTest, PromptsAreListedAndGivenInBothEras) {
  initialize();
  EXPECT_EQ(-32601, ask(1, "prompts/list")["error"]["code"]) << "there are none";
  service.offered_prompts = {{"review", "Review", "How to review.", {{"what", "the change", true}, {"how", "", false}}}, {"broken", "", ""}};
  const Json list = ask(2, "prompts/list")["result"];
  EXPECT_EQ(list["prompts"], ask(3, "prompts/list", meta())["result"]["prompts"]);
  EXPECT_EQ("review", list["prompts"][0]["name"]);
  EXPECT_EQ((Json{{"name", "what"}, {"description", "the change"}, {"required", true}}), list["prompts"][0]["arguments"][0]);
  EXPECT_TRUE(ask(4, "server/discover", meta())["result"]["capabilities"].contains("prompts"));

  auto get = [&, n = 10](const std::string& params) mutable { return ask(++n, "prompts/get", params); };
  const Json given = get(R"({"name":"review","arguments":{"what":"a.cpp"}})")["result"];
  EXPECT_EQ("review what=a.cpp", given["messages"][0]["content"]["text"]);
  EXPECT_EQ("How to review.", given["description"]);
  EXPECT_EQ("the argument what is missing", get(R"({"name":"review"})")["error"]["message"]);
  EXPECT_EQ(-32602, get(R"({"name":"review","arguments":{"what":"a","who":"b"}})")["error"]["code"]);
  EXPECT_EQ(-32602, get(R"({"name":"review","arguments":{"what":1}})")["error"]["code"]);
  EXPECT_EQ(-32602, get(R"({"name":"review","arguments":[]})")["error"]["code"]);
  EXPECT_EQ(-32602, get(R"({"name":"rev"})")["error"]["code"]);
  EXPECT_EQ(-32602, get(R"([])")["error"]["code"]);
  EXPECT_EQ("no disk", get(R"({"name":"broken"})")["error"]["message"]);
}

TEST_F(LineServerTest, ArgumentsAreCompletedInBothEras) {
  initialize();
  EXPECT_EQ(-32601, ask(1, "completion/complete")["error"]["code"]) << "there is nothing to complete";
  service.offered_prompts = {{"review", "", "", {{"what", "", true}}}};
  service.n_completions = 2;
  EXPECT_TRUE(ask(2, "server/discover", meta())["result"]["capabilities"].contains("completions"));
  const std::string about = R"("ref":{"type":"ref/prompt","name":"review"},"argument":{"name":"what","value":"a"})";
  const Json legacy = ask(3, "completion/complete", "{" + about + "}")["result"]["completion"];
  EXPECT_EQ((Json{{"values", {"review what a0", "review what a1"}}, {"total", 2}, {"hasMore", false}}), legacy);
  EXPECT_EQ(legacy, ask(4, "completion/complete", meta(about))["result"]["completion"]);
  service.n_completions = 250;
  const Json many = ask(5, "completion/complete", "{" + about + "}")["result"]["completion"];
  EXPECT_EQ(100U, many["values"].size());
  EXPECT_EQ(250, many["total"]);
  EXPECT_EQ(true, many["hasMore"]);
  int n = 10;
  for (const char* wrong : {"{}", "[]", R"({"ref":7,"argument":7})", R"({"ref":{"type":"ref/prompt","name":"none"},"argument":{"name":"a","value":""}})",
                            R"({"ref":{"type":"ref/resource","uri":"x://{y}"},"argument":{"name":"a","value":""}})",
                            R"({"ref":{"type":"ref/prompt","name":"review"},"argument":{"name":"what"}})",
                            R"({"ref":{"type":"other","name":"review"},"argument":{"name":"what","value":"a"}})"}) {
    EXPECT_EQ(-32602, ask(++n, "completion/complete", wrong)["error"]["code"]) << wrong;
  }
  const std::string odd = R"({"ref":{"type":"ref/prompt","name":"review"},"argument":{"name":"what","value":"a"},"context":{"arguments":[1]}})";
  EXPECT_TRUE(ask(++n, "completion/complete", odd).contains("result"));
}

TEST_F(LineServerTest, ChangesOfWatchedResourcesAreToldBehindTheCall) {
  service.resources = {{"test://a", "one"}, {"test://b", "one"}};
  service.add("write", "", [this](const Call& call) {
    service.resources[call.arguments.value("z", "")] = call.arguments.value("a", "");
    return saying("written");
  });
  EXPECT_EQ(true, ask(1, "initialize", R"({"protocolVersion":"2025-11-25","capabilities":{}})")["result"]["capabilities"]["resources"]["subscribe"]);
  const auto told = [&] {
    std::vector<std::string> uris;
    for (const Json& message : inbox.all()) {
      if (message.value("method", "") == "notifications/resources/updated") uris.push_back(message["params"]["uri"]);
    }
    return uris;
  };
  EXPECT_EQ(Json::object(), ask(2, "resources/subscribe", R"({"uri":"test://a"})")["result"]);
  EXPECT_EQ(Json::object(), ask(3, "resources/subscribe", R"({"uri":"test://new"})")["result"]);
  auto write = [&, n = 10](const char* uri, const char* text) mutable {
    ask(++n, "tools/call", std::string(R"({"name":"write","arguments":{"z":")") + uri + R"(","a":")" + text + "\"}}");
  };
  write("test://a", "one");
  write("test://b", "two");
  EXPECT_EQ(std::vector<std::string>{}, told()) << "the same, and one that nobody watches";
  write("test://a", "two");
  write("test://new", "");
  EXPECT_EQ((std::vector<std::string>{"test://a", "test://new"}), told());
  EXPECT_EQ(Json::object(), ask(4, "resources/unsubscribe", R"({"uri":"test://a"})")["result"]);
  write("test://a", "three");
  EXPECT_EQ(2U, told().size());
  EXPECT_EQ(-32602, ask(5, "resources/subscribe")["error"]["code"]);
  EXPECT_EQ(-32602, ask(6, "resources/unsubscribe")["error"]["code"]);
  for (int i = 0; i < 63; ++i) ask(100 + i, "resources/subscribe", R"({"uri":"test://)" + std::to_string(i) + "\"}");
  EXPECT_EQ(-32000, ask(7, "resources/subscribe", R"({"uri":"test://too many"})")["error"]["code"]);
  EXPECT_EQ(-32601, ask(8, "resources/subscribe", meta(R"("uri":"test://a")"))["error"]["code"]) << "2026-07-28 has another way";
}

TEST_F(LineServerTest, ModernRequestsNeedNoHandshake) {
  const Json discovered = ask(1, "server/discover", meta())["result"];
  EXPECT_EQ(Json::array({"2026-07-28"}), discovered["supportedVersions"]);
  EXPECT_EQ("complete", discovered["resultType"]);
  EXPECT_EQ("toccata", discovered["_meta"]["io.modelcontextprotocol/serverInfo"]["name"]);
  const Json listed = ask(2, "tools/list", meta())["result"];
  EXPECT_LT(0, listed["ttlMs"].get<int>());
  EXPECT_EQ("public", listed["cacheScope"]);
  const Json called = ask(3, "tools/call", meta(R"("name":"echo","arguments":{"z":"x"})"))["result"];
  EXPECT_EQ("complete", called["resultType"]);
  EXPECT_FALSE(called.contains("ttlMs"));
  for (const char* gone : {"initialize", "ping", "logging/setLevel", "resources/subscribe", "prompts/list"}) {
    EXPECT_EQ(-32601, ask(gone, gone, meta())["error"]["code"]) << gone;
  }
}

TEST_F(LineServerTest, ModernRequestsSayTheirVersionAndCapabilities) {
  const Json refused = ask(1, "tools/list", R"({"_meta":{"io.modelcontextprotocol/protocolVersion":"2031-01-01","io.modelcontextprotocol/clientCapabilities":{}}})");
  EXPECT_EQ(-32022, refused["error"]["code"]);
  EXPECT_EQ("2031-01-01", refused["error"]["data"]["requested"]);
  EXPECT_EQ(Json::array({"2026-07-28"}), refused["error"]["data"]["supported"]);
  EXPECT_EQ(-32602, ask(2, "tools/list", R"({"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}})")["error"]["code"]);
  EXPECT_EQ(-32602, ask(3, "server/discover")["error"]["code"]);
}

TEST_F(LineServerTest, ProgressAndLogsComeBeforeTheAnswerAndOnlyWhenAskedFor) {
  initialize();
  ask(1, "tools/call", R"({"name":"talk","_meta":{"progressToken":"t"}})");
  std::vector<std::string> seen;
  for (const Json& message : inbox.all()) {
    if (message.value("method", "") == "notifications/progress") {
      EXPECT_EQ("t", message["params"]["progressToken"]);
      EXPECT_EQ(static_cast<int>(seen.size()) + 1, message["params"]["progress"]);
      seen.push_back(message["params"]["message"]);
    } else if (message.value("method", "") == "notifications/message") {
      seen.push_back(message["params"]["level"]);
    }
  }
  EXPECT_EQ((std::vector<std::string>{"one", "two", "warning"}), seen);  // debug is below the level
  const std::size_t before = inbox.all().size();
  ask(2, "tools/call", meta(R"("name":"talk")"));
  EXPECT_EQ(before + 1, inbox.all().size());
}

TEST_F(LineServerTest, PureCallsDoNotWaitForEachOtherStatefulOnesTakeTurns) {
  initialize();
  send(R"({"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"gated"}})");
  EXPECT_EQ("hi", ask(2, "tools/call", R"({"name":"echo","arguments":{"z":"hi"}})")["result"]["content"][0]["text"]);
  gate.open();
  EXPECT_EQ("through", inbox.answer(1)["result"]["content"][0]["text"]);

  send(R"({"jsonrpc":"2.0","id":3,"method":"tools/call","params":{"name":"wait"}})");
  send(R"({"jsonrpc":"2.0","id":4,"method":"tools/call","params":{"name":"wait"}})");
  started.pass();
  EXPECT_EQ(-32600, ask(3, "tools/call", R"({"name":"echo"})")["error"]["code"]) << "an id that is under way";
}

TEST_F(LineServerTest, ACancelledCallEndsAndGetsNoAnswer) {
  initialize();
  send(R"({"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"wait"}})");
  started.pass();
  for (const char* odd : {R"({"requestId":"7"})", R"({"requestId":99})", R"({"requestId":{"a":[]}})", "[]", "7"}) {
    send(std::string(R"({"jsonrpc":"2.0","method":"notifications/cancelled","params":)") + odd + "}");
  }
  send(R"({"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":7,"reason":"enough"}})");
  ended.pass();
  server.close();
  for (const Json& message : inbox.all()) EXPECT_NE(Json(7), message.value("id", Json()));
  EXPECT_EQ(std::vector<std::string>{"stdio"}, service.forgotten);
}

TEST_F(LineServerTest, TheEndOfTheInputEndsWhatRuns) {
  initialize();
  for (int id = 0; id < 20; ++id) send(R"({"jsonrpc":"2.0","id":)" + std::to_string(id) + R"(,"method":"tools/call","params":{"name":"wait"}})");
  server.push(R"({"jsonrpc":"2.0","id":99,"meth)");
  started.pass();
  server.close();  // returns
  EXPECT_EQ(1u, inbox.all().size());
}

TEST_F(LineServerTest, AFloodOfCallsIsRefusedNotKept) {
  initialize();
  for (int id = 0; id < 400; ++id) send(R"({"jsonrpc":"2.0","id":)" + std::to_string(id) + R"(,"method":"tools/call","params":{"name":"wait"}})");
  EXPECT_EQ(-32000, inbox.answer(399)["error"]["code"]);
  server.close();
}

TEST_F(LineServerTest, ResourcesAreListedAndRead) {
  service.resources = {{"toccata://default/mnt/data/a.txt", "text\n"}, {"toccata://default/mnt/data/b", std::string("\0\xff", 2)}};
  initialize();
  EXPECT_EQ(2u, ask(1, "resources/list")["result"]["resources"].size());
  EXPECT_EQ("text\n", ask(2, "resources/read", R"({"uri":"toccata://default/mnt/data/a.txt"})")["result"]["contents"][0]["text"]);
  EXPECT_EQ("AP8=", ask(3, "resources/read", R"({"uri":"toccata://default/mnt/data/b"})")["result"]["contents"][0]["blob"]);
  EXPECT_EQ(-32002, ask(4, "resources/read", R"({"uri":"x"})")["error"]["code"]);
  const Json modern_error = ask(5, "resources/read", meta(R"("uri":"x")"))["error"];
  EXPECT_EQ(-32602, modern_error["code"]);
  EXPECT_EQ("x", modern_error["data"]["uri"]);
  EXPECT_EQ(-32602, ask(6, "resources/read", R"({"uri":5})")["error"]["code"]);
  EXPECT_EQ(Json::array(), ask(7, "resources/templates/list")["result"]["resourceTemplates"]);
}

TEST_F(LineServerTest, HostileLinesAreAnsweredAndTheNextOneWorks) {
  initialize();
  const auto last = [&] { return inbox.all().back(); };
  send("{nonsense");
  EXPECT_EQ(-32700, last()["error"]["code"]);
  EXPECT_TRUE(last()["id"].is_null());
  send(R"([{"jsonrpc":"2.0","id":1,"method":"ping"}])");
  EXPECT_EQ(-32600, last()["error"]["code"]);
  send(R"({"jsonrpc":"1.0","id":8,"method":"ping"})");
  EXPECT_EQ(-32600, last()["error"]["code"]);
  EXPECT_EQ(8, last()["id"]);
  send(R"({"jsonrpc":"2.0","id":1.5,"method":"ping"})");
  EXPECT_EQ(-32600, last()["error"]["code"]);
  send(std::string(100'000, '['));
  EXPECT_TRUE(last().contains("error"));
  send(R"({"jsonrpc":"2.0","id":9,"method":"ping","params":)" + std::string(5000, '[') + std::string(5000, ']') + "}");
  EXPECT_TRUE(last().contains("error"));
  const std::string piece(1 << 20, 'x');
  for (int i = 0; i < 20; ++i) server.push(piece);
  EXPECT_EQ(-32600, last()["error"]["code"]);
  server.push("\n\n\r\n");
  send(std::string("{\"jsonrpc\":\"2.0\",\"id\":10,\"method\":\"\xff\xfe\"}"));
  const std::size_t before = inbox.all().size();
  send(R"({"jsonrpc":"2.0","id":3,"result":{}})");  // answers to nothing
  EXPECT_EQ(before, inbox.all().size());
  EXPECT_EQ(Json::object(), ask(11, "ping")["result"]);
}

TEST_F(LineServerTest, BrokenMessagesNeverStopIt) {
  initialize();
  const std::string good = R"({"jsonrpc":"2.0","id":5,"method":"tools/call","params":{"name":"echo","arguments":{"z":"é"},"_meta":{"progressToken":1}}})";
  std::mt19937 random(7);
  for (int round = 0; round < 3000; ++round) {
    std::string line = good;
    for (int n = 1 + static_cast<int>(random() % 4); n > 0; --n) {
      const std::size_t at = random() % line.size();
      switch (random() % 3) {
        case 0: line[at] = static_cast<char>(random()); break;
        case 1: line.erase(at, 1 + random() % 8); break;
        default: line.insert(at, line.substr(random() % line.size(), random() % 12)); break;
      }
      if (line.empty()) line = "{";
    }
    send(line);
  }
  send(R"({"jsonrpc":"2.0","id":"last","method":"ping"})");
  EXPECT_EQ(Json::object(), inbox.answer("last")["result"]);
}

TEST(WorkQueueTest, LanesKeepTheirOrderAndDoNotHoldUpOthers) {
  std::mutex mutex;
  std::vector<int> order;
  Gate hold, other;
  {
    WorkQueue queue(2, 100);
    ASSERT_TRUE(queue.add("a", [&] { hold.pass(); }));
    for (int i = 0; i < 50; ++i) {
      ASSERT_TRUE(queue.add("a", [&, i] {
        const std::lock_guard lock(mutex);
        order.push_back(i);
      }));
    }
    ASSERT_TRUE(queue.add("", [&] { other.open(); }));
    other.pass();  // although 50 of lane a wait before it
    while (queue.add("a", [] {})) {
    }
    hold.open();
  }
  ASSERT_EQ(50u, order.size());
  EXPECT_TRUE(std::is_sorted(order.begin(), order.end()));
}

TEST(ContentTest, NamesSurviveAndBrokenOnesDoNot) {
  EXPECT_EQ("a%20b/%C3%A9.txt", uri_path("a b/é.txt"));
  EXPECT_EQ("a b/é.txt", from_uri_path("a%20b/%C3%A9.txt"));
  for (const char* broken : {"%", "%4", "%zz", "a%00"}) EXPECT_EQ(std::nullopt, from_uri_path(broken)) << broken;
}

}  // namespace
}  // namespace toccata::mcp
