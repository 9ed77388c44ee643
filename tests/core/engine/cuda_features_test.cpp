// What the CUDA engine does around its kernels: draws in place, graphs and their fallback, pages and weights in host memory,
// what a pass launches and what it moves. On the emulated device, and on a GPU by scripts/gpu_check.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <barrier>
#include <set>
#include <thread>

#if defined(TOCCATA_EMULATED)
#include "core/cuda/emulation.h"
#endif
#include "core/cuda/device.h"
#include "core/engine/cuda_device.h"
#include "core/engine/cuda_transformer.h"
#include "core/engine/prefix_cache.h"
#include "core/engine/session.h"
#include "core/model/gguf_checkpoint.h"
#include "tests/support/gguf_writer.h"
#include "tests/support/tiny_checkpoint.h"

namespace toccata::engine {
namespace {

using ::testing::HasSubstr;
using toccata::testing::TinyCheckpoint;

constexpr std::size_t kVocab = 50;

Tokens some_tokens(int n, int seed = 0) {
  Tokens tokens;
  for (int i = 0; i < n; ++i) tokens.push_back((seed * 5 + i * 7 + i * i % 11) % 50);
  return tokens;
}

class CudaFeaturesTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (const auto devices = cuda::list_devices(); !devices) GTEST_SKIP() << devices.error().message;
  }
  std::unique_ptr<CudaTransformer> make(CudaOptions options) {
    options.exact = true;
    if (options.n_context == 0) options.n_context = 512;
    return std::make_unique<CudaTransformer>(model::load_weights(checkpoint_.files()), options);
  }
  static std::vector<float> read(CudaTransformer& t, CudaSequence& sequence, const Tokens& tokens, std::size_t step) {
    std::vector<float> logits(kVocab);
    for (std::size_t at = 0; at < tokens.size(); at += step) {
      const CudaTransformer::Item item{&sequence, std::span(tokens).subspan(at, std::min(step, tokens.size() - at)), 1, logits.data()};
      t.forward({&item, 1});
    }
    return logits;
  }
  TinyCheckpoint checkpoint_;
};

TEST_F(CudaFeaturesTest, ATokenIsDrawnInThePassAndNoLogitsComeBack) {
  auto t = make({.n_sequences = 4, .chunk_tokens = 32});
  auto sequence = t->new_sequence();
  auto beside = t->new_sequence();
  const Tokens tokens = some_tokens(12);
  ops::Sampler cpu(kVocab);
  SamplingParams params{.temperature = 0.8F, .top_p = 0.9F, .seed = 3};
  std::vector<std::uint32_t> mask = {0x55555555U, 0x15555U};
  const std::vector<float> first = read(*t, *sequence, tokens, 8);
  read(*t, *beside, tokens, 8);
  auto reference = t->fork(*sequence);
  Token token = 3;
  for (std::uint64_t step = 0; step < 6; ++step) {
    const DrawRequest request{&params, mask, 48, step};
    std::optional<Result<ops::Draw>> draw, other;
    const Token next[] = {token};
    const CudaTransformer::Item items[] = {
        {sequence.get(), next, 1, nullptr, &request, &draw}, {beside.get(), next, 1, nullptr, &request, &other}};
    const auto before = t->counts();
    t->forward(items);
    const auto after = t->counts();
    EXPECT_LT(after.downloaded - before.downloaded, 2 * 256);
    EXPECT_LT(after.uploaded - before.uploaded, 2048);
    const std::vector<float> logits = read(*t, *reference, {token}, 1);
    const ops::Draw wanted = cpu.draw(logits, params, mask, 48, step);
    ASSERT_TRUE(draw && *draw);
    EXPECT_EQ((*draw)->token, wanted.token) << step;
    EXPECT_NEAR((*draw)->logprob, wanted.logprob, 1e-5);
    EXPECT_EQ((*other)->token, wanted.token) << "the same beside it";
    // The logits are kept: for a second draw, for a look at them, and in a fork.
    EXPECT_EQ(t->draw(*sequence, sequence->size(), request)->token, wanted.token);
    const auto fork = t->fork(*sequence);
    std::vector<float> kept(kVocab);
    t->copy_logits(*fork, fork->size(), kept.data());
    EXPECT_EQ(kept, logits);
    token = wanted.token;
  }
  EXPECT_EQ(t->counts().host_draws, 0);
}

