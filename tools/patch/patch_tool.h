// functions.apply_patch: changes files of the workspace, all of them or none.
#pragma once

#include "tools/files/work_folder.h"
#include "tools/tool.h"

namespace toccata::tools {

// Applies a whole patch to the folder. Everything is checked and computed before the first file is written; when
// writing fails midway, what was written is put back.
Result<void> apply_patch(const WorkFolder& folder, std::string_view patch);

class PatchTool final : public Tool {
 public:
  explicit PatchTool(WorkFolder folder);

  const ToolSpec& spec() const override { return spec_; }
  // The body is the patch, a JSON string, or a JSON object with one string. "Done!" or "Error applying patch: REASON".
  ToolResult call(const ToolCall& call, std::stop_token stop) override;

 private:
  WorkFolder folder_;
  ToolSpec spec_;
};

}  // namespace toccata::tools
