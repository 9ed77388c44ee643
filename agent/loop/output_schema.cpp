#include "agent/loop/output_schema.h"

#include <nlohmann/json.hpp>

#include "core/base/json.h"
#include "core/base/json_depth.h"
#include "core/grammar/matcher.h"
#include "core/grammar/schema.h"

namespace toccata::agent {
namespace {

using nlohmann::ordered_json;

constexpr int kDepthMax = 256;

// Nothing when it is no JSON, or nested too deep to be handled.
ordered_json parse_json(std::string_view text) {
  if (json_depth(text) > kDepthMax) return ordered_json::value_t::discarded;
  return json_from<ordered_json>(text);
}

std::string text_of(const ordered_json& schema, const char* key) {
  const auto value = schema.is_object() ? schema.find(key) : schema.end();
  return value != schema.end() && value->is_string() ? value->get<std::string>() : std::string();
}

}  // namespace

Result<OutputSchema> OutputSchema::parse(std::string_view schema) {
  const ordered_json json = parse_json(schema);
  if (!json.is_object() && !json.is_boolean()) {
    return Error{ErrorCode::kInvalidArgument, "the output schema is not a JSON schema: expected an object"};
  }
  grammar::CompiledSchema compiled = grammar::compile_schema(json);
  if (const auto* error = std::get_if<grammar::SchemaError>(&compiled)) {
    return Error{ErrorCode::kUnsupported, "the output schema cannot be enforced: " + error->text()};
  }
  OutputSchema result;
  result.text_ = json_text(json);
  result.name_ = text_of(json, "title");
  result.description_ = text_of(json, "description");
  result.grammar_ = std::get<0>(std::move(compiled));
  return result;
}

std::optional<std::string> OutputSchema::objection(std::string_view answer) const {
  const ordered_json json = parse_json(answer);
  if (json.is_discarded()) return "it is not JSON";
  // As the grammar writes it: without white space.
  if (grammar::matches(grammar_, json_text(json))) return std::nullopt;
  return "the JSON does not match the schema";
}

std::string OutputSchema::instructions() const {
  std::string text = "# Response Formats\n\n## " + (name_.empty() ? std::string("answer") : name_) + "\n\n";
  for (std::size_t begin = 0; begin < description_.size();) {
    const std::size_t end = std::min(description_.find('\n', begin), description_.size());
    text += "// " + description_.substr(begin, end - begin) + "\n";
    begin = end + 1;
  }
  return text + text_;
}

}  // namespace toccata::agent
