#include "tools/index/word_index.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <random>
#include <set>

#include "tests/support/temp_folder.h"

namespace toccata::tools {
namespace {

class WordIndexTest : public ::testing::Test {
 protected:
  WordIndexTest() {
    db_.run("PRAGMA synchronous = OFF");
    WordIndex::create_tables(db_);
  }
  void write(const std::map<std::int64_t, std::string>& documents) {
    SegmentBuilder builder;
    for (const auto& [id, text] : documents) builder.add(id, {"", "", text});
    if (sqlite3_get_autocommit(db_.handle()) == 0) return index_.write(builder);
    Transaction transaction(db_, Database::Mode::kWrite);
    index_.write(builder);
    transaction.commit();
  }
  std::vector<std::int64_t> found(const std::string& query, std::size_t n = 100) {
    std::vector<std::int64_t> ids;
    for (const RankedDocument& document : index_.rank(query, n, {}).documents) ids.push_back(document.id);
    return ids;
  }
  testing::TempFolder folder_;
  Database db_{folder_ / "words.db", Database::Mode::kWrite};
  WordIndex index_{db_};
};

// BM25 as its formula reads, over all documents at once.
std::map<std::int64_t, double> by_formula(const std::map<std::int64_t, std::vector<std::string>>& documents, const std::vector<std::string>& query) {
  double words = 0;
  for (const auto& [id, text] : documents) words += static_cast<double>(text.size());
  const double n = static_cast<double>(documents.size());
  std::map<std::int64_t, double> scores;
  for (const std::string& word : query) {
    double n_with = 0;
    for (const auto& [id, text] : documents) n_with += std::count(text.begin(), text.end(), word) > 0;
    for (const auto& [id, text] : documents) {
      const auto tf = static_cast<double>(std::count(text.begin(), text.end(), word));
      const double norm = 1.2 * (0.25 + 0.75 * static_cast<double>(text.size()) / (words / n));
      if (tf > 0) scores[id] += std::log(1 + (n - n_with + 0.5) / (n_with + 0.5)) * tf * 2.2 / (tf + norm);
    }
  }
  return scores;
}

TEST_F(WordIndexTest, RanksByTheFormulaAcrossManySegmentsAndMerges) {
  std::mt19937 random(3);
  std::map<std::int64_t, std::vector<std::string>> all;
  std::int64_t id = 0;
  for (int segment = 0; segment < 25; ++segment) {
    std::map<std::int64_t, std::string> documents;
    for (unsigned n = 1 + random() % 9; n > 0; --n) {
      std::string text;
      std::vector<std::string>& words = all[++id];
      for (unsigned i = 1 + random() % 30; i > 0; --i) {
        words.push_back("w" + std::to_string(static_cast<int>(std::pow(random() % 1000, 2) / 30'000)));
        text += words.back() + " ";
      }
      documents[id] = text;
    }
    write(documents);
  }
  EXPECT_LE(db_.number("SELECT count(*) FROM segments"), 8);
  for (int i = 0; i < 40; ++i) {
    const std::vector<std::string> query = {"w" + std::to_string(random() % 30), "w" + std::to_string(30 + random() % 4)};
    const auto wanted = by_formula(all, query);
    const Ranking ranking = index_.rank(query[0] + " " + query[1], 1000, {});
    ASSERT_EQ(ranking.documents.size(), wanted.size());
    for (const RankedDocument& document : ranking.documents) EXPECT_NEAR(document.score, wanted.at(document.id), 1e-5);
  }
}

TEST_F(WordIndexTest, WhatIsForgottenIsNotFoundBeforeNorAfterAMerge) {
  write({{1, "apple"}, {2, "apple pear"}, {3, "pear"}});
  write({{4, "apple"}});
  index_.forget(2);
  index_.forget(4);
  index_.forget(77);
  write({});
  EXPECT_THAT(found("apple"), ::testing::ElementsAre(1));
  EXPECT_THAT(found("pear"), ::testing::ElementsAre(3));
  EXPECT_EQ(db_.number("SELECT count(*) FROM segments"), 1) << "nothing was left in the second";
  for (int i = 0; i < 20; ++i) write({{10 + i, "plum"}});
  EXPECT_THAT(found("apple"), ::testing::ElementsAre(1));
  EXPECT_EQ(found("plum").size(), 20U);
  index_.forget(1);
  index_.forget(3);
  write({});
  EXPECT_EQ(db_.number("SELECT count(*) FROM postings WHERE word = CAST('pear' AS BLOB) AND n > 1"), 0);
}

TEST_F(WordIndexTest, GivesTheBestFewOfMany) {
  std::map<std::int64_t, std::string> documents;
  for (int i = 1; i <= 300; ++i) documents[i] = i % 100 == 0 ? "rare common" : "common";
  write(documents);
  EXPECT_THAT(found("common rare", 3), ::testing::ElementsAre(100, 200, 300));
  EXPECT_THAT(found("common", 2), ::testing::SizeIs(2));
  EXPECT_THAT(found("common", 0), ::testing::IsEmpty());
  EXPECT_THAT(found("absent"), ::testing::IsEmpty());
  EXPECT_THAT(found(""), ::testing::IsEmpty());
}

TEST_F(WordIndexTest, AnotherConnectionSeesWhatIsCommitted) {
  db_.run("PRAGMA journal_mode = WAL");
  Database other(folder_ / "words.db", Database::Mode::kRead);
  WordIndex reader(other);
  EXPECT_TRUE(reader.rank("apple", 5, {}).documents.empty());
  write({{1, "apple"}});
  EXPECT_EQ(reader.rank("apple", 5, {}).documents.size(), 1U);
  {
    const Transaction rolled_back(db_, Database::Mode::kWrite);
    write({{2, "apple"}});
    EXPECT_EQ(found("apple").size(), 2U);
    EXPECT_EQ(reader.rank("apple", 5, {}).documents.size(), 1U);
  }
  index_.discard();
  EXPECT_EQ(found("apple").size(), 1U);
  write({{3, "apple"}, {4, "apple"}});
  EXPECT_EQ(reader.rank("apple", 5, {}).documents.size(), 3U) << "not taken for the state that was rolled back";
}

TEST_F(WordIndexTest, DamagedTablesAreAnError) {
  write({{1, "apple"}, {2, "apple"}});
  db_.run("UPDATE postings SET list = x'FFFFFFFFFFFFFF'");
  EXPECT_THROW(found("apple"), Exception);
  db_.run("UPDATE segments SET lengths = x'01'");
  index_.discard();
  try {
    found("apple");
    FAIL();
  } catch (const Exception& e) {
    EXPECT_EQ(e.error().code, ErrorCode::kCorrupt);
    EXPECT_THAT(e.error().message, ::testing::HasSubstr("make it anew"));
  }
}

}  // namespace
}  // namespace toccata::tools
