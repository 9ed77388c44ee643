// What of a model stands on the GPU and what in host memory, when the card is too small for all of it.
#pragma once

#include <cstddef>
#include <string>

#include "core/base/error.h"

namespace toccata::engine {

struct PlacementNeeds {
  std::size_t free = 0;       // bytes of device memory that weights, keys and values may take
  std::size_t embedding = 0;  // read by the row: the first to go
  std::size_t dense = 0;      // everything else that is no expert: read whole for every token, stays
  std::size_t layer_experts = 0;  // of one layer
  int n_layers = 0;
  std::size_t kv_least = 0;   // of keys and values, without which nothing runs
  std::size_t kv_wanted = 0;
};

struct Placement {
  bool embedding_on_device = true;
  int expert_layers_on_device = 0;  // the first ones; the experts of the others are read from host memory over the bus
  bool staging = false;             // device memory for one layer's experts, through which long passes read them
  std::size_t kv_bytes = 0;
  std::size_t device_weights = 0, host_weights = 0;
  // "all weights on the GPU (13.8 GB), 9.2 GB for keys and values", or what stands where.
  std::string describe(const PlacementNeeds& needs) const;
};

// Everything on the device when that leaves kv_least for keys and values; else the embedding goes to host memory, then
// the experts of as many of the last layers as must, an eighth of the memory (or kv_least) being kept for keys and values.
// kResourceExhausted, with what is missing, when the dense layers alone do not fit.
Result<Placement> plan_placement(const PlacementNeeds& needs);

}  // namespace toccata::engine
