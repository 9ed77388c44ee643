// Skills: folders with a SKILL.md whose front matter names and describes what it teaches. The model sees names and
// descriptions, and reads one when it needs it.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "core/base/error.h"
#include "tools/tool.h"

namespace toccata::tools {

struct Skill {
  std::string name;
  std::string description;
  std::filesystem::path folder;
};

// The skill of one SKILL.md: `name` and `description` from the front matter between two lines of ---. kInvalidArgument
// naming the file and what is missing.
Result<Skill> read_skill(const std::filesystem::path& file);

// skills.read({"name": "...", "file": "..."}): SKILL.md, or another file of the skill's folder. Pure; nothing outside of
// the folder is read, also not through links.
class SkillsTool final : public Tool {
 public:
  // Every skill below `folders`; of two with one name the first counts. Folders that are not there are passed over.
  static Result<std::unique_ptr<SkillsTool>> open(const std::vector<std::filesystem::path>& folders);
  const ToolSpec& spec() const override { return spec_; }
  ToolResult call(const ToolCall& call, std::stop_token stop) override;
  const std::map<std::string, Skill>& skills() const { return skills_; }

 private:
  explicit SkillsTool(std::map<std::string, Skill> skills);
  std::map<std::string, Skill> skills_;
  ToolSpec spec_;
};

}  // namespace toccata::tools
