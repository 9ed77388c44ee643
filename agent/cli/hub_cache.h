// Checkpoints in the Hugging Face cache: <cache>/models--owner--name/{refs/main, snapshots/<commit>/...}.
// Source of the layout: huggingface_hub documentation, "Understand caching".
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "core/base/error.h"

namespace toccata::cli {

struct CachedModel {
  std::string id;  // "openai/gpt-oss-20b"
  std::filesystem::path folder;
  std::uintmax_t bytes = 0;  // of the files in the snapshot, links followed
};

// The snapshot of `id` (refs/main, else the newest), or its GGUF file or original/ where that is all it has. kNotFound
// says where was looked.
Result<std::filesystem::path> find_cached_model(
    const std::filesystem::path& hub_cache, const std::string& id
);

// Every cached model whose config.json says model_type gpt_oss, by id.
std::vector<CachedModel> list_cached_models(const std::filesystem::path& hub_cache);

}  // namespace toccata::cli
