// The Responses API on a live server: what a client sees, byte for byte where the order matters.
#include <gtest/gtest.h>

#include <chrono>
#include <sstream>
#include <thread>

#include "core/base/json.h"
#include "tests/support/live_server.h"

namespace toccata::testing {
namespace {

using Then = agent::ScriptedCompletion::Then;

const Json kWeather = json_from_valid<Json>(
    R"({"type":"function","name":"get_weather","description":"Weather of a city","strict":true,
        "parameters":{"$schema":"x","type":"object","properties":{"city":{"type":"string"}}}})"
);
const std::string kCall = calls("functions.get_weather", R"({"city": "Oslo"})");

Json tool_result(const Json& call, const std::string& text) {
  return {{"type", "function_call_output"}, {"call_id", call["call_id"]}, {"output", text}};
}

// Ids by the order in which they are seen, the response by its status: what is left is the same in every run.
class Golden {
 public:
  std::string of(const std::vector<Json>& events) {
    std::string text;
    for (Json event : events) {
      if (event.contains("response")) {
        const Json response = event["response"];
        event["response"] = response["status"].get<std::string>() + " " + std::to_string(response["output"].size());
      }
      rename(event);
      const std::string type = event["type"];
      event.erase("type");
      text += type + " " + json_text(event) + "\n";
    }
    return text;
  }

 private:
  void rename(Json& value) {
    if (value.is_object()) {
      for (const char* key : {"id", "item_id", "call_id"}) {
        if (value.contains(key)) value[key] = name_of(value[key]);
      }
    }
    if (value.is_structured()) {
      for (Json& child : value) rename(child);
    }
  }
  std::string name_of(const std::string& id) {
    const std::string prefix = id.substr(0, id.find('_'));
    return names_.try_emplace(id, prefix + std::to_string(names_.size())).first->second;
  }
  std::map<std::string, std::string> names_;
};

TEST(Responses, AStreamHasEveryEventInOrder) {
  LiveServer server({thinks("Need it.") + announces("I look.") + kCall});
  const std::vector<Json> events = server.stream("/v1/responses", {{"input", "Hi"}, {"tools", {kWeather}}});
  EXPECT_EQ(
      R"(response.created {"sequence_number":0,"response":"in_progress 0"}
response.in_progress {"sequence_number":1,"response":"in_progress 0"}
response.output_item.added {"sequence_number":2,"output_index":0,"item":{"id":"rs0","type":"reasoning","summary":[],"content":[],"status":"in_progress"}}
response.content_part.added {"sequence_number":3,"output_index":0,"item_id":"rs0","content_index":0,"part":{"type":"reasoning_text","text":""}}
response.reasoning_text.delta {"sequence_number":4,"output_index":0,"item_id":"rs0","content_index":0,"delta":"Need"}
response.reasoning_text.delta {"sequence_number":5,"output_index":0,"item_id":"rs0","content_index":0,"delta":" it"}
response.reasoning_text.delta {"sequence_number":6,"output_index":0,"item_id":"rs0","content_index":0,"delta":"."}
response.reasoning_text.done {"sequence_number":7,"output_index":0,"item_id":"rs0","content_index":0,"text":"Need it."}
response.content_part.done {"sequence_number":8,"output_index":0,"item_id":"rs0","content_index":0,"part":{"type":"reasoning_text","text":"Need it."}}
response.output_item.done {"sequence_number":9,"output_index":0,"item":{"id":"rs0","type":"reasoning","summary":[],"content":[{"type":"reasoning_text","text":"Need it."}],"status":"completed"}}
response.output_item.added {"sequence_number":10,"output_index":1,"item":{"id":"msg1","type":"message","role":"assistant","phase":"commentary","content":[],"status":"in_progress"}}
response.content_part.added {"sequence_number":11,"output_index":1,"item_id":"msg1","content_index":0,"part":{"type":"output_text","text":"","annotations":[],"logprobs":[]}}
response.output_text.delta {"sequence_number":12,"output_index":1,"item_id":"msg1","content_index":0,"delta":"I","logprobs":[]}
response.output_text.delta {"sequence_number":13,"output_index":1,"item_id":"msg1","content_index":0,"delta":" look","logprobs":[]}
response.output_text.delta {"sequence_number":14,"output_index":1,"item_id":"msg1","content_index":0,"delta":".","logprobs":[]}
response.output_text.done {"sequence_number":15,"output_index":1,"item_id":"msg1","content_index":0,"text":"I look.","logprobs":[]}
response.content_part.done {"sequence_number":16,"output_index":1,"item_id":"msg1","content_index":0,"part":{"type":"output_text","text":"I look.","annotations":[],"logprobs":[]}}
response.output_item.done {"sequence_number":17,"output_index":1,"item":{"id":"msg1","type":"message","role":"assistant","phase":"commentary","content":[{"type":"output_text","text":"I look.","annotations":[],"logprobs":[]}],"status":"completed"}}
response.output_item.added {"sequence_number":18,"output_index":2,"item":{"id":"fc2","type":"function_call","call_id":"call3","name":"get_weather","arguments":"","status":"in_progress"}}
response.function_call_arguments.delta {"sequence_number":19,"output_index":2,"item_id":"fc2","delta":"{\""}
response.function_call_arguments.delta {"sequence_number":20,"output_index":2,"item_id":"fc2","delta":"city"}
response.function_call_arguments.delta {"sequence_number":21,"output_index":2,"item_id":"fc2","delta":"\":"}
response.function_call_arguments.delta {"sequence_number":22,"output_index":2,"item_id":"fc2","delta":" \""}
response.function_call_arguments.delta {"sequence_number":23,"output_index":2,"item_id":"fc2","delta":"Os"}
response.function_call_arguments.delta {"sequence_number":24,"output_index":2,"item_id":"fc2","delta":"lo"}
response.function_call_arguments.delta {"sequence_number":25,"output_index":2,"item_id":"fc2","delta":"\"}"}
response.function_call_arguments.done {"sequence_number":26,"output_index":2,"item_id":"fc2","name":"get_weather","arguments":"{\"city\": \"Oslo\"}"}
response.output_item.done {"sequence_number":27,"output_index":2,"item":{"id":"fc2","type":"function_call","call_id":"call3","name":"get_weather","arguments":"{\"city\": \"Oslo\"}","status":"completed"}}
response.completed {"sequence_number":28,"response":"completed 3"}
)",
      Golden().of(events)
  );
}

