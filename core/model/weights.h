// A checkpoint as the forward pass wants it: every weight by role, its shape checked, its bytes where they lie in the
// file. Both safetensors layouts, Hugging Face and OpenAI's original/, come out alike; GGUF keeps its own block order and
// types, which the kernels read as they are, but for matrices in K-quants and their like, which become bf16.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "core/base/bf16.h"
#include "core/base/error.h"
#include "core/model/checkpoint_files.h"
#include "core/model/config.h"

namespace toccata::model {

// kQ8_0: blocks of 32 values, an f16 scale and 32 int8, 34 bytes. Little-endian, rows without gaps.
enum class DenseType { kBf16, kF16, kF32, kQ8_0 };
inline constexpr std::size_t kQ8Bytes = 34;

// y = W x + b.  W [n_out, n_in] row-major, b [n_out] bf16 or empty.
struct Linear {
  std::span<const Bf16> weight;  // when the type is kBf16, else empty
  std::span<const Bf16> bias;
  int n_out = 0, n_in = 0;
  DenseType type = DenseType::kBf16;
  std::span<const std::byte> packed = {};  // W in any other type (GGUF), maybe unaligned
};

// A GGUF MXFP4 block: the scale byte, then 16 bytes with value j in the low nibble of byte j, j + 16 in the high one.
inline constexpr std::size_t kGgufMxfp4Bytes = 17;

// One matrix for each expert, n_in along 32-wide MXFP4 blocks:
//   blocks [n_experts, n_out, n_in / 32, 16] u8   element 2j of a block in the low nibble of byte j, 2j + 1 in the high
//   scales [n_experts, n_out, n_in / 32]     u8   2^(scale - 127); 255 does not occur
//   bias   [n_experts, n_out]                bf16
// From GGUF, `rows` (and for gate_up `odd_rows`) stand in place of blocks and scales.
struct ExpertLinear {
  std::span<const std::uint8_t> blocks;
  std::span<const std::uint8_t> scales;
  std::span<const Bf16> bias;
  int n_experts = 0, n_out = 0, n_in = 0;
  std::span<const std::uint8_t> rows;      // [n_experts, n_out, n_in / 32, 17], or the even rows of each expert
  std::span<const std::uint8_t> odd_rows;  // the odd rows; empty when `rows` has all
};

struct LayerWeights {
  std::span<const Bf16> attention_norm;  // [hidden]
  Linear q, k, v;                        // [q_size | kv_size, hidden]
  Linear output;                         // [hidden, q_size]
  std::span<const Bf16> sinks;           // [n_heads]
  std::span<const Bf16> mlp_norm;        // [hidden]
  Linear router;                         // [n_experts, hidden]
  ExpertLinear gate_up;                  // [n_experts, 2 * intermediate, hidden]; gate and up rows alternate
  ExpertLinear down;                     // [n_experts, hidden, intermediate]
};

// Immutable; shared by any number of sessions and threads.
struct Weights {
  Config config;
  std::span<const Bf16> embedding;    // [n_vocab, hidden]; empty when a GGUF holds another type
  Linear embedding_rows;              // the same table, whatever its type
  std::vector<LayerWeights> layers;
  std::span<const Bf16> norm;         // [hidden]
  Linear unembedding;                 // [n_vocab, hidden], no bias
  // What a GGUF holds in other types: small vectors in f32, matrices in the formats of gguf_quants.h. Spans point into them,
  // from copies of this object too.
  std::vector<std::shared_ptr<const std::vector<Bf16>>> made;
  std::shared_ptr<CheckpointFiles> files;  // what the spans point into
};

// Reads config.json, the shards and their index. Throws Exception: kNotFound (file or tensor), kCorrupt (wrong shape or
// type: tensor, file, found, expected), kUnsupported (experts that are not MXFP4, a GGUF type we do not read).
// Matrices that have to be dequantised are by `n_threads`, 0 being as many as the machine has processors.
std::shared_ptr<const Weights> load_weights(std::shared_ptr<CheckpointFiles> files, int n_threads = 0);

}  // namespace toccata::model
