// The experts of one gpt-oss-20b layer (2880 wide, 32 experts, 4 a token), random weights in GGUF order, against what
// the machine can do: bytes of weights read a second next to a plain read of the same bytes, FLOP a second.
#include <benchmark/benchmark.h>

#include <cstdint>
#include <numeric>
#include <random>
#include <vector>

#include "core/ops/experts.h"

namespace toccata::ops {
namespace {

constexpr int kWidth = 2880;
constexpr int kExperts = 32;
constexpr int kPerToken = 4;

std::vector<std::uint8_t> random_rows(std::size_t n_rows) {
  std::mt19937_64 rng(1);
  std::vector<std::uint8_t> rows(n_rows * kWidth / 32 * model::kGgufMxfp4Bytes);
  for (auto& byte : rows) byte = static_cast<std::uint8_t>(rng());
  for (std::size_t at = 0; at < rows.size(); at += model::kGgufMxfp4Bytes) rows[at] = 120;
  return rows;
}

struct Layer {
  std::size_t n = std::size_t{kExperts} * kWidth;
  std::vector<std::uint8_t> gate = random_rows(n), up = random_rows(n), down = random_rows(n);
  std::vector<Bf16> gate_up_bias = std::vector<Bf16>(2 * n), down_bias = std::vector<Bf16>(n);
};
const Layer& layer() {
  static const Layer made;
  return made;
}

void experts_of(benchmark::State& state) {
  const int n = static_cast<int>(state.range(0));
  const Layer& l = layer();
  const model::ExpertLinear gate_up = {{}, {}, l.gate_up_bias, kExperts, 2 * kWidth, kWidth, l.gate, l.up};
  const model::ExpertLinear down = {{}, {}, l.down_bias, kExperts, kWidth, kWidth, l.down, {}};
  ThreadPool threads;
  ExpertScratch scratch(n, kPerToken, kExperts, kWidth, kWidth);
  std::vector<float> m(static_cast<std::size_t>(n) * kWidth, 0.1F), x(m.size());
  std::vector<std::int32_t> ids(static_cast<std::size_t>(n) * kPerToken);
  std::vector<float> weights(ids.size(), 0.25F);
  int turn = 0;
  for (auto _ : state) {
    // Other experts each time, so that one token's are not in the cache.
    for (std::size_t i = 0; i < ids.size(); ++i) ids[i] = static_cast<std::int32_t>((i + static_cast<std::size_t>(turn)) % kExperts);
    turn += kPerToken;
    experts(Device::kCpu, threads, m.data(), {ids.data(), weights.data(), n, kPerToken}, gate_up, down, 7, scratch, x.data());
    benchmark::DoNotOptimize(x.data());
  }
  const double per_expert = 3.0 * kWidth * kWidth;
  const double active = std::min(n * kPerToken, kExperts);
  state.counters["weights/s"] = benchmark::Counter(active * per_expert / 32 * 17, benchmark::Counter::kIsIterationInvariantRate, benchmark::Counter::kIs1000);
  state.counters["FLOP/s"] = benchmark::Counter(2 * per_expert * n * kPerToken, benchmark::Counter::kIsIterationInvariantRate, benchmark::Counter::kIs1000);
}
BENCHMARK(experts_of)->Arg(1)->Arg(8)->Arg(64)->UseRealTime()->Unit(benchmark::kMillisecond);

// The limit for one token: reading, with all threads.
void plain_read(benchmark::State& state) {
  const auto& bytes = layer().gate;
  ThreadPool threads;
  for (auto _ : state) {
    threads.parallel_for(bytes.size() / 8, 1 << 16, [&](std::size_t begin, std::size_t end) {
      const auto* words = reinterpret_cast<const std::uint64_t*>(bytes.data());
      benchmark::DoNotOptimize(std::accumulate(words + begin, words + end, std::uint64_t{0}));
    });
  }
  state.counters["weights/s"] = benchmark::Counter(static_cast<double>(bytes.size()), benchmark::Counter::kIsIterationInvariantRate, benchmark::Counter::kIs1000);
}
BENCHMARK(plain_read)->UseRealTime()->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace toccata::ops

BENCHMARK_MAIN();
