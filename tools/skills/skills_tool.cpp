#include "tools/skills/skills_tool.h"

#include <nlohmann/json.hpp>
#include <sstream>

#include "core/base/json.h"
#include "core/base/mapped_file.h"

namespace toccata::tools {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr std::size_t kFileBytesMax = std::size_t{1} << 20;
constexpr const char* kParameters = R"({"type":"object","properties":{
"name":{"type":"string"},
"file":{"type":"string","description":"A file of the skill's folder; default SKILL.md."}},"required":["name"]})";

std::string trimmed(std::string text) {
  const auto first = text.find_first_not_of(" \t\r\"'");
  if (first == std::string::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t\r\"'") - first + 1);
}

// Whether `file`, links followed, lies below `folder`.
bool is_inside(const fs::path& folder, const fs::path& file) {
  std::error_code failed;
  const fs::path base = fs::canonical(folder, failed);
  if (failed) return false;
  const fs::path real = fs::canonical(file, failed);
  if (failed) return false;
  const auto [end, unused] = std::mismatch(base.begin(), base.end(), real.begin(), real.end());
  return end == base.end();
}

}  // namespace

Result<Skill> read_skill(const fs::path& file) {
  const Result<std::string> text = read_text_file(file, kFileBytesMax);
  if (!text) return text.error();
  std::istringstream lines(*text);
  std::string line;
  std::getline(lines, line);
  Skill skill;
  skill.folder = file.parent_path();
  if (trimmed(line) != "---") {
    return Error{
        ErrorCode::kInvalidArgument,
        file.string() + ":1: a skill begins with front matter between two lines of ---"};
  }
  while (std::getline(lines, line) && trimmed(line) != "---") {
    const std::size_t colon = line.find(':');
    if (colon == std::string::npos) continue;
    const std::string key = trimmed(line.substr(0, colon));
    if (key == "name") skill.name = trimmed(line.substr(colon + 1));
    if (key == "description") skill.description = trimmed(line.substr(colon + 1));
  }
  for (const auto& [field, value] : {std::pair("name", &skill.name), {"description", &skill.description}}) {
    if (value->empty()) {
      return Error{
          ErrorCode::kInvalidArgument, file.string() + ": the front matter has no " + field};
    }
  }
  return skill;
}

Result<std::unique_ptr<SkillsTool>> SkillsTool::open(const std::vector<fs::path>& folders) {
  std::map<std::string, Skill> skills;
  for (const fs::path& folder : folders) {
    std::error_code missing;
    for (const auto& entry : fs::directory_iterator(folder, missing)) {
      const fs::path file = entry.path() / "SKILL.md";
      if (!fs::is_regular_file(file, missing)) continue;
      Result<Skill> skill = read_skill(file);
      if (!skill) return skill.error();
      skills.emplace(skill->name, std::move(*skill));
    }
  }
  return std::unique_ptr<SkillsTool>(new SkillsTool(std::move(skills)));
}

SkillsTool::SkillsTool(std::map<std::string, Skill> skills) : skills_(std::move(skills)) {
  spec_.name_space = "skills";
  spec_.description = "Instructions for certain kinds of work. Read the one that fits before you begin:";
  for (const auto& [name, skill] : skills_) spec_.description += "\n- " + name + ": " + skill.description;
  spec_.functions = {{"read", "Shows a skill.", kParameters}};
  spec_.effect = Effect::kPure;
  spec_.concurrent = true;
}

ToolResult SkillsTool::call(const ToolCall& call, std::stop_token) {
  const auto failed = [](const std::string& why) {
    return ToolResult{ToolStatus::kFailed, "skills.read", why, "{}"};
  };
  const json arguments = json_from<json>(call.arguments);
  const auto text_of = [&](const char* key, const char* fallback) {
    const bool there = arguments.is_object() && arguments.contains(key) && arguments[key].is_string();
    return there ? arguments[key].get<std::string>() : std::string(fallback);
  };
  const auto skill = skills_.find(text_of("name", ""));
  if (skill == skills_.end()) {
    std::string known;
    for (const auto& [name, unused] : skills_) known += (known.empty() ? "" : ", ") + name;
    return failed("There is no such skill. Known: " + (known.empty() ? "none" : known) + ".");
  }
  const std::string file = text_of("file", "SKILL.md");
  const fs::path path = skill->second.folder / file;
  if (!is_inside(skill->second.folder, path)) return failed("The skill has no file " + file + ".");
  const Result<std::string> text = read_text_file(path, kFileBytesMax);
  if (!text) return failed(text.error().message);
  return {ToolStatus::kOk, "skills.read", *text, "{}"};
}

}  // namespace toccata::tools
