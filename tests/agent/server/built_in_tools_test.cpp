// Tools that the server runs in the middle of a response: every event byte for byte, with tools that a test plays.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <future>
#include <thread>

#include "agent/server/tool_host.h"
#include "agent/store/ledger.h"
#include "core/base/json.h"
#include "tests/support/fake_tool.h"
#include "tests/support/live_server.h"
#include "tests/support/temp_folder.h"
#include "tools/registry.h"

namespace toccata::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr const char* kPage = "[0] Salt (https://example.org/salt)\n**viewing lines [0 - 2] of 2**\n\nL0: \nL1: URL: https://example.org/salt\nL2: Old.";

std::unique_ptr<FakeTool> fake_browser(FakeTool::Action action) {
  tools::ToolSpec spec;
  spec.name_space = "browser";
  spec.description = "Browses.";
  spec.placement = tools::Placement::kSystem;
  spec.functions = {
      {"search", "Searches.", R"({"type":"object","properties":{"query":{"type":"string"}},"required":["query"]})"},
      {"open", "Opens.", R"({"type":"object","properties":{"id":{"type":["string","number"]}}})"},
      {"find", "Finds.", R"({"type":"object","properties":{"pattern":{"type":"string"}}})"}};
  return std::make_unique<FakeTool>(std::move(spec), std::move(action));
}

std::unique_ptr<FakeTool> fake_mcp(FakeTool::Action action) {
  tools::ToolSpec spec;
  spec.name_space = "demo";
  spec.functions = {{"get-weather", "Weather.", R"({"type":"object","properties":{"city":{"type":"string"}}})"}};
  return std::make_unique<FakeTool>(std::move(spec), std::move(action));
}

class FakeBox final : public server::ToolBox {
 public:
  FakeBox(std::atomic<int>& n_open, FakeTool::Action action) : n_open_(n_open) {
    ++n_open_;
    tools_.add(fake_python(action));
    tools_.add(fake_browser(action));
    tools_.add(fake_mcp(action));
    config_.approval.mode = agent::ApprovalPolicy::Mode::kAlways;
  }
  ~FakeBox() override { --n_open_; }
  const tools::Registry& tools() const override { return tools_; }
  const agent::AgentConfig& config() const override { return config_; }

 private:
  std::atomic<int>& n_open_;
  tools::Registry tools_;
  agent::AgentConfig config_;
};

class FakeHost final : public server::ToolHost {
 public:
  FakeHost(std::filesystem::path ledger, FakeTool::Action action) : ledger_(std::move(ledger)), action_(std::move(action)), catalog_(n_unused_, action_) {}
  const tools::Registry& catalog() const override { return catalog_.tools(); }
  const std::vector<server::McpServerInfo>& mcp_servers() const override { return servers_; }
  std::filesystem::path ledger() const override { return ledger_; }
  std::string sandbox_level() const override { return "full"; }
  std::unique_ptr<server::ToolBox> open() override { return std::make_unique<FakeBox>(n_open, action_); }
  std::atomic<int> n_open = 0;

 private:
  const std::filesystem::path ledger_;
  const FakeTool::Action action_;
  std::atomic<int> n_unused_ = 0;
  FakeBox catalog_;
  const std::vector<server::McpServerInfo> servers_ = {{"demo", "http://127.0.0.1:1/mcp", "demo"}};
};

