#include "tools/index/vector_index.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>
#include <random>

#include "tests/support/loopback_server.h"
#include "tests/support/temp_folder.h"
#include "tools/browser/local_index.h"
#include "tools/web/embedder.h"

namespace toccata::tools {
namespace {

using nlohmann::json;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using testing::Connection;
using testing::http_answer;
using testing::LoopbackServer;

TEST(EmbeddedPartsTest, CoverTheTextAndEndBetweenWords) {
  std::string text;
  for (int i = 0; i < 300; ++i) text += "Sentence number " + std::to_string(i) + " says où the water goes. ";
  const auto parts = embedded_parts(text);
  ASSERT_GT(parts.size(), 5U);
  EXPECT_EQ(parts.front().begin, 0U);
  EXPECT_EQ(parts.back().end, text.size());
  for (std::size_t i = 0; i + 1 < parts.size(); ++i) {
    EXPECT_EQ(parts[i].end, parts[i + 1].begin);
    EXPECT_EQ(text.substr(parts[i].end - 2, 2), ". ");
    EXPECT_LE(parts[i].end - parts[i].begin, 1500U);
  }
  EXPECT_EQ(embedded_parts("").size(), 1U);
  EXPECT_EQ(embedded_parts(" \n ").size(), 1U);
  std::string solid;
  for (int i = 0; i < 3000; ++i) solid += "水";
  for (const auto& [begin, end] : embedded_parts(solid)) EXPECT_EQ((end - begin) % 3, 0U) << "cut inside a character";
  EXPECT_EQ(embedded_parts(std::string(1'000'000, 'x')).size(), 64U);
}

class VectorIndexTest : public ::testing::Test {
 protected:
  VectorIndexTest() : db_(folder_ / "v.db", Database::Mode::kWrite) {
    db_.run("PRAGMA synchronous = OFF");
    VectorIndex::create_tables(db_);
  }
  static std::vector<float> random_vector(std::mt19937& random, int n) {
    std::normal_distribution<float> normal;
    std::vector<float> out;
    for (int i = 0; i < n; ++i) out.push_back(normal(random));
    return out;
  }
  static double cosine(const std::vector<float>& a, const std::vector<float>& b) {
    double ab = 0, aa = 0, bb = 0;
    for (std::size_t i = 0; i < a.size(); ++i) ab += a[i] * b[i], aa += a[i] * a[i], bb += b[i] * b[i];
    return ab / std::sqrt(aa * bb);
  }
  testing::TempFolder folder_;
  Database db_;
};

TEST_F(VectorIndexTest, CosinesOfEightBitsAreCloseToThoseOfFloats) {
  constexpr int kDimensions = 384;
  std::mt19937 random(7);
  VectorIndex index(db_);
  index.set_space({"m", kDimensions});
  std::vector<std::vector<float>> all;
  for (int i = 0; i < 200; ++i) {
    all.push_back(random_vector(random, kDimensions));
    const TextPart part{0, 1};
    index.put(i + 1, {&part, 1}, {&all.back(), 1});
  }
  const std::vector<float> query = random_vector(random, kDimensions);
  const auto near = index.nearest(query, 200, {});
  ASSERT_EQ(near.size(), 200U);
  for (const NearDocument& document : near) {
    EXPECT_NEAR(document.cosine, cosine(query, all[static_cast<std::size_t>(document.id - 1)]), 0.005);
  }
  EXPECT_TRUE(std::is_sorted(near.begin(), near.end(), [](const auto& a, const auto& b) { return a.cosine > b.cosine; }));
}

TEST_F(VectorIndexTest, ADocumentIsAsNearAsItsNearestPart) {
  VectorIndex index(db_);
  index.set_space({"m", 2});
  const std::vector<TextPart> parts = {{0, 10}, {10, 20}};
  index.put(1, parts, std::vector<std::vector<float>>{{1, 0}, {0, 1}});
  index.put(2, std::span(parts).first(1), std::vector<std::vector<float>>{{1, 1}});
  const std::vector<float> up = {0, 5};
  auto near = index.nearest(up, 5, {});
  ASSERT_EQ(near.size(), 2U);
  EXPECT_EQ(near[0].id, 1);
  EXPECT_EQ(near[0].part.begin, 10U);
  EXPECT_NEAR(near[0].cosine, 1, 0.01);
  EXPECT_NEAR(near[1].cosine, std::sqrt(0.5), 0.01);
  index.forget(1);
  near = index.nearest(up, 5, {});
  ASSERT_EQ(near.size(), 1U);
  EXPECT_EQ(near[0].id, 2);
}

TEST_F(VectorIndexTest, BadVectorsAndDamageAreTold) {
  VectorIndex index(db_);
  EXPECT_FALSE(index.space());
  index.set_space({"m", 2});
  const TextPart part{0, 1};
  for (const std::vector<float>& bad : {std::vector<float>{0, 0}, {1, NAN}, {INFINITY, 1}, {1, 2, 3}, {}}) {
    EXPECT_THROW(index.put(1, {&part, 1}, {&bad, 1}), Exception);
  }
  EXPECT_THROW(index.nearest(std::vector<float>{1, 2, 3}, 5, {}), Exception);
  db_.run("INSERT INTO vectors(id, begins, ends, scale, value) VALUES(9, 0, 1, 1.0, x'010203')");
  db_.run("UPDATE vector_state SET generation = generation + 1");
  EXPECT_THROW(index.nearest(std::vector<float>{1, 2}, 5, {}), Exception);
  index.set_space({"other", 2});
  EXPECT_THAT(index.nearest(std::vector<float>{1, 2}, 5, {}), IsEmpty());
}

// A model of three meanings: the sea, money and cooking, by the words that stand for them.
std::vector<float> meaning(const std::string& text) {
  const std::vector<std::vector<std::string>> words = {{"tide", "ocean", "water", "sea"}, {"bank", "money", "price", "cost"}, {"bread", "bake", "oven", "dough"}};
  std::vector<float> out = {0.01F, 0.01F, 0.01F};
  for (std::size_t i = 0; i < words.size(); ++i) {
    for (const std::string& word : words[i]) out[i] += text.find(word) != std::string::npos ? 1.0F : 0.0F;
  }
  return out;
}

class EmbeddingsServer {
 public:
  EmbeddingsServer()
      : server_([this](const std::string& request, Connection& connection) {
          if (!answer.empty()) return connection.send(answer);
          const json asked = json::parse(request.substr(request.find("\r\n\r\n") + 4));
          json data = json::array();
          for (std::size_t i = asked["input"].size(); i > 0; --i) {  // in any order
            data.push_back({{"object", "embedding"}, {"index", i - 1}, {"embedding", meaning(asked["input"][i - 1].get<std::string>())}});
          }
          n_texts += static_cast<int>(asked["input"].size());
          connection.send(http_answer("200 OK", "application/json", json{{"object", "list"}, {"data", data}}.dump()));
        }) {}
  std::string url() const { return server_.url("/v1"); }
  std::vector<std::string> requests() const { return server_.requests(); }
  std::shared_ptr<Embedder> embedder(const std::string& model = "meanings", const std::string& key = "") const {
    return HttpEmbedder::make({url(), model, key}).value_or_throw();
  }
  std::string answer;  // in place of a right one
  std::atomic<int> n_texts = 0;