TEST_F(CudaFeaturesTest, DamagedLogitsAreAnErrorOfTheirSequenceAlone) {
  auto t = make({.n_sequences = 2, .chunk_tokens = 32});
  auto a = t->new_sequence();
  auto b = t->new_sequence();
  const SamplingParams params{.temperature = 1, .seed = 1};
  const std::vector<std::uint32_t> nothing(2, 0);
  const DrawRequest free{&params, std::nullopt, 50, 0}, stuck{&params, nothing, 50, 0};
  std::optional<Result<ops::Draw>> draw_a, draw_b;
  const Token token[] = {1};
  const CudaTransformer::Item items[] = {{a.get(), token, 1, nullptr, &free, &draw_a}, {b.get(), token, 1, nullptr, &stuck, &draw_b}};
  t->forward(items);
  EXPECT_TRUE(*draw_a);
  ASSERT_FALSE(*draw_b);
  EXPECT_EQ(draw_b->error().code, ErrorCode::kCorrupt);
  EXPECT_EQ(b->size(), 1);
}

TEST_F(CudaFeaturesTest, GraphsAndPlainLaunchesGiveTheSameBits) {
  auto with = make({.n_sequences = 2, .chunk_tokens = 32});
  auto without = make({.n_sequences = 2, .chunk_tokens = 32, .graphs = false, .overlap_launches = false});
  auto a = with->new_sequence();
  auto b = without->new_sequence();
  EXPECT_EQ(read(*with, *a, some_tokens(40), 3), read(*without, *b, some_tokens(40), 3));
  EXPECT_EQ(with->counts().graphs, 2) << "of three tokens, and of the one that is left";
  EXPECT_EQ(with->counts().graph_launches, 14);
  EXPECT_EQ(without->counts().graphs, 0);
  EXPECT_THAT(with->describe(), HasSubstr("replays graphs"));
  EXPECT_THAT(without->describe(), HasSubstr("launch by launch"));
}

// Sessions that decode together are replayed when they come again; what joins them in between is not.
TEST_F(CudaFeaturesTest, ManySessionsThatDecodeAreReplayedToo) {
  constexpr std::size_t kSessions = 11;
  const auto decoded = [](CudaTransformer& t) {
    std::vector<std::unique_ptr<CudaSequence>> sequences;
    for (std::size_t i = 0; i < kSessions; ++i) {
      sequences.push_back(t.new_sequence());
      read(t, *sequences.back(), some_tokens(2 + static_cast<int>(i), static_cast<int>(i)), 32);
    }
    std::vector<float> all;
    for (int step = 0; step < 4; ++step) {
      const Tokens tokens = some_tokens(2 * kSessions, step);
      std::vector<float> logits(kSessions * kVocab);
      std::vector<CudaTransformer::Item> items;
      for (std::size_t i = 0; i < kSessions; ++i) {
        const bool more = step == 2 && i == 4;  // it says nothing and reads two
        items.push_back({sequences[i].get(), std::span(tokens).subspan(2 * i, more ? 2 : 1), more ? 0 : 1, logits.data() + i * kVocab});
      }
      t.forward(items);
      all.insert(all.end(), logits.begin(), logits.end());
    }
    return all;
  };
  auto with = make({.n_sequences = 12, .chunk_tokens = 32});
  auto without = make({.n_sequences = 12, .chunk_tokens = 32, .graphs = false});
  read(*with, *with->new_sequence(), some_tokens(3), 1);
  const auto before = with->counts();
  EXPECT_EQ(decoded(*with), decoded(*without));
  const auto after = with->counts();
  EXPECT_EQ(after.graph_launches - before.graph_launches, 7 + 2) << "prompts of two to eight tokens; the second and the last step";
  EXPECT_EQ(without->counts().graph_launches, 0);
}

