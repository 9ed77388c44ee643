#include "agent/model/message_model.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "agent/model/message_events.h"
#include "core/base/json.h"
#include "tests/support/loopback_server.h"

namespace toccata::agent {
namespace {

using harmony::Message;
using harmony::Role;
using nlohmann::json;
using testing::Connection;
using ::testing::HasSubstr;
using testing::http_answer;
using testing::LoopbackServer;

constexpr const char* kStreamHead =
    "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n";
constexpr const char* kWeather = R"({"type":"object","properties":{"city":{"type":"string"}},"required":["city"]})";

std::string event(const json& data) { return "data: " + json_text(data) + "\n\n"; }
std::string chunk(const json& delta, const json& finish = nullptr) {
  return event({{"choices", {{{"index", 0}, {"delta", delta}, {"finish_reason", finish}}}}});
}
std::string chat_text(const std::string& text) {
  return chunk({{"role", "assistant"}, {"content", ""}}) + chunk({{"reasoning", "Hm."}}) + chunk({{"content", text}}) +
         chunk(json::object(), "stop") + "data: [DONE]\n\n";
}
std::string chat_call(const std::string& name, const std::string& arguments, const std::string& preamble = "") {
  const std::string half = arguments.substr(0, arguments.size() / 2);
  return chunk({{"reasoning", "Use "}}) + chunk({{"reasoning", "it."}}) + (preamble.empty() ? "" : chunk({{"content", preamble}})) +
         chunk({{"tool_calls", {{{"index", 0}, {"id", "c"}, {"function", {{"name", name}, {"arguments", ""}}}}}}}) +
         chunk({{"tool_calls", {{{"index", 0}, {"function", {{"arguments", half}}}}}}}) +
         chunk({{"tool_calls", {{{"index", 0}, {"function", {{"arguments", arguments.substr(half.size())}}}}}}}) +
         chunk(json::object(), "tool_calls") + "data: [DONE]\n\n";
}

std::string body_of(const std::string& request) { return request.substr(request.find("\r\n\r\n") + 4); }

class MessageModelTest : public ::testing::Test {
 protected:
  Tokens encode(std::string_view text) const { return tokenizer_->encode(text, tokenizer::Specials::kAll); }
  std::string decode(const Tokens& tokens) const { return tokenizer_->decode_bytes(tokens).value_or_throw(); }

  // What a run with a function, python and a browser is opened with.
  static std::vector<Message> opening() {
    harmony::SystemContent system = harmony::SystemContent::gpt_oss_default();
    system.reasoning_effort = harmony::ReasoningEffort::kHigh;
    system.tools = harmony::ToolNamespaces{
        {"python", {"python", "Runs code.", {}}},
        {"browser", {"browser", "Cite what you open.", {{"search", "Searches.", R"({"type":"object"})"}}}}};
    harmony::DeveloperContent developer;
    developer.instructions = "Be brief.";
    developer.tools = harmony::ToolNamespaces{
        {"functions", {"functions", std::nullopt, {{"get_weather", "Weather of a city", kWeather}}}}};
    Message first, second;
    first.role = Role::kSystem;
    first.content.emplace_back(std::move(system));
    second.role = Role::kDeveloper;
    second.content.emplace_back(std::move(developer));
    return {first, second};
  }

