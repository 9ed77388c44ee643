// Pages out of ZIM files, and what the program makes of files that are none.
#include "tools/zim/zim_archive.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <fstream>
#include <map>
#include <random>

#include "tests/support/temp_folder.h"
#include "tools/browser/local_index.h"

namespace toccata::tools {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using toccata::testing::TempFolder;

std::string whole(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

void write(const fs::path& path, const std::string& bytes) { std::ofstream(path, std::ios::binary) << bytes; }

// False: libzim's bindings are not installed.
bool make_zim(const fs::path& path, const std::string& description) {
  const std::string input = path.string() + ".json";
  write(input, description);
  const std::string command = std::string("/usr/bin/python3 ") + TOCCATA_ZIM_MAKER + " " + path.string() + " <" + input + " >/dev/null 2>&1";
  const bool made = std::system(command.c_str()) == 0;  // NOLINT: fixed words
  fs::remove(input);
  return made;
}

constexpr const char* kTides = R"json({"pages": [
  {"path": "Tides", "title": "Tides", "body": "<title>Tides</title><p>High water comes every <a href='Moon_(satellite)#orbit'>half lunar day</a>, see <a href='./The%20Moon'>this</a>.</p>"},
  {"path": "Moon_(satellite)", "title": "Moon", "body": "<title>Moon</title><p>It goes round the earth in 27 days.</p>"},
  {"path": "a/Größe?x", "title": "Größe", "body": "Just text.", "type": "text/plain;charset=utf-8"},
  {"path": "style.css", "body": "p{}", "type": "text/css"}],
  "names": {"The Moon": "Moon_(satellite)"}})json";

class ZimTest : public ::testing::Test {
 protected:
  void SetUp() override {
    fs::create_directory(documents());
    if (!make_zim(file(), kTides)) GTEST_SKIP() << "needs python3-libzim";
    for (const fs::path& folder : {folder_.path(), documents()}) fs::permissions(folder, fs::perms(0755));
    const auto opened = ZimArchive::open(file(), sandbox::Level::kLandlock);
    if (!opened && opened.error().code == ErrorCode::kUnavailable) GTEST_SKIP() << opened.error().message;
  }
  fs::path documents() const { return folder_ / "documents"; }
  fs::path file() const { return documents() / "tides.zim"; }

  std::unique_ptr<LocalIndex> index() {
    auto index = LocalIndex::open(folder_ / "index.db", LocalIndex::Mode::kWrite).value_or_throw();
    index->read_archives([](const fs::path& path, std::stop_token stop) -> Result<std::unique_ptr<DocumentArchive>> {
      auto archive = ZimArchive::open(path, sandbox::Level::kLandlock, {}, std::move(stop));
      if (!archive) return archive.error();
      return std::unique_ptr<DocumentArchive>(std::move(*archive));
    });
    return index;
  }

  TempFolder folder_;
};

TEST_F(ZimTest, GivesPagesAndNames) {
  const auto archive = ZimArchive::open(file(), sandbox::Level::kLandlock).value_or_throw();
  EXPECT_EQ(archive->n_entries(), 5U) << "without metadata";
  const auto batch = archive->read(0, {}).value_or_throw();
  EXPECT_EQ(batch.next, 5U);
  EXPECT_EQ(batch.left_out, 0U);
  std::map<std::string, ArchivedPage> pages;
  for (const ArchivedPage& page : batch.pages) pages[page.path] = page;
  ASSERT_THAT(pages, SizeIs(4)) << "a style sheet is no page";
  EXPECT_EQ(pages["Moon_(satellite)"].title, "Moon");
  EXPECT_TRUE(pages["Moon_(satellite)"].html);
  EXPECT_THAT(pages["Tides"].source, HasSubstr("High water"));
  EXPECT_FALSE(pages["a/Größe?x"].html);
  EXPECT_EQ(pages["The Moon"].stands_for, "Moon_(satellite)");
  EXPECT_THAT(archive->read(5, {}).value_or_throw().pages, IsEmpty());
}