tools::ToolResult answer(const tools::ToolCall& call, std::stop_token stop) {
  tools::ToolResult result;
  result.author = call.recipient;
  result.content = "got " + call.arguments;
  if (call.recipient == "browser.search") {
    result.metadata = R"({"pages":1,"sources":["https://example.org/salt"]})";
    result.provenance = {true, "search"};
  }
  if (call.recipient == "browser.open") result.content = kPage;
  if (call.arguments == "fail") result.status = tools::ToolStatus::kFailed;
  if (call.arguments == "gone") result.status = tools::ToolStatus::kStopsRun;
  while (call.arguments == "wait" && !stop.stop_requested()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  return result;
}

std::string browses(const std::string& function, const std::string& arguments) {
  return "<|channel|>analysis to=browser." + function + " code<|message|>" + arguments + "<|call|>";
}
const Json kCode = json_from_valid<Json>(R"({"type":"code_interpreter","container":{"type":"auto"}})");
const Json kSearch = json_from_valid<Json>(R"({"type":"web_search"})");
const Json kMcp = json_from_valid<Json>(R"({"type":"mcp","server_label":"demo","require_approval":"never"})");
const Json kOutputs = {"code_interpreter_call.outputs", "web_search_call.action.sources"};

class BuiltInTools : public ::testing::Test {
 protected:
  std::unique_ptr<LiveServer> serve(const std::vector<std::string>& texts, server::ContainerLimits limits = {}, server::AccessOptions access = {}) {
    std::vector<agent::ScriptedCompletion> script;
    for (const std::string& text : texts) script.push_back({.text = text});
    return serve(std::move(script), limits, std::move(access));
  }
  std::unique_ptr<LiveServer> serve(std::vector<agent::ScriptedCompletion> script, server::ContainerLimits limits = {}, server::AccessOptions access = {}) {
    server::ServiceOptions service;
    service.archive = service.ledger = folder_ / "runs.db";
    service.tools = host_ = std::make_shared<FakeHost>(folder_ / "runs.db", answer);
    service.containers = limits;
    return std::make_unique<LiveServer>(std::move(script), service, agent::ScriptedOptions{}, std::move(access));
  }
  store::RunRecord last_run() {
    const auto ledger = store::Ledger::open(folder_ / "runs.db").value_or_throw();
    return ledger->load_run("last").value_or_throw();
  }

  TempFolder folder_;
  std::shared_ptr<FakeHost> host_;
};

// Without what is the same for every message, which responses_test.cpp has.
std::string golden(const std::vector<Json>& events) {
  std::string text;
  int n = 0;
  for (Json event : events) {
    EXPECT_EQ(n++, event["sequence_number"]);
    event.erase("sequence_number");
    const std::string type = event["type"];
    if (type.find("output_text") != std::string::npos || type.find("content_part") != std::string::npos) continue;
    if (event.contains("response")) event["response"] = event["response"]["status"];
    for (Json* object : {&event, event.contains("item") ? &event["item"] : &event}) {
      for (const char* key : {"id", "item_id", "container_id"}) {
        if (!object->contains(key)) continue;
        const std::string id = (*object)[key];
        (*object)[key] = id.substr(0, id.find('_'));
      }
    }
    event.erase("type");
    text += type.substr(type.find('.') + 1) + " " + json_text(event) + "\n";
  }
  return text;
}

TEST_F(BuiltInTools, EveryEventInOrder) {
  const auto live = serve(std::vector<std::string>{
      browses("search", R"({"query":"salt"})"), browses("open", R"({"id":0})"), calls_python("fail"),
      calls("demo.get_weather", R"({"city":"Ulm"})"), says_final("Old【0†L2】.")});
  EXPECT_EQ(
      R"(created {"response":"in_progress"}
in_progress {"response":"in_progress"}
output_item.added {"output_index":0,"item":{"id":"mcpl","type":"mcp_list_tools","server_label":"demo","tools":[],"error":null}}
mcp_list_tools.in_progress {"output_index":0,"item_id":"mcpl"}
mcp_list_tools.completed {"output_index":0,"item_id":"mcpl"}
output_item.done {"output_index":0,"item":{"id":"mcpl","type":"mcp_list_tools","server_label":"demo","tools":[{"name":"get-weather","description":"Weather.","input_schema":{"type":"object","properties":{"city":{"type":"string"}}},"annotations":null}],"error":null}}
output_item.added {"output_index":1,"item":{"id":"ws","type":"web_search_call","status":"in_progress","action":{"type":"search","query":"salt","queries":["salt"],"sources":[]}}}
web_search_call.in_progress {"output_index":1,"item_id":"ws"}
web_search_call.searching {"output_index":1,"item_id":"ws"}
web_search_call.completed {"output_index":1,"item_id":"ws"}
output_item.done {"output_index":1,"item":{"id":"ws","type":"web_search_call","status":"completed","action":{"type":"search","query":"salt","queries":["salt"],"sources":[{"type":"url","url":"https://example.org/salt"}]}}}
output_item.added {"output_index":2,"item":{"id":"ws","type":"web_search_call","status":"in_progress","action":{"type":"open_page","url":null}}}
web_search_call.in_progress {"output_index":2,"item_id":"ws"}
web_search_call.searching {"output_index":2,"item_id":"ws"}
web_search_call.completed {"output_index":2,"item_id":"ws"}
output_item.done {"output_index":2,"item":{"id":"ws","type":"web_search_call","status":"completed","action":{"type":"open_page","url":"https://example.org/salt","sources":[{"type":"url","url":"https://example.org/salt"}]}}}
output_item.added {"output_index":3,"item":{"id":"ci","type":"code_interpreter_call","status":"in_progress","code":"","container_id":"cntr","outputs":null}}
code_interpreter_call.in_progress {"output_index":3,"item_id":"ci"}
code_interpreter_call_code.delta {"output_index":3,"item_id":"ci","delta":"fail"}
code_interpreter_call_code.done {"output_index":3,"item_id":"ci","code":"fail"}
code_interpreter_call.interpreting {"output_index":3,"item_id":"ci"}
code_interpreter_call.completed {"output_index":3,"item_id":"ci"}
output_item.done {"output_index":3,"item":{"id":"ci","type":"code_interpreter_call","status":"failed","code":"fail","container_id":"cntr","outputs":[{"type":"logs","logs":"got fail"}]}}
output_item.added {"output_index":4,"item":{"id":"mcp","type":"mcp_call","status":"in_progress","approval_request_id":null,"arguments":"","error":null,"name":"get-weather","output":null,"server_label":"demo"}}
mcp_call.in_progress {"output_index":4,"item_id":"mcp"}
mcp_call_arguments.delta {"output_index":4,"item_id":"mcp","delta":"{\""}
mcp_call_arguments.delta {"output_index":4,"item_id":"mcp","delta":"city"}
mcp_call_arguments.delta {"output_index":4,"item_id":"mcp","delta":"\":\""}
mcp_call_arguments.delta {"output_index":4,"item_id":"mcp","delta":"U"}
mcp_call_arguments.delta {"output_index":4,"item_id":"mcp","delta":"lm"}
mcp_call_arguments.delta {"output_index":4,"item_id":"mcp","delta":"\"}"}
mcp_call_arguments.done {"output_index":4,"item_id":"mcp","arguments":"{\"city\":\"Ulm\"}"}
mcp_call.completed {"output_index":4,"item_id":"mcp"}
output_item.done {"output_index":4,"item":{"id":"mcp","type":"mcp_call","status":"completed","approval_request_id":null,"arguments":"{\"city\":\"Ulm\"}","error":null,"name":"get-weather","output":"got {\"city\":\"Ulm\"}","server_label":"demo"}}
output_item.added {"output_index":5,"item":{"id":"msg","type":"message","role":"assistant","phase":"final_answer","content":[],"status":"in_progress"}}
output_item.done {"output_index":5,"item":{"id":"msg","type":"message","role":"assistant","phase":"final_answer","content":[{"type":"output_text","text":"Old ([example.org](https://example.org/salt)).","annotations":[{"type":"url_citation","start_index":4,"end_index":45,"url":"https://example.org/salt","title":"Salt"}],"logprobs":[]}],"status":"completed"}}
completed {"response":"completed"}
)",
      golden(live->stream("/v1/responses", {{"input", "How old?"}, {"tools", {kSearch, kCode, kMcp}}, {"include", kOutputs}}))
  );
}

