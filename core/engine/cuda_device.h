// A model on a GPU, as the rest of the engine sees it.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/base/op_time.h"
#include "core/engine/pass_batcher.h"
#include "core/engine/timeline.h"

namespace toccata::engine {

class CudaDevice {
 public:
  // Bytes a second of its memory, measured when asked, and nominal operations a second (0: not known).
  struct Limits {
    double bytes_per_second = 0, flops_per_second = 0;
  };
  virtual ~CudaDevice() = default;
  virtual std::unique_ptr<Timeline> open_timeline(std::shared_ptr<const Model> model) const = 0;
  // With the first n_tokens of what was kept here.
  virtual std::unique_ptr<Timeline> open_timeline(const KeptKv& kept, std::int64_t n_tokens) const = 0;
  // As a KvLoader does; pages stand in host memory until a pass needs them.
  virtual std::shared_ptr<const KeptKv> load(const GetBytes& get) const = 0;
  // What stands where, in a sentence.
  virtual std::string describe() const = 0;
  virtual PassCounts counts() const = 0;
  virtual Limits limits() const = 0;
  // What every operation took between the two calls, which other sessions' passes should not come between.
  virtual void start_profile() const = 0;
  virtual std::vector<OpTime> stop_profile() const = 0;
};

// Tokens of a pass where nobody says: 8 in the exact mode, else as many as leave a large card's experts full tiles, and
// fewer on a small one, whose memory they would take.
int default_chunk_tokens(bool exact);

// Copies the weights to the GPU. Throws Exception: kUnavailable where there is no GPU or no CUDA in this build;
// otherwise as CudaTransformer does.
std::shared_ptr<const CudaDevice> open_cuda_device(
    std::shared_ptr<const model::Weights> weights, const Options& options
);

}  // namespace toccata::engine
