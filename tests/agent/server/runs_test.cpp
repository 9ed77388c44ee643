// The runs routes over a made ledger, and runs of an agent that a test plays.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agent/store/ledger.h"
#include "core/base/json.h"
#include "tests/support/live_server.h"
#include "tests/support/temp_folder.h"

namespace toccata::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class RunsTest : public ::testing::Test {
 protected:
  std::unique_ptr<LiveServer> serve(std::shared_ptr<server::RunHost> host = nullptr, server::AccessOptions access = {}) {
    server::ServiceOptions service;
    service.ledger = path_;
    service.host = std::move(host);
    return std::make_unique<LiveServer>(std::vector<agent::ScriptedCompletion>{}, service, agent::ScriptedOptions{}, std::move(access));
  }

  // Two steps and a call, as the loop writes them.
  std::string add_run(const std::string& task, const std::string& output = "4") {
    auto ledger = store::Ledger::open(path_, [this] { return now_ += 100; }).value_or_throw();
    store::RunWriter run = ledger->create_run({.task = task, .model = "scripted", .params = R"({"seed":7})", .sandbox = "full"});
    const auto tokenizer = tokenizer::Tokenizer::o200k_harmony();
    run.append_tokens(store::SegmentKind::kPrompt, tokenizer->encode("<|start|>user<|message|>2+2?<|end|>", tokenizer::Specials::kAll));
    store::MessageRow message;
    message.role = "user";
    message.content = task;
    run.add_message(message);
    run.begin_step(1);
    run.append_tokens(store::SegmentKind::kSampled, tokenizer->encode("\xF0\x9F\xA6\x8A\xE2", tokenizer::Specials::kNone));
    run.first_token();
    message.role = "assistant";
    message.channel = "analysis";
    message.recipient = "python";
    message.content = "2+2";
    run.add_message(message);
    run.finish_step(10, 5, "call");
    const int call = run.begin_call({.recipient = "python", .arguments = "2+2", .effect = "effectful"});
    run.finish_call(call, {.status = "ok", .author = "python", .content = output, .files = {
        {"a b.png", 8, "\x89PNG\r\n\x1a\n"}, {"page.html", 8, "<script>"}, {"gone", {}, {}}}});
    run.begin_step(2);
    run.finish_step(3, 2, "final");
    run.note("notice", "odd");
    run.finish({.exit_code = 0, .terminal_reason = "final", .final = "4"});
    return run.id();
  }

  TempFolder folder_;
  std::filesystem::path path_ = folder_ / "runs.db";
  std::int64_t now_ = 1'800'000'000'000;
};

TEST_F(RunsTest, AreListedNewestFirstPageByPage) {
  for (int i = 0; i < 5; ++i) add_run("task " + std::to_string(i));
  const auto live = serve();
  std::string tasks, after;
  for (int n = 0; n < 9; ++n) {
    const Json page = live->get("/v1/toccata/runs?limit=2" + (after.empty() ? "" : "&after=" + after));
    for (const Json& run : page["data"]) tasks += run["task"].get<std::string>().back();
    if (!page["has_more"]) {
      EXPECT_EQ(1U, page["data"].size());
      break;
    }
    EXPECT_EQ(page["data"].back()["id"], page["last_id"]);
    after = page["last_id"];
  }
  EXPECT_EQ("43210", tasks);
  EXPECT_EQ(5U, live->get("/v1/toccata/runs")["data"].size());
}

TEST_F(RunsTest, OneRunTellsItsStepsMessagesCallsAndTimes) {
  const std::string id = add_run("2+2?");
  const auto live = serve();
  const Json run = live->get("/v1/toccata/runs/" + id);
  EXPECT_EQ("2+2?", run["task"]);
  EXPECT_EQ("done", run["status"]);
  EXPECT_EQ(7, run["params"]["seed"]);
  ASSERT_EQ(2U, run["steps"].size());
  const Json& step = run["steps"][0];
  EXPECT_LT(step["started_ms"].get<std::int64_t>(), step["first_token_ms"].get<std::int64_t>());
  EXPECT_LT(step["first_token_ms"].get<std::int64_t>(), step["finished_ms"].get<std::int64_t>());
  EXPECT_FALSE(run["steps"][1].contains("first_token_ms"));
  const Json& call = run["calls"][0];
  EXPECT_EQ("4", call["result"]["content"]);
  EXPECT_LT(call["started_ms"].get<std::int64_t>(), call["finished_ms"].get<std::int64_t>());
  EXPECT_EQ("odd", run["notes"][0]["detail"]);
  EXPECT_EQ(run, live->get("/v1/toccata/runs/last"));
}

