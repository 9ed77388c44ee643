// The safetensors container: 8 bytes little-endian header length, a JSON header, the data.
// Source: huggingface/safetensors README, "Format".
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "core/base/error.h"

namespace toccata::model {

enum class DType { kBf16, kU8, kF32, kI32, kOther };
const char* to_string(DType dtype);
std::size_t size_of(DType dtype);  // bytes; 0 for kOther

struct TensorView {
  DType dtype = DType::kOther;
  std::vector<std::int64_t> shape;
  std::span<const std::byte> data;  // row-major, little-endian; size checked against shape and dtype
  std::string file;                 // for messages
};

// "[8, 192, 2, 16]"
std::string shape_text(const std::vector<std::int64_t>& shape);

// Reads and checks a whole header: lengths, JSON, offsets in range, increasing and without overlap, sizes. Nothing is
// copied; views point into `bytes`. `file` is what messages call it. kCorrupt names the tensor and what is wrong.
Result<std::map<std::string, TensorView>> parse_safetensors(
    std::span<const std::byte> bytes, const std::string& file
);

}  // namespace toccata::model