#if defined(TOCCATA_EMULATED)
TEST_F(CudaFeaturesTest, WhereNothingCanBeCapturedItLaunchesPlainly) {
  auto well = make({.n_sequences = 2, .chunk_tokens = 32});
  auto a = well->new_sequence();
  const auto wanted = read(*well, *a, some_tokens(20), 1);
  auto t = make({.n_sequences = 2, .chunk_tokens = 32});
  auto b = t->new_sequence();
  cuda::emulation::make_capturing_fail(true);
  const auto got = read(*t, *b, some_tokens(20), 1);
  cuda::emulation::make_capturing_fail(false);
  EXPECT_EQ(got, wanted);
  EXPECT_EQ(t->counts().graphs, 0);
  EXPECT_THAT(t->describe(), HasSubstr("cannot be captured: the emulated device was told not to"));
}
#endif

TEST_F(CudaFeaturesTest, ExpertsInHostMemoryGiveTheSameBits) {
  auto large = make({.n_sequences = 1, .chunk_tokens = 32});
  EXPECT_EQ(large->memory().host_weights, 0U);
  const std::size_t all = large->memory().weights;
  const std::size_t kv = large->memory().kv;
  std::set<std::size_t> splits;
  for (std::size_t device = all + kv; device > kv; device -= 2000) {
    std::unique_ptr<CudaTransformer> small;
    try {
      small = make({.n_sequences = 1, .kv_bytes = kv, .chunk_tokens = 32, .device_bytes = device});
    } catch (const Exception& e) {
      EXPECT_EQ(e.code(), ErrorCode::kResourceExhausted);
      break;
    }
    EXPECT_LE(small->memory().weights + small->memory().kv, device);
    if (!splits.insert(small->memory().host_weights).second) continue;  // seen
    auto a = large->new_sequence();
    auto b = small->new_sequence();
    EXPECT_EQ(read(*small, *b, some_tokens(20), 20), read(*large, *a, some_tokens(20), 20)) << "many tokens";
    EXPECT_EQ(read(*small, *b, some_tokens(3), 1), read(*large, *a, some_tokens(3), 1)) << "few";
  }
  EXPECT_GE(splits.size(), 3U) << "everything there, the embedding away, and a layer's experts";
}

// A GGUF is planned by what it becomes on the device, not by its bytes on disk.
TEST_F(CudaFeaturesTest, AGgufFitsAsItWasPlannedAndSaysTheSameFromHostMemory) {
  for (const auto dense : {toccata::testing::GgufDense::kQ8, toccata::testing::GgufDense::kF32}) {
    const auto file = toccata::testing::TinyGguf(checkpoint_, dense).bytes();
    const auto weights = model::load_weights(model::gguf_in_memory("tiny.gguf", file).value_or_throw());
    CudaOptions options{.n_context = 512, .n_sequences = 1, .chunk_tokens = 32, .exact = true};
    CudaTransformer large(weights, options);
    const auto all = large.memory();
    EXPECT_EQ(all.host_weights, 0U);
    options.kv_bytes = all.kv;
    std::set<std::size_t> splits;
    for (std::size_t device = all.weights + all.kv; device > all.kv; device -= 500) {
      options.device_bytes = device;
      try {
        CudaTransformer small(weights, options);
        EXPECT_LE(small.memory().weights + small.memory().kv, device);
        if (!splits.insert(small.memory().host_weights).second) continue;
        auto a = large.new_sequence();
        auto b = small.new_sequence();
        EXPECT_EQ(read(small, *b, some_tokens(20), 20), read(large, *a, some_tokens(20), 20)) << "many tokens";
        EXPECT_EQ(read(small, *b, some_tokens(3), 1), read(large, *a, some_tokens(3), 1)) << "few";
      } catch (const Exception& e) {
        EXPECT_EQ(e.code(), ErrorCode::kResourceExhausted);
        break;
      }
    }
    EXPECT_GE(splits.size(), 3U);
  }
}

