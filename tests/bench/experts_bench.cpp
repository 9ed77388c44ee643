// The experts and one dense matrix of a gpt-oss-20b layer (2880 wide, 32 experts, 4 a token), random weights in GGUF order:
// the exact f32 kernels and the fast int8 ones next to what the machine can do in the same run. Two numbers each:
//   weights/s  bytes of weights read a second; the limit for one token is a plain read of the same bytes (plain_read)
//   OP/s       multiplications and additions a second; the limit for many tokens is int8_peak, or f32 FMA
// Arguments: tokens, threads.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <random>
#include <vector>

#include "core/base/f16.h"
#include "core/base/huge_pages.h"
#include "core/ops/experts.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace toccata::ops {
namespace {

constexpr int kWidth = 2880;
constexpr int kExperts = 32;
constexpr int kPerToken = 4;

HugeVector<std::uint8_t> random_rows(std::size_t n_rows) {
  std::mt19937_64 rng(1);
  HugeVector<std::uint8_t> rows(n_rows * kWidth / 32 * model::kGgufMxfp4Bytes);
  for (auto& byte : rows) byte = static_cast<std::uint8_t>(rng());
  for (std::size_t at = 0; at < rows.size(); at += model::kGgufMxfp4Bytes) rows[at] = 120;
  return rows;
}

// On large pages, as a mapped file stands in the page cache.
struct Layer {
  std::size_t n = std::size_t{kExperts} * kWidth;
  HugeVector<std::uint8_t> gate = random_rows(n), up = random_rows(n), down = random_rows(n);
  std::vector<Bf16> gate_up_bias = std::vector<Bf16>(2 * n), down_bias = std::vector<Bf16>(n);
  model::ExpertLinear gate_up_experts = {{}, {}, gate_up_bias, kExperts, 2 * kWidth, kWidth, gate, up};
  model::ExpertLinear down_experts = {{}, {}, down_bias, kExperts, kWidth, kWidth, down, {}};
};
const Layer& layer() {
  static const Layer made;
  return made;
}

void count(benchmark::State& state, double weights, double operations) {
  const auto rate = benchmark::Counter::kIsIterationInvariantRate;
  if (weights > 0) state.counters["weights/s"] = benchmark::Counter(weights, rate, benchmark::Counter::kIs1000);
  if (operations > 0) state.counters["OP/s"] = benchmark::Counter(operations, rate, benchmark::Counter::kIs1000);
}

template <bool kFast>
void experts_of(benchmark::State& state) {
  const int n = static_cast<int>(state.range(0));
  const Layer& l = layer();
  ThreadPool threads(static_cast<int>(state.range(1)));
  ExpertScratch scratch(n, kPerToken, kExperts, kWidth, kWidth);
  std::vector<float> m(static_cast<std::size_t>(n) * kWidth, 0.1F), x(m.size());
  std::vector<std::int32_t> ids(static_cast<std::size_t>(n) * kPerToken);
  std::vector<float> weights(ids.size(), 0.25F);
  int turn = 0;
  for (auto _ : state) {
    // Other experts each time, so that one token's are not in the cache.
    for (std::size_t i = 0; i < ids.size(); ++i) ids[i] = static_cast<std::int32_t>((i + static_cast<std::size_t>(turn)) % kExperts);
    turn += kPerToken;
    const Routing routing = {ids.data(), weights.data(), n, kPerToken};
    if (kFast) {
      experts_int8(threads, m.data(), routing, l.gate_up_experts, l.down_experts, 7, scratch, x.data());
    } else {
      experts(Device::kCpu, threads, m.data(), routing, l.gate_up_experts, l.down_experts, 7, scratch, x.data());
    }
    benchmark::DoNotOptimize(x.data());
  }
  const double per_expert = 3.0 * kWidth * kWidth;
  count(state, std::min(n * kPerToken, kExperts) * per_expert / 32 * 17, 2 * per_expert * n * kPerToken);
}
BENCHMARK(experts_of<false>)->Name("experts_f32")->ArgsProduct({{1, 64}, {1, 2}})->UseRealTime()->Unit(benchmark::kMillisecond);
BENCHMARK(experts_of<true>)->Name("experts_int8")->ArgsProduct({{1, 8, 64, 256}, {1, 2}})->UseRealTime()->Unit(benchmark::kMillisecond);

// A stretch of the unembedding: 64 MB of Q8_0 rows.
template <bool kFast>
void dense_of(benchmark::State& state) {
  constexpr int kRows = 21504;
  const int n = static_cast<int>(state.range(0));
  static const std::vector<std::byte> bytes = [] {
    std::mt19937_64 rng(2);
    std::vector<std::byte> made(std::size_t{kRows} * kWidth / 32 * model::kQ8Bytes);
    for (auto& byte : made) byte = static_cast<std::byte>(rng());
    const std::uint16_t scale = f32_to_f16(0.01F);
    for (std::size_t at = 0; at < made.size(); at += model::kQ8Bytes) std::memcpy(made.data() + at, &scale, 2);
    return made;
  }();
  const model::Linear w = {{}, {}, kRows, kWidth, model::DenseType::kQ8_0, bytes};
  ThreadPool threads(static_cast<int>(state.range(1)));
  std::vector<float> x(static_cast<std::size_t>(n) * kWidth, 0.1F), out(static_cast<std::size_t>(n) * kRows);
  Int8Rows rounded;
  for (auto _ : state) {
    if (kFast) {
      rounded.assign(threads, x.data(), n, kWidth, Int8Order::kHalves);
      linear_int8(threads, rounded, w, n, out.data());
    } else {
      linear(Device::kCpu, threads, x.data(), w, n, out.data());
    }
    benchmark::DoNotOptimize(out.data());
  }
  count(state, static_cast<double>(bytes.size()), 2.0 * n * kRows * kWidth);
}
BENCHMARK(dense_of<false>)->Name("dense_f32")->ArgsProduct({{1, 16}, {1, 2}})->UseRealTime()->Unit(benchmark::kMillisecond);
BENCHMARK(dense_of<true>)->Name("dense_int8")->ArgsProduct({{1, 16, 64}, {1, 2}})->UseRealTime()->Unit(benchmark::kMillisecond);

#if defined(__x86_64__)
// Four streams a thread: one often does not fill a core's share of the memory.
__attribute__((target("avx2"))) int read_streams(const std::uint8_t* bytes, std::size_t n) {
  const std::size_t quarter = n / 4 / 64 * 64;
  __m256i sum = _mm256_setzero_si256();
  for (std::size_t i = 0; i < quarter; i += 64) {
    for (int stream = 0; stream < 4; ++stream) {
      const auto* p = reinterpret_cast<const __m256i*>(bytes + static_cast<std::size_t>(stream) * quarter + i);
      sum = _mm256_xor_si256(sum, _mm256_xor_si256(_mm256_loadu_si256(p), _mm256_loadu_si256(p + 1)));
    }
  }
  return _mm_cvtsi128_si32(_mm256_castsi256_si128(sum));
}

void plain_read(benchmark::State& state) {
  const auto& bytes = layer().gate;
  ThreadPool threads(static_cast<int>(state.range(0)));
  for (auto _ : state) {
    threads.parallel_for(bytes.size() / 4096, 256, [&](std::size_t begin, std::size_t end) {
      benchmark::DoNotOptimize(read_streams(bytes.data() + begin * 4096, (end - begin) * 4096));
    });
  }
  count(state, static_cast<double>(bytes.size()), 0);
}
BENCHMARK(plain_read)->Arg(1)->Arg(2)->UseRealTime()->Unit(benchmark::kMillisecond);

// Eight byte products summed in 16 bits, operands in the first-level cache: the ceiling of AVX2.
__attribute__((target("avx2"))) void int8_steps(const std::int8_t* operand, int n, int* result) {
  __m256i s0 = _mm256_setzero_si256(), s1 = s0, s2 = s0, s3 = s0;
  const __m256i u = _mm256_set1_epi8(3);
  for (int i = 0; i < n; ++i) {
    const auto* p = reinterpret_cast<const __m256i*>(operand + i % 64 * 128);
    s0 = _mm256_add_epi16(s0, _mm256_maddubs_epi16(u, _mm256_loadu_si256(p)));
    s1 = _mm256_add_epi16(s1, _mm256_maddubs_epi16(u, _mm256_loadu_si256(p + 1)));
    s2 = _mm256_add_epi16(s2, _mm256_maddubs_epi16(u, _mm256_loadu_si256(p + 2)));
    s3 = _mm256_add_epi16(s3, _mm256_maddubs_epi16(u, _mm256_loadu_si256(p + 3)));
  }
  const __m256i sum = _mm256_add_epi16(_mm256_add_epi16(s0, s1), _mm256_add_epi16(s2, s3));
  *result += _mm_cvtsi128_si32(_mm256_castsi256_si128(sum));
}

void int8_peak(benchmark::State& state) {
  const std::vector<std::int8_t> operand(8192, 1);
  constexpr std::size_t kRounds = 512;
  constexpr int kSteps = 4096;
  ThreadPool threads(static_cast<int>(state.range(0)));
  for (auto _ : state) {
    threads.parallel_for(kRounds, 8, [&](std::size_t begin, std::size_t end) {
      int sum = 0;
      for (std::size_t i = begin; i < end; ++i) int8_steps(operand.data(), kSteps, &sum);
      benchmark::DoNotOptimize(sum);
    });
  }
  count(state, 0, 2.0 * 32 * 4 * kSteps * kRounds);
}
BENCHMARK(int8_peak)->Arg(1)->Arg(2)->UseRealTime()->Unit(benchmark::kMillisecond);
#endif

}  // namespace
}  // namespace toccata::ops

BENCHMARK_MAIN();