const std::string kSaltPage =
    "[0] Salt (https://example.org/salt_(mine))\n**viewing lines [0 - 3] of 3**\n\nL0: \nL1: URL: https://example.org/salt_(mine)\nL2: # Salt\n"
    "L3: The mine opened in 1287.";
const Json kBrowsed = {
    {{"role", "user"}, {"content", "How old?"}},
    {{"type", "function_call"}, {"call_id", "c1"}, {"name", "browser.open"}, {"arguments", "{\"id\":\"https://example.org/salt_(mine)\"}"}},
    {{"type", "function_call_output"}, {"call_id", "c1"}, {"output", kSaltPage}}};
const std::string kCiting = "ß: it opened in 1287【0†L3】. Unknown 【7†L1】, cut 【0†L";
const std::string kLink = "([example.org](https://example.org/salt_%28mine%29))";

TEST(Responses, CitationsBecomeLinksWithAnnotations) {
  LiveServer server({says_final(kCiting), says_final("More.")});
  const Json request = {{"input", kBrowsed}, {"tools", {{{"type", "web_search"}}}}};
  const std::vector<Json> events = server.stream("/v1/responses", request);
  const std::string shown = "ß: it opened in 1287 " + kLink + ". Unknown 【7†L1】, cut 【0†L";
  const Json annotation = {
      {"type", "url_citation"}, {"start_index", 21}, {"end_index", 21 + kLink.size()}, {"url", "https://example.org/salt_(mine)"}, {"title", "Salt"}};
  std::string streamed;
  std::size_t n_before_annotation = 0;
  for (const Json& event : events) {
    if (event["type"] == "response.output_text.delta") streamed += event["delta"].get<std::string>();
    if (event["type"] != "response.output_text.annotation.added") continue;
    EXPECT_EQ(annotation, event["annotation"]);
    EXPECT_EQ(0, event["annotation_index"]);
    n_before_annotation = streamed.size();
  }
  EXPECT_EQ(shown, streamed);
  EXPECT_EQ(shown.find(kLink), n_before_annotation);
  const Json response = events.back()["response"];
  const Json content = response["output"].back()["content"][0];
  EXPECT_EQ(shown, content["text"]);
  EXPECT_EQ(Json::array({annotation}), content["annotations"]);
  // What the client saw of it leads back to what was sampled.
  Json next = request;
  for (const Json& item : response["output"]) next["input"].push_back(item);
  next["input"].push_back({{"role", "user"}, {"content", "More"}});
  const Json second = server.post("/v1/responses", next);
  // All of it is in the cache but the last token: <|return|> is <|end|> in a history.
  EXPECT_EQ(response["usage"]["total_tokens"].get<int>() - 1, second["usage"]["input_tokens_details"]["cached_tokens"].get<int>());
}

