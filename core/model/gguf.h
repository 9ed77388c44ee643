// The GGUF container: magic, version, metadata keys, tensor infos, aligned data.
// Source: ggml docs/gguf.md, version 3.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "core/base/error.h"

namespace toccata::model {

// Tensor types by their number in the file; others are carried along and refused by name when a weight needs them.
enum class GgufType : std::uint32_t {
  kF32 = 0,
  kF16 = 1,
  kQ4_0 = 2,
  kQ4_1 = 3,
  kQ5_0 = 6,
  kQ5_1 = 7,
  kQ8_0 = 8,
  kQ2_K = 10,
  kQ3_K = 11,
  kQ4_K = 12,
  kQ5_K = 13,
  kQ6_K = 14,
  kIQ4_NL = 20,
  kIQ4_XS = 23,
  kBf16 = 30,
  kMxfp4 = 39
};
std::string to_string(GgufType type);  // "Q8_K" too

struct GgufBlock {
  std::int64_t values = 0;
  std::size_t bytes = 0;
};
// Values and bytes of the smallest unit of a type; nullopt for types we do not read.
std::optional<GgufBlock> block_of(GgufType type);

struct GgufTensor {
  GgufType type = GgufType::kF32;
  std::vector<std::int64_t> shape;  // outermost first, the reverse of the file
  std::span<const std::byte> data;  // exactly the tensor; empty for a type we do not read
};

// A list of metadata: numbers are widened, strings point into the file.
struct GgufArray {
  std::vector<std::string_view> strings;
  std::vector<std::int64_t> integers;
  std::size_t size = 0;  // of any element type
};
using GgufValue = std::variant<std::int64_t, double, bool, std::string_view, GgufArray>;

struct Gguf {
  std::map<std::string, GgufValue, std::less<>> metadata;
  std::map<std::string, GgufTensor, std::less<>> tensors;
};

// Reads and checks everything but the weights' values: counts against the size of the file before anything is
// allocated for them, lengths, types, alignment, ranges, overlap. Views point into `bytes`. `file` is what messages call
// it. kCorrupt names the key or tensor; kUnsupported for another version or byte order.
Result<Gguf> parse_gguf(std::span<const std::byte> bytes, const std::string& file);

}  // namespace toccata::model
