#include "core/engine/session.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>

#include "core/model/safetensors.h"
#include "tests/support/reference_forward.h"
#include "tests/support/tiny_checkpoint.h"

namespace toccata::engine {
namespace {

using toccata::testing::ReferenceForward;
using toccata::testing::TinyCheckpoint;

constexpr SamplingParams kGreedy{.temperature = 0};

Tokens some_tokens(int n, int n_vocab = 50) {
  Tokens tokens;
  for (int i = 0; i < n; ++i) tokens.push_back((i * 7 + i * i % 11) % n_vocab);
  return tokens;
}

std::vector<float> logits_of(Session& session) {
  const auto view = session.logits().value_or_throw();
  return {view.begin(), view.end()};
}

double relative_error(std::span<const float> got, std::span<const double> wanted) {
  double difference = 0;
  double size = 0;
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    difference += (got[i] - wanted[i]) * (got[i] - wanted[i]);
    size += wanted[i] * wanted[i];
  }
  return std::sqrt(difference / size);
}

// One body for every device; where there is none, a visible skip.
class SessionTest : public ::testing::TestWithParam<ops::Device> {
 protected:
  void SetUp() override {
    try {
      model_ = load({.n_threads = 2, .chunk_tokens = chunk()});
    } catch (const Exception& e) {
      if (e.code() != ErrorCode::kUnavailable) throw;
      GTEST_SKIP() << e.what();
    }
  }
  // The exact mode of a GPU takes few tokens at a time.
  int chunk() const { return GetParam() == ops::Device::kCpu ? 16 : 8; }
  std::shared_ptr<const Model> load(Options options) {
    options.device = GetParam();
    options.n_sequences = 8;
    checkpoints_.push_back(std::make_unique<TinyCheckpoint>());
    return Model::load(checkpoints_.back()->files(), options);
  }

  TinyCheckpoint checkpoint_;
  std::vector<std::unique_ptr<TinyCheckpoint>> checkpoints_;  // models read them in place
  std::shared_ptr<const Model> model_;

