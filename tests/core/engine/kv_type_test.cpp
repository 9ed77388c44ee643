// Keys and values of fewer bits: near those of 32, and as free of accidents.
#include <gtest/gtest.h>

#include <cmath>

#include "core/engine/kv_cache.h"
#include "core/engine/session.h"
#include "tests/support/tiny_checkpoint.h"

namespace toccata::engine {
namespace {

using ops::KvType;
using toccata::testing::TinyCheckpoint;
using toccata::testing::TinyShape;

Tokens some_tokens(int n) {
  Tokens tokens;
  for (int i = 0; i < n; ++i) tokens.push_back((i * 7 + i * i % 11) % 50);
  return tokens;
}

std::shared_ptr<const Model> load(KvType type, int n_threads = 1, int chunk = 16, int head_dim = 32) {
  TinyShape shape;
  shape.head_dim = head_dim;
  static std::vector<std::unique_ptr<TinyCheckpoint>> kept;  // models read them in place
  kept.push_back(std::make_unique<TinyCheckpoint>(shape));
  Options options{.n_threads = n_threads, .chunk_tokens = chunk};
  options.kv = type;
  return Model::load(kept.back()->files(), options);
}

std::vector<float> logits_of(Session& session) {
  const auto view = session.logits().value_or_throw();
  return {view.begin(), view.end()};
}

std::vector<float> logits(KvType type, int n_threads = 1, int chunk = 16, std::size_t step = 60) {
  Session session(load(type, n_threads, chunk));
  const Tokens tokens = some_tokens(60);
  for (std::size_t at = 0; at < tokens.size(); at += step) {
    session.append(std::span(tokens).subspan(at, std::min(step, tokens.size() - at))).value_or_throw();
    session.logits().value_or_throw();
  }
  return logits_of(session);
}

double distance(const std::vector<float>& a, const std::vector<float>& b) {
  double difference = 0, size = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    difference += (a[i] - b[i]) * (a[i] - b[i]);
    size += b[i] * b[i];
  }
  return std::sqrt(difference / size);
}

TEST(KvTypes, AreNear32Bits) {
  const auto exact = logits(KvType::kF32);
  const double f16 = distance(logits(KvType::kF16), exact), q8 = distance(logits(KvType::kInt8), exact);
  EXPECT_LT(f16, 1e-3);
  EXPECT_LT(q8, 2e-2);
  EXPECT_LT(f16, q8);
  EXPECT_GT(f16, 1e-7) << "32 bits were kept";
}

class KvTypeTest : public ::testing::TestWithParam<KvType> {};

TEST_P(KvTypeTest, NeitherThreadsNorChunksChangeTheBits) {
  const auto alone = logits(GetParam());
  EXPECT_EQ(alone, logits(GetParam(), 2, 64));
  for (const std::size_t step : {1U, 3U, 17U}) EXPECT_EQ(alone, logits(GetParam(), 2, 16, step)) << "in steps of " << step;
}

TEST_P(KvTypeTest, ForksAndRollbacksReadAsAFreshSessionDoes) {
  const auto model = load(GetParam());
  const Tokens tokens = some_tokens(40);
  Session session(model), fresh(model);
  session.append(std::span(tokens).first(20)).value_or_throw();
  const Checkpoint here = session.checkpoint().value_or_throw();
  Session fork = session.fork();
  session.append(std::span(tokens).first(30)).value_or_throw();
  session.logits().value_or_throw();
  session.rollback(here);
  for (Session* one : {&session, &fork}) one->append(std::span(tokens).subspan(20)).value_or_throw();
  fresh.append(tokens).value_or_throw();
  const auto expected = logits_of(fresh);
  EXPECT_EQ(logits_of(session), expected);
  EXPECT_EQ(logits_of(fork), expected);
}

// 300 positions are five pages of the full layer; the ring of the other holds 64 of its own.
TEST_P(KvTypeTest, TakesTheRoomItsBitsTake) {
  Session session(load(GetParam()));
  session.append(some_tokens(300)).value_or_throw();
  session.logits().value_or_throw();
  const std::size_t row = GetParam() == KvType::kF32 ? 2 * 32 * 4 : GetParam() == KvType::kF16 ? 2 * 32 * 2 : 2 * 34;
  EXPECT_EQ(session.kv_bytes(), (5 + 1) * 64 * 2 * row);
}

INSTANTIATE_TEST_SUITE_P(
    Types, KvTypeTest, ::testing::Values(KvType::kF32, KvType::kF16, KvType::kInt8),
    [](const auto& type) { return ops::to_string(type.param); }
);

TEST(KvTypes, EightBitsNeedHeadsOfWholeBlocks) {
  try {
    load(KvType::kInt8, 1, 16, 16);
    FAIL() << "was taken";
  } catch (const Exception& error) {
    EXPECT_EQ(error.error().code, ErrorCode::kUnsupported);
  }
}

}  // namespace
}  // namespace toccata::engine
