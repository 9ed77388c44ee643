#include "agent/toolfile/tool_file.h"

#include <algorithm>
#include <set>

#include "agent/task/schema_check.h"
#include "agent/toolfile/call_reader.h"
#include "core/base/mapped_file.h"

namespace toccata::toolfile {
namespace {

using task::Place;
using task::Problem;
using task::Value;
using task::YamlField;
using task::YamlNode;
using tools::declared::Definition;
using Kind = YamlNode::Kind;

constexpr std::size_t kFileBytesMax = std::size_t{1} << 20;
constexpr std::size_t kToolsMax = 256;
constexpr double kTimeoutMax = 86'400;
constexpr std::int64_t kOutputMax = std::int64_t{4} << 20;
constexpr const char* kNoParameters = R"({"type":"object","properties":{},"additionalProperties":false})";

bool is_name(const std::string& text) {
  return !text.empty() && text.size() <= 64 && std::all_of(text.begin(), text.end(), [](unsigned char c) {
    return std::isalnum(c) != 0 || c == '_' || c == '-';
  });
}

class ToolFileReader {
 public:
  ToolFileReader(const std::string& file, const std::filesystem::path& folder) : file_(file), folder_(folder) {}

  ParsedToolFile read(std::string_view text) {
    ParsedToolFile result;
    Result<YamlNode> root = task::read_yaml(text, file_, {.bytes = kFileBytesMax});
    if (!root) {
      result.problems.push_back(task::problem_of(root.error(), file_));
      return result;
    }
    read_file(*root);
    result.problems = fields_.take_problems();
    std::stable_sort(result.problems.begin(), result.problems.end(), [](const Problem& a, const Problem& b) {
      return std::pair(a.place.line, a.place.column) < std::pair(b.place.line, b.place.column);
    });
    result.file = std::move(tool_file_);
    return result;
  }

 private:
  void read_file(const YamlNode& root) {
    if (!fields_.mapping(root, "a tool file", {"namespace", "secrets", "tools"})) return;
    if (const auto name = fields_.text(root, "namespace")) read_namespace(*name, root.find("namespace")->place);
    if (const YamlNode* secrets = root.find("secrets")) read_secrets(*secrets);
    const YamlNode* tools = root.find("tools");
    if (tools == nullptr || tools->kind != Kind::kList || tools->items.empty()) {
      fields_.problem(tools == nullptr ? root.place : tools->place,
                      tools == nullptr ? "found no 'tools', expected a list of functions"
                                       : "found " + tools->found() + " for 'tools', expected a list of at least one function");
      return;
    }
    if (tools->items.size() > kToolsMax) return fields_.problem(tools->place, "found more than " + std::to_string(kToolsMax) + " functions, expected fewer");
    for (const YamlNode& item : tools->items) read_tool(item);
  }

  void read_namespace(const std::string& name, const Place& place) {
    const std::set<std::string> reserved = {"assistant", "browser", "container", "developer", "python", "system", "tool", "user"};
    if (!is_name(name) || reserved.contains(name)) {
      fields_.problem(place, "found '" + name + "' for 'namespace', expected letters, digits, _ and -, and no name that models know otherwise");
    }
    name_space_ = name;
  }

  void read_secrets(const YamlNode& node) {
    if (node.kind != Kind::kMap) return fields_.problem(node.place, "found " + node.found() + " for 'secrets', expected a mapping: NAME: {env: ...} or {file: ...}");
    for (const YamlField& field : node.fields) {
      if (!tools::Secrets::is_name(field.key)) fields_.problem(field.place, "found the secret name '" + field.key + "', expected letters, digits, _, - and .");
      if (!fields_.mapping(field.value, "a secret", {"env", "file"})) continue;
      tools::SecretSource source{fields_.text(field.value, "env").value_or(""), fields_.text(field.value, "file").value_or("")};
      if (source.variable.empty() == source.file.empty()) fields_.problem(field.place, "found no or both of 'env' and 'file' of a secret, expected one of them");
      const std::string path = source.file.string();
      if (!path.empty() && path[0] != '/' && !path.starts_with("~/")) source.file = std::filesystem::absolute(folder_ / path);
      tool_file_.secrets[field.key] = source;
    }
  }

  void read_tool(const YamlNode& node) {
    const std::vector<std::string> known = {"name", "description", "parameters", "effect", "approval", "concurrent", "untrusted", "timeout", "output_bytes", "http", "command"};
    if (!fields_.mapping(node, "a function", known)) return;
    Definition tool;
    tool.name_space = name_space_;
    read_name(node, tool);
    Names names = read_parameters(node, tool);
    read_traits(node, tool);
    const YamlNode* http = node.find("http");
    const YamlNode* command = node.find("command");
    if ((http == nullptr) == (command == nullptr)) {
      fields_.problem(node.place, std::string("found ") + (http == nullptr ? "neither" : "both") + " of 'http' and 'command', expected one of them");
      return;
    }
    CallReader reader(fields_, folder_, names);
    if (http != nullptr) tool.call = reader.read_http(*http);
    if (command != nullptr) tool.call = reader.read_command(*command);
    read_concurrent(node, tool);
    tool.untrusted = fields_.boolean(node, "untrusted").value_or(http != nullptr);
    tool.secrets.assign(names.secrets.begin(), names.secrets.end());
    for (const std::string& secret : tool.secrets) tool_file_.secrets.try_emplace(secret);
    tool_file_.tools.push_back(std::move(tool));
  }