TEST_F(BuiltInTools, ATurnStandsInTheLedgerAndTheNextGoesOnInIt) {
  const auto live = serve(std::vector<std::string>{calls_python("1"), says_final("one"), calls_python("2"), says_final("two")});
  const Json first = live->post("/v1/responses", {{"input", "a"}, {"tools", {kCode}}});
  const store::RunRecord run = last_run();
  EXPECT_EQ("a", run.summary.task);
  EXPECT_EQ("full", run.sandbox);
  EXPECT_EQ("one", run.final);
  ASSERT_EQ(1U, run.calls.size());
  EXPECT_EQ("1", run.calls[0].intent.arguments);
  std::string roles;
  for (const store::MessageRow& message : run.messages) roles += message.role + " ";
  EXPECT_EQ("system user assistant tool assistant ", roles);
  const Json second = live->post("/v1/responses", {{"input", "b"}, {"tools", {kCode}}, {"previous_response_id", first["id"]}});
  const store::RunRecord more = last_run();
  EXPECT_EQ(run.summary.id, more.summary.id);
  EXPECT_EQ(4U, more.steps.size());
  // The log of the run is what the model has read and said.
  const auto rendered = more.timeline();
  EXPECT_EQ(second["usage"]["total_tokens"].get<std::size_t>(), [&] {
    std::size_t n = 0;  // both steps of the second response, whose prompts are counted anew
    for (const store::StepRow& step : more.steps) n += step.step > 2 ? static_cast<std::size_t>(step.decoded) : 0;
    return n + second["usage"]["input_tokens"].get<std::size_t>();
  }());
  const auto ledger = store::Ledger::open(folder_ / "runs.db").value_or_throw();
  EXPECT_THAT(ledger->check(), ElementsAre());
  EXPECT_EQ(1, host_->n_open);
}