TEST_F(CudaFeaturesTest, PagesGoToHostMemoryAndComeBack) {
  // Rings and pages for about two sessions, of which there are six.
  const CudaOptions tight{.n_context = 128, .n_sequences = 2, .chunk_tokens = 32, .kv_host_bytes = std::size_t{8} << 20};
  auto t = make(tight);
  std::vector<std::unique_ptr<CudaSequence>> sequences;
  for (int i = 0; i < 6; ++i) {
    sequences.push_back(t->new_sequence());
    read(*t, *sequences.back(), some_tokens(70, i), 32);
  }
  EXPECT_GT(t->counts().page_spills, 0);
  EXPECT_GT(t->memory().kv_host, 0U);
  EXPECT_LE(t->memory().kv_used, t->memory().kv);
  auto fork = t->fork(*sequences[0]);
  auto roomy = make({.n_context = 128, .n_sequences = 8, .chunk_tokens = 32});
  for (int i = 0; i < 6; ++i) {
    auto fresh = roomy->new_sequence();
    read(*roomy, *fresh, some_tokens(70, i), 32);
    EXPECT_EQ(read(*t, *sequences[static_cast<std::size_t>(i)], some_tokens(3, i), 1), read(*roomy, *fresh, some_tokens(3, i), 1)) << i;
  }
  auto fresh = roomy->new_sequence();
  read(*roomy, *fresh, some_tokens(70, 0), 32);
  EXPECT_EQ(read(*t, *fork, some_tokens(2, 9), 1), read(*roomy, *fresh, some_tokens(2, 9), 1)) << "a fork of one that was away";
  EXPECT_GT(t->counts().page_returns, 0);
  fork.reset();
  sequences.clear();
  EXPECT_EQ(t->memory().kv_used, 0U);
  EXPECT_EQ(t->memory().kv_host, 0U);
}

#if defined(TOCCATA_EMULATED)
TEST_F(CudaFeaturesTest, ALayerIsSevenLaunchesAndADrawThree) {
  auto t = make({.n_sequences = 1, .chunk_tokens = 32});
  auto sequence = t->new_sequence();
  read(*t, *sequence, {1}, 1);
  const auto before = cuda::emulation::launch_count();
  read(*t, *sequence, {2}, 1);
  const auto n = cuda::emulation::launch_count() - before;
  EXPECT_EQ(n, 1 + 7 * checkpoint_.shape().layers + 1) << "embedding, layers, unembedding";
  const SamplingParams params{.temperature = 1, .seed = 1};
  const DrawRequest request{&params, std::nullopt, 50, 0};
  const auto drawn = cuda::emulation::launch_count();
  std::optional<Result<ops::Draw>> draw;
  const Token token[] = {3};
  const CudaTransformer::Item item{sequence.get(), token, 1, nullptr, &request, &draw};
  t->forward({&item, 1});
  EXPECT_EQ(cuda::emulation::launch_count() - drawn, n + 3);
  RecordProperty("launches_per_layer", 7);
}
#endif

