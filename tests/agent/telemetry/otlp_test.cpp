#include "agent/telemetry/otlp.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <atomic>
#include <set>
#include <thread>

#include "agent/loop/subagent_tool.h"
#include "agent/telemetry/run_spans.h"
#include "core/base/json.h"
#include "tests/agent/loop/loop_fixture.h"
#include "tests/support/loopback_server.h"

namespace toccata::telemetry {
namespace {

using std::chrono::milliseconds;
using ::testing::HasSubstr;
using ::testing::Not;
using Json = nlohmann::json;

std::string answer(const std::string& status, const std::string& body, const std::string& more = "") {
  return "HTTP/1.1 " + status + "\r\nContent-Type: application/json\r\n" + more + "Connection: close\r\nContent-Length: " +
         std::to_string(body.size()) + "\r\n\r\n" + body;
}

testing::LoopbackServer::Handler answering(const std::string& status, const std::string& body = "{}") {
  return [=](const std::string&, testing::Connection& connection) { connection.send(answer(status, body)); };
}

Span span(const std::string& name) {
  Span s{.trace_id = new_trace_id(), .span_id = new_span_id(), .name = name};
  s.begin = s.end = std::chrono::system_clock::now();
  return s;
}

OtlpOptions to(const testing::LoopbackServer& server) {
  return {.url = server.url("/v1/traces"), .batch_time = milliseconds(5), .retry_after = milliseconds(1)};
}

// Every span of every request, in the order they came.
std::vector<Json> spans_of(const testing::LoopbackServer& server) {
  std::vector<Json> all;
  for (const std::string& request : server.requests()) {
    const Json body = json_from_valid<Json>(request.substr(request.find("\r\n\r\n") + 4));
    for (const Json& one : body.at("resourceSpans").at(0).at("scopeSpans").at(0).at("spans")) all.push_back(one);
  }
  return all;
}

std::string attribute(const Json& one, const std::string& key) {
  for (const Json& a : one.at("attributes")) {
    if (a.at("key") == key) return a.at("value").begin()->dump();
  }
  return "absent";
}

TEST(OtlpTest, ARequestHasTheProtocolsShape) {
  Span one = span("chat m");
  one.trace_id = std::string(32, 'a');
  one.span_id = std::string(16, 'b');
  one.parent_id = std::string(16, 'c');
  one.kind = Span::Kind::kClient;
  one.begin = std::chrono::system_clock::time_point(milliseconds(1'700'000'000'123));
  one.end = one.begin + milliseconds(2);
  one.attributes = {{"s", "text"}, {"n", std::int64_t{1} << 60}, {"x", 0.5}, {"b", true}, {"l", Texts{"stop"}}};
  one.error = "timeout";
  EXPECT_EQ(
      otlp_json({{"service.name", "t"}}, {one}),
      R"({"resourceSpans":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"t"}}]},)"
      R"("scopeSpans":[{"scope":{"name":"toccata"},"spans":[{"traceId":"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa","spanId":"bbbbbbbbbbbbbbbb",)"
      R"("parentSpanId":"cccccccccccccccc","name":"chat m","kind":3,"startTimeUnixNano":"1700000000123000000","endTimeUnixNano":"1700000000125000000",)"
      R"("attributes":[{"key":"s","value":{"stringValue":"text"}},{"key":"n","value":{"intValue":"1152921504606846976"}},)"
      R"({"key":"x","value":{"doubleValue":0.5}},{"key":"b","value":{"boolValue":true}},)"
      R"({"key":"l","value":{"arrayValue":{"values":[{"stringValue":"stop"}]}}}],"status":{"code":2,"message":"timeout"}}]}]}]})"
  );
}

TEST(OtlpTest, AddressesAndPairsAreReadAsTheSpecificationSays) {
  EXPECT_EQ(*traces_url("http://127.0.0.1:4318"), "http://127.0.0.1:4318/v1/traces");
  EXPECT_EQ(*traces_url("https://c.example/otlp/"), "https://c.example/otlp/v1/traces");
  EXPECT_EQ(*traces_url("http://c.example/v1/traces"), "http://c.example/v1/traces");
  for (const char* bad : {"127.0.0.1:4318", "grpc://c.example", "", "http://", "file:///etc/passwd"}) EXPECT_FALSE(traces_url(bad)) << bad;
  const auto pairs = parse_pairs("api-key=a%20b%3D, x = y=z ,,").value_or_throw();
  EXPECT_THAT(pairs, ::testing::ElementsAre(::testing::Pair("api-key", "a b="), ::testing::Pair("x", "y=z")));
  EXPECT_FALSE(parse_pairs("novalue"));
  EXPECT_FALSE(parse_pairs("k=a%0d%0aEvil: 1"));
}

TEST(OtlpTest, EverySpanArrivesWithTheHeaders) {
  const testing::LoopbackServer server(answering("200 OK"));
  OtlpOptions options = to(server);
  options.headers = {{"api-key", "k1"}};
  options.batch_max = 10;
  OtlpExporter exporter(options);
  for (int i = 0; i < 95; ++i) exporter.add(span("s" + std::to_string(i)));
  const Delivery told = exporter.finish();
  EXPECT_EQ(told.n_taken, 95) << told.problem;
  EXPECT_EQ(told.n_dropped + told.n_rejected, 0);
  const auto spans = spans_of(server);
  ASSERT_EQ(spans.size(), 95U);
  for (int i = 0; i < 95; ++i) EXPECT_EQ(spans[static_cast<std::size_t>(i)].at("name"), "s" + std::to_string(i));
  EXPECT_THAT(server.requests().front(), HasSubstr("POST /v1/traces"));
  EXPECT_THAT(server.requests().front(), HasSubstr("api-key: k1"));
  EXPECT_THAT(server.requests().front(), HasSubstr("Content-Type: application/json"));
}

TEST(OtlpTest, PartialSuccessIsCountedAndNotSentAgain) {
  const testing::LoopbackServer server(answering("200 OK", R"({"partialSuccess":{"rejectedSpans":"2","errorMessage":"too old"}})"));
  OtlpExporter exporter(to(server));
  for (int i = 0; i < 5; ++i) exporter.add(span("s"));
  const Delivery told = exporter.finish();
  EXPECT_EQ(told.n_taken + told.n_rejected, 5);
  EXPECT_GE(told.n_rejected, 2);
  EXPECT_THAT(told.problem, HasSubstr("too old"));
  EXPECT_EQ(spans_of(server).size(), 5U);
}

TEST(OtlpTest, OddAnswersOfACollectorHarmNothing) {
  for (const std::string& body : {std::string(), std::string("[1"), std::string("[]"), std::string(R"({"partialSuccess":7})"),
                                  std::string(R"({"partialSuccess":{"rejectedSpans":{},"errorMessage":[]}})"),
                                  std::string(R"({"partialSuccess":{"rejectedSpans":"-9999999999999999999999"}})")}) {
    const testing::LoopbackServer server(answering("200 OK", body));
    OtlpExporter exporter(to(server));
    exporter.add(span("s"));
    EXPECT_EQ(exporter.finish().n_taken, 1) << body;
  }
}

TEST(OtlpTest, ABusyCollectorIsAskedAgainAndOneThatRefusesIsNot) {
  std::atomic<int> n{0};
  const testing::LoopbackServer busy([&](const std::string&, testing::Connection& connection) {
    connection.send(answer(++n < 2 ? "503 Service Unavailable" : "200 OK", "{}"));
  });
  OtlpExporter patient(to(busy));
  patient.add(span("s"));
  EXPECT_EQ(patient.finish().n_taken, 1);
  EXPECT_EQ(n, 2);

  const testing::LoopbackServer no(answering("400 Bad Request"));
  OtlpExporter refused(to(no));
  refused.add(span("s"));
  const Delivery told = refused.finish();
  EXPECT_EQ(told.n_rejected, 1);
  EXPECT_THAT(told.problem, HasSubstr("HTTP 400"));
  EXPECT_EQ(no.requests().size(), 1U);
}

TEST(OtlpTest, ACollectorThatIsNotThereLosesSpansAndNothingElse) {
  OtlpExporter exporter({.url = "http://127.0.0.1:1/v1/traces", .batch_time = milliseconds(1), .retry_after = milliseconds(1)});
  for (int i = 0; i < 3; ++i) exporter.add(span("s"));
  const Delivery told = exporter.finish();
  EXPECT_EQ(told.n_dropped, 3);
  EXPECT_FALSE(told.problem.empty());
  exporter.add(span("late"));
  EXPECT_EQ(exporter.finish().n_dropped, 4);
}

// The request under way is cut off when the grace is over; meanwhile the queue stays within its bound.
TEST(OtlpTest, ACollectorThatStallsHoldsUpNothingForLongerThanTheGrace) {
  const testing::LoopbackServer server([](const std::string&, testing::Connection& connection) { connection.stall(); });
  OtlpOptions options = to(server);
  options.timeout = milliseconds(600'000);
  options.grace = milliseconds(50);
  options.queue_max = 16;
  options.batch_max = 4;
  OtlpExporter exporter(options);
  for (int i = 0; i < 1000; ++i) exporter.add(span("s"));
  const Delivery told = exporter.finish();  // would wait for ten minutes
  EXPECT_EQ(told.n_dropped, 1000);
  EXPECT_EQ(told.n_taken, 0);
  EXPECT_FALSE(told.problem.empty());
}

// --- A whole run -----------------------------------------------------------------------------------------------------

class RunSpansTest : public agent::LoopTest {
 protected:
  // The run's spans, as a collector got them.
  std::vector<Json> trace(bool capture_content, const std::string& task) {
    const testing::LoopbackServer server(answering("200 OK"));
    OtlpExporter exporter(to(server));
    RunSpans spans(exporter, {.model = "scripted", .capture_content = capture_content});
    config_.trace = spans.trace();
    spans.trace()->set_parent(traceparent_);
    config_.on_model_call = [&](const agent::ModelCall& call) { spans.model_call(call); };
    on_event_ = [&](const agent::Event& event) { spans.event(event); };
    outcome_ = run(task);
    EXPECT_EQ(exporter.finish().n_dropped, 0);
    bodies_ = server.requests();
    return spans_of(server);
  }
  std::string everything() const {
    std::string all;
    for (const std::string& body : bodies_) all += body;
    return all;
  }
  // The spans whose parent is `id`, by name.
  static std::vector<Json> below(const std::vector<Json>& spans, const Json& id) {
    std::vector<Json> found;
    for (const Json& one : spans) {
      if (one.value("parentSpanId", Json()) == id) found.push_back(one);
    }
    std::sort(found.begin(), found.end(), [](const Json& a, const Json& b) { return a.at("name") < b.at("name"); });
    return found;
  }
  static std::int64_t nanoseconds(const Json& one, const char* key) { return std::stoll(one.at(key).get<std::string>()); }
  static void expect_inside(const Json& inner, const Json& outer) {
    EXPECT_GE(nanoseconds(inner, "startTimeUnixNano"), nanoseconds(outer, "startTimeUnixNano"));
    EXPECT_LE(nanoseconds(inner, "endTimeUnixNano"), nanoseconds(outer, "endTimeUnixNano"));
    EXPECT_EQ(inner.at("traceId"), outer.at("traceId"));
  }
  agent::RunOutcome outcome_;
  std::string traceparent_;
  std::vector<std::string> bodies_;
};

TEST_F(RunSpansTest, ATurnItsModelCallsAndItsToolCallsAreOneTrace) {
  add(testing::fake_functions(testing::answering("secret noon")));
  script_texts({testing::thinks("secret thought") + testing::calls("functions.now", R"({"x":"secret"})"), testing::says_final("secret answer")});
  const auto spans = trace(false, "secret task");
  ASSERT_EQ(spans.size(), 4U);
  EXPECT_EQ(spans[0].at("name"), "chat scripted");
  EXPECT_EQ(spans[1].at("name"), "execute_tool now");
  EXPECT_EQ(spans[2].at("name"), "chat scripted");
  const Json& turn = spans[3];
  EXPECT_EQ(turn.at("name"), "invoke_agent toccata");
  EXPECT_FALSE(turn.contains("parentSpanId"));
  std::set<std::string> ids{turn.at("spanId")};
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(spans[static_cast<std::size_t>(i)].at("parentSpanId"), turn.at("spanId"));
    EXPECT_EQ(spans[static_cast<std::size_t>(i)].at("traceId"), turn.at("traceId"));
    ids.insert(spans[static_cast<std::size_t>(i)].at("spanId"));
  }
  EXPECT_EQ(ids.size(), 4U);
  EXPECT_EQ(attribute(turn, "gen_ai.conversation.id"), '"' + outcome_.run_id + '"');
  EXPECT_EQ(attribute(turn, "gen_ai.operation.name"), "\"invoke_agent\"");
  EXPECT_EQ(attribute(turn, "gen_ai.usage.output_tokens"), '"' + std::to_string(outcome_.usage.output_tokens) + '"');
  EXPECT_EQ(attribute(spans[1], "gen_ai.tool.name"), "\"now\"");
  EXPECT_THAT(attribute(spans[0], "gen_ai.response.finish_reasons"), HasSubstr("tool_calls"));
  EXPECT_THAT(attribute(spans[2], "gen_ai.response.finish_reasons"), HasSubstr("stop"));
  // What the model calls say adds up to what the ledger has.
  std::int64_t prefilled = 0, decoded = 0;
  for (const store::StepRow& step : record().steps) prefilled += step.prefilled, decoded += step.decoded;
  std::int64_t told_prefilled = 0, told_decoded = 0;
  for (const int i : {0, 2}) {
    told_prefilled += std::stoll(json_from_valid<Json>(attribute(spans[static_cast<std::size_t>(i)], "toccata.prefilled_tokens")).get<std::string>());
    told_decoded += std::stoll(json_from_valid<Json>(attribute(spans[static_cast<std::size_t>(i)], "gen_ai.usage.output_tokens")).get<std::string>());
  }
  EXPECT_EQ(told_prefilled, prefilled);
  EXPECT_EQ(told_decoded, decoded);
  EXPECT_THAT(everything(), Not(HasSubstr("secret")));
}

TEST_F(RunSpansTest, ContentIsThereWhenItIsAskedFor) {
  add(testing::fake_functions(testing::answering("secret noon")));
  script_texts({testing::thinks("hidden") + testing::calls("functions.now", R"({"x":"secret"})"), testing::says_final("secret answer")});
  const auto spans = trace(true, "secret task");
  ASSERT_EQ(spans.size(), 4U);
  EXPECT_THAT(attribute(spans[1], "gen_ai.tool.call.result"), HasSubstr("secret noon"));
  EXPECT_THAT(attribute(spans[3], "gen_ai.input.messages"), HasSubstr("secret task"));
  EXPECT_THAT(attribute(spans[3], "gen_ai.output.messages"), HasSubstr("secret answer"));
}

TEST_F(RunSpansTest, FailuresOfToolsModelsAndRunsAreErrors) {
  add(testing::fake_functions([](const tools::ToolCall&, std::stop_token) -> tools::ToolResult { throw std::runtime_error("secret"); }));
  script({{.text = testing::calls("functions.now", "{}")},
          {.text = "<|channel|>final<|message|>secret", .then = agent::ScriptedCompletion::Then::kError, .error = "secret"}});
  const auto spans = trace(false, "go");
  EXPECT_EQ(outcome_.exit_code, 7);
  ASSERT_EQ(spans.size(), 4U);
  EXPECT_EQ(attribute(spans[1], "error.type"), "\"tool_error\"");
  EXPECT_EQ(attribute(spans[2], "error.type"), "\"model_error\"");
  EXPECT_EQ(attribute(spans[3], "error.type"), "\"model_error\"");
  EXPECT_FALSE(spans[0].at("status").contains("code"));
  for (int i = 1; i < 4; ++i) EXPECT_EQ(spans[static_cast<std::size_t>(i)].at("status").at("code"), 2);
  EXPECT_THAT(everything(), Not(HasSubstr("secret")));
}

// --- Families, and the traces of others ----------------------------------------------------------------------------

constexpr const char* kTraceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

std::vector<agent::ScriptedCompletion> completions(const std::vector<std::string>& texts) {
  std::vector<agent::ScriptedCompletion> all;
  for (const std::string& text : texts) all.push_back({.text = text});
  return all;
}

class FamilySpansTest : public RunSpansTest {
 protected:
  FamilySpansTest() {
    registry_.add(std::make_unique<agent::SubagentTool>());
    config_.child_tools = [this] {
      agent::ChildTools made;
      made.tools.add(testing::fake_functions(testing::answering("noon")));
      return made;
    };
  }
  void script_family(const std::vector<std::string>& parent, const std::vector<std::pair<std::string, std::vector<std::string>>>& children) {
    std::vector<agent::ScriptedBranch> branches;
    for (const auto& [when, texts] : children) branches.push_back({.when = when, .seed = {}, .completions = completions(texts)});
    model_ = std::make_unique<agent::ScriptedModel>(
        tokenizer::Tokenizer::o200k_harmony(), completions(parent), agent::ScriptedOptions{}, std::move(branches)
    );
  }
};

TEST_F(FamilySpansTest, SubAgentsStandBelowTheCallsThatMadeThem) {
  const std::string next = "<|start|>assistant";
  script_family(
      {testing::calls(agent::kDelegateRecipient, R"({"task":"part one"})") + next + testing::calls(agent::kDelegateRecipient, R"({"task":"part two"})"),
       testing::says_final("both")},
      {{"part one", {testing::calls("functions.now", "{}"), testing::says_final("1")}}, {"part two", {testing::says_final("2")}}}
  );
  const auto spans = trace(false, "go");
  ASSERT_EQ(outcome_.exit_code, 0) << outcome_.message;
  const Json& turn = spans.back();
  EXPECT_EQ(turn.at("name"), "invoke_agent toccata");
  EXPECT_FALSE(turn.contains("parentSpanId"));
  std::set<std::string> ids;
  for (const Json& one : spans) ids.insert(one.at("spanId").get<std::string>());
  EXPECT_EQ(ids.size(), spans.size());
  const auto top = below(spans, turn.at("spanId"));
  ASSERT_EQ(top.size(), 4U) << "two model calls, two tool calls";
  int n_chats = 0, n_tools = 0;
  for (const Json* tool : {&top[2], &top[3]}) {
    EXPECT_EQ(tool->at("name"), "execute_tool delegate");
    expect_inside(*tool, turn);
    const auto made = below(spans, tool->at("spanId"));
    ASSERT_EQ(made.size(), 1U);
    EXPECT_EQ(made[0].at("name"), "invoke_agent toccata");
    EXPECT_EQ(attribute(made[0], "gen_ai.operation.name"), "\"invoke_agent\"");
    EXPECT_EQ(attribute(made[0], "toccata.made_by.run"), '"' + outcome_.run_id + '"');
    EXPECT_NE(attribute(made[0], "gen_ai.conversation.id"), '"' + outcome_.run_id + '"');
    expect_inside(made[0], *tool);
    for (const Json& inner : below(spans, made[0].at("spanId"))) {
      expect_inside(inner, made[0]);
      ++(inner.at("name") == "chat scripted" ? n_chats : n_tools);
    }
  }
  EXPECT_EQ(n_chats, 3);
  EXPECT_EQ(n_tools, 1);
}

TEST_F(FamilySpansTest, CandidatesStandBelowTheTurnTheyAreFor) {
  script_family({testing::says_final("x")}, {});
  std::vector<agent::ScriptedBranch> branches;
  for (const std::uint64_t seed : {7, 8}) {
    branches.push_back({.when = "go", .seed = seed, .completions = completions({testing::calls("functions.now", "{}"), testing::says_final("42")})});
  }
  model_ = std::make_unique<agent::ScriptedModel>(
      tokenizer::Tokenizer::o200k_harmony(), completions({testing::says_final("x")}), agent::ScriptedOptions{}, std::move(branches)
  );
  config_.sampling.seed = 7;
  config_.best_of.n = 2;
  const auto spans = trace(false, "go");
  ASSERT_EQ(outcome_.final, "42") << outcome_.message;
  const Json& turn = spans.back();
  const auto candidates = below(spans, turn.at("spanId"));
  ASSERT_EQ(candidates.size(), 2U);
  std::set<std::string> parts;
  for (const Json& candidate : candidates) {
    EXPECT_EQ(candidate.at("name"), "invoke_agent toccata");
    expect_inside(candidate, turn);
    parts.insert(attribute(candidate, "toccata.made_by.part"));
    EXPECT_EQ(below(spans, candidate.at("spanId")).size(), 3U) << "two model calls and a tool";
  }
  EXPECT_EQ(parts.size(), 2U);
}

TEST_F(RunSpansTest, CallsSideBySideHaveTheTimesOfTheirTools) {
  tools::ToolSpec spec{.name_space = "functions", .description = {}, .functions = {{"slow", "", ""}, {"quick", "", ""}}};
  spec.effect = tools::Effect::kPure;
  spec.concurrent = true;
  std::atomic<bool> quick_done = false;
  add(std::make_unique<testing::FakeTool>(spec, [&](const tools::ToolCall& call, std::stop_token) -> tools::ToolResult {
    if (call.recipient == "functions.quick") {
      quick_done = true;
    } else {
      while (!quick_done) std::this_thread::yield();
      std::this_thread::sleep_for(milliseconds(30));
    }
    return {tools::ToolStatus::kOk, call.recipient, "x", "{}"};
  }));
  script_texts({testing::calls("functions.slow", "{}") + "<|start|>assistant" + testing::calls("functions.quick", "{}"), testing::says_final("x")});
  const auto spans = trace(false, "go");
  ASSERT_EQ(spans.size(), 5U);
  const Json &slow = spans[1], &quick = spans[2];
  ASSERT_EQ(slow.at("name"), "execute_tool slow");
  EXPECT_GE(nanoseconds(slow, "endTimeUnixNano") - nanoseconds(quick, "endTimeUnixNano"), 30'000'000) << "told together, ended apart";
}

TEST_F(RunSpansTest, WhyACallFailedIsTheTypeOfItsError) {
  tools::ToolSpec spec{.name_space = "functions", .description = {}, .functions = {{"now", "", R"({"type":"object"})"}}};
  spec.timeout = milliseconds(1);
  add(std::make_unique<testing::FakeTool>(spec, [](const tools::ToolCall& call, std::stop_token stop) -> tools::ToolResult {
    while (!stop.stop_requested()) std::this_thread::yield();
    return {tools::ToolStatus::kFailed, call.recipient, "late", "{}", {}, milliseconds(12)};
  }));
  script_texts({testing::calls("functions.now", "{}"), testing::calls("functions.now", "no json"), testing::calls("functions.none", "{}"), testing::says_final("x")});
  const auto spans = trace(false, "go");
  std::vector<std::string> types;
  for (const Json& one : spans) {
    if (attribute(one, "gen_ai.operation.name") != "\"execute_tool\"") continue;
    types.push_back(attribute(one, "error.type"));
    EXPECT_EQ(one.at("status").at("code"), 2);
  }
  EXPECT_THAT(types, ::testing::ElementsAre("\"timeout\"", "\"malformed\"", "\"unknown_tool\""));
  EXPECT_EQ(attribute(spans[1], "toccata.sandbox_cpu_us"), "\"12000\"");
}

TEST_F(RunSpansTest, ATurnGoesOnFromTheTraceOfItsCallerAndItsRequestsNameTheirSpans) {
  traceparent_ = kTraceparent;
  const auto made = add(testing::fake_functions(testing::answering("noon")));
  script_texts({testing::calls("functions.now", "{}"), testing::says_final("x")});
  const auto spans = trace(false, "go");
  ASSERT_EQ(spans.size(), 4U);
  for (const Json& one : spans) EXPECT_EQ(one.at("traceId"), "0af7651916cd43dd8448eb211c80319c");
  EXPECT_EQ(spans[3].at("parentSpanId"), "b7ad6b7169203331");
  EXPECT_EQ(made->at(0).traceparent, "00-0af7651916cd43dd8448eb211c80319c-" + spans[1].at("spanId").get<std::string>() + "-01");
}

TEST(TraceTest, OnlyATraceparentIsRead) {
  using agent::parse_traceparent;
  const auto read = parse_traceparent(kTraceparent);
  ASSERT_TRUE(read);
  EXPECT_EQ(*read, (agent::TraceParent{"0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331", "01"}));
  EXPECT_TRUE(parse_traceparent(std::string("cc") + (kTraceparent + 2) + "-what-comes")) << "a later version";
  for (const std::string& bad : {std::string(), std::string("00"), std::string(kTraceparent) + "-more", std::string("ff") + (kTraceparent + 2),
                                 std::string("00-00000000000000000000000000000000-b7ad6b7169203331-01"),
                                 std::string("00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01"),
                                 std::string("00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01"),
                                 std::string("00-0af7651916cd43dd8448eb211c80319c_b7ad6b7169203331-01"),
                                 std::string("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0\n")}) {
    EXPECT_FALSE(parse_traceparent(bad)) << bad;
  }
}

TEST(TraceTest, WithoutACollectorWhatCameIsPassedOnAndNothingElse) {
  agent::Trace trace(/*exported=*/false);
  trace.begin_turn();
  EXPECT_EQ(trace.traceparent(trace.span_of_call("run", 1)), "");
  trace.set_parent(kTraceparent);
  trace.begin_turn();
  EXPECT_EQ(trace.traceparent(trace.span_of_call("run", 1)), kTraceparent);
  agent::Trace own(/*exported=*/true);
  own.set_parent("nonsense");
  own.begin_turn();
  const std::string first = own.id();
  EXPECT_TRUE(agent::parse_traceparent(own.traceparent(own.span_of_step("run", 1)))) << own.traceparent(own.span_of_step("run", 1));
  EXPECT_NE(own.span_of_step("run", 1), own.span_of_call("run", 1));
  EXPECT_NE(own.span_of_step("run", 1), own.span_of_step("run", 2));
  own.begin_turn();
  EXPECT_NE(own.id(), first) << "each turn is a trace";
}

}  // namespace
}  // namespace toccata::telemetry