// The run may be gone on with otherwise: by the page's agent, say.
TEST_F(BuiltInTools, ARunThatSomebodyElseWroteIsLeftAlone) {
  const auto live = serve(std::vector<std::string>{calls_python("1"), says_final("one"), says_final("two")});
  const Json first = live->post("/v1/responses", {{"input", "a"}, {"tools", {kCode}}});
  const std::string id = last_run().summary.id;
  {
    const auto ledger = store::Ledger::open(folder_ / "runs.db").value_or_throw();
    store::RunWriter writer = ledger->open_run(id).value_or_throw();
    writer.reopen();
    const Tokens more = {1, 2, 3};
    writer.append_tokens(store::SegmentKind::kUser, more);
    writer.finish({.exit_code = 0, .terminal_reason = "final", .final = "mine"});
  }
  const Json second = live->post("/v1/responses", {{"input", "b"}, {"tools", {kCode}}, {"previous_response_id", first["id"]}});
  EXPECT_EQ("two", second["output"][0]["content"][0]["text"]);
  EXPECT_NE(id, last_run().summary.id);
  const auto ledger = store::Ledger::open(folder_ / "runs.db").value_or_throw();
  EXPECT_EQ("mine", ledger->load_run(id).value_or_throw().final);
  EXPECT_EQ(live->get("/v1/toccata/status")["api_tools"], (Json{"browser", "demo", "python"}));
  EXPECT_THAT(live->send("GET", "/metrics").body, HasSubstr("toccata_containers 1\n"));
}

TEST_F(BuiltInTools, WhatIsNotStoredLeavesNothingInTheLedger) {
  const auto live = serve(std::vector<std::string>{calls_python("1"), says_final("one")});
  (void)live->post("/v1/responses", {{"input", "a"}, {"tools", {kCode}}, {"store", false}});
  EXPECT_EQ(0U, live->get("/v1/toccata/runs")["data"].size());
}

TEST_F(BuiltInTools, ACallAndFunctionsInOneStepEndTheResponse) {
  const std::string both = "<|channel|>commentary to=functions.f <|constrain|>json<|message|>{}<|end|><|start|>assistant" + calls_python("1");
  const auto live = serve(std::vector<std::string>{both, says_final("done")});
  const Json f = json_from_valid<Json>(R"({"type":"function","name":"f","parameters":{"type":"object"}})");
  const Json first = live->post("/v1/responses", {{"input", "a"}, {"tools", {kCode, f}}});
  ASSERT_EQ(2U, first["output"].size());
  EXPECT_EQ("function_call", first["output"][0]["type"]);
  EXPECT_EQ("completed", first["output"][1]["status"]);
  const Json result = {{"type", "function_call_output"}, {"call_id", first["output"][0]["call_id"]}, {"output", "7"}};
  const Json second = live->post("/v1/responses", {{"previous_response_id", first["id"]}, {"input", Json::array({result})}, {"tools", {kCode, f}}});
  EXPECT_EQ("done", second["output"][0]["content"][0]["text"]);
  // Prompt, what was said and python's result: all of it was there.
  const auto cached = second["usage"]["input_tokens_details"]["cached_tokens"].get<int>();
  EXPECT_LT(first["usage"]["total_tokens"].get<int>(), cached);
  EXPECT_GT(40, second["usage"]["input_tokens"].get<int>() - cached);
}

TEST_F(BuiltInTools, AToolThatStopsTheRunFailsTheResponse) {
  const auto live = serve(std::vector<std::string>{calls_python("gone"), says_final("never")});
  const auto events = live->stream("/v1/responses", {{"input", "a"}, {"tools", {kCode}}});
  EXPECT_EQ("response.failed", events.back()["type"]);
  EXPECT_EQ("tool_unavailable", events.back()["response"]["error"]["code"]);
  EXPECT_EQ("tool_unavailable", last_run().summary.terminal_reason);
  EXPECT_EQ(0, host_->n_open);  // closed: nobody could go on in it
}

TEST_F(BuiltInTools, AModelThatGoesRoundInCirclesIsEnded) {
  std::vector<agent::ScriptedCompletion> script;
  for (int i = 0; i < 9; ++i) script.push_back({.text = calls_python("1")});
  const auto events = serve(std::move(script))->stream("/v1/responses", {{"input", "a"}, {"tools", {kCode}}});
  EXPECT_EQ("repeated_calls", events.back()["response"]["error"]["code"]);
}

