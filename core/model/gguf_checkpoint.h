// A GGUF file seen as a checkpoint: its metadata as config.json and tokenizer.json, its weights by role.
#pragma once

#include <filesystem>
#include <memory>
#include <span>
#include <string>

#include "core/model/checkpoint_files.h"
#include "core/model/weights.h"

namespace toccata::model {

// What a GGUF checkpoint calls its file; has() tells the two kinds of checkpoint apart by it.
inline constexpr const char* kGgufFile = "model.gguf";

// A view of a GGUF file as files: model.gguf (the bytes themselves), config.json and, when the metadata has a
// vocabulary, tokenizer.json. kCorrupt names the key, kUnsupported another architecture or a file split in parts.
// `bytes` must outlive the object.
Result<std::unique_ptr<CheckpointFiles>> gguf_in_memory(std::string name, std::span<const std::byte> bytes);
// The same, memory-mapped.
Result<std::unique_ptr<CheckpointFiles>> open_gguf(const std::filesystem::path& file);

// Fills `weights` (its config is read already). Throws Exception as load_weights does.
void load_gguf_weights(CheckpointFiles& files, Weights& weights, int n_threads);

}  // namespace toccata::model