TEST(Responses, ChatCitesInItsOwnShape) {
  const Json call = {{"id", "c1"}, {"type", "function"}, {"function", {{"name", "browser.open"}, {"arguments", "{}"}}}};
  const Json request = {
      {"messages",
       {{{"role", "user"}, {"content", "How old?"}},
        {{"role", "assistant"}, {"tool_calls", {call}}},
        {{"role", "tool"}, {"tool_call_id", "c1"}, {"content", kSaltPage}}}}};
  const Json annotation = {
      {"type", "url_citation"},
      {"url_citation", {{"start_index", 21}, {"end_index", 21 + kLink.size()}, {"url", "https://example.org/salt_(mine)"}, {"title", "Salt"}}}};
  const Json message = LiveServer({says_final(kCiting)}).post("/v1/chat/completions", request)["choices"][0]["message"];
  EXPECT_EQ(Json::array({annotation}), message["annotations"]);
  Json streaming = request;
  streaming["stream"] = true;
  std::string streamed;
  Json annotations = Json::array();
  std::istringstream lines(LiveServer({says_final(kCiting)}).send("POST", "/v1/chat/completions", json_text(streaming)).body);
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with("data: {")) continue;
    const Json delta = json_from_valid<Json>(line.substr(6))["choices"][0]["delta"];
    if (delta.contains("content")) streamed += delta["content"].get<std::string>();
    if (delta.contains("annotations")) annotations.push_back(delta["annotations"][0]);
  }
  EXPECT_EQ(message["content"], streamed);
  EXPECT_EQ(message["annotations"], annotations);
  const Json plain = LiveServer({says_final(kCiting)}).post("/v1/chat/completions", {{"messages", {{{"role", "user"}, {"content", "Hi"}}}}});
  EXPECT_EQ(kCiting, plain["choices"][0]["message"]["content"]);
  EXPECT_FALSE(plain["choices"][0]["message"].contains("annotations"));
}

TEST(Responses, TheObjectIsTheSameStreamedOrNot) {
  LiveServer server({thinks("Hm.") + says_final("Hello")});
  Json whole = server.post("/v1/responses", {{"input", "Hi"}});
  Json streamed = server.stream("/v1/responses", {{"input", "Hi"}}).back()["response"];
  for (Json* response : {&whole, &streamed}) {
    for (const char* key : {"id", "created_at", "completed_at"}) (*response)[key] = nullptr;
    for (Json& item : (*response)["output"]) item["id"] = nullptr;
  }
  EXPECT_EQ(whole, streamed);
  EXPECT_EQ("final_answer", whole["output"][1]["phase"]);
  EXPECT_EQ(whole["usage"]["total_tokens"], whole["usage"]["input_tokens"].get<int>() + whole["usage"]["output_tokens"].get<int>());
  EXPECT_EQ(3, whole["usage"]["output_tokens_details"]["reasoning_tokens"]);  // "Hm", "." and <|end|>
  // The keys that the Open Responses schema requires.
  for (const char* key :
       {"id", "object", "created_at", "completed_at", "status", "incomplete_details", "model", "previous_response_id",
        "instructions", "output", "error", "tools", "tool_choice", "truncation", "parallel_tool_calls", "text", "top_p",
        "presence_penalty", "frequency_penalty", "top_logprobs", "temperature", "reasoning", "user", "usage",
        "max_output_tokens", "max_tool_calls", "store", "background", "service_tier", "metadata", "safety_identifier",
        "prompt_cache_key"}) {
    EXPECT_TRUE(whole.contains(key)) << key;
  }
}

