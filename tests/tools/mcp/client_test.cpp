#include "core/base/json.h"
#include "tools/mcp/client.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>

#include <cerrno>
#include <nlohmann/json.hpp>
#include <thread>

#include "tools/mcp/stdio_transport.h"

namespace toccata::tools::mcp {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;

struct Server {
  StdioTransport* transport;
  std::unique_ptr<Client> client;

  // `behaviour`: the arguments of server.py.
  explicit Server(std::vector<std::string> behaviour, ClientOptions options = {}, TransportLimits limits = {}) {
    behaviour.insert(behaviour.begin(), MCP_TESTS "/server.py");
    auto made = std::make_unique<StdioTransport>(
        ProcessOrder{.program = "python3",
                     .arguments = behaviour,
                     .environment = {"PATH=/usr/local/bin:/usr/bin:/bin", "KEY=named", "PYTHONDONTWRITEBYTECODE=1"},
                     .folder = "/usr"},
        limits
    );
    transport = made.get();
    client = std::make_unique<Client>("test", std::move(made), std::move(options));
  }

  Result<CallResult> call(const std::string& text, CallOptions options = {}, std::stop_token stop = {}) {
    return client->call_tool("echo", json_text(nlohmann::json{{"text", text}}), options, stop);
  }
  std::string answer(const std::string& text) {
    const Result<CallResult> result = call(text);
    return result ? (result->is_error ? "failed: " : "") + result->text : to_string(result.error().code) + (": " + result.error().message);
  }
};

TEST(McpClient, TheTraceIsToldToServersOfTheModernEra) {
  const std::string traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
  for (const auto& [era, expected] : {std::pair<std::string, std::string>{"modern", traceparent}, {"legacy", "None"}}) {
    Server server({era});
    const Result<CallResult> told = server.call("trace", {.traceparent = traceparent});
    ASSERT_TRUE(told) << told.error().message;
    EXPECT_EQ(told->text, expected) << era;
    EXPECT_EQ(server.call("trace")->text, "None");
  }
}

bool no_child_is_left() {
  errno = 0;
  return waitpid(-1, nullptr, WNOHANG) == -1 && errno == ECHILD;
}

TEST(McpClient, HearsThatTheToolsHaveChanged) {
  for (const char* era : {"modern", "legacy"}) {
    Server server({era});
    EXPECT_EQ("echo: hi", server.answer("hi"));
    EXPECT_FALSE(server.client->take_tools_changed());
    EXPECT_EQ("echo: change", server.answer("change"));
    EXPECT_TRUE(server.client->take_tools_changed());
    EXPECT_FALSE(server.client->take_tools_changed()) << "it was heard";
  }
}

TEST(McpClient, SpeaksTheEraOfTheServer) {
  const std::pair<const char*, const char*> eras[] = {
      {"modern", kModernVersion}, {"both", kModernVersion}, {"legacy", kLegacyVersion}, {"silent", kLegacyVersion}, {"dies", kLegacyVersion}};
  for (const auto& [era, version] : eras) {
    Server server({era}, {.probe_timeout = 300ms});
    EXPECT_EQ("echo: hi", server.answer("hi")) << era;
    const ServerFacts facts = server.client->facts();
    EXPECT_EQ(version, facts.protocol) << era;
    EXPECT_EQ(std::string("test ") + era, facts.name);
    EXPECT_EQ("Use echo.", facts.instructions);
    EXPECT_FALSE(facts.resources);
  }
  EXPECT_TRUE(no_child_is_left());
  Server late({"modern", "late"}, {.probe_timeout = 300ms});
  EXPECT_EQ("echo: hi", late.answer("hi")) << "it was only slow to start";
  EXPECT_EQ(kModernVersion, late.client->facts().protocol);
  EXPECT_THAT(Server({"future"}).answer("hi"), HasSubstr("speaks only 2031-01-01"));
  EXPECT_THAT(Server({"old"}).answer("hi"), HasSubstr("protocolVersion \"1999-01-01\""));
}

TEST(McpClient, ListsEveryPageOfTools) {
  for (const char* words : {"plain", "paged"}) {
    Server server({"modern", words, "noise"});
    const Result<std::vector<ToolInfo>> tools = server.client->list_tools();
    ASSERT_TRUE(tools) << tools.error().message;
    ASSERT_EQ(3u, tools->size()) << words;
    EXPECT_EQ("echo", (*tools)[0].name);
    EXPECT_EQ("Does echo.", (*tools)[0].description);
    EXPECT_THAT((*tools)[0].parameters, ::testing::StartsWith(R"({"type":"object","properties")"));
    EXPECT_TRUE((*tools)[0].read_only && !(*tools)[0].idempotent);
    EXPECT_TRUE(!(*tools)[1].read_only && (*tools)[1].idempotent);
  }
}

TEST(McpClient, LeavesOutToolsThatCannotBeUsedAndSaysWhy) {
  std::vector<std::string> left_out;
  Server broken({"legacy", "broken"});
  ASSERT_EQ(1u, broken.client->list_tools({}, &left_out)->size());
  ASSERT_EQ(4u, left_out.size());
  EXPECT_THAT(left_out[2], HasSubstr("x: inputSchema is no object"));
  EXPECT_EQ("y: declared twice", left_out[3]);
  left_out.clear();
  Server circle({"legacy", "circle"});
  EXPECT_EQ(1u, circle.client->list_tools({}, &left_out)->size());
  EXPECT_THAT(left_out.back(), HasSubstr("same page again"));
}

TEST(McpClient, TellsFailuresOfToolAndServerApart) {
  Server server({"modern"});
  EXPECT_EQ("failed: it did not work", server.answer("fail"));
  EXPECT_EQ("invalid argument: MCP server 'test': error -32602: no such thing", server.answer("refuse"));
  EXPECT_THAT(server.answer("input"), HasSubstr("asks for input"));
  EXPECT_THAT(server.answer("no result"), HasSubstr("the result is no object: 7"));
  EXPECT_THAT(server.client->call_tool("echo", "[1]").error().message, HasSubstr("must be a JSON object"));
  EXPECT_EQ(1, server.client->n_starts());
}

TEST(McpClient, NamesWhatIsNoText) {
  Server server({"both"});
  EXPECT_EQ(
      "a\n[picture image/png, 3 bytes, not shown]\n[resource file:///x]\ninside\n[link to file:///y why]\n"
      "[content of the unknown kind 'new', not shown]\n[content that is no object]",
      server.answer("kinds")
  );
  EXPECT_EQ(R"({"b":1,"a":2})", server.answer("structured"));
}

TEST(McpClient, AnswersPingsAndRefusesOtherRequests) {
  Server server({"legacy"});
  const std::string heard = server.answer("ask");
  EXPECT_THAT(heard, HasSubstr(R"({"jsonrpc":"2.0","id":"p","result":{}})"));
  EXPECT_THAT(heard, HasSubstr(R"("id":"s","error":{"code":-32601)"));
}

TEST(McpClient, HearsProgress) {
  Server server({"modern"});
  std::vector<std::string> heard;
  CallOptions options;
  options.on_progress = [&](const Progress& p) {
    heard.push_back(p.message + " " + std::to_string(static_cast<int>(p.done)) + "/" + std::to_string(static_cast<int>(p.total)));
  };
  ASSERT_TRUE(server.call("progress", options));
  EXPECT_EQ((std::vector<std::string>{"step 1 1/2", "step 2 2/2"}), heard);
}

TEST(McpClient, QuestionsForTheUserAreDeclinedWhereNobodyCanBeAsked) {
  for (const char* era : {"modern", "legacy"}) {
    Server server({era});
    EXPECT_EQ(
        "[The server asked the user \"Who are you?\". Nobody can be asked here, so it was declined.]\n{\"action\": \"decline\"}",
        server.answer("question")
    ) << era;
    EXPECT_EQ("echo: hi", server.answer("hi")) << "the next call knows nothing of it";
  }
}

TEST(McpClient, QuestionsForTheUserAreAnsweredByTheHandler) {
  for (const char* era : {"modern", "legacy"}) {
    ClientOptions options;
    std::vector<Reply> replies = {
        {Reply::Action::kAccept, Json{{"age", 36}}}, {Reply::Action::kAccept, Json::object()}, {Reply::Action::kCancel}};
    std::size_t n_asked = 0;
    options.answer = [&](const Question& question, std::stop_token) {
      EXPECT_EQ("test", question.server);
      EXPECT_EQ("Who are you?", question.message);
      EXPECT_EQ(2u, question.schema["properties"].size());
      return replies.at(n_asked++);
    };
    Server server({era}, options);
    EXPECT_EQ(R"({"action": "accept", "content": {"age": 36, "name": "Ada"}})", server.answer("question")) << era;
    EXPECT_EQ(R"({"action": "decline"})", server.answer("question")) << "a required field is missing";
    EXPECT_EQ(R"({"action": "cancel"})", server.answer("question"));
    EXPECT_EQ(3u, n_asked);
  }
}

TEST(McpClient, RefusesToBeAskedForWhatItDoesNotOffer) {
  Server server({"modern"});
  EXPECT_THAT(server.answer("sample"), HasSubstr("asks for \"sampling/createMessage\", which is not offered here"));
  EXPECT_THAT(server.answer("endless question"), HasSubstr("asks for input again and again"));
  EXPECT_EQ("echo: hi", server.answer("hi"));
}

TEST(McpAsking, ReadsQuestionsAndRefusesWhatIsNone) {
  const auto error = [](const char* params) {
    const auto question = read_question("s", parse_object(params).value_or_throw());
    return question ? "fine" : to_string(question.error().code) + (": " + question.error().message);
  };
  EXPECT_EQ("fine", error(R"({"message": "?", "requestedSchema": {"type": "object", "properties": {}}})"));
  EXPECT_THAT(error(R"({"message": "?", "mode": "url", "url": "https://x"})"), HasSubstr("only questions of mode"));
  EXPECT_THAT(error(R"({"message": 1})"), HasSubstr("params.message"));
  EXPECT_THAT(error(R"({"message": "?"})"), HasSubstr("requestedSchema"));
  EXPECT_THAT(error(R"({"message": "?", "requestedSchema": {"properties": [1]}})"), HasSubstr("requestedSchema"));
  EXPECT_FALSE(read_question("s", Json(7)));
}

TEST(McpAsking, AnswersSatisfyTheSchemaOrAreDeclined) {
  const auto action = [](const char* field, const char* value) {
    const Json schema = parse_object(std::string(R"({"properties": {"f": )") + field + "}}").value_or_throw();
    const Json content = parse_object(std::string(R"({"f": )") + value + "}").value_or_throw();
    return elicit_result({"s", "?", schema}, {Reply::Action::kAccept, content})["action"].get<std::string>();
  };
  EXPECT_EQ("accept", action(R"({"type": "string"})", "\"a\""));
  EXPECT_EQ("decline", action(R"({"type": "string"})", "1"));
  EXPECT_EQ("accept", action(R"({"type": "integer"})", "1"));
  EXPECT_EQ("decline", action(R"({"type": "integer"})", "1.5"));
  EXPECT_EQ("accept", action(R"({"type": "number"})", "1.5"));
  EXPECT_EQ("accept", action(R"({"type": "boolean"})", "false"));
  EXPECT_EQ("accept", action(R"({"type": "string", "enum": ["a", "b"]})", "\"b\""));
  EXPECT_EQ("decline", action(R"({"type": "string", "enum": ["a", "b"]})", "\"c\""));
  EXPECT_EQ("accept", action(R"({"oneOf": [{"const": "a", "title": "A"}]})", "\"a\""));
  EXPECT_EQ("accept", action(R"({"type": "array", "items": {"enum": ["a", "b"]}})", R"(["a"])"));
  EXPECT_EQ("decline", action(R"({"type": "array", "items": {"enum": ["a", "b"]}})", R"(["x"])"));
  EXPECT_EQ("decline", action("7", "7"));
  EXPECT_EQ("decline", action(R"({"type": "string", "default": 7})", "null"));
}

TEST(McpClient, UsesNothingThatIsNoAnswer) {
  Server server({"modern"});
  EXPECT_EQ("echo: garbage", server.answer("garbage"));
  EXPECT_EQ("echo: wrong id", server.answer("wrong id"));
  EXPECT_EQ("echo: hi", server.answer("hi"));
  EXPECT_EQ(1, server.client->n_starts());
}

TEST(McpClient, GivesTheServerTheNamedEnvironmentOnly) {
  ASSERT_EQ(0, setenv("MCP_SECRET", "of the host", 1));
  Server server({"modern"});
  const std::string text = server.answer("env");
  EXPECT_THAT(text, HasSubstr("\"KEY\": \"named\""));
  EXPECT_EQ(std::string::npos, text.find("MCP_SECRET"));
  EXPECT_THAT(text, HasSubstr("in /usr"));
}

TEST(McpClient, CutsLongResultsAtACharacter) {
  Server server({"modern"}, {.text_bytes_max = 1001});
  const Result<CallResult> result = server.client->call_tool("echo", R"({"text": "huge", "n": 5000})");
  ASSERT_TRUE(result);
  EXPECT_EQ(1000u + std::string("\n[... 9000 of 10000 bytes left out: it is too long ...]").size(), result->text.size());
}

TEST(McpClient, AFloodEndsTheServerAndTheNextCallHasAFreshOne) {
  const TransportLimits limits{.message_bytes_max = 200'000, .request_bytes_max = 1'000'000};
  Server server({"modern"}, {.backoff_first = 1ms}, limits);
  for (const char* flood : {"flood", "ask only"}) {
    EXPECT_THAT(server.answer(flood), HasSubstr("resource exhausted")) << flood;
    EXPECT_EQ("echo: hi", server.answer("hi")) << flood;
  }
  const Result<CallResult> line = server.client->call_tool("echo", R"({"text": "long line", "n": 300000})");
  ASSERT_FALSE(line);
  EXPECT_THAT(line.error().message, HasSubstr("more than 200000 bytes"));
  EXPECT_EQ("echo: hi", server.answer("hi"));
  EXPECT_EQ(4, server.client->n_starts());
  EXPECT_EQ("echo: members", Server({"modern"}).answer("members")) << "an answer that costs hours to search is none";
}

TEST(McpClient, KillingTheServerInACallFailsItAtOnce) {
  Server server({"modern"}, {.backoff_first = 1ms});
  ASSERT_EQ("echo: hi", server.answer("hi"));
  for (int i = 0; i < 5; ++i) {
    const pid_t pid = server.transport->pid();
    std::jthread killer([&] {
      std::this_thread::sleep_for(50ms);
      kill(pid, SIGKILL);
    });
    const auto begin = std::chrono::steady_clock::now();
    const Result<CallResult> result = server.call("sleep", {.timeout = 60s});
    ASSERT_FALSE(result);
    EXPECT_EQ(ErrorCode::kUnavailable, result.error().code);
    EXPECT_THAT(result.error().message, HasSubstr("was killed by signal 9"));
    EXPECT_LT(std::chrono::steady_clock::now() - begin, 30s) << "not the time-out";
    EXPECT_EQ("echo: hi", server.answer("hi")) << "it is there again";
  }
  EXPECT_THAT(server.answer("die"), HasSubstr("was killed by signal 9"));
  server.client->close();
  EXPECT_TRUE(no_child_is_left());
}

TEST(McpClient, ShowsTheEndOfTheLogOfAServerThatEnded) {
  Server server({"legacy"});
  const std::string text = server.answer("log");
  EXPECT_THAT(text, HasSubstr("exited with code 3; the end of its log: "));
  EXPECT_THAT(text, HasSubstr("the end of the log"));
  EXPECT_LT(text.size(), 1000u);
}

TEST(McpClient, StopsAndTimesOutWithoutLosingTheServer) {
  Server server({"modern"});
  ASSERT_EQ("echo: hi", server.answer("hi"));
  const Result<CallResult> late = server.call("sleep", {.timeout = 100ms});
  ASSERT_FALSE(late);
  EXPECT_EQ(ErrorCode::kTimeout, late.error().code);
  EXPECT_THAT(late.error().message, HasSubstr("tools/call may take 100 ms"));
  std::stop_source stop;
  std::jthread stopper([&] {
    std::this_thread::sleep_for(50ms);
    stop.request_stop();
  });
  EXPECT_EQ(ErrorCode::kCancelled, server.call("hi", {.timeout = 60s}, stop.get_token()).error().code);
  EXPECT_EQ(1, server.client->n_starts());
  // It still sleeps. After a second silence it is taken for dead.
  EXPECT_EQ(ErrorCode::kTimeout, server.call("hi", {.timeout = 100ms}).error().code);
  EXPECT_EQ("echo: hi", server.answer("hi"));
  EXPECT_EQ(2, server.client->n_starts());
}

TEST(McpClient, WaitsLongerAndLongerForAServerThatDoesNotStart) {
  Server server({"no such era"}, {.backoff_first = 40ms, .backoff_max = 100ms});
  server.client = std::make_unique<Client>(
      "gone", std::make_unique<StdioTransport>(ProcessOrder{.program = "/no/such/program"}, TransportLimits{}),
      ClientOptions{.backoff_first = 40ms, .backoff_max = 100ms}
  );
  const auto begin = std::chrono::steady_clock::now();
  for (int i = 0; i < 5; ++i) EXPECT_EQ(ErrorCode::kNotFound, server.client->connect().error().code);
  EXPECT_GE(std::chrono::steady_clock::now() - begin, 40ms + 80ms + 100ms) << "pauses before the third, fourth and fifth";
  std::stop_source stopped;
  stopped.request_stop();
  EXPECT_EQ(ErrorCode::kCancelled, server.client->connect(stopped.get_token()).error().code);
}

TEST(McpClient, ReadsResources) {
  Server server({"legacy", "resources"});
  const Result<CallResult> list = server.client->list_resources();
  ASSERT_TRUE(list) << list.error().message;
  EXPECT_EQ("test://a  A, text/plain: the first\n", list->text);
  EXPECT_TRUE(server.client->facts().resources);
  EXPECT_EQ("what A says\n[data x/y, 3 bytes, not shown]", server.client->read_resource("test://a")->text);
  EXPECT_THAT(server.client->read_resource("test://c").error().message, HasSubstr("Resource not found"));
}

}  // namespace
}  // namespace toccata::tools::mcp
