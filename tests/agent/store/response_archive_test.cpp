#include "agent/store/response_archive.h"

#include <gtest/gtest.h>

namespace toccata::store {
namespace {

ItemText text(std::string json) { return std::make_shared<const std::string>(std::move(json)); }

std::unique_ptr<ResponseArchive> open(const std::filesystem::path& path, std::int64_t now_ms = 0) {
  return ResponseArchive::open(path, /*days_kept=*/30, [now_ms] { return now_ms; }).value_or_throw();
}

class ResponseArchiveTest : public ::testing::Test {
 protected:
  ResponseArchiveTest() : path_(::testing::TempDir() + "/archive_" + ::testing::UnitTest::GetInstance()->current_test_info()->name() + ".db") { remove(); }
  ~ResponseArchiveTest() override { remove(); }
  void remove() {
    for (const char* end : {"", "-wal", "-shm"}) std::filesystem::remove(path_.string() + end);
  }
  const std::filesystem::path path_;
};

TEST_F(ResponseArchiveTest, AResponseOutlivesItsServer) {
  const std::string key(32, '\xfe');
  {
    auto archive = open(path_);
    archive->begin("a", /*background=*/true, "{1}");
    archive->finish("a", "{2}", {text("in"), text("in2")}, {{"msg_1", text("out")}}, {"e: 0\n\n", "e: 1\n\n"}, {{key, {5, 200'000}}});
    archive->begin("cut", /*background=*/false, "{3}");
  }
  auto archive = open(path_);
  const auto found = archive->find("a");
  ASSERT_TRUE(found);
  EXPECT_TRUE(found->finished && found->background);
  EXPECT_EQ("{2}", found->json);
  ASSERT_EQ(2, found->input.size());
  EXPECT_EQ("in2", *found->input[1]);
  EXPECT_EQ("out", *found->output.at(0));
  EXPECT_EQ((std::vector<std::string>{"e: 0\n\n", "e: 1\n\n"}), found->events);
  EXPECT_EQ("out", *archive->find_item("msg_1"));
  EXPECT_EQ((Tokens{5, 200'000}), archive->find_step(key));
  EXPECT_FALSE(archive->find_step(std::string(32, 'x')));
  EXPECT_FALSE(archive->find("cut")->finished);
  EXPECT_FALSE(archive->find("none"));
  // It is still a ledger, and a sound one.
  EXPECT_TRUE(Ledger::open(path_).value_or_throw()->check().empty());
}

TEST_F(ResponseArchiveTest, ErasedItemsStayWhereOthersUseThem) {
  auto archive = open(path_);
  const std::string key(32, 'k');
  archive->begin("a", false, "{}");
  archive->finish("a", "{}", {text("in")}, {{"msg_1", text("out")}}, {}, {{key, {1}}});
  archive->begin("b", false, "{}");
  archive->finish("b", "{}", {text("in"), text("out")}, {{"msg_2", text("more")}}, {}, {});
  EXPECT_TRUE(archive->erase("a"));
  EXPECT_FALSE(archive->erase("a"));
  EXPECT_EQ(nullptr, archive->find_item("msg_1"));
  EXPECT_FALSE(archive->find_step(key));
  ASSERT_EQ(2, archive->find("b")->input.size());
  EXPECT_EQ("out", *archive->find("b")->input[1]);
  // What was erased while it ran is not written any more.
  archive->begin("c", false, "{}");
  archive->erase("c");
  archive->finish("c", "{}", {}, {}, {}, {});
  EXPECT_FALSE(archive->find("c"));
}

TEST_F(ResponseArchiveTest, OldOnesAreForgotten) {
  constexpr std::int64_t kDay = 24LL * 3600 * 1000;
  open(path_, 0)->begin("old", false, "{}");
  open(path_, 20 * kDay)->begin("new", false, "{}");
  auto archive = open(path_, 31 * kDay);
  EXPECT_FALSE(archive->find("old"));
  EXPECT_TRUE(archive->find("new"));
}

TEST_F(ResponseArchiveTest, ConversationsGrowAndShrink) {
  auto archive = ConversationArchive::open(path_, [] { return 7000; }).value_or_throw();
  EXPECT_EQ(7000, archive->create("c", "{}", {{"1", text("one")}}).created_ms);
  EXPECT_TRUE(archive->append("c", {{"2", text("two")}, {"3", text("three")}}));
  EXPECT_TRUE(archive->erase_item("c", "2"));
  EXPECT_FALSE(archive->erase_item("c", "2"));
  EXPECT_TRUE(archive->set_metadata("c", "{\"a\":\"b\"}"));
  archive = ConversationArchive::open(path_).value_or_throw();
  EXPECT_EQ("{\"a\":\"b\"}", archive->find("c")->metadata);
  ASSERT_EQ(2, archive->items("c")->size());
  EXPECT_EQ("three", *archive->items("c")->at(1).json);
  EXPECT_TRUE(archive->erase("c"));
  EXPECT_FALSE(archive->erase("c"));
  EXPECT_FALSE(archive->items("c"));
  EXPECT_FALSE(archive->append("c", {}));
}

}  // namespace
}  // namespace toccata::store
