// JSON Schema as TypeScript a model can read. Where openai-harmony prints a type this prints the same bytes; where it
// gives up (`any`) this resolves: $ref, allOf, anyOf, const, enums of anything, maps, tuples, and comments of many lines.
#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "agent/harmony/tool_schema.h"
#include "core/base/json.h"

namespace toccata::harmony {
namespace {

using nlohmann::ordered_json;

constexpr int kDepthMax = 32;
// Expanding references can grow without bound; past this everything is `any`.
constexpr std::size_t kTextMax = 64 << 10;

const ordered_json* find(const ordered_json& object, const char* key) {
  if (!object.is_object()) return nullptr;
  const auto it = object.find(key);
  return it == object.end() ? nullptr : &*it;
}
const ordered_json* find_list(const ordered_json& object, const char* key) {
  const ordered_json* value = find(object, key);
  return value != nullptr && value->is_array() && !value->empty() ? value : nullptr;
}
std::string find_text(const ordered_json& object, const char* key) {
  const ordered_json* value = find(object, key);
  return value != nullptr && value->is_string() ? value->get<std::string>() : std::string();
}

std::string literal(const ordered_json& value) {
  return json_text(value);
}

std::string comment_lines(const std::string& text, const std::string& indent) {
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    out += indent + "// " + text.substr(at, end - at) + "\n";
    at = end + 1;
  }
  return out;
}

std::string one_line(std::string text) {
  std::replace(text.begin(), text.end(), '\n', ' ');
  return text;
}

// What a type alone does not say: shown behind the property.
std::string limits(const ordered_json& schema) {
  std::string out;
  for (const char* key : {"format", "pattern", "minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum", "multipleOf",
                          "minLength", "maxLength", "minItems", "maxItems", "uniqueItems"}) {
    const ordered_json* value = find(schema, key);
    if (value == nullptr || value->is_structured() || value->is_null() || *value == false) continue;
    const std::string text = value->is_string() ? value->get<std::string>() : literal(*value);
    out += (out.empty() ? "" : ", ") + std::string(key) + ": " + one_line(text);
  }
  return out;
}

bool is_union(const std::string& type) { return type.find(" | ") != std::string::npos || type.find(" & ") != std::string::npos; }
std::string grouped(const std::string& type) { return is_union(type) && type.find('\n') == std::string::npos ? "(" + type + ")" : type; }

std::string joined_unique(const std::vector<std::string>& types, const char* between) {
  std::string out;
  std::set<std::string> seen;
  for (const std::string& type : types) {
    if (seen.insert(type).second) out += (out.empty() ? "" : between) + type;
  }
  return out.empty() ? "any" : out;
}

class Printer {
 public:
  explicit Printer(const ordered_json& root) : root_(root) {}

  std::string type(const ordered_json& schema, const std::string& indent, int depth) {
    if (depth > kDepthMax || printed_ > kTextMax) return "any";
    const std::string text = with_null(schema, bare_type(schema, indent, depth));
    printed_ += text.size();
    return text;
  }

 private:
  std::string bare_type(const ordered_json& schema, const std::string& indent, int depth) {
    if (!schema.is_object()) return "any";
    if (const std::string ref = find_text(schema, "$ref"); !ref.empty()) return reference(ref, indent, depth);
    if (const ordered_json* value = find(schema, "const")) return literal(*value);
    if (const ordered_json* values = find_list(schema, "enum")) return literals(*values);
    if (const ordered_json* parts = find_list(schema, "allOf")) return all_of(schema, *parts, indent, depth);
    for (const char* key : {"anyOf", "oneOf"}) {
      if (const ordered_json* variants = find_list(schema, key)) return any_of(*variants, indent, depth);
    }
    const ordered_json* kind = find(schema, "type");
    if (kind != nullptr && kind->is_array()) {
      std::vector<std::string> types;
      for (const ordered_json& name : *kind) {
        if (name.is_string()) types.push_back(named(name.get<std::string>(), schema, indent, depth));
      }
      return joined_unique(types, " | ");
    }
    if (kind != nullptr && kind->is_string()) return named(kind->get<std::string>(), schema, indent, depth);
    // No type, but keywords that only one type has.
    if (find(schema, "properties") || find(schema, "additionalProperties")) return named("object", schema, indent, depth);
    if (find(schema, "items") || find(schema, "prefixItems")) return named("array", schema, indent, depth);
    return "any";
  }

