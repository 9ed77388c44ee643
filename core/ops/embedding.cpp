#include "core/ops/embedding.h"

#include <cstring>

#include "core/base/f16.h"

namespace toccata::ops {
namespace {

template <typename T>
T value_at(const std::byte* p) {
  T value;
  std::memcpy(&value, p, sizeof value);
  return value;
}

void read_row(const model::Linear& table, std::size_t row, float* out) {
  const auto width = static_cast<std::size_t>(table.n_in);
  const std::byte* packed = table.packed.data();
  for (std::size_t i = 0; i < width; ++i) {
    switch (table.type) {
      case model::DenseType::kBf16: out[i] = to_f32(table.weight[row * width + i]); break;
      case model::DenseType::kF16:
        out[i] = f16_to_f32(value_at<std::uint16_t>(packed + (row * width + i) * 2));
        break;
      case model::DenseType::kF32: out[i] = value_at<float>(packed + (row * width + i) * 4); break;
      case model::DenseType::kQ8_0: {
        const std::byte* block = packed + (row * width + i) / 32 * model::kQ8Bytes;
        out[i] = static_cast<float>(static_cast<std::int8_t>(block[2 + i % 32])) *
                 f16_to_f32(value_at<std::uint16_t>(block));
        break;
      }
    }
  }
}

}  // namespace

void embed(Device device, const model::Linear& table, std::span<const Token> tokens, float* out) {
  for (const Token token : tokens) TOCCATA_CHECK(token >= 0 && token < table.n_out);
  if (device != Device::kCpu) no_kernel("embed");
  const auto width = static_cast<std::size_t>(table.n_in);
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    read_row(table, static_cast<std::size_t>(tokens[i]), out + i * width);
  }
}

}  // namespace toccata::ops
