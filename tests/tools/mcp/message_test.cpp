#include "core/base/json.h"
#include "tools/mcp/message.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <random>

namespace toccata::tools::mcp {
namespace {

using Kind = Message::Kind;

TEST(McpMessage, TellsRequestsNotificationsAndResponsesApart) {
  const Result<Message> request = parse_message(R"({"jsonrpc":"2.0","id":7,"method":"a","params":{"b":1}})");
  ASSERT_TRUE(request);
  EXPECT_EQ(Kind::kRequest, request->kind);
  EXPECT_EQ(Json(7), request->id);
  EXPECT_EQ("a", request->method);
  EXPECT_EQ(Json({{"b", 1}}), request->body);
  EXPECT_EQ(Kind::kNotification, parse_message(R"({"jsonrpc":"2.0","method":"a"})")->kind);
  const Result<Message> result = parse_message(R"({"jsonrpc":"2.0","id":"x","result":[1]})");
  EXPECT_EQ(Kind::kResponse, result->kind);
  EXPECT_FALSE(result->error);
  const Result<Message> error = parse_message(R"({"jsonrpc":"2.0","id":1,"error":{"code":-32601,"message":"no","data":{"d":2}}})");
  ASSERT_TRUE(error && error->error);
  EXPECT_EQ(kMethodNotFound, error->error->code);
  EXPECT_EQ("no", error->error->message);
  EXPECT_EQ(Json({{"d", 2}}), error->error->data);
  // A parse error of the other side has no id.
  EXPECT_TRUE(parse_message(R"({"jsonrpc":"2.0","id":null,"error":{"code":"odd"}})")->error);
}

TEST(McpMessage, SaysWhatIsWrongWithWhatIsNone) {
  const std::pair<std::string, const char*> cases[] = {
      {"hello", "not JSON"},
      {"[1]", "not a JSON object"},
      {R"({"id":1,"result":1})", "not JSON-RPC 2.0"},
      {R"({"jsonrpc":"1.0","id":1,"result":1})", "not JSON-RPC 2.0"},
      {R"({"jsonrpc":"2.0","id":{},"result":1})", "the id is neither"},
      {R"({"jsonrpc":"2.0","id":1.5,"result":1})", "the id is neither"},
      {R"({"jsonrpc":"2.0","id":1,"method":2})", "the method is no string"},
      {R"({"jsonrpc":"2.0","id":1})", "neither method, result nor error"},
      {R"({"jsonrpc":"2.0","id":1,"error":3})", "its error is no object"},
      {std::string(100000, '['), "nested too deeply"},
      {"\xff\xfe", "not JSON"},
  };
  for (const auto& [text, expected] : cases) {
    const Result<Message> read = parse_message(text);
    ASSERT_FALSE(read) << excerpt(text);
    EXPECT_EQ(ErrorCode::kCorrupt, read.error().code);
    EXPECT_NE(std::string::npos, read.error().message.find(expected)) << read.error().message;
    EXPECT_LT(read.error().message.size(), 300u);
  }
  std::string members = "{";
  for (int i = 0; i < 5000; ++i) members += "\"" + std::to_string(i) + "\":0,";
  EXPECT_NE(std::string::npos, parse_object(members + "\"x\":0}").error().message.find("too many members"));
}

TEST(McpMessage, WritesWhatItReads) {
  const Result<Message> request = parse_message(request_text(3, "tools/call", {{"z", 1}, {"a", "\xffq"}}));
  ASSERT_TRUE(request);
  EXPECT_EQ(Json(3), request->id);
  EXPECT_EQ("z", request->body.begin().key()) << "the order of keys is kept";
  EXPECT_EQ(Kind::kNotification, parse_message(notification_text("n", Json::object()))->kind);
  EXPECT_EQ(Json({{"r", 1}}), parse_message(result_text("id", {{"r", 1}}))->body);
  EXPECT_EQ(-5, parse_message(error_text(1, -5, "m", {{"d", 1}}))->error->code);
  EXPECT_EQ(std::string::npos, error_text(1, -5, "two\nlines").find('\n')) << "one message, one line";
}

TEST(McpMessage, ExcerptsAreOneLineOfWholeCharacters) {
  EXPECT_EQ("a b c", excerpt("a\nb\x1b" "c"));
  for (std::size_t n = 0; n < 12; ++n) {
    const std::string shown = excerpt("äöü€😀 and so on", n);
    EXPECT_NO_THROW((void)nlohmann::json(shown).dump()) << n;
  }
}

std::vector<std::string> lines_of(LineReader& reader) {
  std::vector<std::string> lines;
  while (auto line = reader.next()) lines.push_back((line->too_long ? "!" : "") + line->text);
  return lines;
}

TEST(McpMessage, LinesAreTheSameHoweverTheyAreCut) {
  const std::string text = "one\r\n\n\ntwo\nthirteen bytes\nx";
  std::mt19937 random(1);
  for (int round = 0; round < 200; ++round) {
    LineReader reader(8);
    std::vector<std::string> lines;
    for (std::size_t at = 0; at < text.size();) {
      const std::size_t n = 1 + random() % 7;
      reader.push(std::string_view(text).substr(at, n));
      at += n;
      for (std::string& line : lines_of(reader)) lines.push_back(std::move(line));
    }
    EXPECT_EQ((std::vector<std::string>{"one", "two", "!thirteen "}), lines);
    EXPECT_EQ("x", reader.take_rest());
  }
}

}  // namespace
}  // namespace toccata::tools::mcp
