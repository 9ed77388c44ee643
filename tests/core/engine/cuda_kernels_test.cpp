// Single kernels and fragments on the emulated device, where a whole forward pass would not reach a corner.
#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "core/cuda/device/experts_batch.cuh"
#include "core/cuda/device/experts_decode.cuh"
#include "core/ops/mxfp4.h"

namespace toccata::cuda {
namespace {

TEST(EmulationTest, BarriersOrderWritersAndReaders) {
  std::vector<int> seen(64);
  emulation::launch(grid(2), grid(64), 64 * sizeof(int), [&] {
    TOCCATA_SHARED(int, shared);
    const int me = static_cast<int>(threadIdx.x);
    shared[me] = me;
    block_sync();
    if (blockIdx.x == 1) seen[static_cast<std::size_t>(me)] = shared[63 - me];
  });
  for (int i = 0; i < 64; ++i) EXPECT_EQ(seen[static_cast<std::size_t>(i)], 63 - i);
}

TEST(EmulationTest, WarpsExchangeWithinThemselves) {
  std::vector<float> sums(96);
  emulation::launch(grid(1), grid(96), 0, [&] {
    const auto me = static_cast<std::size_t>(threadIdx.x);
    sums[me] = warp_sum(static_cast<float>(me / 32 + 1));
  });
  for (std::size_t i = 0; i < 96; ++i) EXPECT_EQ(sums[i], 32.0F * static_cast<float>(i / 32 + 1));
}

TEST(CudaMxfp4Test, BothDecodersGiveEveryCodeAtEveryScale) {
  const std::uint32_t words[] = {0x76543210U, 0xFEDCBA98U};
  for (int scale = 0; scale < 255; ++scale) {
    for (const std::uint32_t word : words) {
      std::uint8_t codes[16] = {};
      std::memcpy(codes, &word, 4);
      float wanted[32];
      ops::mxfp4_decode(codes, static_cast<std::uint8_t>(scale), wanted);
      float v[8];
      mxfp4_decode8(word, v);
      for (int i = 0; i < 8; ++i) {
        EXPECT_EQ(v[i] * kHalfCodeScale * mxfp4_scale(static_cast<std::uint8_t>(scale)), wanted[i]) << scale << ' ' << i;
      }
      if (scale < 3 || scale > 250) continue;  // where bf16 has no room for the value
      for (int i = 0; i < 4; ++i) {
        const std::uint32_t pair = mxfp4_bf16_pair(word, i, static_cast<std::uint8_t>(scale));
        EXPECT_EQ(bf16_low(pair), wanted[i]) << scale;
        EXPECT_EQ(bf16_high(pair), wanted[i + 4]) << scale;
      }
    }
  }
}

TEST(CudaMmaTest, FragmentsMultiplyAsMatrices) {
  std::mt19937 rng(3);
  std::vector<float> a(16 * 16);
  std::vector<float> b(16 * 8);
  for (float& x : a) x = static_cast<float>(static_cast<int>(rng() % 17) - 8);
  for (float& x : b) x = static_cast<float>(static_cast<int>(rng() % 17) - 8);
  std::vector<float> d(16 * 8);
  const auto pack = [](float low, float high) { return to_bf16_bits(low) | static_cast<std::uint32_t>(to_bf16_bits(high)) << 16; };
  emulation::launch(grid(1), grid(32), 0, [&] {
    const std::size_t g = threadIdx.x / 4;
    const std::size_t i = threadIdx.x % 4;
    const auto at = [&](std::size_t row, std::size_t k) { return pack(a[row * 16 + k], a[row * 16 + k + 1]); };
    const std::uint32_t fa[4] = {at(g, 2 * i), at(g + 8, 2 * i), at(g, 2 * i + 8), at(g + 8, 2 * i + 8)};
    const std::uint32_t fb[2] = {
        pack(b[2 * i * 8 + g], b[(2 * i + 1) * 8 + g]), pack(b[(2 * i + 8) * 8 + g], b[(2 * i + 9) * 8 + g])};
    float fd[4] = {};
    mma_bf16(fd, fa, fb);
    for (std::size_t e = 0; e < 4; ++e) d[(g + (e >= 2 ? 8 : 0)) * 8 + 2 * i + e % 2] = fd[e];
  });
  for (std::size_t row = 0; row < 16; ++row) {
    for (std::size_t column = 0; column < 8; ++column) {
      float sum = 0;
      for (std::size_t k = 0; k < 16; ++k) sum += a[row * 16 + k] * b[k * 8 + column];
      EXPECT_EQ(d[row * 8 + column], sum);
    }
  }
}

TEST(CudaPlanTest, SlotsAreOrderedByExpertAndCutIntoTiles) {
  constexpr int kExperts = 5;
  std::mt19937 rng(9);
  for (const int n : {1, 63, 64, 65, 300}) {
    std::vector<int> experts(static_cast<std::size_t>(n));
    for (int& e : experts) e = static_cast<int>(rng() % 3) * 2;  // odd experts get none
    std::vector<int> ints(static_cast<std::size_t>(n + 3 * tiles_max(n, kExperts) + 1));
    const int most = tiles_max(n, kExperts);
    const Plan plan = {ints.data(), ints.data() + n, ints.data() + n + most, ints.data() + n + 2 * most, ints.data() + n + 3 * most};
    emulation::launch(grid(1), grid(32), static_cast<std::size_t>(n + kExperts + 1) * sizeof(int), [&] {
      plan_kernel(experts.data(), n, kExperts, plan);
    });
    int covered = 0;
    ASSERT_LE(*plan.n_tiles, most);
    for (int tile = 0; tile < *plan.n_tiles; ++tile) {
      EXPECT_EQ(plan.tile_begin[tile], covered);
      EXPECT_LE(plan.tile_end[tile] - plan.tile_begin[tile], kTileSlots);
      int last = -1;
      for (int i = plan.tile_begin[tile]; i < plan.tile_end[tile]; ++i) {
        EXPECT_EQ(experts[static_cast<std::size_t>(plan.order[i])], plan.tile_expert[tile]);
        EXPECT_GT(plan.order[i], last);
        last = plan.order[i];
      }
      covered = plan.tile_end[tile];
    }
    EXPECT_EQ(covered, n);
  }
}

TEST(CudaSplitTest, ThreePartsAreTheWholeNumber) {
  std::mt19937 rng(4);
  std::vector<float> x(64);
  for (float& v : x) v = std::ldexp(static_cast<float>(static_cast<int>(rng() % 2000001) - 1000000), -18);
  std::vector<std::uint16_t> parts(3 * x.size());
  emulation::launch(grid(2), grid(32), 0, [&] { split_kernel<3, false>(x.data(), x.size(), parts.data()); });
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double sum = double{from_bf16(parts[i])} + from_bf16(parts[64 + i]) + from_bf16(parts[128 + i]);
    EXPECT_NEAR(sum, x[i], std::abs(x[i]) * 0x1p-23);
  }
}

}  // namespace
}  // namespace toccata::cuda
