#pragma once

#include <cstddef>
#include <filesystem>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "core/base/error.h"

namespace toccata::model {

// The files of a checkpoint by name, wherever they are: a folder (memory-mapped) or the program itself.
// Bytes stay valid as long as the object lives.
class CheckpointFiles {
 public:
  virtual ~CheckpointFiles() = default;
  // What messages call the checkpoint: the folder, or "nano".
  virtual const std::string& name() const = 0;
  virtual bool has(const std::string& file) const = 0;
  // kNotFound names the file and the folder.
  virtual Result<std::span<const std::byte>> read(const std::string& file) = 0;
};

// kNotFound when the folder does not exist.
Result<std::unique_ptr<CheckpointFiles>> open_checkpoint_folder(const std::filesystem::path& folder);

// A folder, or a GGUF file.
Result<std::unique_ptr<CheckpointFiles>> open_checkpoint(const std::filesystem::path& path);

// `files` must outlive the object.
std::unique_ptr<CheckpointFiles> checkpoint_in_memory(
    std::string name, std::map<std::string, std::span<const std::byte>, std::less<>> files
);

}  // namespace toccata::model
