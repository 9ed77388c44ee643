#include "tools/shell/shell_arguments.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace toccata::tools {
namespace {

using namespace std::chrono_literals;
using Argv = std::vector<std::string>;
using testing::HasSubstr;

Argv argv(const std::string& body) { return parse_shell_arguments(body).value_or_throw().command.argv; }

TEST(ShellArgumentsTest, TextIsForBashAndAnArrayIsAProgram) {
  EXPECT_EQ(argv(R"({"command": "ls -l | wc"})"), (Argv{"bash", "-c", "ls -l | wc"}));
  EXPECT_EQ(argv(R"({"command": ["bash", "-lc", "ls"]})"), (Argv{"bash", "-lc", "ls"}));
  EXPECT_EQ(argv(R"({"command": ["ls"]})"), Argv{"ls"});
}

TEST(ShellArgumentsTest, OtherHabitsOfModelsAreTaken) {
  EXPECT_EQ(argv(R"({"cmd": ["ls", "-l"]})"), (Argv{"ls", "-l"}));
  EXPECT_EQ(argv(R"({"command": ["ls -l | wc"]})"), (Argv{"bash", "-c", "ls -l | wc"}));
}

TEST(ShellArgumentsTest, FolderAndTimeAreOptional) {
  const auto plain = parse_shell_arguments(R"({"command": "ls"})").value_or_throw();
  EXPECT_EQ(plain.command.folder, ".");
  EXPECT_EQ(plain.timeout, 0ms);
  const auto full =
      parse_shell_arguments(R"({"command": "ls", "workdir": "a/b", "timeout_ms": 1500})").value_or_throw();
  EXPECT_EQ(full.command.folder, "a/b");
  EXPECT_EQ(full.timeout, 1500ms);
  EXPECT_EQ(parse_shell_arguments(R"({"command":"ls","workdir":null,"timeout":2.5e3})").value_or_throw().timeout, 2500ms);
}

TEST(ShellArgumentsTest, WrongOnesAreNamed) {
  const std::pair<const char*, const char*> wrong[] = {
      {"", "not a JSON object"},
      {"ls -l", "not a JSON object"},
      {"[]", "not a JSON object"},
      {"{}", "no \"command\""},
      {R"({"command": null})", "no \"command\""},
      {R"({"command": 3})", "neither a text nor an array"},
      {R"({"command": []})", "neither a text nor an array"},
      {R"({"command": ["ls", 3]})", "not a text"},
      {R"({"command": "ls", "workdir": 3})", "\"workdir\""},
      {R"({"command": "ls", "timeout_ms": 0})", "\"timeout_ms\""},
      {R"({"command": "ls", "timeout_ms": "9"})", "\"timeout_ms\""},
      {R"({"command": "ls", "timeout_ms": 1e300})", "\"timeout_ms\""},
  };
  for (const auto& [body, word] : wrong) {
    const auto parsed = parse_shell_arguments(body);
    ASSERT_FALSE(parsed.ok()) << body;
    EXPECT_THAT(parsed.error().message, HasSubstr(word));
    EXPECT_THAT(parsed.error().message, HasSubstr("Expected {\"command\""));
  }
}

}  // namespace
}  // namespace toccata::tools
