// Dense weights in eight bits, for the fast mode.
#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "core/base/thread_pool.h"
#include "core/model/weights.h"

namespace toccata::engine {

struct Repacked {
  std::shared_ptr<const model::Weights> weights;  // points into `storage`, and into the files for the rest
  std::vector<std::byte> storage;
};

// bf16 matrices of attention and the unembedding as Q8_0: half the bytes to read for each token. The router, which decides
// between experts, and matrices whose rows are not whole blocks of 32 stay as they are. Of what a GGUF's loader made, the
// result keeps what is not repacked.
Repacked repack_q8(const model::Weights& weights, ThreadPool& threads);

}  // namespace toccata::engine
