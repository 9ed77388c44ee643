#include "agent/model/completion_chunk.h"
#include "core/base/json.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace toccata::agent {
namespace {

using nlohmann::json;

class CompletionChunkTest : public ::testing::Test {
 protected:
  CompletionChunk parse(const json& choice) const {
    return parse_completion_chunk(json_text(json{{"choices", {choice}}}), *tokenizer_).value_or_throw();
  }
  static Tokens ids(const CompletionChunk& chunk) {
    Tokens tokens;
    for (const Sampled& sampled : chunk.tokens) tokens.push_back(sampled.token);
    return tokens;
  }
  std::shared_ptr<const tokenizer::Tokenizer> tokenizer_ = tokenizer::Tokenizer::o200k_harmony();
};

TEST_F(CompletionChunkTest, ReadsTheIdsOfVllm) {
  const auto chunk = parse(
      {{"text", "<|channel|>final"},
       {"token_ids", {200005, 17196}},
       {"logprobs",
        {{"tokens", {"token_id:200005", "token_id:17196"}}, {"token_logprobs", {-0.5, -0.25}}}}}
  );
  EXPECT_EQ(ids(chunk), (Tokens{200005, 17196}));
  EXPECT_FLOAT_EQ(chunk.tokens[1].logprob, -0.25F);
  EXPECT_FALSE(chunk.from_text);
  EXPECT_FALSE(chunk.finished);
}

TEST_F(CompletionChunkTest, ReadsTheIdsOfAnOlderVllm) {
  const auto chunk = parse(
      {{"text", "final"},
       {"logprobs", {{"tokens", {"token_id:17196"}}, {"token_logprobs", {-1.0}}}}}
  );
  EXPECT_EQ(ids(chunk), Tokens{17196});
  EXPECT_FLOAT_EQ(chunk.tokens[0].logprob, -1.0F);
}

TEST_F(CompletionChunkTest, ReadsTheIdsOfLlamaServerThoughItsTextHidesControlTokens) {
  const auto chunk =
      parse({{"text", ""}, {"logprobs", {{"content", {{{"id", 200005}, {"logprob", -0.125}}}}}}});
  EXPECT_EQ(ids(chunk), Tokens{200005});
  EXPECT_FLOAT_EQ(chunk.tokens[0].logprob, -0.125F);
}

TEST_F(CompletionChunkTest, RestoresTokensThatLlamaServerHeldBackInsideACharacter) {
  const std::string text = "\xF0\x9F\xA6\x9C";  // a parrot: several tokens, one event
  const Tokens whole = tokenizer_->encode(text);
  ASSERT_GT(whole.size(), 1U);
  const auto chunk =
      parse({{"text", text}, {"logprobs", {{"content", {{{"id", whole.back()}, {"logprob", -1}}}}}}}
      );
  EXPECT_EQ(tokenizer_->decode_bytes(ids(chunk)).value_or_throw(), text);
  EXPECT_EQ(ids(chunk).back(), whole.back());
}

TEST_F(CompletionChunkTest, EncodesTextWhenThereAreNoIds) {
  const auto chunk = parse({{"text", "<|channel|>final<|message|>4"}, {"logprobs", nullptr}});
  EXPECT_TRUE(chunk.from_text);
  EXPECT_EQ(ids(chunk), (Tokens{200005, 17196, 200008, tokenizer_->encode("4").at(0)}));
}

TEST_F(CompletionChunkTest, ReadsHowItEnded) {
  const auto stop = parse({{"text", ""}, {"finish_reason", "stop"}, {"stop_reason", 200012}});
  EXPECT_TRUE(stop.finished);
  EXPECT_FALSE(stop.at_limit);
  EXPECT_EQ(stop.stop_token, 200012);
  const auto length = parse({{"text", ""}, {"finish_reason", "length"}, {"stop_reason", nullptr}});
  EXPECT_TRUE(length.finished && length.at_limit);
}

TEST_F(CompletionChunkTest, SkipsEventsWithoutChoices) {
  const auto chunk =
      parse_completion_chunk(R"({"choices":[],"usage":{"prompt_tokens":3}})", *tokenizer_);
  ASSERT_TRUE(chunk);
  EXPECT_TRUE(chunk->tokens.empty());
  EXPECT_FALSE(chunk->finished);
}

TEST_F(CompletionChunkTest, PassesOnTheServersErrorInItsWords) {
  const auto chunk = parse_completion_chunk(
      R"({"error":{"message":"out of\nKV blocks","code":500}})", *tokenizer_
  );
  ASSERT_FALSE(chunk);
  EXPECT_EQ(chunk.error().message, "the server reports: out of KV blocks");
}

TEST_F(CompletionChunkTest, NeverFailsOnHostileEvents) {
  for (const char* event :
       {"",
        "null",
        "[]",
        "{",
        "\xff\xfe",
        R"({"choices":{}})",
        R"({"choices":[7]})",
        R"({"choices":[{"text":7,"token_ids":"x","logprobs":[1]}]})",
        R"({"choices":[{"token_ids":[-1,"a",1e99]}]})",
        R"({"choices":[{"logprobs":{"content":[{"id":{}}],"tokens":[1,2]}}]})",
        R"({"choices":[{"logprobs":{"tokens":["token_id:99999999999999999999"]}}]})",
        R"({"error":[[[]]]})"}) {
    const auto chunk = parse_completion_chunk(event, *tokenizer_);
    if (chunk) {
      EXPECT_TRUE(chunk->tokens.empty()) << event;
    }
  }
}

TEST_F(CompletionChunkTest, AnExcerptIsPrintable) {
  EXPECT_EQ(error_excerpt(R"({"error":"bad"})"), "bad");
  EXPECT_EQ(error_excerpt(R"({"message":"bad"})"), "bad");
  EXPECT_EQ(error_excerpt("<html>\x1b[31m\xff</html>"), "<html> [31m\xEF\xBF\xBD</html>");
  EXPECT_LE(error_excerpt(std::string(100'000, 'a')).size(), 500U);
}

}  // namespace
}  // namespace toccata::agent
