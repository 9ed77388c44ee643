#include "agent/cli/dev_sandbox.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <sstream>

#include "core/base/json.h"
#include "sandbox/sandbox.h"

namespace toccata::cli {
namespace {

using nlohmann::json;

std::vector<json> talk(
    const std::vector<std::string>& lines, const std::string& level = "full-nocg"
) {
  std::stringstream in, out;
  for (const std::string& line : lines) in << line << '\n';
  EXPECT_EQ(dev_sandbox({.level = level, .policy = {}}, in, out), 0);
  std::vector<json> answers;
  for (std::string line; std::getline(out, line);) answers.push_back(json_from_valid<json>(line));
  return answers;
}

class DevSandboxTest : public testing::Test {
 protected:
  void SetUp() override {
    const auto sandbox = sandbox::Sandbox::create({});
    if (!sandbox.ok()) GTEST_SKIP() << sandbox.error().message;
  }
};

TEST_F(DevSandboxTest, ASessionFromOpenToClose) {
  const auto a = talk({
      R"({"op":"open"})",
      R"j({"op":"execute","session":"s1","code":"open('a.txt','w').write('hi')\nprint(1+1)","timeout":30})j",
      R"({"op":"list","session":"s1"})",
      R"({"op":"download","session":"s1","path":"/mnt/data/a.txt"})",
      R"({"op":"upload","session":"s1","path":"b.txt","b64":"eHl6"})",
      R"j({"op":"execute","session":"s1","code":"open('b.txt').read()"})j",
      R"({"op":"close","session":"s1"})",
      R"({"op":"quit"})",
      R"({"op":"open"})",
  });
  ASSERT_EQ(a.size(), 8U) << "nothing is answered after quit";
  EXPECT_EQ(a[0]["session"], "s1");
  EXPECT_TRUE(a[0].contains("level"));
  EXPECT_EQ(a[1]["status"], "ok");
  EXPECT_EQ(a[1]["output"], "2");
  EXPECT_EQ(a[1]["truncated"], 0);
  EXPECT_EQ(a[1]["restarted"], false);
  EXPECT_EQ(a[1]["state_lost"], false);
  EXPECT_EQ(a[1]["artifacts"], json_from_valid<json>(R"([{"name":"a.txt","size":2}])"));
  EXPECT_TRUE(a[1]["duration_ms"].is_number_integer());
  EXPECT_EQ(a[2], json_from_valid<json>(R"({"ok":true,"files":[{"name":"a.txt","size":2}]})"));
  EXPECT_EQ(a[3], json_from_valid<json>(R"({"ok":true,"b64":"aGk="})"));
  EXPECT_EQ(a[5]["output"], "'xyz'");
  EXPECT_EQ(a[6], json::object());
}

TEST_F(DevSandboxTest, BadLinesAreAnsweredAndTheStreamGoesOn) {
  const auto a = talk({
      "not json",
      "[1]",
      R"({"id":7,"op":"dance"})",
      R"({"op":"execute","session":"s9","code":"1"})",
      R"({"op":"open"})",
      R"({"op":"execute","session":"s1"})",
      R"({"op":"execute","session":"s1","code":"1","timeout":"soon"})",
      R"({"op":"execute","session":"s1","code":"1","timeout":-1})",
      R"({"op":"download","session":"s1","path":"../../etc/passwd"})",
      R"({"op":"upload","session":"s1","path":"a","b64":"%%%"})",
      R"({"id":"x","op":"execute","session":"s1","code":"1"})",
  });
  ASSERT_EQ(a.size(), 11U);
  for (const int i : {0, 1, 2, 3, 5, 6, 7}) EXPECT_TRUE(a[i].contains("error")) << a[i];
  EXPECT_EQ(a[2]["id"], 7);
  for (const int i : {8, 9}) EXPECT_EQ(a[i]["ok"], false) << a[i];
  EXPECT_EQ(a[10]["id"], "x");
  EXPECT_EQ(a[10]["output"], "1");
}

TEST_F(DevSandboxTest, AnUnreachableLevelIsAnAnswer) {
  const auto a = talk({R"({"op":"open"})"}, "fullest");
  ASSERT_EQ(a.size(), 1U);
  EXPECT_TRUE(a[0].contains("error"));
}

}  // namespace
}  // namespace toccata::cli
