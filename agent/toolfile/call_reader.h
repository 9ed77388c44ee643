// The `http` and `command` of a tool file.
#pragma once

#include <filesystem>
#include <set>
#include <string>
#include <vector>

#include "agent/task/parse_fields.h"
#include "tools/declared/definition.h"

namespace toccata::toolfile {

// The arguments a function has, and what its templates have named so far.
struct Names {
  std::vector<std::string> arguments;
  std::set<std::string> required;
  std::set<std::string> secrets = {};
};

// What does not fit is a problem of `fields`.
class CallReader {
 public:
  CallReader(task::FieldReader& fields, const std::filesystem::path& folder, Names& names) : fields_(fields), folder_(folder), names_(names) {}
  tools::declared::HttpCall read_http(const task::YamlNode& node);
  tools::declared::CommandCall read_command(const task::YamlNode& node);

 private:
  using TextTemplate = tools::declared::TextTemplate;
  TextTemplate read_template(const task::YamlNode& node);
  std::vector<std::pair<std::string, TextTemplate>> read_templates(const task::YamlNode& map, std::string_view key);
  void read_url(const task::YamlNode& node, tools::declared::HttpCall& http);
  void read_headers(const task::YamlNode& node, tools::declared::HttpCall& http);
  void read_body(const task::YamlNode& node, tools::declared::HttpCall& http);
  void check_json(const task::YamlNode& node);
  void read_show(const task::YamlNode& node, tools::declared::HttpCall& http);
  void read_argv(const task::YamlNode& node, tools::declared::CommandCall& command);
  void read_input(const task::YamlNode& node, tools::declared::CommandCall& command);
  void read_environment(const task::YamlNode& node, tools::declared::CommandCall& command);

  task::FieldReader& fields_;
  const std::filesystem::path& folder_;
  Names& names_;
};

}  // namespace toccata::toolfile