TEST_F(BuiltInTools, AClientThatGoesAwayEndsTheCall) {
  const auto live = serve(std::vector<std::string>{calls_python("wait"), says_final("never")});
  {
    net::Exchange exchange = live->open("/v1/responses", {{"input", "a"}, {"tools", {kCode}}, {"stream", true}});
    const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (host_->n_open == 0 && std::chrono::steady_clock::now() < until) std::this_thread::sleep_for(std::chrono::milliseconds(2));
    EXPECT_EQ(1, host_->n_open);
  }
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (host_->n_open != 0 && std::chrono::steady_clock::now() < until) std::this_thread::sleep_for(std::chrono::milliseconds(2));
  EXPECT_EQ(0, host_->n_open);
  EXPECT_EQ("stopped", last_run().summary.terminal_reason);
}

TEST_F(BuiltInTools, ManyConversationsAtOnceKeepTheirContainers) {
  std::vector<agent::ScriptedCompletion> script;
  for (int i = 0; i < 6; ++i) {
    script.push_back({.text = calls_python("x" + std::to_string(i))});
    script.push_back({.text = says_final("ok")});
  }
  const auto live = serve(std::move(script), {.containers_max = 8});
  std::vector<std::future<std::string>> clients;
  for (int client = 0; client < 6; ++client) {
    clients.push_back(std::async(std::launch::async, [&live, client] {
      net::Client own;
      std::string previous, container;
      for (int turn = 0; turn < 4; ++turn) {
        Json body = {{"input", "client " + std::to_string(client)}, {"tools", {kCode}}};
        if (!previous.empty()) body["previous_response_id"] = previous;
        const Json response = json_from_valid<Json>(live->send_by(own, "POST", "/v1/responses", json_text(body)).body);
        const std::string now = response["output"][0]["container_id"];
        if (!container.empty() && now != container) return "changed to " + now;
        container = now;
        previous = response["id"];
      }
      return container;
    }));
  }
  std::set<std::string> containers;
  for (auto& client : clients) containers.insert(client.get());
  EXPECT_EQ(6U, containers.size());
  for (const std::string& container : containers) EXPECT_THAT(container, ::testing::StartsWith("cntr_"));
  EXPECT_EQ(6, host_->n_open);
}

TEST_F(BuiltInTools, AnIdleContainerIsClosed) {
  const auto live = serve(std::vector<std::string>{calls_python("1"), says_final("one")}, {.containers_max = 4, .idle_max = std::chrono::seconds(1)});
  (void)live->post("/v1/responses", {{"input", "a"}, {"tools", {kCode}}});
  EXPECT_EQ(1, host_->n_open);
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (host_->n_open != 0 && std::chrono::steady_clock::now() < until) std::this_thread::sleep_for(std::chrono::milliseconds(10));
  EXPECT_EQ(0, host_->n_open);
}

// What another server's calls were is told again as far as it is known.
TEST_F(BuiltInTools, ForeignCallsAreRenderedWithTheirResults) {
  const auto live = serve(std::vector<std::string>{says_final("ok")});
  const Json input = json_from_valid<Json>(R"([
    {"role":"user","content":"Hi"},
    {"type":"web_search_call","id":"ws_1","status":"completed","action":{"type":"search","query":"q"}},
    {"type":"code_interpreter_call","id":"ci_1","status":"completed","code":"6*7","container_id":"cntr_x","outputs":[{"type":"logs","logs":"42"}]},
    {"type":"mcp_list_tools","id":"mcpl_1","server_label":"demo","tools":[]},
    {"type":"mcp_call","id":"mcp_1","server_label":"demo","name":"get-weather","arguments":"{}","output":"cold"},
    {"role":"assistant","content":"42 and cold"},
    {"role":"user","content":"Bye"}])");
  (void)live->post("/v1/responses", {{"input", input}, {"tools", {kCode, kMcp}}});
  std::string told;
  for (const store::MessageRow& message : last_run().messages) told += message.role + ":" + message.recipient + ":" + message.content + "\n";
  EXPECT_THAT(told, HasSubstr("user::Hi\nassistant:python:6*7\ntool:assistant:42\nassistant:demo.get-weather:{}\ntool:assistant:cold\nassistant::42 and cold\nuser::Bye\n"));
}

}  // namespace
}  // namespace toccata::testing
