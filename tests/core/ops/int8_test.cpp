// The fast mode's kernels: the rounding of activations, sums against double precision within what rounding may cost, and
// the same bits from every form.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <memory>
#include <random>

#include "core/base/f16.h"
#include "core/model/weights.h"
#include "core/ops/int8.h"
#include "core/ops/mxfp4.h"

namespace toccata::ops {
namespace {

std::vector<const Int8Kernels*> all_kernels() {
  std::vector<const Int8Kernels*> kernels = {&scalar_int8_kernels()};
  for (const auto of : {avx2_int8_kernels, avx_vnni_int8_kernels, avx512_vnni_int8_kernels, avx512_vbmi_int8_kernels}) {
    if (of() != nullptr) kernels.push_back(of());
  }
  return kernels;
}

std::vector<float> noise(std::size_t n, unsigned seed, float spread = 1) {
  std::mt19937 rng(seed);
  std::vector<float> values(n);
  for (float& v : values) v = spread * (static_cast<float>(rng() % 20001) / 10000.0F - 1.0F);
  return values;
}

// Sixteen rows in one of the three formats, and their values.
struct Rows {
  Rows(const char* format, int blocks, unsigned seed) : n_blocks(blocks) {
    std::mt19937 rng(seed);
    const auto n = static_cast<std::size_t>(blocks);
    const bool q8 = format == std::string("q8");
    const bool gguf = format == std::string("gguf");
    order = format == std::string("hf") ? Int8Order::kPairs : Int8Order::kHalves;
    code_step = q8 ? 34 : gguf ? 17 : 16;
    scale_step = q8 ? 34 : gguf ? 17 : 1;
    codes.resize(16 * n * static_cast<std::size_t>(code_step));
    scales.resize(16 * n);
    for (auto& c : codes) c = static_cast<std::uint8_t>(rng());
    for (auto& s : scales) s = static_cast<std::uint8_t>(rng() % 12 + 118);
    scales[3] = 0;
    for (std::size_t block = 0; block < 16 * n; ++block) {
      std::uint8_t* at = codes.data() + block * static_cast<std::size_t>(code_step);
      float value[32];
      if (q8) {
        const std::uint16_t scale = f32_to_f16(0.001F * static_cast<float>(rng() % 100));
        std::memcpy(at, &scale, 2);
        for (int i = 0; i < 32; ++i) value[i] = f16_to_f32(scale) * static_cast<std::int8_t>(at[2 + i]);
        if (block == 1) std::fill(at + 2, at + 34, 0x80);
        if (block == 1) std::fill(value, value + 32, -128 * f16_to_f32(scale));
      } else {
        if (gguf) at[0] = scales[block];
        float pairs[32];
        mxfp4_decode(at + (gguf ? 1 : 0), scales[block], pairs);
        for (int j = 0; j < 16; ++j) {
          value[gguf ? j : 2 * j] = pairs[2 * j];
          value[gguf ? j + 16 : 2 * j + 1] = pairs[2 * j + 1];
        }
      }
      values.insert(values.end(), value, value + 32);
    }
    for (std::size_t r = 0; r < 16; ++r) {
      const std::uint8_t* row = codes.data() + r * n * static_cast<std::size_t>(code_step);
      rows8[r / 8].codes[r % 8] = row + (q8 ? 2 : gguf ? 1 : 0);
      rows8[r / 8].scales[r % 8] = q8 || gguf ? row : scales.data() + r * n;
    }
    for (Rows8& half : rows8) {
      half.code_step = code_step;
      half.scale_step = scale_step;
    }
  }
  Rows(const Rows&) = delete;
  double value(std::size_t row, std::size_t i) const { return values[row * static_cast<std::size_t>(n_blocks) * 32 + i]; }