// Every way to bring back the history reads only what is new.
TEST(Responses, EchoedHistoryIsReadFromTheCache) {
  const auto cached_is_all_but_the_suffix = [](const Json& before, const Json& after) {
    const Json &first = before["usage"], &second = after["usage"];
    EXPECT_EQ(first["total_tokens"], second["input_tokens_details"]["cached_tokens"]) << second;
    EXPECT_EQ("It is cold.", after["output"].back()["content"][0]["text"]);
  };
  const std::vector<std::string> script = {thinks("Hm.") + announces("I look.") + kCall, says_final("It is cold.")};
  const Json user = {{"role", "user"}, {"content", "Hi"}};
  Json request = {{"instructions", "Be brief."}, {"input", Json::array({user})}, {"tools", {kWeather, {{"type", "web_search"}}}}};
  {  // the items as they came
    LiveServer server(script);
    const Json first = server.post("/v1/responses", request);
    Json next = request;
    for (const Json& item : first["output"]) next["input"].push_back(item);
    next["input"].push_back(tool_result(first["output"].back(), "-5"));
    cached_is_all_but_the_suffix(first, server.post("/v1/responses", next));
  }
  {  // without ids, status and reasoning, the arguments spaced otherwise, as some SDKs do
    LiveServer server(script);
    const Json first = server.post("/v1/responses", request);
    Json next = request;
    next["store"] = false;
    next["input"].push_back({{"role", "assistant"}, {"content", "I look."}});
    next["input"].push_back({{"type", "function_call"}, {"call_id", "c"}, {"name", "get_weather"}, {"arguments", "{\"city\":\"Oslo\"}"}});
    next["input"].push_back({{"type", "function_call_output"}, {"call_id", "c"}, {"output", Json::array({{{"type", "input_text"}, {"text", "-5"}}})}});
    cached_is_all_but_the_suffix(first, server.post("/v1/responses", next));
  }
  {  // by the id of the response
    LiveServer server(script);
    const Json first = server.post("/v1/responses", request);
    Json next = request;
    next["previous_response_id"] = first["id"];
    next["input"] = Json::array({tool_result(first["output"].back(), "-5")});
    cached_is_all_but_the_suffix(first, server.post("/v1/responses", next));
  }
  {  // by the ids of the items
    LiveServer server(script);
    const Json first = server.post("/v1/responses", request);
    Json next = request;
    for (const Json& item : first["output"]) next["input"].push_back({{"type", "item_reference"}, {"id", item["id"]}});
    next["input"].push_back(tool_result(first["output"].back(), "-5"));
    cached_is_all_but_the_suffix(first, server.post("/v1/responses", next));
  }
}

TEST(Responses, AFunctionNamedLikeABuiltInToolIsTheClients) {
  LiveServer server({calls("functions.python", R"({"code": "1"})"), says_final("One.")});
  Json python = kWeather;
  python["name"] = "python";
  Json request = {{"input", Json::array({{{"role", "user"}, {"content", "Run it"}}})}, {"tools", Json::array({python})}};
  const Json first = server.post("/v1/responses", request);
  EXPECT_EQ("python", first["output"].back()["name"]);
  for (const Json& item : first["output"]) request["input"].push_back(item);
  request["input"].push_back(tool_result(first["output"].back(), "1"));
  const Json second = server.post("/v1/responses", request);
  EXPECT_EQ("message", second["output"].back()["type"]) << "the model goes on where it called";
  EXPECT_GT(second["usage"]["input_tokens_details"]["cached_tokens"].get<int>(), 0);
}

TEST(Responses, ALimitMakesItIncomplete) {
  LiveServer server({thinks("One two three four five six.") + says_final("Hello")});
  const std::vector<Json> events = server.stream("/v1/responses", {{"input", "Hi"}, {"max_output_tokens", 5}});
  EXPECT_EQ("response.incomplete", events.back()["type"]);
  const Json& response = events.back()["response"];
  EXPECT_EQ("incomplete", response["status"]);
  EXPECT_EQ("max_output_tokens", response["incomplete_details"]["reason"]);
  EXPECT_EQ("incomplete", response["output"][0]["status"]);
  EXPECT_EQ(5, response["usage"]["output_tokens"]);
}