  std::unique_ptr<TokenSession> open(const LoopbackServer& server, MessageApi api, const std::vector<Message>& introduced = opening()) {
    RemoteOptions options;
    options.base_url = server.url(api == MessageApi::kChat ? "/v1/chat/completions" : "/v1/responses");
    options.model = "some-model";
    options.api_key = "secret-key";
    model_ = MessageModel::make(api, std::move(options), tokenizer_).value_or_throw();
    auto session = model_->open_session().value_or_throw();
    if (!introduced.empty()) session->introduce(introduced);
    session->append(encode("<|start|>system<|message|>as tokens<|end|><|start|>developer<|message|>as TypeScript<|end|>"
                           "<|start|>user<|message|>Hi<|end|><|start|>assistant")).value_or_throw();
    return session;
  }
  Result<std::string> say(TokenSession& session) {
    Tokens tokens;
    for (;;) {
      auto sampled = session.sample({}, std::nullopt, {});
      if (!sampled) return sampled.error();
      tokens.push_back(sampled->token);
      if (const Token token = tokens.back(); token == 200002 || token == 200012) return decode(tokens);
    }
  }
  std::string error_of(TokenSession& session) {
    const auto said = say(session);
    return said ? "no error: " + *said : said.error().message;
  }
  json request(const LoopbackServer& server, std::size_t n) const {
    return json_from_valid<json>(body_of(server.requests().at(n)));
  }

