// What a server keeps in its ledger: when the ledger fails, when it must not be touched, and conversations.
#include <gtest/gtest.h>

#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <future>

#include "agent/server/job_queue.h"
#include "agent/server/token_seal.h"
#include "agent/store/sqlite.h"
#include "tests/support/live_server.h"

namespace toccata::testing {
namespace {

// A server's ledger, which a second connection can spoil.
class StoredHistory : public ::testing::Test {
 protected:
  StoredHistory() : folder_(::testing::TempDir() + "/stored_" + ::testing::UnitTest::GetInstance()->current_test_info()->name()) {
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_);
    service_.archive = folder_ / "ledger.db";
  }
  ~StoredHistory() override { std::filesystem::remove_all(folder_); }

  // From now on no response can be written as finished.
  void break_ends() {
    store::Database(service_.archive).execute("CREATE TRIGGER full BEFORE UPDATE ON responses BEGIN SELECT RAISE(ABORT, 'no room'); END");
  }
  static Json error_of(const net::Response& answer, int status) {
    EXPECT_EQ(status, answer.status) << answer.body;
    return json_from_valid<Json>(answer.body)["error"];
  }

  const std::filesystem::path folder_;
  server::ServiceOptions service_;
};

std::vector<agent::ScriptedCompletion> hellos(int n) {
  return std::vector<agent::ScriptedCompletion>(static_cast<std::size_t>(n), {.text = says_final("Hello")});
}

TEST_F(StoredHistory, WhatCannotBeStoredHasFailed) {
  LiveServer server(hellos(4), service_);
  break_ends();
  const Json error = error_of(server.send("POST", "/v1/responses", R"({"input":"Hi"})"), 500);
  EXPECT_NE(std::string::npos, error["message"].get<std::string>().find("no room")) << error;
  const std::vector<Json> streamed = server.stream("/v1/responses", {{"input", "Hi"}});
  EXPECT_EQ("response.failed", streamed.back()["type"]);
  EXPECT_EQ(streamed.size() - 1, streamed.back()["sequence_number"]);
  // Its events end too, though nobody waits for it; and then the server is still there.
  const std::vector<Json> events = server.stream("/v1/responses", {{"input", "Hi"}, {"background", true}});
  EXPECT_EQ("response.failed", events.back()["type"]);
  const Json failed = server.get("/v1/responses/" + events.back()["response"]["id"].get<std::string>());
  EXPECT_EQ("failed", failed["status"]);
  EXPECT_EQ(events.back()["response"], failed);
  EXPECT_EQ("completed", server.post("/v1/responses", {{"input", "Hi"}, {"store", false}})["status"]);
}

TEST_F(StoredHistory, ALedgerThatFailsIsNoFullContext) {
  LiveServer server(hellos(1), service_);
  store::Database(service_.archive).execute("DROP TABLE responses");
  EXPECT_EQ("storage_error", error_of(server.send("POST", "/v1/responses", R"({"input":"Hi"})"), 500)["code"]);
}

TEST_F(StoredHistory, UnstoredResponsesDoNotTouchTheLedger) {
  LiveServer server(hellos(1), service_);
  store::Database other(service_.archive);
  other.execute("DROP TABLE response_steps");
  other.begin();  // nobody else can write now
  const Json said = {{"role", "assistant"}, {"content", "Yes?"}}, ask = {{"role", "user"}, {"content", "Hi"}};
  EXPECT_EQ("completed", server.post("/v1/responses", {{"input", {ask, said, ask}}, {"store", false}})["status"]);
}

TEST_F(StoredHistory, ABoxOfAnotherKeyIsToldWhereverItStands) {
  std::string id;
  {
    LiveServer server(hellos(1), service_);  // its key ends with it
    id = server.post("/v1/responses", {{"input", "Hi"}, {"include", {"reasoning.encrypted_content"}}})["id"];
  }
  LiveServer server(hellos(1), service_);
  const Json error = error_of(server.send("POST", "/v1/responses", json_text(Json({{"input", "x"}, {"previous_response_id", id}}))), 400);
  EXPECT_EQ("invalid_encrypted_content", error["code"]);
  EXPECT_EQ("previous_response_id", error["param"]);
}

TEST_F(StoredHistory, ItemsOfAConversationHaveTheirOwnIds) {
  LiveServer server(hellos(3), service_);
  const Json ask = {{"role", "user"}, {"content", "Hi"}};
  const std::string id = server.post("/v1/conversations", {{"items", {ask, ask, ask}}})["id"];
  const std::string items = "/v1/conversations/" + id + "/items";
  const std::string first = server.get(items + "?order=asc")["data"][0]["id"];
  EXPECT_EQ(200, server.send("DELETE", items + "/" + first).status);
  // As many items as when the last of them was added.
  EXPECT_EQ(1, server.post(items, {{"items", {ask}}})["data"].size());
  server.post("/v1/responses", {{"input", {ask, ask}}, {"conversation", id}});
  std::set<std::string> ids;
  const Json all = server.get(items + "?limit=100")["data"];
  for (const Json& item : all) ids.insert(item["id"].get<std::string>());
  EXPECT_EQ(6, all.size());
  EXPECT_EQ(6, ids.size());

  const Json named = {{"id", "msg_1"}, {"role", "user"}, {"content", "Hi"}};
  EXPECT_EQ(400, server.send("POST", items, json_text(Json({{"items", {named, named}}}))).status);
  server.post(items, {{"items", {named}}});
  EXPECT_EQ(400, server.send("POST", items, json_text(Json({{"items", {named}}}))).status);
  const Json again = {{"input", {named}}, {"conversation", id}};
  EXPECT_EQ("input", error_of(server.send("POST", "/v1/responses", json_text(again)), 400)["param"]);
  EXPECT_EQ(7, server.get(items + "?limit=100")["data"].size());
}

TEST_F(StoredHistory, WhatCannotBeReadIsNotAdded) {
  LiveServer server(hellos(1), service_);
  const std::string id = server.post("/v1/conversations", Json::object())["id"];
  const std::string items = "/v1/conversations/" + id + "/items";
  for (const char* item :
       {R"({"type":"dance"})", R"({"role":"king","content":"x"})", R"({"type":"function_call_output","call_id":"a","output":"x"})",
        R"({"role":"user","content":[{"type":"input_image","image_url":"x"}]})", R"({"type":"reasoning","encrypted_content":"tocc1.AAAA"})"}) {
    const std::string body = std::string(R"({"items":[)") + item + "]}";
    EXPECT_EQ("items", error_of(server.send("POST", items, body), 400)["param"]) << item;
    EXPECT_EQ("items", error_of(server.send("POST", "/v1/conversations", body), 400)["param"]) << item;
  }
  const Json call = {{"type", "function_call"}, {"call_id", "a"}, {"name", "f"}, {"arguments", "{}"}};
  server.post(items, {{"items", {call}}});
  server.post(items, {{"items", {{{"type", "function_call_output"}, {"call_id", "a"}, {"output", "x"}}}}});
  EXPECT_EQ("completed", server.post("/v1/responses", {{"conversation", id}})["status"]);
}

TEST_F(StoredHistory, TheKeyIsMadeThoughAnEarlierProcessLeftSomethingThere) {
  const std::filesystem::path key = folder_ / "server.key", left = folder_ / ("server.key." + std::to_string(getpid()));
  std::ofstream(left) << "half";
  const auto seal = server::TokenSeal::from_file(key);
  ASSERT_TRUE(seal.ok()) << seal.error().message;
  EXPECT_EQ(std::filesystem::perms::owner_read | std::filesystem::perms::owner_write, std::filesystem::status(key).permissions());
  EXPECT_EQ(2, std::distance(std::filesystem::directory_iterator(folder_), {}));
  const store::SampledStep step{std::string(32, 'k'), {1, 2}};
  EXPECT_EQ(step.tokens, server::TokenSeal::from_file(key).value_or_throw().open(seal->close(step))->tokens);
}

TEST(Citations, ALinkSpellsOutWhatWouldEndIt) {
  EXPECT_EQ("([e.org](https://e.org/a%3Cb%3E%28c%29%20d))", server::link_of({.url = "https://e.org/a<b>(c) d"}));
}

TEST(JobQueue, GoesOnBehindAJobThatThrows) {
  server::JobQueue queue(/*n_workers=*/1, /*waiting_max=*/2);
  std::promise<void> done;
  queue.push([] { throw std::runtime_error("thrown on purpose"); });
  queue.push([&done] { done.set_value(); });
  done.get_future().wait();
}

}  // namespace
}  // namespace toccata::testing
