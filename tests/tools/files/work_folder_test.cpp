// The walls of the work folder, with openat2 and without.
#include "tools/files/work_folder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <fstream>
#include <thread>

#include "tests/support/temp_folder.h"

namespace toccata::tools {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

constexpr const char* kSecret = "secret-of-the-host";

class WorkFolderTest : public ::testing::TestWithParam<WorkFolder::Resolver> {
 protected:
  WorkFolderTest() {
    fs::create_directory(top_ / "in");
    fs::create_directory(top_ / "out");
    std::ofstream(top_ / "out/secret") << kSecret;
    std::ofstream(top_ / "in/a") << "one";
    folder_.emplace(WorkFolder::open(top_ / "in", GetParam()).value_or_throw());
  }
  std::string secret() {
    std::ifstream in(top_ / "out/secret");
    return {std::istreambuf_iterator<char>(in), {}};
  }
  toccata::testing::TempFolder top_;
  std::optional<WorkFolder> folder_;
};

TEST_P(WorkFolderTest, ReadsWritesListsAndRemoves) {
  EXPECT_EQ(*folder_->read("a"), "one");
  ASSERT_TRUE(folder_->write("new/deep/b", "two").ok());
  EXPECT_EQ(*folder_->read("new/deep/b"), "two");
  fs::create_symlink("a", top_ / "in/link");
  const auto entries = folder_->list(".", 10).value_or_throw();
  ASSERT_EQ(entries.size(), 3U);
  EXPECT_EQ(entries[0].name, "a");
  EXPECT_EQ(entries[0].size, 3U);
  EXPECT_EQ(entries[1].kind, WorkFolder::Entry::Kind::kLink);
  EXPECT_EQ(entries[2].kind, WorkFolder::Entry::Kind::kFolder);
  ASSERT_TRUE(folder_->remove("new/deep/b").ok());
  EXPECT_FALSE(*folder_->exists("new/deep/b"));
}

TEST_P(WorkFolderTest, NothingOutsideCanBeNamed) {
  fs::create_symlink("../out", top_ / "in/folder");
  fs::create_symlink("../out/secret", top_ / "in/file");
  fs::create_symlink("/proc/self/root", top_ / "in/root");
  for (const std::string path :
       {"../out/secret", "/etc/passwd", "folder/secret", "file", "a/../../out/secret", "root/etc/passwd", "x/..", "", "."}) {
    EXPECT_FALSE(folder_->read(path).ok()) << path;
    EXPECT_FALSE(folder_->write(path, "x").ok()) << path;
  }
  EXPECT_FALSE(folder_->list("folder", 10).ok());
  EXPECT_FALSE(folder_->write("folder/new", "x").ok());
  EXPECT_EQ(secret(), kSecret);
  EXPECT_FALSE(fs::exists(top_ / "out/new"));
}

TEST_P(WorkFolderTest, WhatIsNoFileIsNotWaitedFor) {
  ASSERT_EQ(mkfifo((top_ / "in/pipe").c_str(), 0666), 0);
  fs::create_directory(top_ / "in/sub");
  EXPECT_THAT(folder_->read("pipe").error().message, HasSubstr("not a regular file"));
  EXPECT_THAT(folder_->read("sub").error().message, HasSubstr("not a regular file"));
  EXPECT_FALSE(folder_->write("pipe", "x").ok());
  EXPECT_THAT(folder_->list("a", 10).error().message, HasSubstr("not a folder"));
}

TEST_P(WorkFolderTest, AFileIsReplacedWholeAndKeepsItsMode) {
  fs::permissions(top_ / "in/a", fs::perms(0640));
  std::ifstream old(top_ / "in/a");
  ASSERT_TRUE(folder_->write("a", "replaced").ok());
  EXPECT_EQ(std::string(std::istreambuf_iterator<char>(old), {}), "one") << "who had it open sees the old bytes";
  EXPECT_EQ(*folder_->read("a"), "replaced");
  EXPECT_EQ(fs::status(top_ / "in/a").permissions(), fs::perms(0640));
  EXPECT_EQ(folder_->list(".", 10)->size(), 1U) << "no temporary file is left";
}

// A folder that turns into a link and back while it is read and written.
TEST_P(WorkFolderTest, ARaceWithLinksGainsNothing) {
  fs::create_directory(top_ / "in/real");
  std::ofstream(top_ / "in/real/secret") << "harmless";
  fs::create_symlink(top_ / "out", top_ / "in/link");
  std::atomic<bool> over = false;
  std::thread flipper([&] {
    const std::string real = top_ / "in/real", link = top_ / "in/link", at = top_ / "in/flip";
    while (!over) {
      for (const std::string& one : {real, link}) {
        (void)rename(one.c_str(), at.c_str());
        std::this_thread::yield();
        (void)rename(at.c_str(), one.c_str());
      }
    }
  });
  int n_read = 0;
  for (int i = 0; i < 3000; ++i) {
    if (const auto text = folder_->read("flip/secret")) {
      ++n_read;
      EXPECT_EQ(text->find(kSecret), std::string::npos);
    }
    if (i % 8 == 0) (void)folder_->write("flip/new", "x");
    if (const auto entries = folder_->list("flip", 10)) {
      for (const auto& entry : *entries) EXPECT_NE(entry.name, "only-outside");
    }
  }
  over = true;
  flipper.join();
  EXPECT_EQ(secret(), kSecret);
  EXPECT_FALSE(fs::exists(top_ / "out/new"));
}

INSTANTIATE_TEST_SUITE_P(
    Resolvers, WorkFolderTest, ::testing::Values(WorkFolder::Resolver::kOpenat2, WorkFolder::Resolver::kOpenat),
    [](const auto& test) { return test.param == WorkFolder::Resolver::kOpenat2 ? "Openat2" : "Openat"; }
);

}  // namespace
}  // namespace toccata::tools