TEST_F(RunsTest, FilesAreGivenAndNoneIsTakenForAPage) {
  const std::string id = add_run("2+2?");
  const auto live = serve();
  const std::string file = "/v1/toccata/runs/" + id + "/file?path=";
  const Json files = live->get("/v1/toccata/runs/" + id)["calls"][0]["files"];
  EXPECT_EQ((Json{{{"path", "a b.png"}, {"size", 8}}, {{"path", "gone"}, {"size", nullptr}}, {{"path", "page.html"}, {"size", 8}}}), files);
  const net::Response picture = live->send("GET", file + "a%20b.png&call=1");
  EXPECT_EQ("\x89PNG\r\n\x1a\n", picture.body);
  EXPECT_EQ("image/png", picture.header("content-type"));
  const net::Response page = live->send("GET", file + "page.html");
  EXPECT_EQ("<script>", page.body);
  EXPECT_EQ("application/octet-stream", page.header("content-type"));
  EXPECT_EQ("nosniff", page.header("x-content-type-options"));
  EXPECT_EQ("attachment", page.header("content-disposition"));
  for (const char* none : {"gone", "", "..%2Fruns.db", "other"}) EXPECT_EQ(404, live->send("GET", file + none).status) << none;
  EXPECT_EQ(400, live->send("GET", file + "page.html&call=-1").status);
}

