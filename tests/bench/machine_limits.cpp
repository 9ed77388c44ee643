// What the processors could do at most, measured now: bytes read from memory, f32 multiply-adds, int8 products, all
// threads together. A model's speed means something next to these only. `machine_limits [SECONDS]` prints one JSON object.
#include <immintrin.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <thread>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;

// Work a second of all threads together: each calls step(thread), which says how much it did, until the time is over.
template <class Step>
double rate(double seconds, unsigned n_threads, const Step& step) {
  std::vector<double> done(n_threads);
  const auto begin = Clock::now();
  const auto elapsed = [&] { return std::chrono::duration<double>(Clock::now() - begin).count(); };
  {
    std::vector<std::jthread> threads;
    for (unsigned i = 0; i < n_threads; ++i) {
      threads.emplace_back([&, i] {
        while (elapsed() < seconds) done[i] += step(i);
        done[i] /= elapsed();
      });
    }
  }
  double sum = 0;
  for (const double d : done) sum += d;
  return sum;
}

// Four streams at once: one alone leaves a core's share of the memory unused on many machines.
[[gnu::target("avx2,fma")]] double read_once(const std::vector<std::uint8_t>& bytes) {
  const std::size_t quarter = bytes.size() / 4 / 32 * 32;
  __m256i sum[4] = {};
  for (std::size_t at = 0; at < quarter; at += 32) {
    for (int s = 0; s < 4; ++s) {
      const auto* p = reinterpret_cast<const __m256i*>(bytes.data() + static_cast<std::size_t>(s) * quarter + at);
      sum[s] = _mm256_add_epi8(sum[s], _mm256_loadu_si256(p));
    }
  }
  const __m256i all = _mm256_add_epi8(_mm256_add_epi8(sum[0], sum[1]), _mm256_add_epi8(sum[2], sum[3]));
  asm volatile("" : : "x"(all));
  return static_cast<double>(4 * quarter);
}

constexpr int kRounds = 20000;
constexpr int kChains = 10;  // independent sums, more than latency times throughput

[[gnu::target("avx2,fma")]] double multiply_adds_f32() {
  __m256 sum[kChains];
  for (int c = 0; c < kChains; ++c) sum[c] = _mm256_set1_ps(static_cast<float>(c));
  __m256 a = _mm256_set1_ps(0.5F), b = _mm256_set1_ps(0.25F);
  asm volatile("" : "+x"(a), "+x"(b));
  for (int i = 0; i < kRounds; ++i) {
    for (int c = 0; c < kChains; ++c) sum[c] = _mm256_fmadd_ps(sum[c], a, b);
  }
  for (int c = 0; c < kChains; ++c) asm volatile("" : : "x"(sum[c]));
  return 2.0 * 8 * kChains * kRounds;
}

// Unsigned times signed bytes; five steps are added up in int16 before they are widened, the most that codes 0..24 allow.
[[gnu::target("avx2,fma")]] double products_int8() {
  constexpr int kSums = 4, kSteps = 5;
  __m256i wide[kSums] = {};
  __m256i u = _mm256_set1_epi8(24), s = _mm256_set1_epi8(-3), one = _mm256_set1_epi16(1);
  for (int i = 0; i < kRounds; ++i) {
    __m256i narrow[kSums];
    asm volatile("" : "+x"(u), "+x"(s));
    for (int c = 0; c < kSums; ++c) narrow[c] = _mm256_maddubs_epi16(u, s);
    for (int step = 1; step < kSteps; ++step) {
      asm volatile("" : "+x"(s));
      for (int c = 0; c < kSums; ++c) {
        __m256i q = s;
        asm volatile("" : "+x"(q));  // each product is made
        narrow[c] = _mm256_add_epi16(narrow[c], _mm256_maddubs_epi16(u, q));
      }
    }
    for (int c = 0; c < kSums; ++c) wide[c] = _mm256_add_epi32(wide[c], _mm256_madd_epi16(narrow[c], one));
  }
  for (int c = 0; c < kSums; ++c) asm volatile("" : : "x"(wide[c]));
  return 2.0 * 32 * kSums * kSteps * kRounds;
}

}  // namespace

int main(int argc, char** argv) {
  const double seconds = argc > 1 ? std::atof(argv[1]) : 1;
  if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma")) {
    std::fprintf(stderr, "machine_limits: this processor lacks AVX2 and FMA, for which the measurements are written\n");
    return 1;
  }
  const unsigned n = std::max(1U, std::thread::hardware_concurrency());
  std::vector<std::vector<std::uint8_t>> memory;
  for (unsigned i = 0; i < n; ++i) memory.emplace_back(std::size_t{256} << 20, static_cast<std::uint8_t>(i + 1));
  const double read = rate(seconds, n, [&](unsigned i) { return read_once(memory[i]); });
  const double f32 = rate(seconds, n, [](unsigned) { return multiply_adds_f32(); });
  const double int8 = rate(seconds, n, [](unsigned) { return products_int8(); });
  std::printf("{\"threads\":%u,\"read_bytes_per_second\":%.4g,\"f32_flop_per_second\":%.4g,\"int8_op_per_second\":%.4g}\n", n, read, f32, int8);
}
