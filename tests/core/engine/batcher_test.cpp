// Sessions on many threads: their passes are made together, and none can tell.
#include "core/engine/batcher.h"

#include <gtest/gtest.h>

#include <atomic>
#include <barrier>
#include <thread>

#include "core/engine/session.h"
#include "tests/support/tiny_checkpoint.h"

namespace toccata::engine {
namespace {

using toccata::testing::TinyCheckpoint;

constexpr int kSessions = 8;
constexpr int kSteps = 40;

// What a session read and said.
struct Story {
  Tokens said;
  std::vector<float> logits;
  bool operator==(const Story&) const = default;
};

class BatcherTest : public ::testing::TestWithParam<bool> {
 protected:
  std::shared_ptr<const Model> load(int n_threads = 2) {
    Options options{.n_threads = n_threads, .chunk_tokens = 16};
    options.exact = GetParam();
    checkpoints_.push_back(std::make_unique<TinyCheckpoint>());
    return Model::load(checkpoints_.back()->files(), options);
  }

  // Prompts of very different lengths; every few steps some tool output.
  static Story tell(Session& session, int number) {
    SamplingParams params;
    params.seed = static_cast<std::uint64_t>(number);
    session.append(some_tokens(1 + 23 * number, number)).value_or_throw();
    Story story;
    for (int step = 0; step < kSteps; ++step) {
      story.said.push_back(session.sample(params, std::nullopt, 50, {}).value_or_throw().token);
      if (step % 7 == number % 7) session.append(some_tokens(3 + number * 5, step)).value_or_throw();
    }
    const auto logits = session.logits().value_or_throw();
    story.logits.assign(logits.begin(), logits.end());
    return story;
  }
  static Tokens some_tokens(int n, int seed) {
    Tokens tokens;
    for (int i = 0; i < n; ++i) tokens.push_back((seed * 5 + i * 7 + i * i % 11) % 50);
    return tokens;
  }
  std::vector<std::unique_ptr<TinyCheckpoint>> checkpoints_;
};

TEST_P(BatcherTest, AmongOthersASessionGetsTheBitsItGetsAloneOnOneThread) {
  std::vector<Story> alone(kSessions), together(kSessions);
  const auto quiet = load(1);
  for (int i = 0; i < kSessions; ++i) {
    Session session(quiet);
    alone[i] = tell(session, i);
  }
  EXPECT_EQ(quiet->batcher()->counts().shared_passes, 0);

  const auto busy = load(2);
  std::barrier start(kSessions);
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < kSessions; ++i) {
      threads.emplace_back([&, i] {
        Session session(busy);
        start.arrive_and_wait();
        together[i] = tell(session, i);
      });
    }
  }
  for (int i = 0; i < kSessions; ++i) EXPECT_EQ(together[i], alone[i]) << "session " << i;
  const Batcher::Counts counts = busy->batcher()->counts();
  EXPECT_GT(counts.shared_passes, 0);
  EXPECT_EQ(counts.tokens, quiet->batcher()->counts().tokens);
  EXPECT_LT(counts.passes, quiet->batcher()->counts().passes);
}

TEST_P(BatcherTest, LogitsOfEveryTokenOfAPromptThatPassesCut) {
  const auto model = load();
  const auto n_vocab = static_cast<std::size_t>(model->config().n_vocab);
  const Tokens tokens = some_tokens(40, 1);  // two and a half passes
  KvCache cache(model->config(), 64), again(model->config(), 64);
  std::vector<float> logits(30 * n_vocab), last(n_vocab);
  model->batcher()->run({&cache, tokens, 30, logits.data(), n_vocab});
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    model->batcher()->run({&again, std::span(tokens).subspan(i, 1), 1, last.data(), n_vocab});
    if (i < 10) continue;
    EXPECT_TRUE(std::equal(last.begin(), last.end(), logits.begin() + static_cast<std::ptrdiff_t>((i - 10) * n_vocab))) << i;
  }
}

// The second session comes while the first one's pass is under way. If only those of the last pass were waited for, the two
// would take turns for ever.
TEST(PassBatcherTest, TwoThatTakeTurnsFindEachOther) {
  const Token token = 1;
  float logits = 0;
  const Part part{.tokens = std::span(&token, 1), .n_logits = 1, .logits = &logits};
  std::atomic<int> n_begun = 0;
  PassBatcher<Part> batcher({8, 8}, [&](std::span<const Part>, std::span<std::exception_ptr>) {
    ++n_begun;
    std::this_thread::sleep_for(std::chrono::milliseconds(40));
  });
  const auto run = [&] {
    for (int i = 0; i < 100 && batcher.counts().shared_passes == 0; ++i) {
      batcher.run(part);
      std::this_thread::sleep_for(std::chrono::milliseconds(2));  // chooses its next token
    }
  };
  const std::jthread first(run);
  while (n_begun == 0) std::this_thread::yield();
  const std::jthread second(run);
  while (batcher.counts().shared_passes == 0 && batcher.counts().passes < 200) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  EXPECT_GT(batcher.counts().shared_passes, 0);
}

INSTANTIATE_TEST_SUITE_P(
    Modes, BatcherTest, ::testing::Bool(), [](const auto& mode) { return mode.param ? "Exact" : "Fast"; }
);

}  // namespace
}  // namespace toccata::engine
