// How the index keeps archives, with one made of a list.
#include "tools/browser/document_archive.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "tests/support/temp_folder.h"
#include "tools/browser/local_index.h"

namespace toccata::tools {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::SizeIs;

// Gives two entries a time; asked for entry `fails_at`, an error; at `stops_at` it is the user who has enough.
class ListArchive final : public DocumentArchive {
 public:
  struct Script {
    std::vector<ArchivedPage> pages;
    std::uint64_t fails_at = UINT64_MAX, stops_at = UINT64_MAX;
    std::stop_source stop;
    std::vector<std::uint64_t> asked;
  };
  explicit ListArchive(Script& script) : script_(script) {}
  std::uint64_t n_entries() const override { return script_.pages.size(); }
  Result<Batch> read(std::uint64_t first, std::stop_token) override {
    script_.asked.push_back(first);
    if (first >= script_.fails_at) return Error{ErrorCode::kCorrupt, "damaged from here on"};
    if (first >= script_.stops_at) script_.stop.request_stop();
    Batch batch;
    batch.next = std::min<std::uint64_t>(first + 2, n_entries());
    for (std::uint64_t i = first; i < batch.next; ++i) batch.pages.push_back(script_.pages[i]);
    return batch;
  }

 private:
  Script& script_;
};

class ArchiveAddTest : public ::testing::Test {
 protected:
  ArchiveAddTest() {
    fs::create_directory(documents_);
    std::ofstream(file_) << "ZIM";
    for (int i = 0; i < 6; ++i) script_.pages.push_back({"P" + std::to_string(i), "Page " + std::to_string(i), "words of page" + std::to_string(i), false, ""});
    index_ = LocalIndex::open(folder_ / "index.db", LocalIndex::Mode::kWrite).value_or_throw();
    index_->read_archives([this](const fs::path&, std::stop_token) -> Result<std::unique_ptr<DocumentArchive>> {
      ++n_opened_;
      return std::unique_ptr<DocumentArchive>(std::make_unique<ListArchive>(script_));
    });
  }
  Result<IndexChange> add(const fs::path& path) {
    script_.asked.clear();
    return index_->add(path, {}, script_.stop.get_token());
  }

  toccata::testing::TempFolder folder_;
  const fs::path documents_ = folder_ / "documents", file_ = documents_ / "a.zim";
  ListArchive::Script script_;
  int n_opened_ = 0;
  std::unique_ptr<LocalIndex> index_;
};

TEST_F(ArchiveAddTest, GoesOnWhereItWasStopped) {
  script_.stops_at = 2;
  EXPECT_EQ(add(file_).error().code, ErrorCode::kCancelled);
  EXPECT_THAT(index_->list(), SizeIs(4));
  script_.stop = {};
  script_.stops_at = UINT64_MAX;
  EXPECT_EQ(add(file_).value_or_throw().added, 2);
  EXPECT_THAT(script_.asked, ::testing::ElementsAre(4));
  EXPECT_EQ(add(file_).value_or_throw().unchanged, 6);
  EXPECT_EQ(n_opened_, 2) << "what has not changed is not opened";
}

TEST_F(ArchiveAddTest, DamageKeepsWhatWasReadAndIsTriedAgain) {
  script_.fails_at = 4;
  const auto change = add(documents_).value_or_throw();
  EXPECT_EQ(change.added, 4);
  EXPECT_EQ(change.skipped, 1);
  ASSERT_THAT(change.troubles, SizeIs(1));
  EXPECT_THAT(change.troubles[0], HasSubstr("a.zim: damaged from here on"));
  script_.fails_at = UINT64_MAX;
  EXPECT_EQ(add(documents_).value_or_throw().added, 2);
}

TEST_F(ArchiveAddTest, TwoPagesOfOneNameAreOne) {
  script_.pages[3].path = "P0";
  const auto change = add(file_).value_or_throw();
  EXPECT_EQ(change.added, 5);
  EXPECT_EQ(change.skipped, 1);
}

TEST_F(ArchiveAddTest, NamesThatStandForEachOtherEnd) {
  script_.pages[0] = {"A", "", "", false, "B"};
  script_.pages[1] = {"B", "", "", false, "A"};
  script_.pages[2] = {"C", "", "", false, "P5"};
  EXPECT_EQ(add(file_).value_or_throw().added, 3);
  const std::string base = "zim://" + file_.string();
  EXPECT_FALSE(index_->fetch(base + "/A"));
  EXPECT_EQ(index_->fetch(base + "/C").value_or_throw().source, "words of page5");
  EXPECT_EQ(index_->remove(documents_.string()).value_or_throw(), 3);
  EXPECT_FALSE(index_->fetch(base + "/C"));
}

TEST_F(ArchiveAddTest, WithoutAReaderItIsABinaryFileAndItsPagesStay) {
  add(file_).value_or_throw();
  index_->read_archives({});
  const auto change = add(documents_).value_or_throw();
  EXPECT_EQ(change.removed, 0);
  EXPECT_THAT(index_->search("page3", 3).value_or_throw(), SizeIs(1));
}

TEST(ArchivedUrl, IsSpelledOneWay) {
  EXPECT_EQ(archived_url("/a b/w.zim", "A/S\xC3\xA3o (x)"), "zim:///a%20b/w.zim/A/S%C3%A3o%20%28x%29");
  EXPECT_EQ(archived_url_of_link("zim:///a%20b/w.zim/A/S\xC3\xA3o (x)?y#z"), "zim:///a%20b/w.zim/A/S%C3%A3o%20%28x%29");
  EXPECT_EQ(archived_url_of_link("zim:///w.zim/100%"), "zim:///w.zim/100%25");
  EXPECT_EQ(archived_url_of_link("file:///w.zim/a"), "");
}

}  // namespace
}  // namespace toccata::tools