TEST(Responses, AFailingModelEndsTheStreamWithItsError) {
  LiveServer server({agent::ScriptedCompletion{.text = "<|channel|>final<|message|>Hel", .then = Then::kError, .error = "no power"}});
  const std::vector<Json> events = server.stream("/v1/responses", {{"input", "Hi"}});
  EXPECT_EQ("response.failed", events.back()["type"]);
  EXPECT_NE(std::string::npos, events.back()["response"]["error"]["message"].get<std::string>().find("no power"));
  for (std::size_t i = 0; i < events.size(); ++i) EXPECT_EQ(i, events[i]["sequence_number"]);
  const std::string id = events.back()["response"]["id"];
  EXPECT_EQ("failed", server.get("/v1/responses/" + id)["status"]);
  EXPECT_EQ(500, server.send("POST", "/v1/responses", R"({"input":"Hi"})").status);
}

TEST(Responses, AFullContextIsAnErrorBeforeTheStream) {
  LiveServer server({agent::ScriptedCompletion{.text = says_final("x")}}, {}, {.n_context = 64});
  const net::Response answer = server.send("POST", "/v1/responses", json_text(Json({{"input", std::string(4000, 'a')}, {"stream", true}})));
  EXPECT_EQ(400, answer.status);
  EXPECT_EQ("context_length_exceeded", json_from_valid<Json>(answer.body)["error"]["code"]);
}

TEST(Responses, ToolChoiceForcesNarrowsAndForbids) {
  Json request = {{"input", "Hi"}, {"tools", {kWeather, {{"type", "function"}, {"name", "other"}}}}};
  const std::string answers = says_final("No.");
  const std::string arguments = R"({"city": "Oslo"}<|call|>)";
  {
    LiveServer server({answers, arguments});
    request["tool_choice"] = {{"type", "function"}, {"name", "get_weather"}};
    EXPECT_EQ("get_weather", server.post("/v1/responses", request)["output"].back()["name"]);
  }
  {
    LiveServer server({answers, arguments});
    request["tool_choice"] = {{"type", "allowed_tools"}, {"mode", "required"}, {"tools", {{{"type", "function"}, {"name", "get_weather"}}}}};
    EXPECT_EQ("get_weather", server.post("/v1/responses", request)["output"].back()["name"]);
  }
  LiveServer server({answers});
  request["tool_choice"] = "none";
  EXPECT_EQ("message", server.post("/v1/responses", request)["output"].back()["type"]);
  const int n_with = server.post("/v1/responses/input_tokens", {{"input", "Hi"}, {"tools", request["tools"]}})["input_tokens"];
  EXPECT_LT(server.post("/v1/responses/input_tokens", request)["input_tokens"], n_with);
}

TEST(Responses, NamespacesAreNamesWithADot) {
  LiveServer server({calls("functions.mail.send", "{}"), says_final("Sent.")});
  Json request = {
      {"input", Json::array({{{"role", "user"}, {"content", "Hi"}}})},
      {"tools", {{{"type", "namespace"}, {"name", "mail"}, {"tools", {{{"type", "function"}, {"name", "send"}}}}}}}};
  const Json first = server.post("/v1/responses", request);
  EXPECT_EQ("send", first["output"][0]["name"]);
  EXPECT_EQ("mail", first["output"][0]["namespace"]);
  request["input"].push_back(first["output"][0]);
  request["input"].push_back(tool_result(first["output"][0], "ok"));
  const Json second = server.post("/v1/responses", request);
  EXPECT_EQ(first["usage"]["total_tokens"], second["usage"]["input_tokens_details"]["cached_tokens"]);
}

