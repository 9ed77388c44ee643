#include "core/ops/embedding.h"

namespace toccata::ops {

void embed_cpu(std::span<const Bf16> table, int hidden, std::span<const Token> tokens, float* out) {
  const auto width = static_cast<std::size_t>(hidden);
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    const Bf16* row = table.data() + static_cast<std::size_t>(tokens[i]) * width;
    for (std::size_t j = 0; j < width; ++j) out[i * width + j] = to_f32(row[j]);
  }
}

void embed(
    Device device, std::span<const Bf16> table, int hidden, std::span<const Token> tokens, float* out
) {
  const auto n_vocab = table.size() / static_cast<std::size_t>(hidden);
  for (const Token token : tokens) {
    TOCCATA_CHECK(token >= 0 && static_cast<std::size_t>(token) < n_vocab);
  }
  switch (device) {
    case Device::kCpu: return embed_cpu(table, hidden, tokens, out);
    case Device::kCuda: no_kernel("embed");
  }
}

}  // namespace toccata::ops
