#include "agent/harmony/tool_schema.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <vector>

#include "core/base/json.h"

namespace toccata::harmony {
namespace {

using nlohmann::ordered_json;

constexpr int kDepthMax = 64;

const ordered_json* find(const ordered_json& object, const char* key) {
  if (!object.is_object()) return nullptr;
  const auto it = object.find(key);
  return it == object.end() ? nullptr : &*it;
}

const std::string* find_string(const ordered_json& object, const char* key) {
  const ordered_json* value = find(object, key);
  return value != nullptr && value->is_string() ? value->get_ptr<const std::string*>() : nullptr;
}

const ordered_json* find_array(const ordered_json& object, const char* key) {
  const ordered_json* value = find(object, key);
  return value != nullptr && value->is_array() ? value : nullptr;
}

// The lines of a text: '\n' or "\r\n" ends one; a last newline begins no further line.
std::vector<std::string> lines(std::string_view text) {
  std::vector<std::string> out;
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    std::string_view line = text.substr(0, end);
    if (line.ends_with('\r') && end != std::string_view::npos) line.remove_suffix(1);
    out.emplace_back(line);
    if (end == std::string_view::npos) break;
    text.remove_prefix(end + 1);
  }
  return out;
}

std::string compact(const ordered_json& value) {
  return json_text(value);
}

// What stands after "default: ": strings in quotes, but bare when the schema has an enum and `bare_enum` is set.
std::string default_text(const ordered_json& schema, const ordered_json& value, bool bare_enum) {
  if (!value.is_string()) return compact(value);
  const ordered_json* options = find_array(schema, "enum");
  const bool bare = bare_enum && options != nullptr && !options->empty();
  const auto& text = value.get_ref<const std::string&>();
  return bare ? text : "\"" + text + "\"";
}

// Prints one schema. Rules: openai/harmony src/encoding.rs, json_schema_to_typescript.
class Printer {
 public:
  std::string type(const ordered_json& schema, const std::string& indent, int depth) const {
    if (depth > kDepthMax) return "any";
    if (const ordered_json* variants = find_array(schema, "oneOf")) {
      return one_of(*variants, indent, depth);
    }
    if (const ordered_json* names = find_array(schema, "type")) return type_list(*names);
    const std::string* name = find_string(schema, "type");
    if (name == nullptr) return "any";
    if (*name == "object") return object(schema, indent, depth);
    if (*name == "string") return string(schema);
    if (*name == "number" || *name == "integer") return "number";
    if (*name == "boolean") return "boolean";
    if (*name == "array") {
      const ordered_json* items = find(schema, "items");
      return items == nullptr ? "Array<any>" : type(*items, indent, depth + 1) + "[]";
    }
    return "any";
  }

 private:
  static std::string type_list(const ordered_json& names) {
    std::string out;
    for (const ordered_json& name : names) {
      if (!name.is_string()) continue;
      const auto& text = name.get_ref<const std::string&>();
      out += (out.empty() ? "" : " | ") + (text == "integer" ? std::string("number") : text);
    }
    return out.empty() ? "any" : out;
  }

  static std::string string(const ordered_json& schema) {
    std::string out;
    if (const ordered_json* options = find_array(schema, "enum")) {
      for (const ordered_json& option : *options) {
        if (!option.is_string()) continue;
        out += (out.empty() ? "\"" : " | \"") + option.get_ref<const std::string&>() + "\"";
      }
    }
    return out.empty() ? "string" : out;
  }

  // " // description default: ...", or nothing when there is neither.
  static std::string trailing_comment(const std::string* description, const ordered_json& variant, bool bare_enum) {
    const ordered_json* fallback = find(variant, "default");
    if (description == nullptr && fallback == nullptr) return "";
    std::string out = " //";
    if (description != nullptr) out += " " + *description;
    if (fallback != nullptr) out += " default: " + default_text(variant, *fallback, bare_enum);
    return out;
  }

  std::string one_of(const ordered_json& variants, const std::string& indent, int depth) const {
    std::string out;
    for (const ordered_json& variant : variants) {
      out += "\n" + indent + " | " + nullable_type(variant, indent + "   ", depth);
      out += trailing_comment(find_string(variant, "description"), variant, /*bare_enum=*/false);
    }
    return out;
  }

  std::string object(const ordered_json& schema, const std::string& indent, int depth) const {
    std::string out;
    if (const std::string* text = find_string(schema, "description")) out += indent + "// " + *text + "\n";
    out += "{\n";
    if (const ordered_json* properties = find(schema, "properties"); properties && properties->is_object()) {
      for (const auto& [key, value] : properties->items()) {
        const std::string name = indent + key + (required(schema, key) ? "" : "?") + ":";
        out += comments(value, indent);
        out += find_array(value, "oneOf") != nullptr ? one_of_property(name, value, indent, depth)
                                                     : property(name, value, indent, depth);
      }
    }
    return out + indent + "}";
  }

  static bool required(const ordered_json& schema, const std::string& key) {
    const ordered_json* names = find_array(schema, "required");
    return names != nullptr && std::find(names->begin(), names->end(), ordered_json(key)) != names->end();
  }

