// The engine of this project behind the TokenModel seam. engine_model.cpp is the only file that
// joins agent and core/engine.
#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "agent/model/token_model.h"

namespace toccata::agent {

// Where the engine runs. kAuto: on a GPU when this build has CUDA and the machine a device, else on the CPU.
enum class EngineDevice { kAuto, kCpu, kCuda };

struct EngineOptions {
  EngineDevice device = EngineDevice::kAuto;
  bool exact = false;          // on a GPU: f32 throughout, and bits that do not depend on chunks
  bool fast = false;           // on the CPU: 8-bit weights and activations instead of f32
  std::string kv = {};         // on the CPU, how keys and values are kept: f32, f16, q8; empty: f32, and f16 when fast
  bool speculate = true;       // guessed tokens are read ahead; what is sampled stays the same
  std::size_t prefix_bytes = 0;  // of keys and values kept for sessions that begin alike; 0: none
  std::filesystem::path prefix_folder = {};  // and on disk, for the next processes; empty: none
  int n_threads = 0;           // 0: as many as there are cores
  bool graphs = true;          // on a GPU: decoding replays captured graphs with overlapping launches
  std::size_t device_bytes = 0;  // on a GPU: most memory for weights, keys and values; 0: what is free
  std::int64_t n_context = 0;  // tokens a session may hold; 0: what the model was made for
};

// A checkpoint folder (config.json, *.safetensors, tokenizer.json). Without a tokenizer.json the
// vocabulary is o200k_harmony. Errors name the file and what is wrong with it.
Result<std::unique_ptr<TokenModel>> load_engine_model(
    const std::filesystem::path& directory, const EngineOptions& options = {}
);

// The same from memory: files built into the program. The bytes must outlive the model.
struct EmbeddedModel {
  std::string name;
  std::string_view config_json;
  std::span<const std::byte> safetensors;
  std::string_view tokenizer_json;  // empty: o200k_harmony
};
Result<std::unique_ptr<TokenModel>> load_engine_model(
    const EmbeddedModel& files, const EngineOptions& options = {}
);

}  // namespace toccata::agent
