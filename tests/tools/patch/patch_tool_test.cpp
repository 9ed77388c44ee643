#include "tools/patch/patch_tool.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

namespace toccata::tools {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing::StartsWith;

class PatchToolTest : public testing::Test {
 protected:
  PatchToolTest() {
    std::string name = (fs::temp_directory_path() / "toccata-patch-XXXXXX").string();
    top_ = mkdtemp(name.data());
    fs::create_directory(top_ / "in");
    put("a", "one\ntwo\n");
    std::ofstream(top_ / "outside") << "safe\n";
    tool_.emplace(WorkFolder::open(top_ / "in").value_or_throw());
  }
  ~PatchToolTest() override { fs::remove_all(top_); }

  void put(const std::string& name, const std::string& text) {
    std::ofstream(top_ / "in" / name) << text;
  }
  std::string get(const fs::path& name) {
    std::ifstream in(top_ / "in" / name);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  std::string patch(const std::string& body) {
    return tool_->call({"functions.apply_patch", "*** Begin Patch\n" + body + "*** End Patch", ""}, {})
        .content;
  }
  std::size_t files() {
    return static_cast<std::size_t>(std::distance(
        fs::recursive_directory_iterator(top_ / "in"), fs::recursive_directory_iterator()
    ));
  }

  fs::path top_;
  std::optional<PatchTool> tool_;
};

TEST_F(PatchToolTest, AddsUpdatesMovesAndDeletes) {
  put("gone", "x\n");
  EXPECT_EQ(
      patch("*** Add File: new/deep/f\n+hello\n*** Update File: a\n*** Move to: b\n@@\n-two\n+2\n"
            "*** Delete File: gone\n"),
      "Done!"
  );
  EXPECT_EQ(get("new/deep/f"), "hello\n");
  EXPECT_EQ(get("b"), "one\n2\n");
  EXPECT_FALSE(fs::exists(top_ / "in/a") || fs::exists(top_ / "in/gone"));
}

TEST_F(PatchToolTest, NothingChangesWhenOnePartFails) {
  EXPECT_THAT(
      patch("*** Update File: a\n@@\n-one\n+1\n*** Add File: n\n+x\n*** Update File: missing\n-x\n"),
      StartsWith("Error applying patch: missing: there is no such file")
  );
  EXPECT_EQ(get("a"), "one\ntwo\n");
  EXPECT_EQ(files(), 1U);
}

TEST_F(PatchToolTest, WhatWasWrittenIsPutBackWhenAWriteFails) {
  // "x" becomes a file, so that "x/y" cannot be made: seen only when writing.
  EXPECT_THAT(
      patch("*** Update File: a\n@@\n-one\n+1\n*** Add File: x\n+x\n*** Add File: x/y\n+y\n"),
      StartsWith("Error applying patch: x/y")
  );
  EXPECT_EQ(get("a"), "one\ntwo\n");
  EXPECT_EQ(files(), 1U);
}

TEST_F(PatchToolTest, NoPathLeavesTheFolder) {
  fs::create_symlink(top_, top_ / "in/up");
  fs::create_symlink(top_ / "outside", top_ / "in/link");
  for (const std::string path :
       {"../outside", "/etc/passwd", "in/../../outside", "up/outside", "link", "a/../../outside"}) {
    EXPECT_THAT(patch("*** Update File: " + path + "\n-safe\n+hit\n"), StartsWith("Error")) << path;
    EXPECT_THAT(patch("*** Delete File: " + path + "\n"), StartsWith("Error")) << path;
    EXPECT_THAT(patch("*** Add File: " + path + "\n+hit\n"), StartsWith("Error")) << path;
    EXPECT_THAT(
        patch("*** Update File: a\n*** Move to: " + path + "\n-one\n+1\n"), StartsWith("Error")
    ) << path;
  }
  EXPECT_EQ(get("../outside"), "safe\n");
  EXPECT_EQ(get("a"), "one\ntwo\n");
}

TEST_F(PatchToolTest, AFifoIsNotWaitedFor) {
  ASSERT_EQ(mkfifo((top_ / "in/pipe").c_str(), 0600), 0);
  EXPECT_THAT(patch("*** Update File: pipe\n-x\n"), HasSubstr("not a regular file"));
  EXPECT_THAT(patch("*** Delete File: pipe\n"), HasSubstr("not a regular file"));
}

TEST_F(PatchToolTest, TheModeIsKept) {
  fs::permissions(top_ / "in/a", fs::perms::owner_all);
  EXPECT_EQ(patch("*** Update File: a\n@@\n-one\n+1\n"), "Done!");
  EXPECT_EQ(fs::status(top_ / "in/a").permissions(), fs::perms::owner_all);
}

TEST_F(PatchToolTest, ThePatchMayComeAsJson) {
  const std::string text = R"(*** Begin Patch\n*** Delete File: a\n*** End Patch)";
  EXPECT_EQ(tool_->call({"", R"({"patch":")" + text + "\"}", ""}, {}).content, "Done!");
  put("a", "x\n");
  EXPECT_EQ(tool_->call({"", "\"" + text + "\"", ""}, {}).content, "Done!");
  EXPECT_EQ(tool_->call({"", "{}", ""}, {}).status, ToolStatus::kFailed);
}

}  // namespace
}  // namespace toccata::tools
