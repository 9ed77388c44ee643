#include "core/hub/partial_file.h"

#include <gtest/gtest.h>

#include <fstream>

#include "core/base/mapped_file.h"
#include "core/hub/digest.h"
#include "core/hub/file_lock.h"
#include "tests/support/temp_folder.h"

namespace toccata::hub {
namespace {

using testing::TempFolder;

std::string contents(const std::filesystem::path& path) { return read_text_file(path).value_or_throw(); }

void overwrite(const std::filesystem::path& path, std::size_t at, std::string_view bytes) {
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(static_cast<std::streamoff>(at));
  file << bytes;
}

constexpr std::size_t kBootIdAt = 24;

class PartialFileTest : public ::testing::Test {
 protected:
  PartialFile open(std::uint64_t size = 10, std::uint64_t chunk = 4) {
    return PartialFile::open(stem_, size, chunk).value_or_throw();
  }
  TempFolder folder_;
  std::filesystem::path stem_ = folder_ / "blob";
  std::filesystem::path state_ = folder_ / "blob.toccata.done";
};

TEST_F(PartialFileTest, ChunksFillInAnyOrder) {
  PartialFile file = open();
  ASSERT_EQ(file.chunk_count(), 3u);
  EXPECT_EQ(file.write(8, "89").value_or_throw(), 2u);
  EXPECT_TRUE(file.chunk(2).done());
  EXPECT_EQ(file.write(4, "45").value_or_throw(), 2u);
  EXPECT_EQ(file.bytes_done(), 4u);
  EXPECT_EQ(file.write(0, "01234567").value_or_throw(), 6u) << "two were there already";
  ASSERT_TRUE(file.finish(folder_ / "blob"));
  EXPECT_EQ(contents(folder_ / "blob"), "0123456789");
  EXPECT_FALSE(std::filesystem::exists(state_));
}

TEST_F(PartialFileTest, BytesAfterAGapAreNotCounted) {
  PartialFile file = open();
  EXPECT_EQ(file.write(2, "2").value_or_throw(), 0u);
  EXPECT_EQ(file.chunk(0).written, 0u);
}

TEST_F(PartialFileTest, OpenedAgainItKnowsWhatItHas) {
  { PartialFile file = open(); ASSERT_TRUE(file.write(4, "456")); }
  PartialFile file = open(10, 7);
  EXPECT_EQ(file.chunk_count(), 3u) << "the chunks it was begun with";
  EXPECT_EQ(file.chunk(1).written, 3u);
  EXPECT_EQ(file.chunk(1).synced, 0u);
}

TEST_F(PartialFileTest, AfterARebootOnlySyncedBytesAreBelieved) {
  {
    PartialFile file = open();
    ASSERT_TRUE(file.write(0, "01"));
    ASSERT_TRUE(file.sync());
    ASSERT_TRUE(file.write(2, "2"));
  }
  overwrite(state_, kBootIdAt, "another-boot");
  EXPECT_EQ(open().chunk(0).written, 2u);
}

TEST_F(PartialFileTest, AStateThatDoesNotFitStartsAfresh) {
  const auto with_damage = [&](auto damage) {
    { PartialFile file = open(); EXPECT_TRUE(file.write(0, "0123")); }
    damage();
    const std::uint64_t done = open().bytes_done();
    std::filesystem::remove(state_);
    return done;
  };
  EXPECT_EQ(with_damage([] {}), 4u);
  EXPECT_EQ(with_damage([&] { overwrite(state_, 0, "X"); }), 0u);
  EXPECT_EQ(with_damage([&] { overwrite(state_, 8, "\x0b"); }), 0u) << "another size";
  EXPECT_EQ(with_damage([&] { overwrite(state_, 16, std::string(8, '\0')); }), 0u) << "chunks of nothing";
  EXPECT_EQ(with_damage([&] { std::filesystem::resize_file(state_, 50); }), 0u);
  EXPECT_EQ(with_damage([&] { std::filesystem::resize_file(folder_ / "blob.toccata.incomplete", 9); }), 0u);
  EXPECT_EQ(with_damage([&] { overwrite(state_, 64, std::string(8, '\xff')); }), 4u) << "bounded by the chunk";
  EXPECT_EQ(open(11).bytes_done(), 0u);
}

TEST_F(PartialFileTest, ABeginningOfHuggingfaceHubIsAdopted) {
  std::ofstream(folder_ / "blob.incomplete") << "012345";
  PartialFile file = open();
  EXPECT_EQ(file.bytes_done(), 6u);
  EXPECT_EQ(file.chunk(1).written, 2u);
  EXPECT_FALSE(std::filesystem::exists(folder_ / "blob.incomplete"));
}

TEST_F(PartialFileTest, AnEmptyFileIsComplete) {
  PartialFile file = open(0);
  EXPECT_EQ(file.chunk_count(), 0u);
  ASSERT_TRUE(file.finish(folder_ / "blob"));
  EXPECT_EQ(contents(folder_ / "blob"), "");
}

TEST_F(PartialFileTest, ALockIsHeldByOne) {
  auto first = FileLock::try_lock(folder_ / "lock").value_or_throw();
  ASSERT_TRUE(first);
  EXPECT_FALSE(FileLock::try_lock(folder_ / "lock").value_or_throw());
  first.reset();
  EXPECT_TRUE(FileLock::try_lock(folder_ / "lock").value_or_throw());
}

// Known values: `printf hello | sha256sum`, `printf hello | git hash-object --stdin`.
TEST_F(PartialFileTest, ContentIdsAreThoseOfShaSumAndGit) {
  std::ofstream(folder_ / "hello") << "hello";
  const std::string sha256 = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";
  const std::string git = "b6fc4c620b67d95f953a5c1c1230aaab5db5a1b0";
  EXPECT_EQ(content_id(folder_ / "hello", sha256, {}).value_or_throw(), sha256);
  EXPECT_EQ(content_id(folder_ / "hello", git, {}).value_or_throw(), git);
  EXPECT_TRUE(is_content_id(git));
  EXPECT_FALSE(is_content_id("../" + git.substr(3)));
}

}  // namespace
}  // namespace toccata::hub
