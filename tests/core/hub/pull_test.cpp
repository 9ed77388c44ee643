#include "core/hub/pull.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/hub/digest.h"
#include "tests/support/loopback_server.h"
#include "tests/support/temp_folder.h"

namespace toccata::hub {
namespace {

using ::testing::HasSubstr;
using testing::Connection;
using testing::http_answer;
using testing::LoopbackServer;
using testing::TempFolder;

constexpr const char* kCommit = "0123456789012345678901234567890123456789";

std::string listing(const std::string& siblings) {
  return R"({"sha": ")" + std::string(kCommit) + R"(", "siblings": [)" + siblings + "]}";
}

LoopbackServer hub_saying(std::string body) {
  return LoopbackServer([body = std::move(body)](const std::string&, Connection& connection) {
    connection.send(http_answer("200 OK", "application/json", body));
  });
}

Result<PullOutcome> pull_from(const LoopbackServer& server, const TempFolder& folder, std::uint64_t free) {
  PullRequest request{.repo = "a/b", .hub_cache = folder.path()};
  request.free_bytes = [free](const std::filesystem::path&) { return Result<std::uint64_t>(free); };
  HubAccess access{.endpoint = server.url(), .tries = 1};
  return pull(request, access, {}, {});
}

TEST(PullTest, ADiskTooFullIsToldBeforeAnythingIsFetched) {
  const std::string id(64, 'a');
  auto server = hub_saying(listing(
      R"({"rfilename": "model.safetensors", "size": 13800000000, "lfs": {"sha256": ")" + id + R"("}})"
  ));
  TempFolder folder;
  const auto outcome = pull_from(server, folder, 4'200'000'000);
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().code, ErrorCode::kResourceExhausted);
  EXPECT_THAT(outcome.error().message, HasSubstr("13.8 GB"));
  EXPECT_THAT(outcome.error().message, HasSubstr("4.2 GB are free"));
  EXPECT_EQ(server.requests().size(), 1u);
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
}

TEST(PullTest, ListingsThatAreNoneAreRefused) {
  const std::string deep = std::string(100'000, '[');
  for (const std::string& body :
       {std::string(), std::string("<html>"), std::string("[]"), std::string("{}"), deep,
        std::string(R"({"sha": "../../x", "siblings": []})"), listing("3"), listing(R"({"rfilename": 7})"),
        listing(R"({"rfilename": "../x"})"),
        listing(R"({"rfilename": "a.gguf", "size": 999999999999999999, "blobId": ")" + std::string(40, 'a') + "\"}")}) {
    auto server = hub_saying(body);
    TempFolder folder;
    const auto outcome = pull_from(server, folder, 1 << 20);
    ASSERT_FALSE(outcome) << body.substr(0, 100);
    EXPECT_EQ(outcome.error().code, ErrorCode::kCorrupt) << outcome.error().message;
  }
}

TEST(PullTest, BytesReadAsPeopleWriteThem) {
  EXPECT_EQ(bytes_text(12), "12 bytes");
  EXPECT_EQ(bytes_text(2'500'000), "2.5 MB");
  EXPECT_EQ(bytes_text(999'970), "1.0 MB");
  EXPECT_EQ(bytes_text(13'800'000'000), "13.8 GB");
}

}  // namespace
}  // namespace toccata::hub
