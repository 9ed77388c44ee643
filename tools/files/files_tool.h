// The files namespace: look at and change files of the workspace, and of the sandbox session's /mnt/data.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "sandbox/session_slot.h"
#include "tools/files/work_folder.h"
#include "tools/tool.h"

namespace toccata::tools {

// The two places that paths can name. A relative path, or an absolute one below the work folder's own path, is in the work
// folder; /mnt/data is that of the session that python and shell work in, when there is one.
class FilePlaces {
 public:
  // kNotFound when `work_folder` is none. `slot` may be null.
  static Result<std::shared_ptr<FilePlaces>> open(
      const std::filesystem::path& work_folder, std::shared_ptr<sandbox::SessionSlot> slot
  );

  struct Spot {
    const WorkFolder* folder;  // valid until the next call of find
    std::string path;          // relative to it; "." is the folder itself
    Provenance provenance = {};  // of what lies in it
  };
  Result<Spot> find(const std::string& path);

 private:
  FilePlaces(WorkFolder work, std::string work_path, std::shared_ptr<sandbox::SessionSlot> slot)
      : work_(std::move(work)), work_path_(std::move(work_path)), slot_(std::move(slot)) {}

  WorkFolder work_;
  std::string work_path_;  // absolute
  std::shared_ptr<sandbox::SessionSlot> slot_;
  std::unique_ptr<WorkFolder> session_folder_;
};

// Half of the namespace: reading (read, list, glob, grep: pure, may run again) or writing (write, edit: effectful, wants
// approval). Both halves together are what the model sees as `files`.
class FilesTool final : public Tool {
 public:
  enum class Half { kReading, kWriting };
  FilesTool(Half half, std::shared_ptr<FilePlaces> places);

  const ToolSpec& spec() const override { return spec_; }
  // kOk, or kFailed with the reason, which is told to the model.
  ToolResult call(const ToolCall& call, std::stop_token stop) override;

 private:
  std::shared_ptr<FilePlaces> places_;
  ToolSpec spec_;
};

}  // namespace toccata::tools
