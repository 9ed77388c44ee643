// Anthropic's Messages on a live server.
#include <gtest/gtest.h>

#include "core/base/json.h"
#include "tests/support/live_server.h"

namespace toccata::testing {
namespace {

using Then = agent::ScriptedCompletion::Then;

const Json kWeather = json_from_valid<Json>(
    R"({"name":"get_weather","description":"Weather of a city",
        "input_schema":{"type":"object","properties":{"city":{"type":"string"}}}})"
);
const std::string kCall = calls("functions.get_weather", R"({"city": "Oslo"})");
const Json kHi = Json::array({{{"role", "user"}, {"content", "Hi"}}});
const Json kThinking = {{"type", "enabled"}, {"budget_tokens", 8000}};

std::string golden(const std::vector<Json>& events) {
  std::string text, message_id, call_id;
  for (Json event : events) {
    if (event.contains("message")) {
      message_id = event["message"]["id"];
      event["message"].erase("id");
    }
    if (event.contains("content_block") && event["content_block"].contains("id")) {
      call_id = event["content_block"]["id"];
      event["content_block"].erase("id");
    }
    text += json_text(event) + "\n";
  }
  EXPECT_TRUE(message_id.starts_with("msg_"));
  EXPECT_TRUE(call_id.starts_with("toolu_"));
  return text;
}

TEST(Messages, AStreamHasEveryEventInOrder) {
  LiveServer server({thinks("Need it.") + announces("I look.") + kCall});
  const auto events = server.stream("/v1/messages", {{"model", "m"}, {"max_tokens", 100}, {"messages", kHi}, {"tools", {kWeather}}, {"thinking", kThinking}});
  ASSERT_FALSE(events.empty());
  const int n_input = events[0]["message"]["usage"]["input_tokens"], n_output = events[events.size() - 2]["usage"]["output_tokens"];
  EXPECT_GT(n_input, 0);
  EXPECT_GT(n_output, 0);
  const std::string in = std::to_string(n_input), out = std::to_string(n_output);
  EXPECT_EQ(
      R"({"type":"message_start","message":{"type":"message","role":"assistant","model":"scripted","content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":)" + in + R"(,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":0}}}
{"type":"ping"}
{"type":"content_block_start","index":0,"content_block":{"type":"thinking","thinking":"","signature":""}}
{"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"Need"}}
{"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":" it"}}
{"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"."}}
{"type":"content_block_delta","index":0,"delta":{"type":"signature_delta","signature":"toccata"}}
{"type":"content_block_stop","index":0}
{"type":"content_block_start","index":1,"content_block":{"type":"text","text":""}}
{"type":"content_block_delta","index":1,"delta":{"type":"text_delta","text":"I"}}
{"type":"content_block_delta","index":1,"delta":{"type":"text_delta","text":" look"}}
{"type":"content_block_delta","index":1,"delta":{"type":"text_delta","text":"."}}
{"type":"content_block_stop","index":1}
{"type":"content_block_start","index":2,"content_block":{"type":"tool_use","name":"get_weather","input":{}}}
{"type":"content_block_delta","index":2,"delta":{"type":"input_json_delta","partial_json":"{\""}}
{"type":"content_block_delta","index":2,"delta":{"type":"input_json_delta","partial_json":"city"}}
{"type":"content_block_delta","index":2,"delta":{"type":"input_json_delta","partial_json":"\":"}}
{"type":"content_block_delta","index":2,"delta":{"type":"input_json_delta","partial_json":" \""}}
{"type":"content_block_delta","index":2,"delta":{"type":"input_json_delta","partial_json":"Os"}}
{"type":"content_block_delta","index":2,"delta":{"type":"input_json_delta","partial_json":"lo"}}
{"type":"content_block_delta","index":2,"delta":{"type":"input_json_delta","partial_json":"\"}"}}
{"type":"content_block_stop","index":2}
{"type":"message_delta","delta":{"stop_reason":"tool_use","stop_sequence":null},"usage":{"input_tokens":)" + in + R"(,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":)" + out + R"(}}
{"type":"message_stop"}
)",
      golden(events)
  );
}

