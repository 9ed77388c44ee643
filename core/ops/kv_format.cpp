#include "core/ops/kv_format.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "core/base/error.h"
#include "core/base/f16.h"
#include "core/ops/dot.h"

namespace toccata::ops {
namespace {

constexpr int kBlock = 32;
constexpr std::size_t kBlockBytes = 2 + kBlock;

void put_f16(float value, std::byte* out) {
  const std::uint16_t half = f32_to_f16(value);
  std::memcpy(out, &half, sizeof half);
}

void pack_block(const float* values, std::byte* out) {
  float largest = 0;
  bool finite = true;
  for (int i = 0; i < kBlock; ++i) {
    finite = finite && std::isfinite(values[i]);
    largest = std::max(largest, std::fabs(values[i]));
  }
  put_f16(finite ? largest / 127 : std::numeric_limits<float>::quiet_NaN(), out);
  std::uint16_t half = 0;
  std::memcpy(&half, out, sizeof half);
  const float scale = f16_to_f32(half);  // as it will be read
  for (int i = 0; i < kBlock; ++i) {
    const float q = scale > 0 ? std::clamp(std::nearbyint(values[i] / scale), -127.0F, 127.0F) : 0;
    out[2 + i] = static_cast<std::byte>(static_cast<std::int8_t>(q));
  }
}

}  // namespace

const char* to_string(KvType type) {
  switch (type) {
    case KvType::kF32: return "f32";
    case KvType::kF16: return "f16";
    case KvType::kInt8: return "q8";
  }
  return "";
}

KvType kv_type_named(const std::string& name) {
  for (const KvType type : {KvType::kF32, KvType::kF16, KvType::kInt8}) {
    if (name == to_string(type)) return type;
  }
  throw Exception(ErrorCode::kInvalidArgument, "keys and values are kept as f32, f16 or q8, not as '" + name + "'");
}

std::size_t KvFormat::head_bytes() const {
  const auto n = static_cast<std::size_t>(head_dim);
  switch (type) {
    case KvType::kF32: return n * sizeof(float);
    case KvType::kF16: return n * sizeof(std::uint16_t);
    case KvType::kInt8: return n / kBlock * kBlockBytes;
  }
  return 0;
}

void KvFormat::pack_head(const float* head, std::byte* out) const {
  switch (type) {
    case KvType::kF32: std::memcpy(out, head, head_bytes()); return;
    case KvType::kF16:
      for (int i = 0; i < head_dim; ++i) put_f16(head[i], out + 2 * i);
      return;
    case KvType::kInt8:
      for (int i = 0; i < head_dim; i += kBlock, out += kBlockBytes) pack_block(head + i, out);
      return;
  }
}

void KvFormat::unpack_heads(const std::byte* heads, int n, float* out) const {
  switch (type) {
    case KvType::kF32: std::memcpy(out, heads, static_cast<std::size_t>(n) * head_bytes()); return;
    case KvType::kF16: return dot_kernels().unpack_f16(heads, n * head_dim, out);
    case KvType::kInt8: return dot_kernels().unpack_q8(heads, n * (head_dim / kBlock), out);
  }
}

}  // namespace toccata::ops