TEST_F(RunsTest, ALongTextIsCutBetweenCharactersAndSaysSo) {
  std::string output;
  while (output.size() < 200'001) output += "\xE2\x82\xAC";
  const auto id = add_run("long", output);
  const Json run = serve()->get("/v1/toccata/runs/" + id);
  const Json& result = run["calls"][0]["result"];
  EXPECT_EQ(output.size(), result["content_bytes"].get<std::size_t>());
  const auto text = result["content"].get<std::string>();
  EXPECT_LE(text.size(), std::size_t{128} << 10);
  EXPECT_TRUE(output.starts_with(text)) << "nothing was replaced";
  EXPECT_FALSE(run["messages"][0].contains("content_bytes"));
}

TEST_F(RunsTest, TokensComeWithTheirTextsPageByPage) {
  const std::string id = add_run("2+2?");
  const auto live = serve();
  const Json all = live->get("/v1/toccata/runs/" + id + "/tokens");
  EXPECT_TRUE(all["next"].is_null());
  ASSERT_EQ(2U, all["segments"].size());
  const Json& prompt = all["segments"][0];
  EXPECT_EQ("prompt", prompt["kind"]);
  EXPECT_EQ("<|start|>", prompt["texts"][0]);
  EXPECT_EQ("user", prompt["texts"][1]);
  EXPECT_EQ(0, prompt["special"][0]);
  EXPECT_THAT(all["segments"][1]["texts"].back().get<std::string>(), HasSubstr("<e2>")) << "bytes that are no text";
  const auto n_tokens = all["n_tokens"].get<std::size_t>();
  Json tokens = Json::array();
  for (Json next = 0; !next.is_null();) {
    const Json page = live->get("/v1/toccata/runs/" + id + "/tokens?limit=4&offset=" + json_text(next));
    for (const Json& segment : page["segments"]) {
      EXPECT_EQ(segment["tokens"].size(), segment["texts"].size());
      for (const Json& token : segment["tokens"]) tokens.push_back(token);
    }
    next = page["next"];
  }
  EXPECT_EQ(n_tokens, tokens.size());
  EXPECT_EQ(0U, live->get("/v1/toccata/runs/" + id + "/tokens?offset=999999")["segments"].size());
}

TEST_F(RunsTest, WrongIdsAndNumbersAreToldApart) {
  add_run("a");
  const auto live = serve();
  for (const char* path : {"/none", "/", "/UPPER", "/a'b", "/x/y", "/%00", "/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "/none/tokens", "//tokens"}) {
    EXPECT_EQ(404, live->send("GET", std::string("/v1/toccata/runs") + path).status) << path;
  }
  for (const char* query : {"limit=0", "limit=101", "limit=x", "limit=-1"}) {
    EXPECT_EQ(400, live->send("GET", std::string("/v1/toccata/runs?") + query).status) << query;
  }
  for (const char* query : {"offset=-1", "limit=8193", "offset=1e3"}) {
    EXPECT_EQ(400, live->send("GET", std::string("/v1/toccata/runs/last/tokens?") + query).status) << query;
  }
  EXPECT_EQ(0U, live->get("/v1/toccata/runs?after=gone")["data"].size());
  EXPECT_EQ(404, live->send("GET", "/v1/toccata/runs?after=';drop").status);
  EXPECT_EQ(404, live->send("GET", "/v1/toccata/runsx").status);
  EXPECT_EQ(405, live->send("DELETE", "/v1/toccata/runs/last").status);
}

TEST_F(RunsTest, NobodyElsesPageReadsThemNotEvenAnAllowedOne) {
  add_run("private");
  const auto live = serve(nullptr, {.api_keys = {"k"}, .cors_origins = {"*"}});
  const std::pair<std::string, std::string> key = {"x-api-key", "k"};
  EXPECT_EQ(401, live->send("GET", "/v1/toccata/runs").status);
  EXPECT_EQ(200, live->send("GET", "/v1/toccata/runs", "", {key}).status);
  EXPECT_EQ(200, live->send("GET", "/v1/models", "", {key, {"Origin", "https://chat.example"}}).status);
  const net::Response refused = live->send("GET", "/v1/toccata/runs", "", {key, {"Origin", "https://chat.example"}});
  EXPECT_EQ(403, refused.status);
  EXPECT_THAT(refused.body, ::testing::Not(HasSubstr("private")));
  EXPECT_EQ(403, live->send("POST", "/v1/toccata/runs", R"({"input":"x"})", {key, {"Origin", "https://chat.example"}}).status);
}

TEST_F(RunsTest, WithoutALedgerNothingIsShownAndTheStatusSaysIt) {
  LiveServer live(std::vector<std::string>{});
  EXPECT_EQ(403, live.send("GET", "/v1/toccata/runs").status);
  EXPECT_EQ(403, live.send("POST", "/v1/toccata/runs", R"({"input":"x"})").status);
  const Json status = live.get("/v1/toccata/status");
  EXPECT_EQ(false, status["runs"]);
  EXPECT_TRUE(status["agent"].is_null());
  EXPECT_EQ(true, serve()->get("/v1/toccata/status")["runs"]);
}

// Answers "OK" to every message; "fail" finds no sandbox.
class PlayedHost : public server::RunHost {
 public:
  std::vector<std::string> tools() const override { return {"python"}; }
  agent::RunOutcome run(const server::RunOrder& order, const agent::EventSink& sink, std::stop_token) override {
    if (order.input == "fail") throw Exception(ErrorCode::kUnavailable, "no sandbox here");
    if (order.run == "gone") return {.exit_code = 2, .terminal_reason = "cannot_resume", .message = "no run 'gone'", .final = {}, .run_id = {}, .usage = {}};
    sink(agent::ThreadStarted{order.run.empty() ? "new" : order.run});
    sink(agent::ItemCompleted{{"item_0", agent::AgentMessageItem{.text = order.input + order.reasoning + " OK"}}});
    if (order.input == "twice") nested = again();
    sink(agent::TurnCompleted{});
    return {.exit_code = 0, .terminal_reason = "final", .message = {}, .final = "OK", .run_id = "new", .usage = {}};
  }
  bool steer(const std::string& id, const std::string& input) override {
    if (id != "new") return false;
    steered += input;
    return true;
  }
  std::function<int()> again;
  std::string steered;
  int nested = 0;
};

TEST_F(RunsTest, AnAgentRunsAndItsEventsStream) {
  const auto host = std::make_shared<PlayedHost>();
  const auto live = serve(host);
  EXPECT_EQ(Json({"python"}), live->get("/v1/toccata/status")["agent"]["tools"]);
  const auto events = live->events("POST", "/v1/toccata/runs", R"({"input":"hello","reasoning":"low"})");
  ASSERT_EQ(3U, events.size());
  EXPECT_EQ("new", events[0]["thread_id"]);
  EXPECT_EQ("hellolow OK", events[1]["item"]["text"]);
  EXPECT_EQ("turn.completed", events[2]["type"]);
  EXPECT_THAT(live->send("GET", "/metrics").body, HasSubstr("\ntoccata_agent_turns_total 1\n"));
  // A run has one writer: whoever wants to write it meanwhile is told.
  host->again = [&] {
    net::Client client;
    return live->send_by(client, "POST", "/v1/toccata/runs", R"({"input":"hello","run":"new"})").status;
  };
  live->events("POST", "/v1/toccata/runs", R"({"input":"twice"})");
  EXPECT_EQ(409, host->nested);
  EXPECT_EQ(200, host->again()) << "and may once it has ended";
}

TEST_F(RunsTest, ARunThatIsUnderWayCanBeSteered) {
  const auto host = std::make_shared<PlayedHost>();
  const auto live = serve(host);
  EXPECT_EQ(200, live->send("POST", "/v1/toccata/runs/new/steer", R"({"input":"Be brief."})").status);
  EXPECT_EQ("Be brief.", host->steered);
  EXPECT_EQ(409, live->send("POST", "/v1/toccata/runs/old/steer", R"({"input":"Be brief."})").status);
  EXPECT_EQ(400, live->send("POST", "/v1/toccata/runs/new/steer", "{}").status);
  EXPECT_EQ(409, serve()->send("POST", "/v1/toccata/runs/new/steer", R"({"input":"x"})").status);
}

TEST_F(RunsTest, ARunIsForkedAtAStep) {
  const std::string id = add_run("2+2?");
  const auto live = serve();
  const Json fork = live->post("/v1/toccata/runs/" + id + "/fork", {{"step", 1}});
  EXPECT_NE(id, fork["id"]);
  const Json run = live->get("/v1/toccata/runs/" + fork["id"].get<std::string>());
  EXPECT_EQ(1U, run["steps"].size());
  EXPECT_EQ(id, run["forked_from"]["run"]);
  const std::string path = "/v1/toccata/runs/" + id + "/fork";
  EXPECT_EQ(400, live->send("POST", path, R"({"step":9})").status);
  EXPECT_EQ(400, live->send("POST", path, "{}").status);
  EXPECT_EQ(404, live->send("POST", "/v1/toccata/runs/none/fork", R"({"step":0})").status);
  EXPECT_EQ(404, live->send("POST", "/v1/toccata/runs//fork", R"({"step":0})").status);
  EXPECT_EQ(405, live->send("POST", "/v1/toccata/runs/" + id, R"({"step":0})").status);
}

TEST_F(RunsTest, AnswersSayWhatTheyCite) {
  {
    auto ledger = store::Ledger::open(path_).value_or_throw();
    store::RunWriter run = ledger->create_run({.task = "Why?", .model = "scripted", .params = "{}", .sandbox = "full"});
    run.begin_step(1);
    store::MessageRow page;
    page.role = "tool";
    page.name = "browser.open";
    page.content = "[2] The sea (https://sea.example/)\n**viewing lines [0 - 1] of 2**\n\nL0: Salt comes from rivers.\nL1: It stays.";
    run.add_message(page);
    store::MessageRow answer;
    answer.role = "assistant";
    answer.channel = "final";
    answer.content = "\u00c9: rivers carry the salt \u30102\u2020L0\u3011, not wind \u30109\u2020L0\u3011.";
    run.add_message(answer);
    run.finish_step(10, 5, "stop");
    run.finish({.exit_code = 0, .terminal_reason = "final", .final = answer.content});
  }
  const Json messages = serve()->get("/v1/toccata/runs/last")["messages"];
  EXPECT_FALSE(messages[0].contains("annotations"));
  const Json& cited = messages[1]["annotations"];
  ASSERT_EQ(1U, cited.size()) << "a marker that leads nowhere is text";
  EXPECT_EQ("https://sea.example/", cited[0]["url"]);
  EXPECT_EQ("Salt comes from rivers.", cited[0]["quote"]);
  EXPECT_EQ(25, cited[0]["start_index"]) << "in characters";
  EXPECT_EQ(31, cited[0]["end_index"]);
}

TEST(MetricsTest, CountTokensOfSessionsAtWorkAndOnesSampled) {
  LiveServer live({"<|channel|>final<|message|>one two three<|return|>"});
  live.post("/v1/chat/completions", {{"messages", Json::array({{{"role", "user"}, {"content", "hi"}}})}});
  const std::string metrics = live.send("GET", "/metrics").body;
  EXPECT_THAT(metrics, HasSubstr("\ntoccata_active_session_tokens 0\n"));
  const auto value = [&](const std::string& name) {
    const auto at = metrics.find("\n" + name + " ");
    return at == std::string::npos ? -1 : std::stol(metrics.substr(at + name.size() + 2));
  };
  EXPECT_GT(value("toccata_sampled_tokens_total"), 5);
  EXPECT_EQ(value("toccata_output_tokens_total"), value("toccata_sampled_tokens_total"));
  EXPECT_GT(value("toccata_idle_session_tokens"), value("toccata_sampled_tokens_total"));
}

TEST_F(RunsTest, ARunThatCannotBeginIsAnError) {
  const auto live = serve(std::make_shared<PlayedHost>());
  const net::Response answer = live->send("POST", "/v1/toccata/runs", R"({"input":"fail"})");
  EXPECT_EQ(500, answer.status);
  EXPECT_THAT(answer.body, HasSubstr("no sandbox here"));
  EXPECT_EQ(404, live->send("POST", "/v1/toccata/runs", R"({"input":"x","run":"gone"})").status);
  for (const char* body : {"{}", R"({"input":""})", R"({"input":3})", R"({"input":"x","reasoning":"max"})", "[]", "{"}) {
    EXPECT_EQ(400, live->send("POST", "/v1/toccata/runs", body).status) << body;
  }
}

}  // namespace
}  // namespace toccata::testing
