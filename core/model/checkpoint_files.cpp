#include "core/model/checkpoint_files.h"

#include "core/base/mapped_file.h"
#include "core/model/gguf_checkpoint.h"

namespace toccata::model {
namespace {

class Folder : public CheckpointFiles {
 public:
  explicit Folder(std::filesystem::path folder) : folder_(std::move(folder)), name_(folder_.string()) {}

  const std::string& name() const override { return name_; }
  bool has(const std::string& file) const override {
    std::error_code none;
    return std::filesystem::exists(folder_ / file, none);
  }
  Result<std::span<const std::byte>> read(const std::string& file) override {
    auto mapped = mapped_.find(file);
    if (mapped == mapped_.end()) {
      auto opened = MappedFile::open(folder_ / file);
      if (!opened) return opened.error();
      mapped = mapped_.emplace(file, std::move(*opened)).first;
    }
    return mapped->second.bytes();
  }

 private:
  std::filesystem::path folder_;
  std::string name_;
  std::map<std::string, MappedFile> mapped_;
};

class Memory : public CheckpointFiles {
 public:
  Memory(std::string name, std::map<std::string, std::span<const std::byte>, std::less<>> files)
      : name_(std::move(name)), files_(std::move(files)) {}

  const std::string& name() const override { return name_; }
  bool has(const std::string& file) const override { return files_.contains(file); }
  Result<std::span<const std::byte>> read(const std::string& file) override {
    const auto found = files_.find(file);
    if (found == files_.end()) return Error{ErrorCode::kNotFound, name_ + " has no file " + file};
    return found->second;
  }

 private:
  std::string name_;
  std::map<std::string, std::span<const std::byte>, std::less<>> files_;
};

}  // namespace

Result<std::unique_ptr<CheckpointFiles>> open_checkpoint_folder(const std::filesystem::path& folder) {
  std::error_code none;
  if (!std::filesystem::is_directory(folder, none)) {
    return Error{ErrorCode::kNotFound, folder.string() + ": expected a folder with a checkpoint"};
  }
  return std::unique_ptr<CheckpointFiles>(std::make_unique<Folder>(folder));
}

Result<std::unique_ptr<CheckpointFiles>> open_checkpoint(const std::filesystem::path& path) {
  std::error_code none;
  return std::filesystem::is_regular_file(path, none) ? open_gguf(path) : open_checkpoint_folder(path);
}

std::unique_ptr<CheckpointFiles> checkpoint_in_memory(
    std::string name, std::map<std::string, std::span<const std::byte>, std::less<>> files
) {
  return std::make_unique<Memory>(std::move(name), std::move(files));
}

}  // namespace toccata::model