  int n_blocks, code_step, scale_step;
  Int8Order order;
  std::vector<std::uint8_t> codes, scales;
  std::vector<float> values;
  Rows8 rows8[2];
};

// One token.
void dot(const Int8Format& format, const Rows8 rows[2], const Int8Block* x, int n_blocks, float* out) {
  format.dot(rows, &x, 1, n_blocks, &out);
}

class Int8Test : public ::testing::TestWithParam<const char*> {
 protected:
  const Int8Format& of(const Int8Kernels& kernels) const {
    return GetParam() == std::string("q8") ? kernels.q8 : kernels.mxfp4;
  }
};

// Rounding moves a value by at most half a step of its block, largest / 254; f32 sums of n blocks add n * 2^-24. The
// scale 2^-127 may count as zero.
TEST_P(Int8Test, IsWithinHalfAStepOfDoublePrecision) {
  for (const int n_blocks : {1, 2, 3, 32, 33, 90}) {
    const Rows rows(GetParam(), n_blocks, 7);
    const auto n = static_cast<std::size_t>(n_blocks) * 32;
    const auto x = noise(n, 8);
    std::vector<Int8Block> q(static_cast<std::size_t>(n_blocks));
    for (const Int8Kernels* kernels : all_kernels()) {
      kernels->quantize(x.data(), n_blocks, rows.order, q.data());
      float out[16];
      dot(of(*kernels), rows.rows8, q.data(), n_blocks, out);
      for (std::size_t r = 0; r < 16; ++r) {
        double sum = 0, size = 0, allowed = 0;
        for (std::size_t i = 0; i < n; ++i) {
          sum += rows.value(r, i) * x[i];
          size += std::abs(rows.value(r, i) * x[i]);
          allowed += std::abs(rows.value(r, i)) * q[i / 32].scale * 0.5001;
        }
        EXPECT_NEAR(out[r], sum, allowed + 1e-5 * size + 1e-36) << "row " << r << " of " << n_blocks << " blocks";
      }
    }
  }
}

// Against the rounded activations themselves only f32 sums are left: the codes, the order and the scales are right.
TEST_P(Int8Test, SumsOfRoundedActivationsAreExactButForF32) {
  const Rows rows(GetParam(), 40, 17);
  const auto x = noise(40 * 32, 18);
  std::vector<Int8Block> q(40);
  for (const Int8Kernels* kernels : all_kernels()) {
    kernels->quantize(x.data(), 40, rows.order, q.data());
    float out[16];
    dot(of(*kernels), rows.rows8, q.data(), 40, out);
    for (std::size_t r = 0; r < 16; ++r) {
      double sum = 0, size = 0;
      for (std::size_t i = 0; i < x.size(); ++i) {
        const Int8Block& block = q[i / 32];
        const std::size_t at = rows.order == Int8Order::kHalves ? i % 32 : i % 2 * 16 + i % 32 / 2;
        const double term = rows.value(r, i) * block.q[at] * block.scale;
        sum += term;
        size += std::abs(term);
      }
      EXPECT_NEAR(out[r], sum, 1e-6 * size);
    }
  }
}

TEST_P(Int8Test, EveryFormGivesTheBitsOfTheScalarOne) {
  for (const int n_blocks : {1, 5, 32, 71}) {
    const Rows rows(GetParam(), n_blocks, 27);
    const auto n = static_cast<std::size_t>(n_blocks);
    const auto x0 = noise(n * 32, 28, 100);
    auto x1 = noise(n * 32, 29, 0.01F);
    for (std::size_t i = 0; i < 32; ++i) x1[i] = i % 3 == 0 ? 127 : -127;  // the widest sums
    std::vector<float> wanted0(16), wanted1(16);
    const Int8Kernels& scalar = scalar_int8_kernels();
    std::vector<Int8Block> q0(n), q1(n);
    scalar.quantize(x0.data(), n_blocks, rows.order, q0.data());
    scalar.quantize(x1.data(), n_blocks, rows.order, q1.data());
    dot(of(scalar), rows.rows8, q0.data(), n_blocks, wanted0.data());
    dot(of(scalar), rows.rows8, q1.data(), n_blocks, wanted1.data());
    // Tokens in turn: 0, 1, 0, 1.
    const std::vector<const Int8Block*> tokens = {q0.data(), q1.data(), q0.data(), q1.data()};
    for (const Int8Kernels* kernels : all_kernels()) {
      for (int n_tokens = 1; n_tokens <= kPanelAtOnce; ++n_tokens) {
        std::vector<std::vector<float>> got(4, std::vector<float>(16, -1)), sums(4, std::vector<float>(16, 0));
        std::vector<float*> out, to;
        for (std::size_t t = 0; t < 4; ++t) {
          out.push_back(got[t].data());
          to.push_back(sums[t].data());
        }
        if (n_tokens <= kDotTokens) of(*kernels).dot(rows.rows8, tokens.data(), n_tokens, n_blocks, out.data());
        const auto panel = std::make_unique<Panel>();
        for (int first = 0; first < n_blocks; first += kPanelBlocks) {
          const int count = std::min(kPanelBlocks, n_blocks - first);
          of(*kernels).unpack(rows.rows8, first, count, *panel);
          std::vector<const Int8Block*> from = tokens;
          for (const Int8Block*& x : from) x += first;
          of(*kernels).panel_dot(*panel, from.data(), n_tokens, count, to.data(), nullptr);
        }
        for (int t = 0; t < 4; ++t) {
          const auto& wanted = t % 2 == 0 ? wanted0 : wanted1;
          const auto i = static_cast<std::size_t>(t);
          if (n_tokens <= kDotTokens) {
            EXPECT_EQ(got[i], t < n_tokens ? wanted : std::vector<float>(16, -1)) << t << " of " << n_tokens << ", " << n_blocks << " blocks";
          }
          EXPECT_EQ(sums[i], t < n_tokens ? wanted : std::vector<float>(16, 0)) << "a panel, " << t << " of " << n_tokens << ", " << n_blocks << " blocks";
        }
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Formats, Int8Test, ::testing::Values("hf", "gguf", "q8"), [](const auto& test) {
  return std::string(test.param);
});

TEST(QuantizeTest, EveryFormRoundsAlike) {
  auto x = noise(8 * 32, 3);
  for (std::size_t i = 32; i < 64; ++i) x[i] = 0;                         // a block of zeros
  for (std::size_t i = 64; i < 96; ++i) x[i] *= 1e-38F;                   // too small to divide by
  for (std::size_t i = 96; i < 128; ++i) x[i] = static_cast<float>(i) - 112 + 0.5F;  // ties
  x[96] = 127;
  x[130] = std::numeric_limits<float>::infinity();
  x[170] = std::numeric_limits<float>::quiet_NaN();
  x[200] = -std::numeric_limits<float>::max();
  for (const Int8Order order : {Int8Order::kHalves, Int8Order::kPairs}) {
    Int8Block wanted[8];
    scalar_int8_kernels().quantize(x.data(), 8, order, wanted);
    EXPECT_TRUE(std::isnan(wanted[4].scale) && std::isnan(wanted[5].scale)) << "what is not finite must not vanish";
    EXPECT_EQ(wanted[1].scale, 0);
    EXPECT_EQ(wanted[6].q[order == Int8Order::kHalves ? 8 : 4], -127);
    for (const Int8Kernels* kernels : all_kernels()) {
      Int8Block got[8];
      kernels->quantize(x.data(), 8, order, got);
      for (int b = 0; b < 8; ++b) {
        EXPECT_THAT(got[b].q, ::testing::ElementsAreArray(wanted[b].q)) << b;
        EXPECT_THAT(got[b].correction, ::testing::ElementsAreArray(wanted[b].correction)) << b;
        EXPECT_TRUE(got[b].scale == wanted[b].scale || b == 4 || b == 5) << b;
      }
    }
  }
}

}  // namespace
}  // namespace toccata::ops
