#include "agent/model/engine_model.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>

#include "tests/support/temp_folder.h"

namespace toccata::agent {
namespace {

namespace fs = std::filesystem;

// The random 4-layer checkpoint of the test data, o200k vocabulary.
class EngineModelTest : public ::testing::Test {
 protected:
  void SetUp() override {
    const char* given = std::getenv("TOCCATA_TEST_DATA");
    const fs::path data =
        given != nullptr ? fs::path(given) : fs::path(TOCCATA_SOURCE_DIR) / "../shared/data";
    folder_ = data / "gpt-oss-tiny/hf";
    if (!fs::exists(folder_ / "config.json")) folder_ = data / "gpt-oss-tiny";
    if (!fs::exists(folder_ / "config.json")) GTEST_SKIP() << "no gpt-oss-tiny in " << data;
    model_ = load_engine_model(folder_).value_or_throw();
  }
  Tokens sample(TokenSession& session, int n) {
    Tokens tokens;
    for (int i = 0; i < n; ++i) {
      tokens.push_back(session.sample({.temperature = 0}, std::nullopt, {}).value_or_throw().token);
    }
    return tokens;
  }
  Tokens prompt(int n) const {
    Tokens tokens;
    for (int i = 0; i < n; ++i) tokens.push_back((i * 7919 + 13) % model_->capabilities().n_vocab);
    return tokens;
  }
  fs::path folder_;
  std::unique_ptr<TokenModel> model_;
};

TEST_F(EngineModelTest, ReadsWhatIsAppendedOnceAndSamples) {
  auto session = model_->open_session().value_or_throw();
  session->append(prompt(50)).value_or_throw();
  const Tokens first = sample(*session, 3);
  session->append(prompt(5)).value_or_throw();
  sample(*session, 2);
  EXPECT_EQ(session->usage(), (Usage{55, 55, 5}));
  EXPECT_EQ(session->n_tokens(), 60);
}

TEST_F(EngineModelTest, TakingBackTheLastTokenIsAsIfItHadNeverBeenSampled) {
  auto plain = model_->open_session().value_or_throw();
  plain->append(prompt(200)).value_or_throw();
  sample(*plain, 2);
  auto other = model_->open_session().value_or_throw();
  other->append(prompt(200)).value_or_throw();
  sample(*other, 3);
  other->rollback({other->n_tokens() - 1, 0}).value_or_throw();
  EXPECT_EQ(other->n_tokens(), plain->n_tokens());
  plain->append(prompt(4)).value_or_throw();
  other->append(prompt(4)).value_or_throw();
  EXPECT_EQ(sample(*plain, 5), sample(*other, 5));
  EXPECT_EQ(other->usage().appended, other->usage().prefilled);
}

TEST_F(EngineModelTest, AForkAndARolledBackSessionGoOnAlike) {
  auto session = model_->open_session().value_or_throw();
  session->append(prompt(30)).value_or_throw();
  const Checkpoint checkpoint = session->checkpoint().value_or_throw();
  auto fork = session->fork().value_or_throw();
  session->append(prompt(300)).value_or_throw();
  sample(*session, 3);
  session->rollback(checkpoint).value_or_throw();
  EXPECT_EQ(session->n_tokens(), 30);
  session->append(prompt(2)).value_or_throw();
  fork->append(prompt(2)).value_or_throw();
  EXPECT_EQ(sample(*session, 5), sample(*fork, 5));
  EXPECT_FALSE(session->rollback({10, 99}));
}

TEST_F(EngineModelTest, StopsWhenAskedTo) {
  auto session = model_->open_session().value_or_throw();
  session->append(prompt(500)).value_or_throw();
  std::stop_source stop;
  stop.request_stop();
  const auto sampled = session->sample({}, std::nullopt, stop.get_token());
  ASSERT_FALSE(sampled);
  EXPECT_EQ(sampled.error().code, ErrorCode::kCancelled);
}

TEST(EngineModelErrorTest, NamesAFolderThatIsNotThere) {
  const auto model = load_engine_model("/nonexistent/model");
  ASSERT_FALSE(model);
  EXPECT_EQ(model.error().code, ErrorCode::kNotFound);
  EXPECT_NE(model.error().message.find("/nonexistent/model"), std::string::npos);
}

TEST(EngineModelErrorTest, SaysWhatIsMissingInAFolder) {
  testing::TempFolder folder;
  const auto model = load_engine_model(folder.path());
  ASSERT_FALSE(model);
  EXPECT_NE(model.error().message.find("config.json"), std::string::npos) << model.error().message;
}

TEST(EngineModelErrorTest, RefusesMemoryThatHoldsNoModel) {
  const auto model = load_engine_model(EmbeddedModel{"broken", "{}", {}, ""});
  ASSERT_FALSE(model);
}

}  // namespace
}  // namespace toccata::agent
