#include "tools/secrets/secrets.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <fstream>

#include "tests/support/temp_folder.h"

namespace toccata::tools {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class SecretsTest : public ::testing::Test {
 protected:
  void write(const std::string& name, const std::string& text, mode_t mode = 0600) {
    std::ofstream(folder_ / name) << text;
    chmod((folder_ / name).c_str(), mode);
  }
  testing::TempFolder folder_;
  std::map<std::string, std::string> variables_;
  Secrets secrets_{
      [this](const std::string& name) {
        const auto found = variables_.find(name);
        return found == variables_.end() ? std::nullopt : std::optional(found->second);
      },
      folder_ / "", folder_ / ""};
};

TEST_F(SecretsTest, AVariableComesBeforeAFileOfThatName) {
  secrets_.declare("KEY").value_or_throw();
  const auto missing = secrets_.value("KEY");
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code, ErrorCode::kNotFound);
  EXPECT_THAT(missing.error().message, HasSubstr("set the variable KEY, or write it into"));
  write("KEY", "of the file\n");
  EXPECT_EQ(secrets_.value("KEY").value_or_throw(), "of the file");
  variables_["KEY"] = "of the variable";
  EXPECT_EQ(secrets_.value("KEY").value_or_throw(), "of the variable");
  EXPECT_EQ(secrets_.redact("of the file, of the variable"), "[secret KEY], [secret KEY]");
}

TEST_F(SecretsTest, ASourceThatIsNamedIsTheOnlyOne) {
  write("key.txt", "from a file");
  variables_ = {{"A", "not asked for"}, {"OTHER", "from a variable"}};
  secrets_.declare("A", {.file = "~/key.txt"}).value_or_throw();
  secrets_.declare("B", {.variable = "OTHER"}).value_or_throw();
  EXPECT_EQ(secrets_.value("A").value_or_throw(), "from a file");
  EXPECT_EQ(secrets_.value("B").value_or_throw(), "from a variable");
  EXPECT_TRUE(secrets_.declare("A"));
  EXPECT_FALSE(secrets_.declare("A", {.variable = "A"}));
  EXPECT_EQ(secrets_.value("A").value_or_throw(), "from a file");
  EXPECT_TRUE(secrets_.declare("A", {.file = "~/key.txt"}));
}

TEST_F(SecretsTest, AFileThatOthersMayReadIsRefused) {
  secrets_.declare("KEY").value_or_throw();
  for (const mode_t mode : {0640, 0604, 0620, 0666}) {
    write("KEY", "long enough", mode);
    const auto value = secrets_.value("KEY");
    ASSERT_FALSE(value) << mode;
    EXPECT_EQ(value.error().code, ErrorCode::kPermissionDenied);
    EXPECT_THAT(value.error().message, HasSubstr("chmod 600"));
  }
  std::filesystem::remove(folder_ / "KEY");
  std::filesystem::create_directory(folder_ / "KEY");
  EXPECT_FALSE(secrets_.value("KEY"));
}

TEST_F(SecretsTest, ValuesThatCouldNotBeRedactedAreRefusedAndNotSaid) {
  secrets_.declare("KEY").value_or_throw();
  const std::string wrong_values[] = {"qwxyz", std::string("qwxyz\0qwxyz", 11), "qwxyz" + std::string(20'000, 'q')};
  for (const std::string& wrong : wrong_values) {
    write("KEY", wrong);
    const auto value = secrets_.value("KEY");
    ASSERT_FALSE(value);
    EXPECT_THAT(value.error().message, Not(HasSubstr("qwxyz")));
    EXPECT_THAT(secrets_.whereabouts("KEY"), Not(HasSubstr("qwxyz")));
  }
}

TEST_F(SecretsTest, WhatWasDeclaredIsRedactedBeforeItIsAskedFor) {
  variables_["KEY"] = "never asked for";
  secrets_.declare("KEY").value_or_throw();
  EXPECT_EQ(secrets_.redact("it is never asked for."), "it is [secret KEY].");
  variables_["LATER"] = "declared later";
  secrets_.declare("LATER").value_or_throw();
  EXPECT_EQ(secrets_.redact("declared later"), "[secret LATER]");
}

TEST_F(SecretsTest, ValuesThatAreKnownOtherwiseAreKeptOutToo) {
  secrets_.keep_out("brave", "key of a search service");
  secrets_.keep_out("short", "abc");
  EXPECT_EQ(secrets_.redact("wrong key: key of a search service, abc"), "wrong key: [secret brave], abc");
}

TEST_F(SecretsTest, NamesAreNoPaths) {
  for (const std::string name : {"", "../x", ".x", "a/b", "a b"}) EXPECT_FALSE(secrets_.declare(name)) << name;
  EXPECT_FALSE(secrets_.value("UNKNOWN"));
}

}  // namespace
}  // namespace toccata::tools