  std::vector<float> fresh_logits(const Tokens& tokens) const {
    Session session(model_);
    session.append(tokens).value_or_throw();
    return logits_of(session);
  }
};

// f32 sums over at most 64 terms, four layers of operations: 1e-5 is an order above what is seen.
TEST_P(SessionTest, EveryPositionAgreesWithTheDoublePrecisionReference) {
  const Tokens tokens = some_tokens(40);  // five windows of 8
  const auto wanted = ReferenceForward(checkpoint_).run(tokens);
  Session session(model_);
  for (std::size_t t = 0; t < tokens.size(); ++t) {
    session.append(std::span(tokens).subspan(t, 1)).value_or_throw();
    EXPECT_LT(relative_error(session.logits().value_or_throw(), wanted[t]), 1e-5) << "position " << t;
  }
}

TEST_P(SessionTest, ChunksOfAnySizeGiveTheSameBits) {
  const Tokens tokens = some_tokens(100);
  const auto whole = fresh_logits(tokens);
  for (const std::size_t step : {1U, 3U, 8U, 15U, 16U, 17U, 64U}) {
    Session session(model_);
    for (std::size_t at = 0; at < tokens.size(); at += step) {
      session.append(std::span(tokens).subspan(at, std::min(step, tokens.size() - at))).value_or_throw();
      session.logits().value_or_throw();
    }
    EXPECT_EQ(logits_of(session), whole) << "in steps of " << step;
  }
}

TEST_P(SessionTest, ThreadsDoNotChangeTheBits) {
  const Tokens tokens = some_tokens(60);
  const auto alone = load({.n_threads = 1, .chunk_tokens = chunk()});
  Session session(alone);
  session.append(tokens).value_or_throw();
  EXPECT_EQ(logits_of(session), fresh_logits(tokens));
}

TEST_P(SessionTest, ACheckpointBringsBackTheExactState) {
  Session session(model_);
  session.append(some_tokens(50)).value_or_throw();
  const Checkpoint point = session.checkpoint().value_or_throw();
  session.append(some_tokens(200)).value_or_throw();  // far past what the rings can hold
  session.logits().value_or_throw();
  session.rollback(point);
  EXPECT_EQ(session.n_tokens(), 50);
  EXPECT_EQ(logits_of(session), fresh_logits(some_tokens(50)));
}

TEST_P(SessionTest, ForksGoTheirOwnWays) {
  Session parent(model_);
  parent.append(some_tokens(70)).value_or_throw();
  parent.logits().value_or_throw();
  Session child = parent.fork();
  const auto prefilled = child.usage().prefilled;
  child.append(Tokens{1, 2, 3}).value_or_throw();
  parent.append(Tokens{4, 5, 6}).value_or_throw();
  Tokens childs = some_tokens(70);
  childs.insert(childs.end(), {1, 2, 3});
  Tokens parents = some_tokens(70);
  parents.insert(parents.end(), {4, 5, 6});
  EXPECT_EQ(logits_of(child), fresh_logits(childs));
  EXPECT_EQ(logits_of(parent), fresh_logits(parents));
  EXPECT_EQ(child.usage().prefilled - prefilled, 3) << "a fork reads nothing again";
}

TEST_P(SessionTest, TheLastTokensCanBeTakenBack) {
  Session session(model_);
  session.append(some_tokens(30)).value_or_throw();
  const auto first = session.sample(kGreedy, std::nullopt, 50, {}).value_or_throw();
  EXPECT_EQ(session.n_tokens(), 31);
  session.rollback(30).value_or_throw();
  EXPECT_EQ(session.sample(kGreedy, std::nullopt, 50, {}).value_or_throw().token, first.token);
  session.rollback(10).value_or_throw();
  const Tokens whole = some_tokens(30);
  session.append(std::span(whole).subspan(10)).value_or_throw();
  EXPECT_EQ(logits_of(session), fresh_logits(some_tokens(30)));
}

TEST_P(SessionTest, GoingBackPastTheRingsIsRefused) {
  Session session(model_);
  session.append(some_tokens(300)).value_or_throw();
  session.logits().value_or_throw();
  const auto back = session.rollback(100);
  ASSERT_FALSE(back);
  EXPECT_EQ(back.error().code, ErrorCode::kUnsupported);
  EXPECT_EQ(session.n_tokens(), 300);
}

TEST_P(SessionTest, WhatWasPrefilledIsWhatWasAppended) {
  Session session(model_);
  session.append(some_tokens(20)).value_or_throw();
  for (int i = 0; i < 10; ++i) {
    session.sample(kGreedy, std::nullopt, 50, {}).value_or_throw();
    session.append(some_tokens(5)).value_or_throw();
  }
  session.logits().value_or_throw();
  EXPECT_EQ(session.usage().appended, 70);
  EXPECT_EQ(session.usage().prefilled, 70);
  EXPECT_EQ(session.usage().decoded, 10);
}

TEST_P(SessionTest, AFullContextAndForeignTokensAreRefusedWithoutChange) {
  const auto small = load({.n_context = 10});
  Session session(small);
  session.append(some_tokens(8)).value_or_throw();
  EXPECT_EQ(session.append(some_tokens(3)).error().code, ErrorCode::kResourceExhausted);
  EXPECT_EQ(session.append(Tokens{50}).error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(session.append(Tokens{-1}).error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(session.n_tokens(), 8);
  session.append(some_tokens(2)).value_or_throw();
  EXPECT_EQ(session.sample(kGreedy, std::nullopt, 50, {}).error().code, ErrorCode::kResourceExhausted);
}

TEST_P(SessionTest, AStopRequestEndsAPrefillBetweenChunks) {
  Session session(model_);
  session.append(some_tokens(100)).value_or_throw();
  std::stop_source stop;
  stop.request_stop();
  EXPECT_EQ(session.sample(kGreedy, std::nullopt, 50, stop.get_token()).error().code, ErrorCode::kCancelled);
  EXPECT_EQ(logits_of(session), fresh_logits(some_tokens(100)));
}

TEST_P(SessionTest, WindowedLayersHoldOnlyTheirRing) {
  Session session(model_);
  session.append(some_tokens(400)).value_or_throw();
  session.logits().value_or_throw();
  const std::size_t row = 2 * 32 * sizeof(float);  // key and value of 2 heads x 16
  EXPECT_EQ(session.kv_bytes(), (64 + 448) * row) << "one page of a ring, seven of a full layer";
}

INSTANTIATE_TEST_SUITE_P(
    Devices, SessionTest, ::testing::Values(ops::Device::kCpu, ops::Device::kCuda),
    [](const auto& test) { return test.param == ops::Device::kCpu ? "Cpu" : "Cuda"; }
);

// gpt-oss-tiny: OpenAI's torch reference in float32 on random weights, from both layouts.
class GoldenTest : public ::testing::TestWithParam<std::tuple<ops::Device, const char*>> {};

TEST_P(GoldenTest, AgreesWithTheTorchReference) {
  const char* folder = std::getenv("TOCCATA_TEST_DATA");
  const std::filesystem::path data = (folder != nullptr ? folder : TOCCATA_SOURCE_DIR "/../shared/data");
  const auto tiny = data / "gpt-oss-tiny";
  if (!std::filesystem::exists(tiny)) GTEST_SKIP() << "no gpt-oss-tiny in " << data << " (set TOCCATA_TEST_DATA)";
  const auto files = model::open_checkpoint_folder(tiny).value_or_throw();
  const auto golden = model::parse_safetensors(*files->read("golden.safetensors"), "golden").value_or_throw();
  const auto ints = [&](const char* name) {
    const auto& view = golden.at(name);
    const auto* begin = reinterpret_cast<const std::int32_t*>(view.data.data());
    return Tokens(begin, begin + view.data.size() / 4);
  };
  const Tokens tokens = ints("tokens");
  const Tokens rows = ints("rows");
  const auto* wanted = reinterpret_cast<const float*>(golden.at("logits_f32").data.data());

  const auto& [device, layout] = GetParam();
  std::shared_ptr<const Model> model;
  try {
    model = Model::load(
        model::open_checkpoint_folder(tiny / layout).value_or_throw(), {.device = device, .n_sequences = 2, .n_context = 512}
    );
  } catch (const Exception& e) {
    if (e.code() != ErrorCode::kUnavailable) throw;
    GTEST_SKIP() << e.what();
  }
  Session session(model);
  std::size_t at = 0;
  for (std::size_t r = 0; r < rows.size(); ++r) {
    const auto end = static_cast<std::size_t>(rows[r]) + 1;
    session.append(std::span(tokens).subspan(at, end - at)).value_or_throw();
    at = end;
    const std::vector<double> row(wanted + r * 320, wanted + (r + 1) * 320);
    EXPECT_LT(relative_error(session.logits().value_or_throw(), row), 1e-4) << "row " << rows[r];
  }
  session.append(std::span(tokens).subspan(at)).value_or_throw();
  Tokens greedy;
  for (int i = 0; i < 24; ++i) {
    greedy.push_back(session.sample(kGreedy, std::nullopt, 320, {}).value_or_throw().token);
  }
  EXPECT_EQ(greedy, ints("greedy_f32"));
}

INSTANTIATE_TEST_SUITE_P(
    Layouts, GoldenTest,
    ::testing::Combine(::testing::Values(ops::Device::kCpu, ops::Device::kCuda), ::testing::Values("hf", "original")),
    [](const auto& test) {
      return std::string(std::get<0>(test.param) == ops::Device::kCpu ? "Cpu_" : "Cuda_") + std::get<1>(test.param);
    }
);

}  // namespace
}  // namespace toccata::engine