TEST(Responses, AreStoredListedAndDeleted) {
  LiveServer server({says_final("Hello")});
  const Json made = server.post("/v1/responses", {{"input", {{{"role", "user"}, {"content", "a"}}, {{"role", "user"}, {"content", "b"}}}}});
  const std::string path = "/v1/responses/" + made["id"].get<std::string>();
  EXPECT_EQ(made, server.get(path));
  const Json items = server.get(path + "/input_items?limit=1");
  EXPECT_EQ("b", items["data"][0]["content"][0]["text"]);
  EXPECT_TRUE(items["has_more"]);
  EXPECT_EQ("a", server.get(path + "/input_items?after=" + items["last_id"].get<std::string>())["data"][0]["content"][0]["text"]);
  EXPECT_EQ("a", server.get(path + "/input_items?order=asc")["data"][0]["content"][0]["text"]);
  EXPECT_EQ(400, server.send("GET", path + "/input_items?limit=x").status);
  EXPECT_EQ(400, server.send("GET", path + "?stream=true").status);
  EXPECT_EQ(405, server.send("POST", path, "{}").status);
  EXPECT_EQ(404, server.send("GET", path + "/other").status);
  EXPECT_EQ(true, json_from_valid<Json>(server.send("DELETE", path).body)["deleted"]);
  EXPECT_EQ(404, server.send("GET", path).status);
  EXPECT_EQ(404, server.send("DELETE", path).status);
  const Json unstored = server.post("/v1/responses", {{"input", "Hi"}, {"store", false}});
  EXPECT_EQ(404, server.send("GET", "/v1/responses/" + unstored["id"].get<std::string>()).status);
  const net::Response gone = server.send("POST", "/v1/responses", json_text(Json({{"input", "x"}, {"previous_response_id", unstored["id"]}})));
  EXPECT_EQ(400, gone.status);
  EXPECT_EQ("previous_response_not_found", json_from_valid<Json>(gone.body)["error"]["code"]);
}