TEST(Messages, EchoedHistoryIsReadFromTheCache) {
  for (const bool thinks_aloud : {true, false}) {
    LiveServer server({thinks("Hm.") + announces("I look.") + kCall, says_final("It is cold.")});
    Json request = {{"max_tokens", 100}, {"messages", kHi}, {"tools", {kWeather, {{"type", "web_search_20250305"}, {"name", "web_search"}}}}};
    // Claude Code's first block differs each time.
    request["system"] = {{{"type", "text"}, {"text", "x-anthropic-billing-header: cch=1"}}, {{"type", "text"}, {"text", "Be brief."}}};
    if (thinks_aloud) request["thinking"] = kThinking;
    const Json first = server.post("/v1/messages", request);
    EXPECT_EQ("tool_use", first["stop_reason"]);
    EXPECT_EQ(thinks_aloud ? "thinking" : "text", first["content"][0]["type"]);
    const Json call = first["content"].back();
    EXPECT_EQ(Json({{"city", "Oslo"}}), call["input"]);
    request["system"][0]["text"] = "x-anthropic-billing-header: cch=2";
    request["messages"].push_back({{"role", "assistant"}, {"content", first["content"]}});
    request["messages"].push_back({{"role", "user"}, {"content", {{{"type", "tool_result"}, {"tool_use_id", call["id"]}, {"content", {{{"type", "text"}, {"text", "-5"}}, {{"type", "image"}}}}}}}});
    const int n_counted = server.post("/v1/messages/count_tokens", request)["input_tokens"];
    const Json second = server.post("/v1/messages", request);
    EXPECT_EQ("It is cold.", second["content"][0]["text"]);
    EXPECT_EQ("end_turn", second["stop_reason"]);
    const Json &before = first["usage"], &after = second["usage"];
    EXPECT_EQ(before["input_tokens"].get<int>() + before["output_tokens"].get<int>(), after["cache_read_input_tokens"]);
    EXPECT_EQ(n_counted, after["input_tokens"].get<int>() + after["cache_read_input_tokens"].get<int>());
  }
}

TEST(Messages, SayWhyTheyEnd) {
  LiveServer server({says_final("One two three four")});
  Json request = {{"max_tokens", 5}, {"messages", kHi}};
  EXPECT_EQ("max_tokens", server.post("/v1/messages", request)["stop_reason"]);
  request["max_tokens"] = 100;
  request["stop_sequences"] = {"zzz", " three"};
  const Json stopped = server.post("/v1/messages", request);
  EXPECT_EQ("stop_sequence", stopped["stop_reason"]);
  EXPECT_EQ(" three", stopped["stop_sequence"]);
  EXPECT_EQ("One two", stopped["content"][0]["text"]);
}

TEST(Messages, ToolChoiceForcesACall) {
  LiveServer server({says_final("No."), R"({"city": "Oslo"}<|call|>)"});
  const Json answer = server.post("/v1/messages", {{"max_tokens", 100}, {"messages", kHi}, {"tools", {kWeather}}, {"tool_choice", {{"type", "any"}}}});
  EXPECT_EQ("get_weather", answer["content"].back()["name"]);
}

TEST(Messages, ArgumentsThatAreNoObjectStillArrive) {
  LiveServer server({calls("functions.get_weather", "Oslo")});
  const Json answer = server.post("/v1/messages", {{"max_tokens", 100}, {"messages", kHi}, {"tools", {kWeather}}});
  EXPECT_EQ("Oslo", answer["content"][0]["input"]["invalid_json"]);
}

TEST(Messages, AFailingModelEndsTheStreamWithAnError) {
  LiveServer server({agent::ScriptedCompletion{.text = "<|channel|>final<|message|>Hel", .then = Then::kError, .error = "no power"}});
  const auto events = server.stream("/v1/messages", {{"max_tokens", 100}, {"messages", kHi}});
  EXPECT_EQ("error", events.back()["type"]);
  EXPECT_EQ("api_error", events.back()["error"]["type"]);
}

TEST(Messages, WrongRequestsGetAnthropicsErrors) {
  LiveServer server({says_final("Hello")});
  for (const char* body :
       {"", "[]", "{}", R"({"messages":[]})", R"({"messages":[3]})", R"({"messages":[{"role":"king","content":"x"}]})",
        R"({"messages":[{"role":"user"}]})", R"({"messages":[{"role":"user","content":7}]})",
        R"({"messages":[{"role":"user","content":[7]}]})", R"({"messages":[{"role":"user","content":[{"type":"image"}]}]})",
        R"({"messages":[{"role":"user","content":[{"type":"tool_result","tool_use_id":"a"}]}]})",
        R"({"messages":[{"role":"user","content":"x"},{"role":"assistant","content":"y"}]})",
        R"({"messages":[{"role":"user","content":"x"},{"role":"assistant","content":[{"type":"tool_use"}]},{"role":"user","content":"x"}]})",
        R"({"messages":[{"role":"user","content":"x"}],"max_tokens":0})",
        R"({"messages":[{"role":"user","content":"x"}],"tools":[{"name":"a b"}]})",
        R"({"messages":[{"role":"user","content":"x"}],"tool_choice":{"type":"any"}})",
        R"({"messages":[{"role":"user","content":"x"}],"thinking":{"type":"deep"}})",
        R"({"messages":[{"role":"user","content":"x"}],"output_config":{"format":{"type":"json_schema"}}})",
        R"({"messages":[{"role":"user","content":"x"}],"system":7})"}) {
    const net::Response answer = server.send("POST", "/v1/messages", body);
    EXPECT_EQ(400, answer.status) << body;
    const Json error = json_from_valid<Json>(answer.body);
    EXPECT_EQ("error", error["type"]);
    EXPECT_EQ("invalid_request_error", error["error"]["type"]) << body;
    EXPECT_FALSE(error["error"]["message"].get<std::string>().empty());
  }
  EXPECT_EQ(405, server.send("GET", "/v1/messages").status);
}

}  // namespace
}  // namespace toccata::testing
