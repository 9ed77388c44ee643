#include "agent/cli/dev_encode.h"
#include "core/base/json.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <sstream>

namespace toccata::cli {
namespace {

using nlohmann::json;

template <class Verb, class Options>
std::vector<json> answers(Verb verb, const Options& options, const std::string& requests) {
  std::istringstream in(requests);
  std::ostringstream out;
  EXPECT_EQ(verb(options, in, out), 0);
  std::vector<json> lines;
  std::istringstream written(out.str());
  for (std::string line; std::getline(written, line);) lines.push_back(json_from_valid<json>(line));
  return lines;
}
std::vector<json> encode(const std::string& requests) {
  return answers(dev_encode, DevEncodeOptions{}, requests);
}
std::vector<json> decode(const std::string& requests) {
  return answers(dev_decode, DevDecodeOptions{}, requests);
}

TEST(DevEncodeTest, AnswersEveryLine) {
  const auto lines = encode(R"({"id":1,"text":"hello<|end|>","allowed_special":"all"})"
                            "\n"
                            R"({"id":"b","text":"<|end|>"})"
                            "\nnot json\n"
                            R"({"id":2,"text":"","allowed_special":"none"})"
                            "\n");
  ASSERT_EQ(lines.size(), 4U);
  EXPECT_EQ(lines[0], (json{{"id", 1}, {"result", {{"tokens", {24912, 200007}}}}}));
  EXPECT_EQ(lines[1].at("id"), "b");
  EXPECT_EQ(lines[1].at("result").at("tokens").size(), 5U);
  EXPECT_TRUE(lines[2].at("result").contains("error"));
  EXPECT_EQ(lines[3].at("result"), (json{{"tokens", json::array()}}));
}

TEST(DevEncodeTest, SaysWhatIsWrongWithARequest) {
  for (const char* request :
       {R"({"id":1})",
        R"({"id":1,"text":5})",
        R"({"id":1,"text":"a","allowed_special":"some"})",
        R"({"id":1,"text":"a","allowed_special":[]})"}) {
    EXPECT_TRUE(encode(request).at(0).at("result").contains("error")) << request;
  }
}

TEST(DevDecodeTest, GivesTextOrTheReasonThereIsNone) {
  const auto result = [](const std::string& tokens) {
    return decode(R"({"id":1,"tokens":)" + tokens + "}").at(0).at("result");
  };
  EXPECT_EQ(result("[24912,200018]"), (json{{"text", "hello<|endofprompt|>"}}));
  EXPECT_EQ(result("[]"), (json{{"text", ""}}));
  for (const char* bad :
       {"[201088]", "[-1]", "[4294967296]", "[1.5]", "[\"1\"]", "5", "[128]", "null"}) {
    EXPECT_TRUE(result(bad).contains("error")) << bad;
  }
}

TEST(DevEncodeTest, ReadsAnotherTokenizer) {
  const DevEncodeOptions options{TOCCATA_SOURCE_DIR "/tests/core/tokenizer/tiny_tokenizer.json"};
  const auto lines = answers(dev_encode, options, R"({"id":1,"text":"x# Tools\n\n"})");
  EXPECT_EQ(lines.at(0).at("result"), (json{{"tokens", {87, 342}}}));
}

}  // namespace
}  // namespace toccata::cli
