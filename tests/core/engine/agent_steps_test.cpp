// What an agent does to a session, for long: nothing is read twice, forks cost what they write, and going back is exact.
#include <gtest/gtest.h>

#include <random>

#include "core/engine/kv_cache.h"
#include "core/engine/session.h"
#include "tests/support/tiny_checkpoint.h"

namespace toccata::engine {
namespace {

using toccata::testing::TinyCheckpoint;

class AgentStepsTest : public ::testing::Test {
 protected:
  TinyCheckpoint checkpoint_;
  std::shared_ptr<const Model> model_ = load({.n_threads = 2, .chunk_tokens = 16});
  std::mt19937 rng_{7};

  std::shared_ptr<const Model> load(const Options& options) {
    const std::string max = "\"max_position_embeddings\":512";
    const std::size_t at = checkpoint_.config().find(max);
    if (at != std::string::npos) checkpoint_.config().replace(at, max.size(), "\"max_position_embeddings\":8192");
    return Model::load(checkpoint_.files(), options);
  }
  Tokens random_tokens(std::size_t n) {
    Tokens tokens(n);
    for (Token& token : tokens) token = static_cast<Token>(rng_() % 50);
    return tokens;
  }
  static std::vector<float> logits_of(Session& session) {
    const auto view = session.logits().value_or_throw();
    return {view.begin(), view.end()};
  }
};

// A step: the model writes a few tokens, a tool result comes back; every fourth is taken back and done again.
TEST_F(AgentStepsTest, TwoHundredStepsReadEveryTokenOnce) {
  Session session(model_);
  Tokens history = random_tokens(40);
  session.append(history).value_or_throw();
  std::int64_t appended = 40;
  for (int step = 0; step < 200; ++step) {
    const SamplingParams params{.temperature = 1, .seed = 11};
    for (int i = 0; i < 5; ++i) {
      history.push_back(session.sample(params, std::nullopt, 50, {}).value_or_throw().token);
    }
    if (step % 4 == 3) {
      const Checkpoint here = session.checkpoint().value_or_throw();
      const Tokens refused = random_tokens(20);
      session.append(refused).value_or_throw();
      session.logits().value_or_throw();
      appended += 20;
      session.rollback(here);
    }
    const Tokens result = random_tokens(3 + rng_() % 30);
    session.append(result).value_or_throw();
    history.insert(history.end(), result.begin(), result.end());
    appended += static_cast<std::int64_t>(result.size());
  }
  const auto logits = logits_of(session);
  EXPECT_EQ(session.usage().appended, appended);
  EXPECT_EQ(session.usage().prefilled, appended);
  EXPECT_EQ(session.usage().decoded, 1000);

  Session fresh(model_);
  fresh.append(history).value_or_throw();
  EXPECT_EQ(logits_of(fresh), logits);
}

// 4096 positions are 64 full pages a growing layer; a fork's first token writes one page in each of the two layers.
TEST_F(AgentStepsTest, SixtyFourForksOfAPrefixCostThePagesTheyWrite) {
  Session prefix(model_);
  prefix.append(random_tokens(4096)).value_or_throw();
  prefix.logits().value_or_throw();
  const auto prefilled = prefix.usage().prefilled;
  std::vector<Session> forks;
  for (int i = 0; i < 64; ++i) {
    forks.push_back(prefix.fork());
    forks.back().append(random_tokens(1)).value_or_throw();
    forks.back().logits().value_or_throw();
    EXPECT_EQ(forks.back().usage().prefilled, prefilled + 1);
  }
  std::vector<const KvCache*> caches = {prefix.cpu_cache()};
  for (const Session& fork : forks) caches.push_back(fork.cpu_cache());
  const std::size_t page = 2 * 64 * 2 * 16 * sizeof(float);  // keys and values of 64 positions, 2 heads of 16
  EXPECT_EQ(distinct_bytes(caches), prefix.kv_bytes() + 64 * 2 * page);
}

}  // namespace
}  // namespace toccata::engine
