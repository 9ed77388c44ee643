#include "tools/browser/local_index.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <fstream>
#include <thread>

#include "tests/support/temp_folder.h"
#include "tools/index/database.h"
#include "tools/index/file_tree.h"

namespace toccata::tools {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

class LocalIndexTest : public ::testing::Test {
 protected:
  LocalIndexTest() { fs::create_directories(documents()); }
  fs::path documents() const { return folder_ / "documents"; }
  fs::path file() const { return folder_ / "index.db"; }
  std::unique_ptr<LocalIndex> open(LocalIndex::Mode mode = LocalIndex::Mode::kWrite) const { return LocalIndex::open(file(), mode).value_or_throw(); }
  void put(const std::string& name, const std::string& text) const {
    fs::create_directories((documents() / name).parent_path());
    std::ofstream(documents() / name, std::ios::binary) << text;
  }
  static std::vector<std::string> titles(LocalIndex& index, const std::string& query, int n = 10) {
    std::vector<std::string> out;
    for (const SearchHit& hit : index.search(query, n).value_or_throw()) out.push_back(hit.title);
    return out;
  }
  testing::TempFolder folder_;
};

TEST_F(LocalIndexTest, ReadsTextMarkdownCodeAndHtml) {
  put("notes.md", "# On tides\n\nHigh water comes late.\n");
  put("main.cpp", "// Licence text\nint readFile(const char* fileName);\n");
  put("page.HTML", "<title>A page</title><style>tides</style><p>About <b>ebb</b> &amp; flow<script>tides</script>");
  put("data", "a file without an ending\nmore");
  put("latin.txt", "Caf\xE9 cr\xE8me\nun deux trois");
  put("wide.txt", std::string("\xFF\xFE" "B\0r\0i\0e\0f\0\n\0w\0i\0d\0e\0w\0o\0r\0d\0", 30));
  const auto index = open();
  EXPECT_EQ(index->add(documents()).value_or_throw().added, 6);
  EXPECT_THAT(titles(*index, "tide"), ElementsAre("On tides")) << "style and script are no text";
  EXPECT_THAT(titles(*index, "read file"), ElementsAre("main.cpp", "a file without an ending"));
  EXPECT_THAT(titles(*index, "filename"), ElementsAre("main.cpp"));
  EXPECT_THAT(titles(*index, "ebb flow"), ElementsAre("A page"));
  EXPECT_THAT(titles(*index, "creme"), ElementsAre("Café crème"));
  EXPECT_THAT(titles(*index, "wideword"), ElementsAre("Brief"));
  const Document page = index->fetch("file://" + fs::canonical(documents() / "page.HTML").string()).value_or_throw();
  EXPECT_EQ(page.kind, DocumentKind::kHtml);
  EXPECT_THAT(page.source, HasSubstr("<b>ebb</b>"));
  EXPECT_EQ(index->fetch("file:///nowhere").error().code, ErrorCode::kNotFound);
}

TEST_F(LocalIndexTest, ReadsOnlyWhatChangedAndForgetsWhatIsGone) {
  put("a.txt", "alpha");
  put("b.txt", "beta");
  put("below/c.txt", "gamma");
  const auto index = open();
  index->add(documents()).value_or_throw();
  put("b.txt", "beta grew");
  fs::remove(documents() / "a.txt");
  put("d.txt", "delta");
  // The same size and time: not read again, although the bytes are others.
  const auto time = fs::last_write_time(documents() / "below/c.txt");
  put("below/c.txt", "ammag");
  fs::last_write_time(documents() / "below/c.txt", time);
  const IndexChange change = index->add(documents()).value_or_throw();
  EXPECT_EQ((std::vector{change.added, change.updated, change.removed, change.unchanged, change.skipped}), (std::vector{1, 1, 1, 1, 0}));
  EXPECT_THAT(titles(*index, "alpha"), IsEmpty());
  EXPECT_THAT(titles(*index, "grew"), ElementsAre("beta grew"));
  EXPECT_THAT(titles(*index, "gamma"), ElementsAre("gamma"));
  EXPECT_EQ(index->list().size(), 3U);
  put("documents2.txt", "not below");
  EXPECT_EQ(index->remove(documents() / "below").value_or_throw(), 1);
  EXPECT_THAT(titles(*index, "gamma"), IsEmpty());
  EXPECT_EQ(index->remove(documents()).value_or_throw(), 2);
  EXPECT_TRUE(index->list().empty());
}

TEST_F(LocalIndexTest, ARemovedFolderTakesNoNeighbourWithIt) {
  put("a/x.txt", "inside");
  put("a0/x.txt", "neighbour");
  put("a-b/x.txt", "neighbour");
  put("a.txt", "neighbour");
  const auto index = open();
  index->add(documents()).value_or_throw();
  EXPECT_EQ(index->remove(documents() / "a").value_or_throw(), 1);
  EXPECT_EQ(titles(*index, "neighbour").size(), 3U);
}

TEST_F(LocalIndexTest, TitleNameAndNearnessDecideTheOrder) {
  put("1.md", "# Something else\n\nThe printer driver is old. " + std::string(600, '-') + " We drive. Install it, if you print.\n");
  put("2.md", "# Install the printer driver\n\nText.\n");
  put("printer-driver.md", "# Untitled\n\nHow to install it, in other words.\n");
  std::string far = "# Many things\n\ninstall ";
  for (int i = 0; i < 80; ++i) far += "word ";
  put("4.md", far + "printer " + far + "driver");
  const auto index = open();
  index->add(documents()).value_or_throw();
  const auto found = titles(*index, "install printer driver");
  ASSERT_EQ(found.size(), 4U);
  EXPECT_EQ(found.front(), "Install the printer driver");
  EXPECT_EQ(found.back(), "Many things");
}

TEST_F(LocalIndexTest, ChineseJapaneseAndThaiAreFoundInsideRuns) {
  put("zh.txt", "我们明天去北京大学看书。");
  put("ja.txt", "東京タワーは高いです。");
  put("th.txt", "ภาษาไทยง่ายมาก");
  put("other.txt", "北方的京剧");
  const auto index = open();
  index->add(documents()).value_or_throw();
  EXPECT_THAT(titles(*index, "北京"), ElementsAre(HasSubstr("北京大学")));
  EXPECT_THAT(titles(*index, "タワー"), ElementsAre(HasSubstr("東京タワー")));
  EXPECT_THAT(titles(*index, "ไทย"), ElementsAre(HasSubstr("ไทย")));
  EXPECT_THAT(titles(*index, "京").size(), 3U);
}

TEST_F(LocalIndexTest, SummariesShowThePlaceThatAnswers) {
  std::string text = "Report\n";
  for (int i = 0; i < 400; ++i) text += "The budget was discussed. ";
  text += "The bridge over the river Itz was closed in May for repairs. ";
  for (int i = 0; i < 400; ++i) text += "Then the meeting went on. ";
  put("report.txt", text);
  put("long.txt", std::string(100'000, '.') + "\nthe bridgehead stood far behind");
  const auto index = open();
  index->add(documents()).value_or_throw();
  EXPECT_THAT(index->search("when was the bridge closed", 1).value_or_throw().at(0).summary, HasSubstr("bridge over the river Itz was closed in May"));
  EXPECT_THAT(index->search("bridgehead", 1).value_or_throw().at(0).summary, HasSubstr("the bridgehead stood"));
}

TEST_F(LocalIndexTest, AnyTextIsAQuery) {
  put("a.txt", "to be or not to be NEAR AND OR");
  const auto index = open();
  index->add(documents()).value_or_throw();
  for (const std::string query : {"\"", "a AND", "NEAR(", "*", "-x", "title:be", "'; DROP TABLE documents; --", "\xFF\xFE", ""}) {
    EXPECT_TRUE(bool(index->search(query, 5))) << query;
  }
  EXPECT_THAT(titles(*index, "to be or not to be"), ::testing::SizeIs(1)) << "common words alone find too";
  std::string many;
  for (int i = 0; i < 20'000; ++i) many += "w" + std::to_string(i) + " ";
  EXPECT_THAT(titles(*index, "be " + many), ::testing::SizeIs(1));
  EXPECT_THAT(titles(*index, "be", 0), IsEmpty());
  EXPECT_THAT(titles(*index, "be", -3), IsEmpty());
  std::stop_source stop;
  stop.request_stop();
  EXPECT_THAT(index->search("be", 5, stop.get_token()).value_or_throw(), IsEmpty());
}

TEST_F(LocalIndexTest, HostileTreesAreReadToTheirEnd) {
  put("good.txt", "a good file");
  put("sub/good.txt", "another good file");
  fs::create_symlink("..", documents() / "sub/loop");
  fs::create_symlink("good.txt", documents() / "link.txt");
  fs::create_symlink("/proc/self/mem", documents() / "mem.txt");
  ASSERT_EQ(::mkfifo((documents() / "pipe.txt").c_str(), 0600), 0);
  put("huge.txt", "x");
  fs::resize_file(documents() / "huge.txt", std::uintmax_t{1} << 40);
  put("zeros.txt", std::string(1000, '\0'));
  put("elf", "\x7F" "ELF\x02\x01\x01\x01\x02\x03\x04\x05");
  put("empty.txt", "");
  put("bad-\xFF-\x01.txt", "a good file with a bad name");
  put("quote'\"; DROP TABLE documents; --.txt", "good quotes");
  put(".hidden/x.txt", "a good secret");
  put("deep/" + std::string(100, 'd') + "/" + std::string(100, 'e') + "/x.txt", "good and deep");
  const auto index = open();
  const IndexChange change = index->add(documents()).value_or_throw();
  EXPECT_EQ(change.added, 6);
  EXPECT_EQ(change.skipped, 3) << "huge, zeros and a program";
  EXPECT_EQ(change.unreadable, 0);
  EXPECT_THAT(titles(*index, "good"), UnorderedElementsAre("a good file", "another good file", "a good file with a bad name", "good quotes", "good and deep"));
  for (const IndexedDocument& document : index->list()) EXPECT_TRUE(bool(index->fetch(document.url))) << document.url;
  EXPECT_EQ(index->add(documents()).value_or_throw().unchanged, 6);
  EXPECT_EQ(index->add(documents() / "link.txt").value_or_throw().unchanged, 1) << "a link named by the user is its target";
  EXPECT_EQ(index->add(documents() / "absent").error().code, ErrorCode::kNotFound);
}

TEST_F(LocalIndexTest, WhatCannotBeReadNowIsKept) {
  put("closed/a.txt", "kept");
  const auto index = open();
  index->add(documents()).value_or_throw();
  fs::permissions(documents() / "closed", fs::perms::none);
  if (::geteuid() == 0) {
    fs::permissions(documents() / "closed", fs::perms::owner_all);
    GTEST_SKIP() << "root reads every folder";
  }
  const IndexChange change = index->add(documents()).value_or_throw();
  fs::permissions(documents() / "closed", fs::perms::owner_all);
  EXPECT_EQ(change.unreadable, 1);
  EXPECT_EQ(change.removed, 0);
  EXPECT_THAT(titles(*index, "kept"), ElementsAre("kept"));
}

TEST_F(LocalIndexTest, AProcessThatDiesInTheMiddleLeavesAWholeIndex) {
  for (int i = 0; i < 200; ++i) put(std::to_string(i) + ".txt", "old text number" + std::to_string(i));
  open()->add(documents()).value_or_throw();
  for (int i = 0; i < 200; ++i) put(std::to_string(i) + ".txt", "new text, longer number" + std::to_string(i));
  for (const std::size_t dies_at : {std::size_t{1}, std::size_t{100}, std::size_t{200}}) {
    const pid_t child = ::fork();
    if (child == 0) {
      try {
        open()->add(documents(), [&](std::size_t done, std::size_t, const std::string&) { if (done == dies_at) ::raise(SIGKILL); }).value_or_throw();
      } catch (...) {
      }
      ::_exit(0);
    }
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(status));
    const auto reader = open(LocalIndex::Mode::kRead);
    EXPECT_EQ(reader->list().size(), 200U);
    EXPECT_EQ(titles(*reader, "old", 300).size(), 200U);
    EXPECT_THAT(titles(*reader, "new", 300), IsEmpty());
  }
  const auto index = open();
  EXPECT_EQ(index->add(documents()).value_or_throw().updated, 200);
  EXPECT_EQ(titles(*index, "new", 300).size(), 200U);
}

TEST_F(LocalIndexTest, ReadersSeeOneStateWhileAWriterWorks) {
  for (int i = 0; i < 30; ++i) put(std::to_string(i) + ".txt", "state old" + std::to_string(i));
  open()->add(documents()).value_or_throw();
  std::atomic<bool> done{false};
  std::atomic<int> n_asked{0};
  std::string failure;
  std::thread reading([&] {
    try {
      const auto reader = open(LocalIndex::Mode::kRead);
      while (!done || n_asked == 0) {
        const auto hits = reader->search("state", 100).value_or_throw();
        if (hits.size() != 30) failure = std::to_string(hits.size()) + " documents";
        ++n_asked;
      }
    } catch (const Exception& e) {
      failure = e.what();
      ++n_asked;
    }
  });
  {
    const auto writer = open();
    for (int round = 0; round < 12; ++round) {
      for (int i = 0; i < 30; ++i) put(std::to_string(i) + ".txt", "state round" + std::string(static_cast<std::size_t>(round), 'x') + std::to_string(i));
      EXPECT_EQ(writer->add(documents()).value_or_throw().updated, 30);
    }
  }
  done = true;
  reading.join();
  EXPECT_EQ(failure, "");
}

TEST_F(LocalIndexTest, SeveralMayBeginAtOnce) {
  put("a.txt", "alpha");
  for (int round = 0; round < 8; ++round) {
    for (const char* side : {"", "-wal", "-shm"}) fs::remove(file().string() + side);
    std::vector<std::thread> threads;
    std::vector<std::string> failures(4);
    for (std::string& failure : failures) {
      threads.emplace_back([&] {
        const auto index = LocalIndex::open(file(), LocalIndex::Mode::kWrite);
        if (!index) failure = index.error().message;
      });
    }
    for (std::thread& thread : threads) thread.join();
    for (const std::string& failure : failures) EXPECT_EQ(failure, "");
    const auto index = open();
    index->add(documents()).value_or_throw();
    EXPECT_THAT(titles(*index, "alpha"), ElementsAre("alpha"));
  }
}

TEST_F(LocalIndexTest, ADamagedIndexIsAnErrorThatSaysWhatToDo) {
  const auto damage = [&](const char* sql) { Database(file(), Database::Mode::kWrite).run(sql); };
  for (const char* sql : {"DELETE FROM index_state", "UPDATE index_state SET generation = 9223372036854775807", "UPDATE index_state SET generation = -1"}) {
    SCOPED_TRACE(sql);
    for (const char* side : {"", "-wal", "-shm"}) fs::remove(file().string() + side);
    for (int i = 0; i < 3; ++i) {
      put("a" + std::to_string(i) + ".txt", "alpha");
      open()->add(documents()).value_or_throw();
    }
    damage(sql);
    for (int i = 3; i < 15; ++i) {
      put("a" + std::to_string(i) + ".txt", "alpha");
      const auto change = open()->add(documents());
      ASSERT_FALSE(change);
      EXPECT_EQ(change.error().code, ErrorCode::kCorrupt);
      EXPECT_THAT(change.error().message, HasSubstr("delete the file and make it anew"));
    }
  }
  fs::remove(file());
  put("a.txt", "alpha beta");
  open()->add(documents()).value_or_throw();
  damage("DELETE FROM texts");
  const auto index = open();
  const std::string url = index->list().at(0).url;
  for (const Error& error : {index->search("alpha beta", 5).error(), index->fetch(url).error()}) {
    EXPECT_EQ(error.code, ErrorCode::kCorrupt);
    EXPECT_THAT(error.message, HasSubstr("delete the file and make it anew"));
  }
}

TEST_F(LocalIndexTest, APageWithoutTextIsFoundByItsTitleOnly) {
  put("script.html", "<title>Harbour</title><script>tides()</script>");
  put("empty.html", "<script>ebb()</script>");
  const auto index = open();
  EXPECT_EQ(index->add(documents()).value_or_throw().added, 2);
  EXPECT_THAT(titles(*index, "tides"), IsEmpty());
  EXPECT_THAT(titles(*index, "ebb"), IsEmpty());
  EXPECT_THAT(titles(*index, "harbour"), ElementsAre("Harbour"));
  EXPECT_THAT(titles(*index, "empty"), ElementsAre("empty.html"));
  EXPECT_THAT(index->fetch("file://" + fs::canonical(documents() / "empty.html").string()).value_or_throw().source, HasSubstr("ebb()"));
}

TEST_F(LocalIndexTest, OfAFileThatIsNotWantedOnlyTheBeginningIsRead) {
  put("big.bin", std::string(300'000, '\0'));
  std::size_t n_seen = 0;
  const auto none = read_regular_file(documents() / "big.bin", 1 << 20, [&](std::string_view head) { n_seen += head.size(); return false; });
  EXPECT_EQ(none.error().code, ErrorCode::kUnsupported);
  EXPECT_EQ(n_seen, 65536U);
  EXPECT_EQ(read_regular_file(documents() / "big.bin", 1 << 20, [](std::string_view) { return true; }).value_or_throw().size(), 300'000U);
  EXPECT_EQ(open()->add(documents()).value_or_throw().skipped, 1);
}

TEST_F(LocalIndexTest, OtherFilesAreNoIndex) {
  EXPECT_EQ(LocalIndex::open(file(), LocalIndex::Mode::kRead).error().code, ErrorCode::kNotFound);
  std::ofstream(file()) << std::string(5000, 'x');
  EXPECT_EQ(LocalIndex::open(file(), LocalIndex::Mode::kWrite).error().code, ErrorCode::kCorrupt);
  fs::remove(file());
  open();
  const auto damage = [&](const char* sql) { Database(file(), Database::Mode::kWrite).run(sql); };
  damage("PRAGMA user_version = 1");
  const auto old = LocalIndex::open(file(), LocalIndex::Mode::kWrite);
  EXPECT_EQ(old.error().code, ErrorCode::kUnsupported);
  EXPECT_THAT(old.error().message, HasSubstr("index version 1"));
  damage("PRAGMA application_id = 7");
  EXPECT_EQ(LocalIndex::open(file(), LocalIndex::Mode::kRead).error().code, ErrorCode::kCorrupt);
}

}  // namespace
}  // namespace toccata::tools