  std::string named(const std::string& name, const ordered_json& schema, const std::string& indent, int depth) {
    if (name == "integer" || name == "number") return "number";
    if (name == "string" || name == "boolean" || name == "null") return name;
    if (name == "array") return array(schema, indent, depth);
    if (name == "object") return object(schema, indent, depth);
    return "any";
  }

  static std::string with_null(const ordered_json& schema, std::string type) {
    const ordered_json* nullable = find(schema, "nullable");
    if (nullable && *nullable == true && type.find("null") == std::string::npos) type += " | null";
    return type;
  }

  static std::string literals(const ordered_json& values) {
    std::vector<std::string> types;
    for (const ordered_json& value : values) types.push_back(literal(value));
    return joined_unique(types, " | ");
  }

  // "#/$defs/Name" and any other pointer into the same document.
  const ordered_json* target(const std::string& ref) const {
    if (ref == "#") return &root_;
    if (!ref.starts_with("#/")) return nullptr;
    try {
      const ordered_json::json_pointer pointer(ref.substr(1));
      return root_.contains(pointer) ? &root_.at(pointer) : nullptr;
    } catch (const ordered_json::exception&) {
      return nullptr;
    }
  }

  std::string reference(const std::string& ref, const std::string& indent, int depth) {
    const ordered_json* schema = target(ref);
    if (schema == nullptr) return "any";
    // Inside itself a type is called by its name; the outer shape is there to read.
    if (std::find(open_.begin(), open_.end(), ref) != open_.end()) {
      const std::string name = ref == "#" ? "the parameters" : ref.substr(ref.rfind('/') + 1);
      return "object /* " + name + ", as above */";
    }
    open_.push_back(ref);
    std::string text = type(*schema, indent, depth + 1);
    open_.pop_back();
    return text;
  }

  // Objects melt into one; other types stand side by side.
  std::string all_of(const ordered_json& schema, const ordered_json& parts, const std::string& indent, int depth) {
    ordered_json merged = schema;
    merged.erase("allOf");
    std::vector<std::string> others;
    for (const ordered_json& part : parts) {
      const ordered_json* resolved = &part;
      const std::string ref = find_text(part, "$ref");
      const bool recursive = std::find(open_.begin(), open_.end(), ref) != open_.end();
      if (!ref.empty() && !recursive && target(ref) != nullptr) resolved = target(ref);
      const bool is_object = find(*resolved, "properties") != nullptr && find(*resolved, "$ref") == nullptr;
      if (!is_object && parts.size() == 1 && !find(merged, "type") && !find(merged, "properties")) {
        return type(part, indent, depth + 1);
      }
      if (is_object) {
        melt(merged, *resolved);
      } else {
        others.push_back(grouped(type(part, indent, depth + 1)));
      }
    }
    if (find(merged, "type") || find(merged, "properties")) others.insert(others.begin(), bare_type(merged, indent, depth + 1));
    return joined_unique(others, " & ");
  }

  static void melt(ordered_json& into, const ordered_json& part) {
    if (!find(into, "type")) into["type"] = "object";
    for (const auto& [key, value] : part.at("properties").items()) into["properties"][key] = value;
    if (const ordered_json* names = find_list(part, "required")) {
      if (!find_list(into, "required")) into["required"] = ordered_json::array();
      for (const ordered_json& name : *names) into["required"].push_back(name);
    }
    for (const char* key : {"description", "additionalProperties"}) {
      if (!find(into, key) && find(part, key)) into[key] = part.at(key);
    }
  }

  // On one line when every variant is; else one variant a line, as openai-harmony prints oneOf.
  std::string any_of(const ordered_json& variants, const std::string& indent, int depth) {
    std::vector<std::string> types;
    bool flat = true;
    for (const ordered_json& variant : variants) {
      types.push_back(type(variant, indent + "   ", depth + 1));
      flat = flat && types.back().find('\n') == std::string::npos && find_text(variant, "description").empty();
    }
    if (flat) return joined_unique(types, " | ");
    std::string out;
    for (std::size_t i = 0; i < types.size(); ++i) {
      out += "\n" + indent + " | " + types[i];
      const bool shown = types[i].starts_with(indent + "   //");
      if (const std::string text = find_text(variants[i], "description"); !text.empty() && !shown) out += " // " + one_line(text);
    }
    return out;
  }