TEST_F(CudaFeaturesTest, AProfileNamesEveryOperationAndItsFloor) {
  auto t = make({.n_sequences = 1, .chunk_tokens = 32});
  auto sequence = t->new_sequence();
  t->start_profile();
  read(*t, *sequence, some_tokens(4), 1);
  const auto times = t->stop_profile();
  const auto find = [&](const std::string& name) {
    const auto at = std::find_if(times.begin(), times.end(), [&](const auto& op) { return op.name == name; });
    if (at == times.end()) throw Exception(ErrorCode::kNotFound, name);
    return *at;
  };
  EXPECT_EQ(find("norm, qkv, rope, kv write").calls, 8);
  EXPECT_EQ(find("norm, qkv, rope, kv write").bytes, 8 * 2.0 * (64 + 32 + 32) * 32);
  EXPECT_EQ(find("gate, up, swiglu").bytes, 8 * 2 * 128.0 * 32 * 17 / 32) << "two experts a token";
  EXPECT_EQ(find("unembedding").flops, 4 * 2.0 * 50 * 32);
  for (const auto& op : times) EXPECT_GT(op.seconds, 0) << op.name;
  EXPECT_EQ(t->counts().graphs, 0) << "timed launches are plain";
  read(*t, *sequence, some_tokens(1), 1);
  EXPECT_EQ(t->counts().graphs, 1);
}

// What is kept for others makes way for who is here.
TEST(CudaSessionsTest, KeptPrefixesMakeWayWhenThePagesRunOut) {
  if (const auto devices = cuda::list_devices(); !devices) GTEST_SKIP() << devices.error().message;
  TinyCheckpoint tight_files, quiet_files;
  Options options{.device = ops::Device::kCuda, .chunk_tokens = 8, .n_sequences = 1, .n_context = 128};
  options.kv_host_bytes = 0;
  const auto quiet = Model::load(quiet_files.files(), options);
  options.prefix_bytes = std::size_t{64} << 20;
  const auto tight = Model::load(tight_files.files(), options);
  for (int i = 0; i < 3; ++i) {
    const Tokens prompt = some_tokens(100, i);
    const auto said = [&](const std::shared_ptr<const Model>& model) {
      Session session(model);
      session.append(prompt).value_or_throw();
      Tokens all;
      for (int step = 0; step < 3; ++step) all.push_back(session.sample({.temperature = 1, .seed = 8}, std::nullopt, 50, {}).value_or_throw().token);
      return all;
    };
    EXPECT_EQ(said(tight), said(quiet)) << i;
  }
  EXPECT_LE(tight->prefixes()->size(), 1U);
}

// Sessions on many threads share passes, and none can tell.
TEST(CudaSessionsTest, AmongOthersASessionSaysWhatItSaysAlone) {
  if (const auto devices = cuda::list_devices(); !devices) GTEST_SKIP() << devices.error().message;
  constexpr int kSessions = 5;
  TinyCheckpoint quiet_files, busy_files;
  const Options options{.device = ops::Device::kCuda, .chunk_tokens = 8, .n_sequences = 8, .n_context = 256};
  const auto tell = [](Session& session, int number) {
    SamplingParams params;
    params.seed = static_cast<std::uint64_t>(number);
    if (number % 2 == 1) params.top_p = 0.9F;
    session.append(some_tokens(1 + 9 * number, number)).value_or_throw();
    Tokens said;
    for (int step = 0; step < 12; ++step) {
      said.push_back(session.sample(params, std::nullopt, 50, {}).value_or_throw().token);
      if (step % 5 == number % 5) session.append(some_tokens(3 + number, step)).value_or_throw();
    }
    return said;
  };
  std::vector<Tokens> alone, together(kSessions);
  const auto quiet = Model::load(quiet_files.files(), options);
  for (int i = 0; i < kSessions; ++i) {
    Session session(quiet);
    alone.push_back(tell(session, i));
  }
  EXPECT_EQ(quiet->cuda()->counts().shared_passes, 0);
  const auto busy = Model::load(busy_files.files(), options);
  std::barrier start(kSessions);
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < kSessions; ++i) {
      threads.emplace_back([&, i] {
        Session session(busy);
        start.arrive_and_wait();
        together[static_cast<std::size_t>(i)] = tell(session, i);
      });
    }
  }
  EXPECT_EQ(together, alone);
  EXPECT_GT(busy->cuda()->counts().shared_passes, 0);
  EXPECT_EQ(busy->cuda()->counts().tokens, quiet->cuda()->counts().tokens);
}

}  // namespace
}  // namespace toccata::engine
