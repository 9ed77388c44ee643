#include "tools/mcp/asking.h"

#include <algorithm>

namespace toccata::tools::mcp {
namespace {

constexpr std::size_t kMessageBytesMax = 4096;
constexpr std::size_t kFieldsMax = 64;

bool is_one_of(const Json& choices, const Json& value) {
  return std::any_of(choices.begin(), choices.end(), [&](const Json& choice) {
    return choice == value || (choice.is_object() && choice.value("const", Json()) == value);
  });
}

// Specification 2025-11-25, elicitation: what the schema of a field may be.
bool satisfies(const Json& field, const Json& value) {
  for (const char* key : {"enum", "oneOf", "anyOf"}) {
    if (const auto choices = field.find(key); choices != field.end() && choices->is_array()) return is_one_of(*choices, value);
  }
  const Json type = field.value("type", Json());
  if (type == "string") return value.is_string();
  if (type == "boolean") return value.is_boolean();
  if (type == "integer") return value.is_number_integer();
  if (type == "number") return value.is_number();
  if (type != "array" || !value.is_array()) return false;
  const Json items = field.value("items", Json());
  return std::all_of(value.begin(), value.end(), [&](const Json& item) { return items.is_object() && satisfies(items, item); });
}

// False when the answer is none that the schema allows.
bool complete(const Json& schema, Json& content) {
  if (!content.is_object()) return false;
  const Json properties = schema.value("properties", Json::object());
  for (const auto& [name, field] : properties.items()) {
    if (!field.is_object()) return false;
    if (!content.contains(name) && field.contains("default")) content[name] = field["default"];
    if (content.contains(name) && !satisfies(field, content[name])) return false;
  }
  const Json required = schema.value("required", Json());
  return !required.is_array() || std::all_of(required.begin(), required.end(), [&](const Json& name) {
    return !name.is_string() || content.contains(name.get<std::string>());
  });
}

}  // namespace

Json client_capabilities() { return Json{{"elicitation", {{"form", Json::object()}}}}; }

Result<Question> read_question(const std::string& server, const Json& params) {
  const auto wrong = [](const std::string& what) { return Error{ErrorCode::kInvalidArgument, what}; };
  if (!params.is_object()) return wrong("params must be an object");
  if (params.value("mode", Json("form")) != "form") return Error{ErrorCode::kUnsupported, "only questions of mode \"form\" are answered"};
  const Json message = params.value("message", Json());
  if (!message.is_string()) return wrong("params.message must be a string");
  Question question{server, message.get<std::string>(), params.value("requestedSchema", Json())};
  if (question.message.size() > kMessageBytesMax) question.message = excerpt(question.message, kMessageBytesMax);
  const Json fields = question.schema.is_object() ? question.schema.value("properties", Json()) : Json();
  if (!fields.is_object()) return wrong("params.requestedSchema must be the schema of an object with properties");
  if (fields.size() > kFieldsMax) return wrong("params.requestedSchema has more than " + std::to_string(kFieldsMax) + " properties");
  return question;
}

Json elicit_result(const Question& question, const Reply& reply) {
  using Action = Reply::Action;
  if (reply.action == Action::kCancel) return Json{{"action", "cancel"}};
  Json content = reply.content;
  if (reply.action == Action::kDecline || !complete(question.schema, content)) return Json{{"action", "decline"}};
  return Json{{"action", "accept"}, {"content", std::move(content)}};
}

}  // namespace toccata::tools::mcp
