#include "tools/patch/patch_tool.h"

#include <nlohmann/json.hpp>
#include <optional>

#include "core/base/json.h"
#include "tools/patch/patch.h"

namespace toccata::tools {
namespace {

constexpr const char* kDescription =
    "Changes files of the workspace; paths are relative to it. Takes one patch:\n"
    "*** Begin Patch\n"
    "*** Add File: PATH (then lines beginning with +)\n"
    "*** Delete File: PATH\n"
    "*** Update File: PATH (then perhaps *** Move to: PATH, then hunks: a line @@ or @@ followed by a whole line of "
    "the file, then lines beginning with a space for context, - for removed, + for added)\n"
    "*** End Patch\n"
    "Either all of it is applied or nothing.";

// One file as it is to be; no text = gone.
struct Step {
  std::string path;
  std::optional<std::string> after, before;
};

Error already_there(const std::string& path) {
  return {ErrorCode::kInvalidArgument, path + ": the file exists already"};
}

Result<void> plan_new_file(
    const WorkFolder& folder, const std::string& path, std::string text, std::vector<Step>& steps
) {
  const Result<bool> there = folder.exists(path);
  if (!there) return there.error();
  if (*there) return already_there(path);
  steps.push_back({path, std::move(text), std::nullopt});
  return {};
}

Result<void> plan_change(
    const WorkFolder& folder, const FileChange& change, std::vector<Step>& steps
) {
  if (change.kind == FileChange::Kind::kAdd)
    return plan_new_file(folder, change.path, change.text, steps);
  Result<std::string> before = folder.read(change.path);
  if (!before) return before.error();
  if (change.kind == FileChange::Kind::kDelete) {
    steps.push_back({change.path, std::nullopt, std::move(*before)});
    return {};
  }
  Result<std::string> after = apply_hunks(*before, change.hunks);
  if (!after) return Error{after.error().code, change.path + ": " + after.error().message};
  if (change.move_to.empty()) {
    steps.push_back({change.path, std::move(*after), std::move(*before)});
    return {};
  }
  if (auto planned = plan_new_file(folder, change.move_to, std::move(*after), steps); !planned)
    return planned;
  steps.push_back({change.path, std::nullopt, std::move(*before)});
  return {};
}

Result<void> put(
    const WorkFolder& folder, const std::string& path, const std::optional<std::string>& text
) {
  return text ? folder.write(path, *text) : folder.remove(path);
}

std::string patch_of(const std::string& body) {
  const auto json = json_from<nlohmann::json>(body);
  if (json.is_string()) return json.get<std::string>();
  if (json.is_object() && json.size() == 1 && json.begin()->is_string())
    return json.begin()->get<std::string>();
  return body;
}

}  // namespace

Result<void> apply_patch(const WorkFolder& folder, std::string_view patch) {
  const Result<std::vector<FileChange>> changes = parse_patch(patch);
  if (!changes) return changes.error();
  std::vector<Step> steps;
  for (const FileChange& change : *changes) {
    if (auto planned = plan_change(folder, change, steps); !planned) return planned;
  }
  for (std::size_t i = 0; i < steps.size(); ++i) {
    const Result<void> done = put(folder, steps[i].path, steps[i].after);
    if (done) continue;
    while (i-- > 0) (void)put(folder, steps[i].path, steps[i].before);
    return done;
  }
  return {};
}

PatchTool::PatchTool(WorkFolder folder)
    : folder_(std::move(folder)),
      spec_{
          .name_space = "functions",
          .description = "",
          .functions = {{"apply_patch", kDescription, R"({"type":"object","properties":{"patch":{"type":"string"}},"required":["patch"]})"}},
          .placement = Placement::kDeveloper,
          .effect = Effect::kEffectful,
          .needs_approval = true,
      } {}

ToolResult PatchTool::call(const ToolCall& call, std::stop_token) {
  const Result<void> done = apply_patch(folder_, patch_of(call.arguments));
  return {
      .status = done ? ToolStatus::kOk : ToolStatus::kFailed,
      .author = "functions.apply_patch",
      .content = done ? "Done!" : "Error applying patch: " + done.error().message,
  };
}

}  // namespace toccata::tools