  void read_name(const YamlNode& node, Definition& tool) {
    tool.function.name = fields_.text(node, "name").value_or("");
    const YamlNode* name = node.find("name");
    if (name == nullptr) {
      fields_.problem(node.place, "found no 'name' of a function, expected one");
    } else if (!is_name(tool.function.name)) {
      fields_.problem(name->place, "found the name '" + tool.function.name + "', expected letters, digits, _ and -");
    } else if (!taken_.insert(tool.function.name).second) {
      fields_.problem(name->place, "found the function '" + tool.function.name + "' twice, expected it once");
    }
    tool.function.description = fields_.text(node, "description").value_or("");
    while (tool.function.description.ends_with('\n')) tool.function.description.pop_back();
    if (tool.function.description.empty()) fields_.problem(node.place, "found no 'description' of '" + tool.function.name + "', expected what it does, for the model");
  }

  Names read_parameters(const YamlNode& node, Definition& tool) {
    const YamlNode* parameters = node.find("parameters");
    Names names;
    if (parameters == nullptr) {
      tool.function.parameters = kNoParameters;
      return names;
    }
    Value schema = parameters->value();
    const bool usable = schema.is_object() && schema.value("type", Value("object")) == "object" && schema.value("properties", Value::object()).is_object();
    if (!usable) {
      fields_.problem(parameters->place, "found " + parameters->found() + " for 'parameters', expected a JSON Schema of an object: {type: object, properties: {...}}");
      return names;
    }
    if (!schema.contains("type")) schema["type"] = "object";
    const Value properties = schema.value("properties", Value::object()), required = schema.value("required", Value::array());
    for (const auto& [name, unused] : properties.items()) names.arguments.push_back(name);
    for (const Value& name : required) {
      if (name.is_string()) names.required.insert(name.get<std::string>());
    }
    tool.function.parameters = task::to_json_text(schema);
    Result<task::Schema> compiled = task::make_schema(schema);
    if (!compiled) {
      fields_.problem(parameters->place, compiled.error().message);
    } else {
      tool.objection = [schema = std::move(*compiled)](const nlohmann::ordered_json& value) { return task::schema_breach(schema, value); };
    }
    return names;
  }

  // A session runs one command at a time.
  void read_concurrent(const YamlNode& node, Definition& tool) {
    const bool in_session = tool.command() != nullptr && !tool.command()->on_host;
    const auto said = fields_.boolean(node, "concurrent");
    if (said == true && in_session) {
      fields_.problem(node.find("concurrent")->place, "found 'concurrent' of a command in the sandbox, which runs one at a time; expected it with 'http' or 'where: host'");
    }
    if (said == true && tool.effect == tools::Effect::kEffectful) {
      fields_.problem(node.find("concurrent")->place, "found 'concurrent' of an effectful function, expected it of one that is pure or keyed");
    }
    tool.concurrent = said.value_or(tool.effect == tools::Effect::kPure && !in_session);
  }

  void read_traits(const YamlNode& node, Definition& tool) {
    const std::string effect = fields_.one_of(node, "effect", {"pure", "keyed", "effectful"}).value_or("effectful");
    tool.effect = effect == "pure" ? tools::Effect::kPure : effect == "keyed" ? tools::Effect::kKeyed : tools::Effect::kEffectful;
    tool.needs_approval = fields_.boolean(node, "approval").value_or(tool.effect != tools::Effect::kPure);
    if (const auto seconds = fields_.duration(node, "timeout")) {
      if (*seconds < 0.001 || *seconds > kTimeoutMax) fields_.problem(node.find("timeout")->place, "found a 'timeout' outside of 1 ms to a day, expected one within");
      tool.timeout = std::chrono::milliseconds(static_cast<std::int64_t>(std::min(*seconds, kTimeoutMax) * 1000));
    }
    if (const auto bytes = fields_.integer(node, "output_bytes", 256)) {
      if (*bytes > kOutputMax) fields_.problem(node.find("output_bytes")->place, "found more than " + std::to_string(kOutputMax) + " for 'output_bytes', expected less");
      tool.output_bytes_max = static_cast<std::size_t>(std::min(*bytes, kOutputMax));
    }
  }

  const std::string& file_;
  const std::filesystem::path& folder_;
  task::FieldReader fields_;
  ToolFile tool_file_;
  std::string name_space_ = "functions";
  std::set<std::string> taken_;
};

}  // namespace

ParsedToolFile parse_tool_file(std::string_view text, const std::string& file, const std::filesystem::path& folder) {
  return ToolFileReader(file, folder).read(text);
}

ParsedToolFile load_tool_file(const std::filesystem::path& path) {
  const std::string text = read_text_file(path, kFileBytesMax).value_or_throw();
  return parse_tool_file(text, path.string(), path.parent_path());
}

}  // namespace toccata::toolfile