TEST_F(ZimTest, GoesOnFromAnyEntryAndLeavesLargePagesOut) {
  ZimLimits limits;
  limits.page_bytes = 100;
  limits.batch_bytes = 1;  // one page at a time
  const auto archive = ZimArchive::open(file(), sandbox::Level::kLandlock, limits).value_or_throw();
  std::vector<std::string> paths;
  std::uint64_t left_out = 0;
  for (std::uint64_t at = 0; at < archive->n_entries();) {
    const auto batch = archive->read(at, {}).value_or_throw();
    for (const ArchivedPage& page : batch.pages) paths.push_back(page.path);
    left_out += batch.left_out;
    at = batch.next;
  }
  EXPECT_THAT(paths, ::testing::UnorderedElementsAre("Moon_(satellite)", "The Moon", "a/Größe?x"));
  EXPECT_EQ(left_out, 1U) << "Tides";
}

TEST_F(ZimTest, IsFoundReadAndFollowedInTheIndex) {
  const auto index = this->index();
  EXPECT_EQ(index->add(file()).value_or_throw().added, 3);
  const auto hits = index->search("high water", 5).value_or_throw();
  ASSERT_THAT(hits, SizeIs(1));
  EXPECT_EQ(hits[0].title, "Tides");
  EXPECT_EQ(hits[0].url, "zim://" + file().string() + "/Tides");
  const std::string base = "zim://" + file().string();
  for (const char* link : {"/Moon_(satellite)#orbit", "/Moon_%28satellite%29", "/The%20Moon", "/The Moon?x=1"}) {
    const auto page = index->fetch(base + link);
    ASSERT_TRUE(page) << link << ": " << page.error().message;
    EXPECT_THAT(page->source, HasSubstr("27 days")) << link;
  }
  EXPECT_EQ(index->fetch(base + "/a/Gr%C3%B6%C3%9Fe%3Fx").value_or_throw().source, "Just text.");
  EXPECT_EQ(index->fetch("zim:///etc/passwd").error().code, ErrorCode::kNotFound);
  write(documents() / "own.txt", "mine");
  index->add(documents() / "own.txt").value_or_throw();
  EXPECT_FALSE(index->fetch("zim://" + (documents() / "own.txt").string())) << "no page of an archive leads to a file of the user";
}

TEST_F(ZimTest, IsReadAgainOnlyWhenItHasChanged) {
  const auto index = this->index();
  EXPECT_EQ(index->add(documents()).value_or_throw().added, 3);
  auto again = index->add(documents()).value_or_throw();
  EXPECT_EQ(again.added, 0);
  EXPECT_EQ(again.unchanged, 3);
  EXPECT_EQ(again.removed, 0);
  fs::remove(file());
  ASSERT_TRUE(make_zim(file(), R"({"pages": [{"path": "Winds", "body": "<title>Winds</title><p>From the west.</p>"}]})"));
  again = index->add(file()).value_or_throw();
  EXPECT_EQ(again.removed, 3);
  EXPECT_EQ(again.added, 1);
  EXPECT_THAT(index->search("water", 5).value_or_throw(), IsEmpty());
  fs::remove(file());
  EXPECT_EQ(index->add(documents()).value_or_throw().removed, 1);
  EXPECT_THAT(index->search("west", 5).value_or_throw(), IsEmpty());
}

TEST_F(ZimTest, ADamagedOneLeavesWhatIsKnown) {
  const auto index = this->index();
  index->add(file()).value_or_throw();
  write(file(), whole(file()).substr(0, 200));
  auto change = index->add(documents()).value_or_throw();
  ASSERT_THAT(change.troubles, SizeIs(1));
  EXPECT_THAT(change.troubles[0], HasSubstr("libzim"));
  EXPECT_THAT(index->search("water", 5).value_or_throw(), SizeIs(1));
  write(file(), "PK\3\4");
  change = index->add(file()).value_or_throw();
  EXPECT_THAT(change.troubles[0], HasSubstr("does not begin like one"));
  EXPECT_EQ(index->remove(file().string()).value_or_throw(), 3);
}

