// gpt-oss on one GPU: weights in device memory as shipped (MXFP4 experts, bf16 the rest), a paged KV cache, and one
// forward pass for any mix of sequences.
//
// Two ways through a layer. Few tokens (decode): seven launches a layer, each reading its weights once, replayed as one
// captured graph a batch size. Many tokens (prefill, large batches): cuBLAS for the dense layers, experts grouped by
// token on the tensor cores. The decode way sums in an order that depends on shapes and positions alone, so a token's
// logits there do not depend on what else is in the batch.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "core/base/token.h"
#include "core/model/weights.h"

namespace toccata::engine {

struct CudaOptions {
  std::int64_t n_context = 0;  // most positions of a sequence; 0: what the model was made for
  int n_sequences = 64;        // that the KV cache makes room for
  std::size_t kv_bytes = 0;    // of device memory for keys and values; 0: n_sequences whole contexts, at most three
                               // quarters of what is free after loading
  int chunk_tokens = 512;      // most tokens of one pass
  bool exact = false;          // f32 keys and values, activations exact on the tensor cores; otherwise bf16
  int decode_tokens_max = 8;   // up to so many tokens go the decode way (1 .. 8)
};

class CudaTransformer;

// Where a sequence's keys and values stand. Made by CudaTransformer::new_sequence() and fork(); pages are shared until
// one side writes. Must not outlive its transformer.
class CudaSequence {
 public:
  ~CudaSequence();
  CudaSequence(const CudaSequence&) = delete;
  CudaSequence& operator=(const CudaSequence&) = delete;
  std::int64_t size() const { return size_; }  // positions held

 private:
  friend class CudaTransformer;
  explicit CudaSequence(CudaTransformer& owner) : owner_(owner) {}
  CudaTransformer& owner_;
  std::int64_t size_ = 0;
  std::int64_t highest_ = 0;     // one past the last position ever written: tells what a ring has lost
  std::vector<int> full_pages_;  // of the layers that see everything
  std::vector<int> ring_pages_;  // of the windowed layers; -1: not yet there
};

// One thread at a time.
class CudaTransformer {
 public:
  // Copies the weights to the current device. Throws Exception: kResourceExhausted when they or the KV cache do not fit,
  // kUnsupported for a shape the kernels do not have (head sizes other than 16, 32, 64, 128; more than 8 query heads a
  // key head; widths that are no multiple of 32), kUnavailable where there is no device.
  CudaTransformer(std::shared_ptr<const model::Weights> weights, const CudaOptions& options);
  ~CudaTransformer();
  CudaTransformer(const CudaTransformer&) = delete;
  CudaTransformer& operator=(const CudaTransformer&) = delete;

  std::unique_ptr<CudaSequence> new_sequence();
  // An independent copy; costs references to pages, not pages.
  std::unique_ptr<CudaSequence> fork(const CudaSequence& sequence);
  // Whether the windows before position `size` are still held.
  bool can_roll_back(const CudaSequence& sequence, std::int64_t size) const;
  // Forgets the positions from `size` on. False, and nothing done, when the windows before `size` are no longer held.
  bool rollback(CudaSequence& sequence, std::int64_t size);

  // One sequence's share of a pass: its next tokens, and the logits [n_logits, n_vocab] (host memory) of the last ones.
  struct Item {
    CudaSequence* sequence = nullptr;
    std::span<const Token> tokens;
    int n_logits = 0;
    float* logits = nullptr;
  };
  // All items in one pass; their tokens together at most chunk_tokens, each sequence once. Throws
  // Exception(kResourceExhausted) when the pages run out: no sequence has grown then.
  void forward(std::span<const Item> items);

  // Bytes of keys and values that a sequence refers to, shared ones included.
  std::size_t kv_bytes(const CudaSequence& sequence) const;
  struct Memory {
    std::size_t weights = 0, kv = 0, kv_used = 0, scratch = 0;  // bytes
  };
  Memory memory() const;

 private:
  friend class CudaSequence;
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace toccata::engine