  std::string array(const ordered_json& schema, const std::string& indent, int depth) {
    if (const ordered_json* parts = find_list(schema, "prefixItems")) {
      std::string out;
      for (const ordered_json& part : *parts) out += (out.empty() ? "" : ", ") + type(part, indent, depth + 1);
      return "[" + out + "]";
    }
    const ordered_json* items = find(schema, "items");
    if (items == nullptr || !items->is_object()) return "Array<any>";
    const std::string of = type(*items, indent, depth + 1);
    if (of.find('\n') != std::string::npos && is_union(of)) return "Array<" + of + "\n" + indent + ">";
    return grouped(of) + "[]";
  }

  std::string object(const ordered_json& schema, const std::string& indent, int depth) {
    const ordered_json* properties = find(schema, "properties");
    const ordered_json* others = find(schema, "additionalProperties");
    const bool has_properties = properties != nullptr && properties->is_object() && !properties->empty();
    const bool is_map = others != nullptr && (others->is_object() || *others == true);
    const std::string map_type = is_map && others->is_object() && !others->empty() ? type(*others, indent + "    ", depth + 1) : "any";
    if (!has_properties && depth > 0) return "{ [key: string]: " + map_type + " }";
    std::string out;
    if (const std::string text = find_text(schema, "description"); !text.empty()) out += comment_lines(text, indent);
    out += "{\n";
    if (has_properties) {
      for (const auto& [key, value] : properties->items()) out += property(schema, key, value, indent, depth);
    }
    if (is_map) out += indent + "[key: string]: " + map_type + ",\n";
    return out + indent + "}";
  }

  static bool is_name(const std::string& key) {
    if (key.empty() || (key[0] >= '0' && key[0] <= '9')) return false;
    return std::all_of(key.begin(), key.end(), [](unsigned char c) { return std::isalnum(c) != 0 || c == '_' || c == '$' || c >= 0x80; });
  }

  std::string property(const ordered_json& owner, const std::string& key, const ordered_json& value, const std::string& indent, int depth) {
    const ordered_json* names = find_list(owner, "required");
    const bool required = names != nullptr && std::find(names->begin(), names->end(), ordered_json(key)) != names->end();
    std::string out;
    if (const std::string title = find_text(value, "title"); !title.empty()) out += comment_lines(title, indent) + indent + "//\n";
    // An object prints its own description; a reference's stands there when the property has none.
    std::string text = find_text(value, "description");
    const ordered_json* referred = target(find_text(value, "$ref"));
    if (text.empty() && referred != nullptr && !find(*referred, "properties")) text = find_text(*referred, "description");
    out += comment_lines(text, indent);
    if (const ordered_json* examples = find_list(value, "examples")) {
      out += indent + "// Examples:\n";
      for (const ordered_json& example : *examples) out += indent + "// - " + literal(example) + "\n";
    }
    ordered_json shown = value;
    if (shown.is_object()) shown.erase("description");
    const std::string of = type(shown, indent + "    ", depth + 1);
    const bool many_lines = of.starts_with('\n');
    out += indent + (is_name(key) ? key : literal(key)) + (required ? ":" : "?:") + (many_lines ? "" : " ") + of;
    out += (many_lines ? "\n" + indent : "") + ",";
    std::string notes = limits(value);
    if (const ordered_json* fallback = find(value, "default")) {
      notes = "default: " + literal(*fallback) + (notes.empty() ? "" : ", ") + notes;
    }
    return out + (notes.empty() ? "" : " // " + notes) + "\n";
  }

  const ordered_json& root_;
  std::vector<std::string> open_;  // references being expanded
  std::size_t printed_ = 0;
};

}  // namespace

std::string schema_to_readable_typescript(const ordered_json& schema) { return Printer(schema).type(schema, "", 0); }

}  // namespace toccata::harmony
