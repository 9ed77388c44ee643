#include "tools/skills/skills_tool.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "tests/support/temp_folder.h"

namespace toccata::tools {
namespace {

using ::testing::HasSubstr;
namespace fs = std::filesystem;

class SkillsToolTest : public ::testing::Test {
 protected:
  void write(const std::string& path, const std::string& text) {
    fs::create_directories((folder_ / path).parent_path());
    std::ofstream(folder_ / path) << text;
  }
  testing::TempFolder folder_;
};

TEST_F(SkillsToolTest, ListsSkillsAndShowsTheirFiles) {
  write("a/pdf/SKILL.md", "---\nname: pdf\ndescription: \"Making PDF files: all of it\"\n---\nUse LaTeX.\n");
  write("a/pdf/more/forms.md", "Forms.");
  write("b/pdf/SKILL.md", "---\nname: pdf\ndescription: another\n---\n");
  write("secret.txt", "no");
  fs::create_symlink(folder_ / "secret.txt", folder_ / "a/pdf/link.txt");
  auto tool = SkillsTool::open({folder_ / "none", folder_ / "a", folder_ / "b"}).value_or_throw();
  EXPECT_THAT(tool->spec().description, HasSubstr("- pdf: Making PDF files: all of it"));
  const auto read = [&](const std::string& arguments) { return tool->call({"skills.read", arguments, ""}, {}); };
  EXPECT_THAT(read(R"({"name":"pdf"})").content, HasSubstr("Use LaTeX."));
  EXPECT_EQ(read(R"({"name":"pdf","file":"more/forms.md"})").content, "Forms.");
  for (const char* bad : {R"({"name":"pdf","file":"../../secret.txt"})", R"({"name":"pdf","file":"link.txt"})",
                          R"({"name":"pdf","file":"/etc/hostname"})", R"({"name":"doc"})", "[]", "x"}) {
    EXPECT_EQ(read(bad).status, ToolStatus::kFailed) << bad;
    EXPECT_NE(read(bad).content, "no");
  }
}

TEST_F(SkillsToolTest, SaysWhatAFrontMatterLacks) {
  write("a/x/SKILL.md", "# no front matter");
  const auto none = SkillsTool::open({folder_ / "a"});
  ASSERT_FALSE(none);
  EXPECT_THAT(none.error().message, HasSubstr("SKILL.md:1"));
  write("a/x/SKILL.md", "---\nname: x\n---\n");
  EXPECT_THAT(SkillsTool::open({folder_ / "a"}).error().message, HasSubstr("no description"));
}

}  // namespace
}  // namespace toccata::tools
