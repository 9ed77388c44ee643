#include "agent/server/json_fields.h"

#include <cmath>

#include "agent/server/api_error.h"
#include "core/base/json.h"
#include "core/base/json_depth.h"

namespace toccata::server {
namespace {

constexpr int kDepthMax = 200;

[[noreturn]] void wrong_type(const char* key, const char* expected, const Json& found) {
  throw ApiError::bad(
      key, std::string("'") + key + "' must be " + expected + ", not " + found.type_name()
  );
}

template <class Number>
[[noreturn]] void out_of_range(const char* key, Number low, Number high) {
  throw ApiError::bad(
      key, std::string("'") + key + "' must be between " + std::to_string(low) + " and " +
               std::to_string(high)
  );
}

}  // namespace

std::string dump(const Json& json) {
  return json_text(json);
}

Json parse_object(std::string_view body) {
  if (body.empty()) throw ApiError(400, "the body is empty; expected a JSON object");
  if (json_depth(body) > kDepthMax) {
    throw ApiError(400, "the body is nested deeper than " + std::to_string(kDepthMax) + " levels");
  }
  Json json;
  try {
    json = json_from_valid<Json>(body);
  } catch (const Json::exception& failure) {
    throw ApiError(400, std::string("the body is not valid JSON: ") + failure.what());
  }
  if (!json.is_object()) {
    throw ApiError(400, std::string("the body must be a JSON object, not ") + json.type_name());
  }
  return json;
}

const Json* field(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found == object.end() || found->is_null() ? nullptr : &*found;
}

const Json* object_field(const Json& object, const char* key) {
  const Json* value = field(object, key);
  if (value != nullptr && !value->is_object()) wrong_type(key, "an object", *value);
  return value;
}

const Json* array_field(const Json& object, const char* key) {
  const Json* value = field(object, key);
  if (value != nullptr && !value->is_array()) wrong_type(key, "an array", *value);
  return value;
}

std::optional<std::string> string_field(const Json& object, const char* key) {
  const Json* value = field(object, key);
  if (value == nullptr) return std::nullopt;
  if (!value->is_string()) wrong_type(key, "a string", *value);
  return value->get<std::string>();
}

std::optional<double> number_field(const Json& object, const char* key, double low, double high) {
  const Json* value = field(object, key);
  if (value == nullptr) return std::nullopt;
  if (!value->is_number()) wrong_type(key, "a number", *value);
  const double number = value->get<double>();
  if (!(number >= low && number <= high)) out_of_range(key, low, high);
  return number;
}

std::optional<std::int64_t> integer_field(
    const Json& object, const char* key, std::int64_t low, std::int64_t high
) {
  const Json* value = field(object, key);
  if (value == nullptr) return std::nullopt;
  if (!value->is_number()) wrong_type(key, "an integer", *value);
  const double number = value->get<double>();
  if (number != std::floor(number)) wrong_type(key, "an integer", *value);
  if (!(number >= static_cast<double>(low) && number <= static_cast<double>(high))) {
    out_of_range(key, low, high);
  }
  return value->is_number_integer() ? value->get<std::int64_t>()
                                    : static_cast<std::int64_t>(number);
}

bool bool_field(const Json& object, const char* key, bool fallback) {
  const Json* value = field(object, key);
  if (value == nullptr) return fallback;
  if (!value->is_boolean()) wrong_type(key, "true or false", *value);
  return value->get<bool>();
}

std::string sse(const Json& data, std::string_view type) {
  std::string text;
  if (!type.empty()) text.append("event: ").append(type).append("\n");
  return text.append("data: ").append(dump(data)).append("\n\n");
}

}  // namespace toccata::server
