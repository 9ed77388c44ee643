#include "agent/model/sse_reader.h"

#include <gtest/gtest.h>

#include <vector>

namespace toccata::agent {
namespace {

std::vector<std::string> events_of(std::string_view stream, std::size_t cut) {
  SseReader reader(1000);
  std::vector<std::string> events;
  for (const auto part : {stream.substr(0, cut), stream.substr(cut)}) {
    EXPECT_TRUE(reader.push(part));
    while (auto event = reader.next()) events.push_back(*event);
  }
  return events;
}

TEST(SseReaderTest, ReadsEventsCutAnywhere) {
  const std::string_view stream =
      ": ping\r\n\r\ndata: {\"a\":1}\r\n\r\nid: 7\nevent: x\ndata:two\ndata: lines\n\ndata: "
      "[DONE]\n\n";
  const std::vector<std::string> expected = {"{\"a\":1}", "two\nlines", "[DONE]"};
  for (std::size_t cut = 0; cut <= stream.size(); ++cut) {
    EXPECT_EQ(events_of(stream, cut), expected) << "cut at " << cut;
  }
}

TEST(SseReaderTest, AnErrorFieldIsAnErrorEvent) {
  EXPECT_EQ(
      events_of("error: {\"code\":500}\n\n", 3),
      std::vector<std::string>{"{\"error\":{\"code\":500}}"}
  );
}

TEST(SseReaderTest, RefusesALineWithoutEnd) {
  SseReader reader(100);
  EXPECT_TRUE(reader.push(std::string(100, 'a')));
  const auto pushed = reader.push("a");
  ASSERT_FALSE(pushed);
  EXPECT_EQ(pushed.error().code, ErrorCode::kResourceExhausted);
}

TEST(SseReaderTest, RefusesAnEventWithoutEnd) {
  SseReader reader(100);
  Result<void> pushed;
  for (int i = 0; i < 20 && pushed; ++i) pushed = reader.push("data: 0123456789\n");
  ASSERT_FALSE(pushed);
}

}  // namespace
}  // namespace toccata::agent