// Whatever libzim does with it, this program gets pages or an error.
TEST_F(ZimTest, DamagedBytesAnywhereAreNoCrash) {
  const std::string sound = whole(file());
  std::mt19937 random(7);
  for (int i = 0; i < 12; ++i) {
    std::string bytes = sound;
    for (int n = 0; n < 4; ++n) bytes[4 + random() % (bytes.size() - 4)] = static_cast<char>(random());
    write(file(), bytes);
    const auto archive = ZimArchive::open(file(), sandbox::Level::kLandlock);
    if (!archive) continue;
    for (std::uint64_t at = 0; at < std::min<std::uint64_t>((*archive)->n_entries(), 100);) {
      const auto batch = (*archive)->read(at, {});
      if (!batch) break;
      EXPECT_GT(batch->next, at);
      at = batch->next;
    }
  }
}

TEST_F(ZimTest, CanBeStopped) {
  std::stop_source stop;
  stop.request_stop();
  EXPECT_EQ(ZimArchive::open(file(), sandbox::Level::kLandlock, {}, stop.get_token()).error().code, ErrorCode::kCancelled);
}

std::string number(std::uint64_t value, std::size_t n) {
  std::string out(n, '\0');
  std::memcpy(out.data(), &value, n);
  return out;
}

std::string record(int kind, const std::string& path, const std::string& title, const std::string& body) {
  return number(static_cast<std::uint64_t>(kind), 1) + number(path.size(), 4) + number(title.size(), 4) + number(body.size(), 4) + path + title + body;
}

TEST(ZimBatch, WhatComesOutOfTheSandboxIsNotBelieved) {
  const std::string head = number(10, 8) + number(0, 8);
  const auto parsed = [](const std::string& bytes) { return parse_batch(bytes, 3, 20); };
  EXPECT_THAT(parsed(head).value_or_throw().pages, IsEmpty());
  const auto good = parsed(head + record(1, "A", "t\n\xff", "b\xff") + record(2, "B", "", "A")).value_or_throw();
  ASSERT_THAT(good.pages, SizeIs(2));
  EXPECT_EQ(good.pages[0].title, "t\xEF\xBF\xBD");
  EXPECT_EQ(good.pages[0].source, "b\xEF\xBF\xBD");
  EXPECT_EQ(good.pages[1].stands_for, "A");
  for (const std::string& bytes : {
           std::string(), head.substr(0, 15), number(3, 8) + number(0, 8), number(21, 8) + number(0, 8), number(10, 8) + number(8, 8),
           head + record(3, "A", "", ""), head + record(1, "A", "", "b").substr(0, 14), head + std::string("\1\xff\xff\xff\xff", 5)}) {
    EXPECT_EQ(parsed(bytes).error().code, ErrorCode::kCorrupt);
  }
  for (const std::string& path : {std::string(), std::string("a\nb"), std::string("\xff"), std::string(1001, 'a')}) {
    const auto left = parsed(head + record(1, path, "", "x")).value_or_throw();
    EXPECT_THAT(left.pages, IsEmpty());
    EXPECT_EQ(left.left_out, 1U);
    EXPECT_THAT(parsed(head + record(2, "A", "", path)).value_or_throw().pages, IsEmpty());
  }
}

TEST(ZimBatch, RandomBytesGivePagesOrAnError) {
  std::mt19937 random(11);
  const std::string sound = number(10, 8) + number(0, 8) + record(1, "A", "t", "body") + record(2, "B", "", "A");
  for (int i = 0; i < 20'000; ++i) {
    std::string bytes = sound.substr(0, random() % (sound.size() + 1));
    for (int n = 0; n < 3 && !bytes.empty(); ++n) bytes[random() % bytes.size()] = static_cast<char>(random());
    const auto batch = parse_batch(bytes, 3, 20);
    EXPECT_TRUE(!batch || batch->next <= 20U);
  }
}

}  // namespace
}  // namespace toccata::tools
