// How the keys and values of a position are kept between passes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace toccata::ops {

// kF32: as computed. kF16: IEEE half, nearest. kInt8: blocks of 32 values with an f16 scale, as GGUF's Q8_0 (34 bytes).
enum class KvType { kF32, kF16, kInt8 };

// "f32", "f16", "q8".
const char* to_string(KvType type);
// Throws Exception(kInvalidArgument) for any other word.
KvType kv_type_named(const std::string& name);
// Whether heads of this size can be kept so.
constexpr bool fits(KvType type, int head_dim) { return type != KvType::kInt8 || head_dim % 32 == 0; }

struct KvFormat {
  KvType type = KvType::kF32;
  int n_heads = 0;
  int head_dim = 0;  // of kInt8 a multiple of 32

  std::size_t head_bytes() const;
  std::size_t row_bytes() const { return static_cast<std::size_t>(n_heads) * head_bytes(); }  // of a position

  // One head of a position, [head_dim] f32 -> out [head_bytes()]. What is not finite stays so: a whole block of kInt8 with it.
  void pack_head(const float* head, std::byte* out) const;
  // n of them, one after the other -> out [n, head_dim].
  void unpack_heads(const std::byte* heads, int n, float* out) const;
};

}  // namespace toccata::ops