  static std::string comments(const ordered_json& value, const std::string& indent) {
    std::string out;
    if (const std::string* title = find_string(value, "title")) {
      out += indent + "// " + *title + "\n" + indent + "//\n";
    }
    if (const std::string* text = find_string(value, "description"); text && !find(value, "oneOf")) {
      out += indent + "// " + *text + "\n";
    }
    if (const ordered_json* examples = find_array(value, "examples"); examples && !examples->empty()) {
      out += indent + "// Examples:\n";
      for (const ordered_json& example : *examples) {
        if (example.is_string()) out += indent + "// - \"" + example.get_ref<const std::string&>() + "\"\n";
      }
    }
    return out;
  }

  // The type of a part of `schema`'s parent, with ` | null` when it is nullable and does not say so itself.
  std::string nullable_type(const ordered_json& schema, const std::string& indent, int depth) const {
    std::string text = type(schema, indent, depth + 1);
    const ordered_json* nullable = find(schema, "nullable");
    if (nullable && *nullable == true && text.find("null") == std::string::npos) text += " | null";
    return text;
  }

  std::string property(const std::string& name, const ordered_json& value, const std::string& indent, int depth) const {
    std::string out = name + " " + nullable_type(value, indent + "    ", depth) + ",";
    if (const ordered_json* fallback = find(value, "default")) {
      out += " // default: " + default_text(value, *fallback, /*bare_enum=*/true);
    }
    return out + "\n";
  }

  std::string one_of_property(const std::string& name, const ordered_json& value, const std::string& indent, int depth) const {
    const ordered_json& variants = *find_array(value, "oneOf");
    const std::string* text = find_string(value, "description");
    const std::string* first = variants.empty() ? nullptr : find_string(variants[0], "description");
    const bool printed = text != nullptr && !(first != nullptr && *first == *text);
    std::string out;
    if (printed) out += indent + "// " + *text + "\n";
    if (const ordered_json* fallback = find(value, "default")) {
      out += indent + "// default: " + default_text(value, *fallback, /*bare_enum=*/true) + "\n";
    }
    out += name + "\n";
    for (std::size_t i = 0; i < variants.size(); ++i) {
      const ordered_json& variant = variants[i];
      out += indent + " | " + nullable_type(variant, indent + "   ", depth);
      const std::string* own = find_string(variant, "description");
      if (own != nullptr && ((i == 0 && printed) || (text != nullptr && *own == *text))) own = nullptr;
      out += trailing_comment(own, variant, /*bare_enum=*/true) + "\n";
    }
    return out + indent + ",\n";
  }
};

Result<std::string> namespace_section(const ToolNamespace& space, SchemaStyle style) {
  std::string out = "## " + space.name + "\n";
  const auto add_line = [&out](const std::string& line) { out += "\n" + line; };
  for (const std::string& line : lines(space.description.value_or(""))) {
    add_line(space.tools.empty() ? line : "// " + line);
  }
  if (space.tools.empty()) return out;
  add_line("namespace " + space.name + " {\n");
  for (const ToolDescription& tool : space.tools) {
    for (const std::string& line : lines(tool.description)) add_line("// " + line);
    if (!tool.parameters) {
      add_line("type " + tool.name + " = () => any;\n");
      continue;
    }
    const auto schema = json_from<ordered_json>(*tool.parameters);
    if (schema.is_discarded()) {
      return Error{
          ErrorCode::kInvalidArgument, "the parameters of tool " + tool.name + " are not JSON"};
    }
    const std::string type =
        style == SchemaStyle::kReference ? schema_to_typescript(schema) : schema_to_readable_typescript(schema);
    add_line("type " + tool.name + " = (_: " + type + ") => any;\n");
  }
  add_line("} // namespace " + space.name);
  return out;
}

}  // namespace

std::string schema_to_typescript(const ordered_json& schema) { return Printer().type(schema, "", 0); }

Result<std::string> tools_section(const ToolNamespaces& namespaces, SchemaStyle style) {
  std::string out = "# Tools";
  for (const auto& [key, space] : namespaces) {
    auto section = namespace_section(space, style);
    if (!section) return section.error();
    out += "\n\n" + *section;
  }
  return out;
}

Result<ToolNamespace> tool_namespace_from_json(std::string_view json_text) {
  const auto json = json_from<ordered_json>(json_text);
  const auto fail = [](const std::string& what) {
    return Error{ErrorCode::kInvalidArgument, "tool namespace: " + what};
  };
  const std::string* name = find_string(json, "name");
  if (name == nullptr) return fail("expected an object with a 'name'");
  ToolNamespace space;
  space.name = *name;
  if (const std::string* text = find_string(json, "description")) space.description = *text;
  const ordered_json* tools = find(json, "tools");
  if (tools == nullptr || tools->is_null()) return space;
  if (!tools->is_array()) return fail("'tools' is not a list");
  for (const ordered_json& tool : *tools) {
    const std::string* tool_name = find_string(tool, "name");
    if (tool_name == nullptr) return fail("a tool of " + space.name + " has no 'name'");
    ToolDescription description;
    description.name = *tool_name;
    if (const std::string* text = find_string(tool, "description")) description.description = *text;
    if (const ordered_json* schema = find(tool, "parameters"); schema && !schema->is_null()) {
      description.parameters = compact(*schema);
    }
    space.tools.push_back(std::move(description));
  }
  return space;
}

}  // namespace toccata::harmony