  std::shared_ptr<const tokenizer::Tokenizer> tokenizer_ = tokenizer::Tokenizer::o200k_harmony();
  std::unique_ptr<MessageModel> model_;
};

// Streams these answers, one a request.
LoopbackServer::Handler answers(std::vector<std::string> bodies) {
  return [bodies = std::move(bodies), n = std::size_t{0}](const std::string&, Connection& connection) mutable {
    connection.send(kStreamHead + bodies.at(std::min(n++, bodies.size() - 1)));
  };
}

TEST_F(MessageModelTest, WritesWhatAChatEndpointSaysAsAModelWould) {
  LoopbackServer server(answers({chat_text("Hello <|end|> there")}));
  auto session = open(server, MessageApi::kChat);
  Tokens tokens;
  while (tokens.empty() || tokens.back() != 200002) {
    tokens.push_back(session->sample({.temperature = 0.5F}, std::nullopt, {}).value_or_throw().token);
  }
  EXPECT_EQ(
      decode(tokens),
      "<|channel|>analysis<|message|>Hm.<|end|><|start|>assistant<|channel|>final<|message|>Hello <|end|> there<|return|>"
  );
  EXPECT_EQ(std::count(tokens.begin(), tokens.end(), 200007), 1) << "text never becomes a control token";
  EXPECT_TRUE(server.requests().at(0).starts_with("POST /v1/chat/completions HTTP/1.1\r\n"));
  EXPECT_THAT(server.requests().at(0), HasSubstr("Authorization: Bearer secret-key\r\n"));
  const json body = request(server, 0);
  EXPECT_EQ(body["model"], "some-model");
  EXPECT_EQ(body["reasoning_effort"], "high");
  EXPECT_FLOAT_EQ(body["temperature"], 0.5F);
  EXPECT_EQ(body["messages"], json::parse(R"([
    {"role": "system", "content": "About the functions of browser: Cite what you open.\n\nBe brief."},
    {"role": "user", "content": "Hi"}])"));
  const json& tools = body["tools"];
  ASSERT_EQ(tools.size(), 3U);
  EXPECT_EQ(tools[0]["function"]["name"], "browser_search");
  EXPECT_EQ(tools[1]["function"]["name"], "python");
  EXPECT_EQ(tools[1]["function"]["description"], "Runs code.");
  EXPECT_EQ(tools[1]["function"]["parameters"]["required"], json::parse(R"(["code"])"));
  EXPECT_EQ(tools[2]["function"]["name"], "get_weather");
  EXPECT_EQ(tools[2]["function"]["parameters"], json::parse(kWeather));
  EXPECT_EQ(body["parallel_tool_calls"], true);
}

TEST_F(MessageModelTest, ACallAndItsResultGoBackAsMessages) {
  LoopbackServer server(answers({chat_call("get_weather", R"({"city":"Oslo"})", "One moment."), chat_text("Cold.")}));
  auto session = open(server, MessageApi::kChat);
  EXPECT_EQ(
      say(*session).value_or_throw(),
      "<|channel|>analysis<|message|>Use it.<|end|><|start|>assistant<|channel|>commentary<|message|>One moment.<|end|>"
      "<|start|>assistant<|channel|>commentary to=functions.get_weather <|constrain|>json<|message|>{\"city\":\"Oslo\"}<|call|>"
  );
  session->append(encode("<|start|>functions.get_weather to=assistant<|channel|>commentary<|message|>-3<|end|><|start|>assistant"))
      .value_or_throw();
  EXPECT_THAT(say(*session).value_or_throw(), HasSubstr("final<|message|>Cold.<|return|>"));
  const json messages = request(server, 1)["messages"];
  ASSERT_EQ(messages.size(), 4U);
  EXPECT_EQ(messages[2]["content"], "One moment.");
  EXPECT_EQ(messages[2]["reasoning"], "Use it.");
  EXPECT_EQ(messages[2]["tool_calls"][0]["function"], json::parse(R"({"name":"get_weather","arguments":"{\"city\":\"Oslo\"}"})"));
  EXPECT_EQ(messages[3]["role"], "tool");
  EXPECT_EQ(messages[3]["tool_call_id"], messages[2]["tool_calls"][0]["id"]);
  EXPECT_EQ(messages[3]["content"], "-3");
  EXPECT_EQ(session->usage().appended, session->usage().prefilled);
}

TEST_F(MessageModelTest, ToolsThatTakeTextAreFunctionsOfOneArgument) {
  LoopbackServer server(answers({chat_call("python", R"J({"code":"print(6 * 7)"})J"), chat_call("browser_search", R"({"query":"x"})"), chat_text("42")}));
  auto session = open(server, MessageApi::kChat);
  EXPECT_THAT(say(*session).value_or_throw(), HasSubstr("<|channel|>analysis to=python code<|message|>print(6 * 7)<|call|>"));
  session->append(encode("<|start|>python to=assistant<|channel|>analysis<|message|>42<|end|><|start|>assistant")).value_or_throw();
  EXPECT_THAT(say(*session).value_or_throw(), HasSubstr("<|channel|>analysis to=browser.search code<|message|>{\"query\":\"x\"}<|call|>"));
  const json call = request(server, 1)["messages"][2]["tool_calls"][0]["function"];
  EXPECT_EQ(call["name"], "python");
  EXPECT_EQ(json::parse(call["arguments"].get<std::string>()), json({{"code", "print(6 * 7)"}}));
}

TEST_F(MessageModelTest, TalksToAResponsesEndpoint) {
  const std::string first =
      event({{"type", "response.created"}}) + event({{"type", "response.output_item.added"}, {"item", {{"type", "reasoning"}}}}) +
      event({{"type", "response.reasoning_text.delta"}, {"delta", "Look."}}) +
      event({{"type", "response.output_item.done"}, {"item", {{"type", "reasoning"}, {"content", {{{"type", "reasoning_text"}, {"text", "Look."}}}}}}}) +
      event({{"type", "response.output_item.added"}, {"item", {{"type", "message"}, {"phase", "commentary"}}}}) +
      event({{"type", "response.output_text.delta"}, {"delta", "Wait."}}) +
      event({{"type", "response.output_item.done"}, {"item", {{"type", "message"}, {"phase", "commentary"}}}}) +
      event({{"type", "response.output_item.done"}, {"item", {{"type", "function_call"}, {"name", "get_weather"}, {"arguments", "{}"}}}}) +
      event({{"type", "response.completed"}});
  // The least that clients take: whole items, no deltas.
  const std::string second =
      event({{"type", "response.output_item.done"},
             {"item", {{"type", "message"}, {"content", {{{"type", "output_text"}, {"text", "Cold."}}}}}}}) +
      event({{"type", "response.completed"}});
  LoopbackServer server(answers({first, second}));
  auto session = open(server, MessageApi::kResponses);
  EXPECT_EQ(
      say(*session).value_or_throw(),
      "<|channel|>analysis<|message|>Look.<|end|><|start|>assistant<|channel|>commentary<|message|>Wait.<|end|>"
      "<|start|>assistant<|channel|>commentary to=functions.get_weather <|constrain|>json<|message|>{}<|call|>"
  );
  session->append(encode("<|start|>functions.get_weather to=assistant<|channel|>commentary<|message|>-3<|end|><|start|>assistant"))
      .value_or_throw();
  EXPECT_EQ(say(*session).value_or_throw(), "<|channel|>final<|message|>Cold.<|return|>");
  EXPECT_TRUE(server.requests().at(1).starts_with("POST /v1/responses HTTP/1.1\r\n"));
  const json body = request(server, 1);
  EXPECT_EQ(body["store"], false);
  EXPECT_EQ(body["reasoning"]["effort"], "high");
  EXPECT_THAT(body["instructions"].get<std::string>(), HasSubstr("Be brief."));
  EXPECT_EQ(body["tools"][2]["name"], "get_weather");
  const json& input = body["input"];
  ASSERT_EQ(input.size(), 5U);
  EXPECT_EQ(input[0]["content"], "Hi");
  EXPECT_EQ(input[1]["content"], json::parse(R"([{"type": "reasoning_text", "text": "Look."}])"));
  EXPECT_EQ(input[2]["phase"], "commentary");
  EXPECT_EQ(input[2]["content"], json::parse(R"([{"type": "output_text", "text": "Wait.", "annotations": []}])"));
  EXPECT_EQ(input[3]["name"], "get_weather");
  EXPECT_EQ(input[4]["type"], "function_call_output");
  EXPECT_EQ(input[4]["call_id"], input[3]["call_id"]);
}

TEST_F(MessageModelTest, AnAnswerThatWasOpenedForTheModelIsTextOnly) {
  LoopbackServer server(answers({chat_text("So be it.")}));
  auto session = open(server, MessageApi::kChat);
  session->append(encode("<|channel|>final<|message|>")).value_or_throw();
  EXPECT_EQ(say(*session).value_or_throw(), "So be it.<|return|>");
  EXPECT_EQ(request(server, 0)["tool_choice"], "none");
}

TEST_F(MessageModelTest, ReasoningThatWasCutOffEndsWhereItIs) {
  LoopbackServer server(answers({chat_text("Done.")}));
  auto session = open(server, MessageApi::kChat);
  session->append(encode("<|channel|>analysis<|message|>I was about")).value_or_throw();
  EXPECT_EQ(
      say(*session).value_or_throw(),
      "<|end|><|start|>assistant<|channel|>analysis<|message|>Hm.<|end|><|start|>assistant<|channel|>final<|message|>Done.<|return|>"
  );
  EXPECT_EQ(request(server, 0)["messages"].size(), 2U);
}

TEST_F(MessageModelTest, RefusesToGoOnInsideAnAnswer) {
  LoopbackServer server(answers({chat_text("x")}));
  auto session = open(server, MessageApi::kChat);
  session->append(encode("<|channel|>final<|message|>It is")).value_or_throw();
  EXPECT_THAT(error_of(*session), HasSubstr("toccata runs fork"));
  EXPECT_TRUE(server.requests().empty());
}

TEST_F(MessageModelTest, WithoutIntroductionTheDeveloperMessageIsTheInstructions) {
  LoopbackServer server(answers({chat_text("Hello")}));
  auto session = open(server, MessageApi::kChat, {});
  ASSERT_TRUE(say(*session));
  const json body = request(server, 0);
  EXPECT_EQ(body["messages"][0]["content"], "as TypeScript");
  EXPECT_FALSE(body.contains("tools"));
}

TEST_F(MessageModelTest, ACallWithoutResultAndAResultWithoutCallAreMadeWhole) {
  LoopbackServer server(answers({chat_text("Hello")}));
  auto session = open(server, MessageApi::kChat);
  session->append(encode(
      "<|channel|>commentary to=functions.gone<|message|>{}<|call|><|start|>user<|message|>Never mind<|end|>"
      "<|start|>functions.old to=assistant<|channel|>commentary<|message|>5<|end|><|start|>assistant"
  )).value_or_throw();
  ASSERT_TRUE(say(*session));
  const json messages = request(server, 0)["messages"];
  ASSERT_EQ(messages.size(), 6U);
  EXPECT_EQ(messages[2]["tool_calls"][0]["function"]["name"], "gone");
  EXPECT_EQ(messages[3]["tool_call_id"], messages[2]["tool_calls"][0]["id"]);
  EXPECT_EQ(messages[4]["content"], "Never mind");
  EXPECT_EQ(messages[5]["content"], "[functions.old] 5");
}

// Two calls in one answer: the log has both before their results, and so has the next request.
TEST_F(MessageModelTest, SeveralCallsOfOneAnswerStandOneBehindTheOther) {
  const std::string calls =
      chunk({{"content", "Both."}}) +
      chunk({{"tool_calls", {{{"index", 0}, {"function", {{"name", "get_weather"}, {"arguments", R"({"city":"Oslo"})"}}}}}}}) +
      chunk({{"tool_calls", {{{"index", 1}, {"function", {{"name", "get_weather"}, {"arguments", R"({"city":"Rome"})"}}}}}}}) +
      chunk(json::object(), "tool_calls");
  LoopbackServer server(answers({calls, chat_text("Cold and warm.")}));
  auto session = open(server, MessageApi::kChat);
  Tokens tokens;
  int n_ends = 0;
  while (n_ends < 2) {
    tokens.push_back(session->sample({}, std::nullopt, {}).value_or_throw().token);
    if (tokens.back() != 200012) continue;
    EXPECT_EQ(session->has_further_call(), ++n_ends == 1);
  }
  EXPECT_EQ(
      decode(tokens),
      "<|channel|>commentary<|message|>Both.<|end|>"
      "<|start|>assistant<|channel|>commentary to=functions.get_weather <|constrain|>json<|message|>{\"city\":\"Oslo\"}<|call|>"
      "<|start|>assistant<|channel|>commentary to=functions.get_weather <|constrain|>json<|message|>{\"city\":\"Rome\"}<|call|>"
  );
  session
      ->append(encode("<|start|>functions.get_weather to=assistant<|channel|>commentary<|message|>-3<|end|>"
                      "<|start|>functions.get_weather to=assistant<|channel|>commentary<|message|>25<|end|><|start|>assistant"))
      .value_or_throw();
  ASSERT_TRUE(say(*session));
  const json messages = request(server, 1)["messages"];
  ASSERT_EQ(messages.size(), 5U);
  ASSERT_EQ(messages[2]["tool_calls"].size(), 2U);
  EXPECT_EQ(messages[3]["tool_call_id"], messages[2]["tool_calls"][0]["id"]);
  EXPECT_EQ(messages[3]["content"], "-3");
  EXPECT_EQ(messages[4]["tool_call_id"], messages[2]["tool_calls"][1]["id"]);
  EXPECT_EQ(messages[4]["content"], "25");
}

// The items of a Responses stream come one after the other: a call is closed once it is known whether another follows.
TEST_F(MessageModelTest, SeveralCallsOfAResponseDoTheSame) {
  const auto call = [&](const char* city) {
    return event({{"type", "response.output_item.done"},
                  {"item", {{"type", "function_call"}, {"name", "get_weather"}, {"arguments", json{{"city", city}}.dump()}}}});
  };
  LoopbackServer server(answers({call("Oslo") + call("Rome") + event({{"type", "response.completed"}, {"response", json::object()}})}));
  auto session = open(server, MessageApi::kResponses);
  Tokens tokens;
  for (int n_ends = 0; n_ends < 2;) {
    tokens.push_back(session->sample({}, std::nullopt, {}).value_or_throw().token);
    if (tokens.back() != 200012) continue;
    EXPECT_EQ(session->has_further_call(), ++n_ends == 1);
  }
  EXPECT_THAT(decode(tokens), HasSubstr("{\"city\":\"Oslo\"}<|call|><|start|>assistant<|channel|>commentary to=functions.get_weather"));
}

TEST_F(MessageModelTest, ReasoningGoesBackInTheFieldItCameIn) {
  const std::string call = chunk({{"reasoning_content", "Why not."}}) +
                           chunk({{"tool_calls", {{{"index", 0}, {"function", {{"name", "get_weather"}, {"arguments", "{}"}}}}}}}) +
                           chunk(json::object(), "tool_calls");
  LoopbackServer server(answers({call, chat_text("Cold.")}));
  auto session = open(server, MessageApi::kChat);
  ASSERT_TRUE(say(*session));
  session->append(encode("<|start|>functions.get_weather to=assistant<|channel|>commentary<|message|>-3<|end|><|start|>assistant"))
      .value_or_throw();
  ASSERT_TRUE(say(*session));
  EXPECT_EQ(request(server, 1)["messages"][2]["reasoning_content"], "Why not.");
}

TEST_F(MessageModelTest, TriesAgainOnlyWhileNothingHasArrived) {
  LoopbackServer busy([n = 0](const std::string&, Connection& connection) mutable {
    if (++n == 1) connection.send(http_answer("429 Too Many Requests", "text/plain", "slow", "Retry-After: 0\r\n"));
    else connection.send(kStreamHead + chat_text("Hello"));
  });
  EXPECT_THAT(say(*open(busy, MessageApi::kChat)).value_or_throw(), HasSubstr("Hello<|return|>"));
  EXPECT_EQ(busy.requests().size(), 2U);

  LoopbackServer cut(answers({chunk({{"reasoning", "Hm."}})}));
  EXPECT_THAT(error_of(*open(cut, MessageApi::kChat)), HasSubstr("stream ended before the completion did"));
  EXPECT_EQ(cut.requests().size(), 1U);
}

TEST_F(MessageModelTest, FailuresInAStreamAreTold) {
  LoopbackServer chat(answers({event({{"error", {{"message", "out of memory"}}}})}));
  EXPECT_THAT(error_of(*open(chat, MessageApi::kChat)), HasSubstr("the server reports: out of memory"));
  LoopbackServer responses(answers({event({{"type", "response.failed"}, {"response", {{"error", {{"message", "no room"}}}}}})}));
  EXPECT_THAT(error_of(*open(responses, MessageApi::kResponses)), HasSubstr("the server reports: no room"));
  LoopbackServer limit(answers({chunk({{"content", "and then"}}) + chunk(json::object(), "length")}));
  EXPECT_THAT(error_of(*open(limit, MessageApi::kChat)), HasSubstr("limit of tokens"));
  LoopbackServer nonsense(answers({"data: 7\n\n"}));
  EXPECT_THAT(error_of(*open(nonsense, MessageApi::kChat)), HasSubstr("no JSON object"));
}

// Whatever types the fields have, nothing is thrown.
TEST_F(MessageModelTest, PassesOverFieldsOfOtherTypes) {
  const std::vector<json> odd = {
      json::array(), 1, "x", nullptr, {{"delta", 7}}, {{"delta", {{"tool_calls", 7}}}}, {{"delta", {{"tool_calls", {7, {{"index", -1}}, {{"index", 1e9}}}}}}},
      {{"delta", {{"content", json::array()}}}, {"finish_reason", 7}}};
  for (const json& choice : odd) {
    MessageEvents chat(MessageApi::kChat);
    EXPECT_TRUE(chat.take(json_text(json{{"choices", json::array({choice})}})));
    MessageEvents responses(MessageApi::kResponses);
    for (const char* type : {"response.output_item.done", "response.output_item.added", "response.output_text.delta"}) {
      EXPECT_TRUE(responses.take(json_text(json{{"type", type}, {"item", choice}, {"delta", choice}})));
    }
  }
}

}  // namespace
}  // namespace toccata::agent
