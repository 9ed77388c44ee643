#include "agent/model/scripted_model.h"

#include <gtest/gtest.h>

#include <thread>

namespace toccata::agent {
namespace {

class ScriptedModelTest : public ::testing::Test {
 protected:
  std::unique_ptr<TokenSession> open(std::vector<ScriptedCompletion> completions) {
    model_ = std::make_unique<ScriptedModel>(tokenizer_, std::move(completions));
    return model_->open_session().value_or_throw();
  }
  // Samples until an error, at most `limit` tokens.
  std::string say(TokenSession& session, int limit = 100) {
    Tokens tokens;
    for (int i = 0; i < limit; ++i) {
      auto sampled = session.sample({}, std::nullopt, {});
      if (!sampled) {
        last_error_ = sampled.error();
        break;
      }
      tokens.push_back(sampled->token);
    }
    return tokenizer_->decode_bytes(tokens).value_or_throw();
  }
  std::shared_ptr<const tokenizer::Tokenizer> tokenizer_ = tokenizer::Tokenizer::o200k_harmony();
  std::unique_ptr<ScriptedModel> model_;
  Error last_error_;
};

TEST_F(ScriptedModelTest, SaysOneCompletionForEachSamplingTurn) {
  auto session = open({{.text = "<|channel|>final<|message|>one<|return|>"}, {.text = "two"}});
  ASSERT_TRUE(session->append(Tokens{1}));
  ASSERT_TRUE(session->append(Tokens{2}));
  EXPECT_EQ(say(*session), "<|channel|>final<|message|>one<|return|>");
  EXPECT_EQ(last_error_.code, ErrorCode::kUnavailable);
  ASSERT_TRUE(session->append(Tokens{3}));
  EXPECT_EQ(say(*session), "two");
  ASSERT_TRUE(session->append(Tokens{4}));
  EXPECT_EQ(say(*session), "");
  EXPECT_EQ(session->usage().appended, 4);
  EXPECT_EQ(session->usage().prefilled, 4);
}

TEST_F(ScriptedModelTest, CanNeverStop) {
  auto session = open({{.text = "ab", .then = ScriptedCompletion::Then::kRepeat}});
  EXPECT_EQ(say(*session, 3 * static_cast<int>(tokenizer_->encode("ab").size())), "ababab");
}

TEST_F(ScriptedModelTest, HasItsNextTokenAtHandUnlessItTakesItsTime) {
  for (const int delay_us : {0, 1}) {
    auto session = open({{.text = "one two", .token_delay = std::chrono::microseconds(delay_us)}});
    EXPECT_FALSE(session->has_next());
    ASSERT_TRUE(session->append(Tokens{1}));
    ASSERT_TRUE(session->sample({}, std::nullopt, {}).ok());
    EXPECT_EQ(session->has_next(), delay_us == 0);
    ASSERT_TRUE(session->sample({}, std::nullopt, {}).ok());
    EXPECT_FALSE(session->has_next());  // all is said
  }
}

TEST_F(ScriptedModelTest, CanFail) {
  auto session = open({{.text = "a", .then = ScriptedCompletion::Then::kError, .error = "boom"}});
  EXPECT_EQ(say(*session), "a");
  EXPECT_EQ(last_error_.message, "boom");
}

TEST_F(ScriptedModelTest, CanHangUntilItIsStopped) {
  auto session = open({{.text = "a", .then = ScriptedCompletion::Then::kHang}});
  ASSERT_TRUE(session->sample({}, std::nullopt, {}));
  std::stop_source stop;
  std::jthread stopper([&stop] { stop.request_stop(); });
  const auto sampled = session->sample({}, std::nullopt, stop.get_token());
  ASSERT_FALSE(sampled);
  EXPECT_EQ(sampled.error().code, ErrorCode::kCancelled);
}

TEST_F(ScriptedModelTest, KeepsToItsContext) {
  model_ = std::make_unique<ScriptedModel>(
      tokenizer_,
      std::vector<ScriptedCompletion>{{.text = "abc def"}},
      ScriptedOptions{.n_context = 3}
  );
  auto session = model_->open_session().value_or_throw();
  EXPECT_EQ(session->append(Tokens{1, 2, 3, 4}).error().code, ErrorCode::kResourceExhausted);
  EXPECT_EQ(session->n_tokens(), 0);
  ASSERT_TRUE(session->append(Tokens{1, 2}));
  ASSERT_TRUE(session->sample({}, std::nullopt, {}));
  EXPECT_EQ(session->sample({}, std::nullopt, {}).error().code, ErrorCode::kResourceExhausted);
}

TEST_F(ScriptedModelTest, RollsBackAndForks) {
  auto session = open({{.text = "one two"}});
  ASSERT_TRUE(session->append(Tokens{1, 2}));
  ASSERT_TRUE(session->sample({}, std::nullopt, {}));
  auto copy = session->fork().value_or_throw();
  ASSERT_TRUE(session->rollback({session->n_tokens() - 1, 0}));
  EXPECT_EQ(session->n_tokens(), 2);
  EXPECT_EQ(copy->n_tokens(), 3);
  EXPECT_EQ(say(*copy), " two");
  EXPECT_FALSE(session->rollback({5, 0}));
}

TEST_F(ScriptedModelTest, ReadsAScriptFile) {
  auto model = ScriptedModel::from_json(
      R"({"name":"demo","completions":["a",{"text":"b","then":"error","error":"x","token_delay_us":5}]})",
      tokenizer_
  );
  ASSERT_TRUE(model) << model.error().message;
  EXPECT_EQ((*model)->name(), "demo");
  ASSERT_EQ((*model)->lines().size(), 2U);
  EXPECT_EQ((*model)->lines()[1].then, ScriptedCompletion::Then::kError);
  EXPECT_EQ((*model)->lines()[1].token_delay, std::chrono::microseconds(5));
}

TEST_F(ScriptedModelTest, NamesWhatIsWrongInAScript) {
  const auto message = [this](const char* json) {
    auto model = ScriptedModel::from_json(json, tokenizer_);
    return model ? std::string("accepted") : model.error().message;
  };
  EXPECT_NE(message(R"({"completion":[]})").find("completion"), std::string::npos);
  EXPECT_NE(message(R"({"completions":[{"txt":"a"}]})").find("txt"), std::string::npos);
  EXPECT_NE(message(R"({"completions":[{"then":"stop"}]})").find("stop"), std::string::npos);
  EXPECT_NE(message(R"({"completions":[7]})").find('7'), std::string::npos);
  EXPECT_NE(message("not json").find("a script is"), std::string::npos);
  EXPECT_FALSE(ScriptedModel::from_file("/nonexistent/script.json", tokenizer_));
}

}  // namespace
}  // namespace toccata::agent
