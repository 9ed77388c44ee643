#include "agent/server/request_fields.h"

#include <algorithm>
#include <random>

namespace toccata::server {
namespace {

bool is_name(const std::string& name) {
  return !name.empty() && name.size() <= 128 &&
         std::all_of(name.begin(), name.end(), [](unsigned char c) {
           return c < 128 && (std::isalnum(c) != 0 || c == '_' || c == '-' || c == '.');
         });
}

}  // namespace

SamplingParams read_sampling(const Json& body, const Services& services) {
  SamplingParams params = services.options.sampling;
  if (auto v = number_field(body, "temperature", 0, 100)) params.temperature = static_cast<float>(*v);
  if (auto v = number_field(body, "top_p", 0, 1)) params.top_p = static_cast<float>(std::max(*v, 1e-6));
  if (auto v = integer_field(body, "top_k", -1, 1'000'000)) params.top_k = static_cast<int>(std::max<std::int64_t>(*v, 0));
  if (auto v = number_field(body, "min_p", 0, 0.999)) params.min_p = static_cast<float>(*v);
  std::random_device random;
  params.seed = std::uint64_t{random()} << 32 | random();
  if (auto v = integer_field(body, "seed", INT64_MIN / 2, INT64_MAX / 2)) {
    params.seed = static_cast<std::uint64_t>(*v);
  }
  return params;
}

std::vector<std::string> read_stop(const Json& body, const char* key) {
  const Json* value = field(body, key);
  if (value == nullptr) return {};
  std::vector<std::string> stops;
  const auto add = [&](const Json& stop) {
    if (!stop.is_string()) throw ApiError::bad(key, "stop strings must be strings");
    if (!stop.get_ref<const std::string&>().empty()) stops.push_back(stop.get<std::string>());
  };
  if (value->is_array()) {
    for (const Json& stop : *value) add(stop);
  } else {
    add(*value);
  }
  if (stops.size() > 16) throw ApiError::bad(key, "at most 16 stop strings");
  return stops;
}

harmony::ReasoningEffort read_effort(const std::string& name, const char* param) {
  if (name == "low" || name == "minimal" || name == "none") return harmony::ReasoningEffort::kLow;
  if (name == "medium") return harmony::ReasoningEffort::kMedium;
  if (name == "high" || name == "xhigh" || name == "max") return harmony::ReasoningEffort::kHigh;
  throw ApiError::bad(param, "reasoning effort is '" + name + "', expected low, medium or high");
}

void check_model(const Json& body, const Services& services) {
  const auto name = string_field(body, "model");
  if (!services.options.strict_model || !name || *name == services.options.model_id) return;
  throw ApiError(
      404, "the model '" + *name + "' is not served here; served: " + services.options.model_id,
      "model_not_found", "model"
  );
}

std::string read_text(const Json* content, const char* param) {
  if (content == nullptr) return {};
  if (content->is_string()) return content->get<std::string>();
  if (!content->is_array()) throw ApiError::bad(param, std::string("'") + param + "' must be a string or an array of parts");
  std::string text;
  for (const Json& part : *content) {
    if (part.is_string()) {
      text += part.get<std::string>();
      continue;
    }
    if (!part.is_object()) throw ApiError::bad(param, "a content part must be an object");
    if (auto piece = string_field(part, "text")) {
      text += *piece;
    } else if (auto refusal = string_field(part, "refusal")) {
      text += *refusal;
    } else {
      throw ApiError::bad(
          param, "content parts of type '" + string_field(part, "type").value_or("?") +
                     "' are not supported: the model reads text only"
      );
    }
  }
  return text;
}

harmony::ToolDescription read_function(const Json& function, const char* schema_key, const char* param) {
  const std::string name = string_field(function, "name").value_or("");
  if (!is_name(name)) {
    throw ApiError::bad(param, "a function's name must be 1 to 128 letters, digits, '_', '-' or '.'");
  }
  harmony::ToolDescription tool{name, string_field(function, "description").value_or(""), std::nullopt};
  if (const Json* schema = object_field(function, schema_key)) tool.parameters = dump(*schema);
  return tool;
}

}  // namespace toccata::server
