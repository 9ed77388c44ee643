#include "agent/server/response_store.h"

#include <gtest/gtest.h>

namespace toccata::server {
namespace {

ItemText item(std::string text) { return std::make_shared<const std::string>(std::move(text)); }

std::shared_ptr<StoredResponse> response(const std::string& id, std::vector<ItemText> input = {}) {
  return std::make_shared<StoredResponse>(id, std::move(input), /*in_background=*/false);
}

TEST(ResponseStore, FindsResponsesAndTheirItems) {
  ResponseStore store;
  const auto first = response("a", {item("input")});
  store.add(first);
  EXPECT_FALSE(store.find("a")->is_finished());
  store.finish(*first, "{}", {{"msg_1", item("output")}}, "");
  EXPECT_TRUE(store.find("a")->is_finished());
  EXPECT_EQ("{}", store.find("a")->json());
  EXPECT_EQ("output", *store.find_item("msg_1"));
  EXPECT_EQ(nullptr, store.find("b"));
  EXPECT_TRUE(store.erase("a"));
  EXPECT_FALSE(store.erase("a"));
  EXPECT_EQ(nullptr, store.find_item("msg_1"));
}

TEST(ResponseStore, TheOldestFinishedOnesGoFirst) {
  ResponseStore store({.responses_max = 2});
  const auto running = response("running"), old = response("old"), latest = response("latest");
  store.add(running);
  store.add(old);
  store.finish(*old, "{}", {}, "");
  store.add(latest);
  EXPECT_NE(nullptr, store.find("running"));
  EXPECT_EQ(nullptr, store.find("old"));
  EXPECT_NE(nullptr, store.find("latest"));
}

TEST(ResponseStore, BytesAreBounded) {
  ResponseStore store({.responses_max = 100, .bytes_max = 1000});
  for (int i = 0; i < 10; ++i) {
    const auto one = response(std::to_string(i), {item(std::string(300, 'x'))});
    store.add(one);
    store.finish(*one, "{}", {}, "");
  }
  int kept = 0;
  for (int i = 0; i < 10; ++i) kept += store.find(std::to_string(i)) != nullptr ? 1 : 0;
  EXPECT_EQ(3, kept);
  EXPECT_NE(nullptr, store.find("9"));
}

TEST(ResponseStore, ErasingOneThatRunsStopsIt) {
  ResponseStore store;
  const auto one = response("a"), other = response("b");
  store.add(one);
  store.add(other);
  store.erase("a");
  EXPECT_TRUE(one->stop.stop_requested());
  EXPECT_FALSE(other->stop.stop_requested());
  store.cancel_all();
  EXPECT_TRUE(other->stop.stop_requested());
}

}  // namespace
}  // namespace toccata::server