Json wait_until_finished(LiveServer& server, const std::string& path) {
  for (int i = 0; i < 2000; ++i) {
    Json response = server.get(path);
    if (response["status"] != "queued" && response["status"] != "in_progress") return response;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  ADD_FAILURE() << "the response does not end";
  return {};
}

TEST(Responses, ABackgroundOneGoesOnAlone) {
  LiveServer server({says_final("Hello")});
  const Json queued = server.post("/v1/responses", {{"input", "Hi"}, {"background", true}});
  EXPECT_EQ("queued", queued["status"]);
  const std::string path = "/v1/responses/" + queued["id"].get<std::string>();
  EXPECT_EQ("Hello", wait_until_finished(server, path)["output"][0]["content"][0]["text"]);
  // Its stream can be read again, whole or from where it was cut.
  const std::vector<Json> all = server.events("GET", path + "?stream=true");
  EXPECT_EQ("response.created", all.front()["type"]);
  EXPECT_EQ("response.completed", all.back()["type"]);
  for (std::size_t i = 0; i < all.size(); ++i) EXPECT_EQ(i, all[i]["sequence_number"]);
  const std::vector<Json> rest = server.events("GET", path + "?stream=true&starting_after=2");
  EXPECT_EQ(std::vector<Json>(all.begin() + 3, all.end()), rest);
  EXPECT_EQ(400, server.send("POST", "/v1/responses", R"({"input":"x","background":true,"store":false})").status);
}

TEST(Responses, CancelStopsWhatRuns) {
  LiveServer server({agent::ScriptedCompletion{.text = "<|channel|>final<|message|>Hel", .then = Then::kHang}});
  const Json queued = server.post("/v1/responses", {{"input", "Hi"}, {"background", true}});
  const std::string path = "/v1/responses/" + queued["id"].get<std::string>();
  const Json cancelled = json_from_valid<Json>(server.send("POST", path + "/cancel").body);
  EXPECT_EQ("cancelled", cancelled["status"]);
  EXPECT_EQ("cancelled", wait_until_finished(server, path)["status"]);
}

TEST(Responses, TheServerEndsThoughOneRunsInTheBackground) {
  LiveServer server({agent::ScriptedCompletion{.text = "<|channel|>final<|message|>Hel", .then = Then::kHang}});
  server.post("/v1/responses", {{"input", "Hi"}, {"background", true}});
}  // hangs here if it does not

TEST(Responses, HiddenReasoningIsNotThere) {
  server::ServiceOptions service;
  service.hide_reasoning = true;
  LiveServer server({agent::ScriptedCompletion{.text = thinks("Secret.") + says_final("Hello")}}, service);
  const std::vector<Json> events = server.stream("/v1/responses", {{"input", "Hi"}});
  for (const Json& event : events) EXPECT_EQ(std::string::npos, json_text(event).find("Secret"));
  EXPECT_EQ(1, events.back()["response"]["output"].size());
}

TEST(Responses, WrongRequestsGetOpenAisErrors) {
  LiveServer server({says_final("Hello")});
  const struct {
    const char* body;
    const char* param;  // "": null
  } kCases[] = {
      {"", ""},
      {"[]", ""},
      {"{}", "input"},
      {R"({"input":3})", "input"},
      {R"({"input":[3]})", "input"},
      {R"({"input":[{"type":"dance"}]})", "input"},
      {R"({"input":[{"role":"king","content":"x"}]})", "input"},
      {R"({"input":[{"role":"user","content":[{"type":"input_image","image_url":"x"}]}]})", "input"},
      {R"({"input":[{"type":"function_call","name":"f"}]})", "input"},
      {R"({"input":[{"type":"function_call","call_id":"a"}]})", "input"},
      {R"({"input":[{"type":"function_call_output","call_id":"a","output":"x"}]})", "input"},
      {R"({"input":[{"type":"item_reference","id":"msg_x"}]})", "input"},
      {R"({"input":[{"type":"reasoning","content":"x"}]})", "content"},
      {R"({"input":"x","instructions":7})", "instructions"},
      {R"({"input":"x","max_output_tokens":0})", "max_output_tokens"},
      {R"({"input":"x","temperature":"hot"})", "temperature"},
      {R"({"input":"x","reasoning":{"effort":"huge"}})", "reasoning"},
      {R"({"input":"x","reasoning":"high"})", "reasoning"},
      {R"({"input":"x","metadata":{"a":1}})", "metadata"},
      {R"({"input":"x","tools":[3]})", "tools"},
      {R"({"input":"x","tools":[{"type":"function","name":"a b"}]})", "tools"},
      {R"({"input":"x","tool_choice":"required"})", "tool_choice"},
      {R"({"input":"x","tool_choice":"maybe"})", "tool_choice"},
      {R"({"input":"x","tool_choice":{"type":"function","name":"f"}})", "tool_choice"},
      {R"({"input":"x","tool_choice":{"type":"web_search"}})", "tool_choice"},
      {R"({"input":"x","tools":[{"type":"web_search"}],"tool_choice":{"type":"web_search"}})", "tool_choice"},
      {R"({"input":"x","tools":[{"type":"code_interpreter","container":{"type":"auto"}}]})", "tools"},
      {R"({"input":"x","tools":[{"type":"mcp","server_label":"a"}]})", "tools"},
      {R"({"input":"x","text":{"format":{"type":"json_schema"}}})", "text"},
      {R"({"input":"x","text":{"format":{"type":"json_schema","strict":true,"schema":{}}}})", "text"},
      {R"({"input":"x","text":{"format":{"type":"xml"}}})", "text"},
      {R"({"input":"x","prompt":{"id":"p"}})", "prompt"},
      {R"({"input":"x","stream":"yes"})", "stream"},
      {R"({"input":"x","previous_response_id":"resp_0"})", "previous_response_id"},
  };
  for (const auto& one : kCases) {
    const net::Response answer = server.send("POST", "/v1/responses", one.body);
    EXPECT_EQ(400, answer.status) << one.body;
    const Json error = json_from_valid<Json>(answer.body)["error"];
    EXPECT_EQ(4U, error.size());
    EXPECT_EQ("invalid_request_error", error["type"]);
    EXPECT_FALSE(error["message"].get<std::string>().empty());
    EXPECT_EQ(*one.param == 0 ? Json(nullptr) : Json(one.param), error["param"]) << one.body;
  }
  // What other servers' clients send and this one has no use for.
  for (const char* body :
       {R"({"input":"","max_output_tokens":1})", R"({"input":"x","include":["reasoning.encrypted_content"],"store":false})",
        R"({"input":"x","tools":[{"type":"web_search"},{"type":"file_search"},{"type":"novel"}],"new_field":[1]})",
        R"({"input":[{"type":"web_search_call","id":"ws_1","status":"completed"},{"role":"user","content":"x"}]})",
        R"({"input":"x","text":{"format":{"type":"json_schema","name":"n","schema":{"type":"object"}},"verbosity":"low"}})"}) {
    EXPECT_EQ(200, server.send("POST", "/v1/responses", body).status) << body;
  }
}

}  // namespace
}  // namespace toccata::testing
