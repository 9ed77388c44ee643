// gpt-oss on one GPU: weights in device memory as shipped (MXFP4 experts; the rest bf16, or eight bits from a GGUF), a paged
// KV cache, and one forward pass for any mix of sequences. Weights that the card has no room for stay in pinned host memory and are read over
// the bus; pages that no sequence needed for long go there too when they run out. Tokens are drawn on the device.
//
// Two ways through a layer. Few tokens (decode): seven launches a layer, each reading its weights once, replayed as one
// captured graph a batch size, a launch beginning while the one before drains (sm_90 on). Many tokens (prefill, large batches): cuBLAS for the dense layers, experts grouped by
// token on the tensor cores. The decode way sums in an order that depends on shapes and positions alone, so a token's
// logits there do not depend on what else is in the batch.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "core/base/op_time.h"
#include "core/base/token.h"
#include "core/engine/kept_kv.h"
#include "core/engine/timeline.h"
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
  std::size_t device_bytes = 0;   // most device memory for weights, keys and values; 0: what is free
  std::size_t kv_host_bytes = 0;  // of host memory for pages that the device has no room for
  bool graphs = true;             // replay captured graphs; otherwise launch by launch
  bool overlap_launches = true;   // programmatic dependent launch, where the device has it
};

class CudaTransformer;
class KvPage;

// Where a sequence's keys and values stand. Made by CudaTransformer::new_sequence() and fork(); pages are shared until
// one side writes. Must not outlive its transformer.
class CudaSequence {
 public:
  ~CudaSequence();
  CudaSequence& operator=(const CudaSequence&) = delete;
  std::int64_t size() const { return size_; }  // positions held
  // Whether the logits that follow the first `size` positions are kept on the device.
  bool has_logits(std::int64_t size) const { return size <= size_ && size_ - size < static_cast<std::int64_t>(rows_.size()); }
  void forget_logits() { rows_.clear(); }

 private:
  friend class CudaTransformer;
  CudaSequence() = default;
  CudaSequence(const CudaSequence&) = default;  // fork()
  std::int64_t size_ = 0;
  std::int64_t highest_ = 0;     // one past the last position ever written: tells what a ring has lost
  std::vector<std::shared_ptr<KvPage>> full_pages_;  // of the layers that see everything
  std::vector<std::shared_ptr<KvPage>> ring_pages_;  // of the windowed layers; null: not yet there
  std::vector<std::shared_ptr<float>> rows_;  // of the last positions: [n_vocab] each in device memory; a fork shares them
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

  // One sequence's share of a pass: its next tokens, and what is wanted of them.
  struct Item {
    CudaSequence* sequence = nullptr;
    std::span<const Token> tokens;
    int n_logits = 0;
    // [n_logits, n_vocab] in host memory, of the last n_logits tokens. Null, with few of them: the sequence keeps them on the
    // device.
    float* logits = nullptr;
    const DrawRequest* request = nullptr;  // with kept logits: draws from the first of them
    std::optional<Result<ops::Draw>>* draw = nullptr;

    // For the batcher: a beginning of it, and what is left after that. Of items without logits in host memory.
    Item first(std::size_t n) const {
      Item item = *this;
      item.tokens = tokens.first(n);
      if (n == tokens.size()) return item;
      item.n_logits = 0;
      item.request = nullptr;
      item.draw = nullptr;
      return item;
    }
    void drop(std::size_t n, int n_written) {
      tokens = tokens.subspan(n);
      n_logits -= n_written;
    }
  };
  // All items in one pass; their tokens together at most chunk_tokens, each sequence once. Throws
  // Exception(kResourceExhausted) when the pages run out: no sequence has grown then.
  void forward(std::span<const Item> items);
  // From kept logits.
  Result<ops::Draw> draw(const CudaSequence& sequence, std::int64_t size, const DrawRequest& request);
  void copy_logits(const CudaSequence& sequence, std::int64_t size, float* logits);
  // Up to so many tokens go the decode way.
  int decode_tokens_max() const;

  // Bytes of keys and values that a sequence refers to, shared ones included; of those pages that are not among `seen`.
  std::size_t kv_bytes(const CudaSequence& sequence) const;
  std::size_t add_pages(const CudaSequence& sequence, std::set<const void*>& seen) const;
  // All that a sequence holds, and back; see KeptKv::save() and KvLoader.
  void save(const CudaSequence& sequence, const PutBytes& put);
  std::unique_ptr<CudaSequence> load(const GetBytes& get);
  struct Memory {
    std::size_t weights = 0, kv = 0, kv_used = 0, scratch = 0;  // bytes on the device
    std::size_t host_weights = 0, kv_host = 0;                  // in host memory
  };
  Memory memory() const;
  struct Counts {
    std::int64_t passes = 0;
    std::int64_t graphs = 0;                 // captured
    std::int64_t graph_launches = 0;         // passes that were a replay
    std::int64_t uploaded = 0, downloaded = 0;  // bytes, by passes and draws
    std::int64_t host_draws = 0;             // draws that the device left to the host
    std::int64_t page_spills = 0, page_returns = 0;
  };
  Counts counts() const;
  // In a sentence or two: what stands where, and how passes are launched.
  std::string describe() const;

  // Bytes a second of device memory, measured now, and nominal operations a second (0: not known).
  struct Limits {
    double bytes_per_second = 0, flops_per_second = 0;
  };
  static Limits measure_limits();
  // What every operation took between the two calls; launches are plain and one after the other then.
  void start_profile();
  std::vector<OpTime> stop_profile();

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace toccata::engine