 private:
  LoopbackServer server_;
};

TEST(HttpEmbedderTest, AsksAsOpenAIsClientsDo) {
  const EmbeddingsServer server;
  auto embedder = server.embedder("meanings", "sk-secret-1");
  const auto vectors = embedder->embed({"bread", "the sea"}, EmbeddingUse::kText, {}).value_or_throw();
  ASSERT_EQ(vectors.size(), 2U);
  EXPECT_GT(vectors[0][2], 1);
  EXPECT_GT(vectors[1][0], 1);
  EXPECT_TRUE(embedder->is_local());
  const std::string request = server.requests().at(0);
  EXPECT_THAT(request, HasSubstr("POST /v1/embeddings HTTP/1.1"));
  EXPECT_THAT(request, HasSubstr("Authorization: Bearer sk-secret-1\r\n"));
  EXPECT_THAT(request, HasSubstr(R"("model":"meanings")"));
}

TEST(HttpEmbedderTest, TellsWhatIsWrongAndNeverTheKey) {
  EmbeddingsServer server;
  const auto error_for = [&](const std::string& answer) {
    server.answer = answer;
    const auto vectors = server.embedder("m", "sk-secret-1")->embed({"a", "b"}, EmbeddingUse::kQuery, {});
    EXPECT_FALSE(vectors) << answer;
    const Error error = vectors ? Error{} : vectors.error();
    EXPECT_THAT(error.message, Not(HasSubstr("sk-secret-1")));
    return error;
  };
  EXPECT_EQ(error_for(http_answer("401 No", "application/json", R"({"error": {"message": "bad key sk-secret-1"}})")).code, ErrorCode::kPermissionDenied);
  EXPECT_THAT(error_for(http_answer("500 Oh", "application/json", R"({"error": "out of memory"})")).message, HasSubstr("out of memory"));
  for (const char* body : {
           "", "[]", "{}", R"({"data": 5})", R"({"data": []})", R"({"data": [{"embedding": [1]}]})", R"({"data": [{"embedding": [1]}, {"embedding": [1, 2]}]})",
           R"({"data": [{"index": 0, "embedding": [1]}, {"index": 0, "embedding": [1]}]})", R"({"data": [{"index": 7, "embedding": [1]}, {"embedding": [1]}]})",
           R"({"data": [{"embedding": ["x"]}, {"embedding": [1]}]})", R"({"data": [{"embedding": []}, {"embedding": []}]})",
           R"({"data": [{"embedding": [1e999]}, {"embedding": [1]}]})", R"({"data": [5, 6]})"}) {
    EXPECT_EQ(error_for(http_answer("200 OK", "application/json", body)).code, ErrorCode::kCorrupt) << body;
  }
  EXPECT_EQ(error_for(http_answer("200 OK", "application/json", std::string(100'000, '['))).code, ErrorCode::kCorrupt);
  EXPECT_EQ(HttpEmbedder::make({"ftp://x", "m"}).error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(HttpEmbedder::make({"http://127.0.0.1:1/v1", ""}).error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(HttpEmbedder::make({"http://far.example/v1", "m", "sk-secret-1"}).error().code, ErrorCode::kInvalidArgument) << "a key in the clear";
}

class SearchByMeaningTest : public ::testing::Test {
 protected:
  SearchByMeaningTest() {
    put("tides.txt", "The tide\n\nThe ocean rises twice a day.");
    put("bank.txt", "The bank\n\nIt keeps money, at a price.");
    put("bread.txt", "A loaf\n\nThe dough rests before it goes into the oven.");
    index_ = LocalIndex::open(folder_ / "index.db", LocalIndex::Mode::kWrite).value_or_throw();
    index_->add(folder_ / "documents").value_or_throw();
  }
  void put(const std::string& name, const std::string& text) const {
    std::filesystem::create_directories(folder_ / "documents");
    std::ofstream(folder_ / ("documents/" + name)) << text;
  }
  std::vector<std::string> titles(const std::string& query) {
    std::vector<std::string> out;
    for (const SearchHit& hit : index_->search(query, 10).value_or_throw()) out.push_back(hit.title);
    return out;
  }
  testing::TempFolder folder_;
  EmbeddingsServer server_;
  std::unique_ptr<LocalIndex> index_;
  std::vector<std::string> warnings_;
  IndexWarning warn_ = [this](const std::string& text) { warnings_.push_back(text); };
};

TEST_F(SearchByMeaningTest, FindsAParaphraseThatSharesNoWord) {
  EXPECT_THAT(titles("sea water"), IsEmpty());
  EXPECT_EQ(index_->embed(*server_.embedder()).value_or_throw(), 3);
  EXPECT_THAT(titles("sea water"), IsEmpty()) << "nobody was named who could be asked";
  index_->use_embedder(server_.embedder(), warn_);
  EXPECT_EQ(titles("sea water").at(0), "The tide");
  EXPECT_THAT(index_->search("sea water", 1).value_or_throw().at(0).summary, HasSubstr("ocean rises"));
  EXPECT_EQ(titles("loaf").at(0), "A loaf") << "words count as before";
  EXPECT_THAT(warnings_, IsEmpty());
}

TEST_F(SearchByMeaningTest, OnlyWhatIsNewIsEmbedded) {
  index_->embed(*server_.embedder()).value_or_throw();
  EXPECT_EQ(server_.n_texts, 3);
  EXPECT_EQ(server_.requests().size(), 1U) << "texts of several documents go in one request";
  put("cost.txt", "What it costs\n\nA high price.");
  put("bank.txt", "The bank has moved\n\nMoney is kept elsewhere, at another price.");
  std::filesystem::remove(folder_ / "documents/bread.txt");
  index_->add(folder_ / "documents").value_or_throw();
  EXPECT_EQ(index_->embed(*server_.embedder()).value_or_throw(), 2);
  EXPECT_EQ(index_->embed(*server_.embedder()).value_or_throw(), 0);
  EXPECT_EQ(server_.n_texts, 5);
  index_->use_embedder(server_.embedder(), warn_);
  EXPECT_THAT(titles("bake"), Not(::testing::Contains("A loaf")));
  EXPECT_EQ(index_->embed(*server_.embedder("another")).value_or_throw(), 3) << "vectors of another model are no use";
  EXPECT_EQ(index_->vector_space().value_or_throw()->model, "another");
}

TEST_F(SearchByMeaningTest, WithoutTheServiceItGoesByWordsAndSaysSoOnce) {
  index_->embed(*server_.embedder()).value_or_throw();
  index_->use_embedder(HttpEmbedder::make({"http://127.0.0.1:1/v1", "meanings"}).value_or_throw(), warn_);
  EXPECT_THAT(titles("ocean"), ElementsAre("The tide"));
  EXPECT_THAT(titles("sea water"), IsEmpty());
  EXPECT_THAT(warnings_, ElementsAre(AllOf(HasSubstr("words alone"), HasSubstr("127.0.0.1:1"))));
  warnings_.clear();
  index_->use_embedder(server_.embedder("another"), warn_);
  EXPECT_THAT(titles("ocean"), ElementsAre("The tide"));
  EXPECT_THAT(warnings_, ElementsAre(HasSubstr("vectors of meanings")));
}

TEST_F(SearchByMeaningTest, AFailureLeavesWhatWasDone) {
  server_.answer = http_answer("500 Oh", "application/json", "{}");
  EXPECT_EQ(index_->embed(*server_.embedder()).error().code, ErrorCode::kUnavailable);
  server_.answer.clear();
  EXPECT_EQ(index_->embed(*server_.embedder()).value_or_throw(), 3);
}

TEST_F(SearchByMeaningTest, AnIndexOfTheVersionBeforeIsReadAndExtended) {
  index_.reset();
  {
    Database db(folder_ / "index.db", Database::Mode::kWrite);
    db.run("DROP TABLE vectors; DROP TABLE vector_space; DROP TABLE vector_state; DROP TABLE site_pages; DROP TABLE site_visits; DROP TABLE archives; DROP TABLE archived_names; PRAGMA user_version = 2");
  }
  index_ = LocalIndex::open(folder_ / "index.db", LocalIndex::Mode::kRead).value_or_throw();
  index_->use_embedder(server_.embedder(), warn_);
  EXPECT_THAT(titles("ocean"), ElementsAre("The tide"));
  index_ = LocalIndex::open(folder_ / "index.db", LocalIndex::Mode::kWrite).value_or_throw();
  EXPECT_EQ(index_->embed(*server_.embedder()).value_or_throw(), 3);
}

}  // namespace
}  // namespace toccata::tools
