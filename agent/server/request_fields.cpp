#include "agent/server/request_fields.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <random>

namespace toccata::server {
namespace {

bool is_name(const std::string& name) {
  return !name.empty() && name.size() <= 128 &&
         std::all_of(name.begin(), name.end(), [](unsigned char c) {
           return c < 128 && (std::isalnum(c) != 0 || c == '_' || c == '-' || c == '.');
         });
}

void need_logits(const Services& services, const char* param) {
  if (services.model.capabilities().logit_changes) return;
  throw ApiError::bad(param, std::string("'") + param + "' needs the model's logits, and the model behind this server does not give them");
}

// {"1734": -100, ...}
void read_biases(const Json& biases, const Services& services, SamplingParams& params) {
  constexpr std::size_t kBiasesMax = 1024;
  if (biases.size() > kBiasesMax) throw ApiError::bad("logit_bias", "at most 1024 tokens can have a bias");
  for (const auto& [name, bias] : biases.items()) {
    Token token = -1;
    const auto [end, failed] = std::from_chars(name.data(), name.data() + name.size(), token);
    const int n_vocab = services.model.capabilities().n_vocab;
    if (failed != std::errc() || end != name.data() + name.size() || token < 0 || token >= n_vocab) {
      throw ApiError::bad("logit_bias", "'" + name + "' is no token id; expected 0 to " + std::to_string(n_vocab - 1));
    }
    if (!bias.is_number() || std::abs(bias.get<double>()) > 100) {
      throw ApiError::bad("logit_bias", "the bias of token " + name + " must be a number from -100 to 100");
    }
    params.logit_bias.push_back({token, bias.get<float>()});
  }
  if (!params.logit_bias.empty()) need_logits(services, "logit_bias");
}

}  // namespace

Penalties read_penalties(const Json& body, const Services& services) {
  Penalties penalties;
  if (auto v = number_field(body, "presence_penalty", -2, 2)) penalties.presence = static_cast<float>(*v);
  if (auto v = number_field(body, "frequency_penalty", -2, 2)) penalties.frequency = static_cast<float>(*v);
  if (auto v = number_field(body, "repetition_penalty", 0.01, 100)) penalties.repetition = static_cast<float>(*v);
  if (penalties.presence != 0) need_logits(services, "presence_penalty");
  if (penalties.frequency != 0) need_logits(services, "frequency_penalty");
  if (penalties.repetition != 1) need_logits(services, "repetition_penalty");
  return penalties;
}

int read_n_top(const Json& body, const char* key, const Services& services) {
  const auto n = static_cast<int>(integer_field(body, key, 0, 20).value_or(0));
  if (n > 0) need_logits(services, key);
  return n;
}

SamplingParams read_sampling(const Json& body, const Services& services) {
  SamplingParams params = services.options.sampling;
  if (auto v = number_field(body, "temperature", 0, 100)) params.temperature = static_cast<float>(*v);
  if (auto v = number_field(body, "top_p", 0, 1)) params.top_p = static_cast<float>(std::max(*v, 1e-6));
  if (auto v = integer_field(body, "top_k", -1, 1'000'000)) params.top_k = static_cast<int>(std::max<std::int64_t>(*v, 0));
  if (auto v = number_field(body, "min_p", 0, 0.999)) params.min_p = static_cast<float>(*v);
  if (auto v = number_field(body, "typical_p", 0, 1)) params.typical_p = static_cast<float>(std::max(*v, 1e-6));
  if (const Json* biases = object_field(body, "logit_bias")) read_biases(*biases, services, params);
  if (params.typical_p < 1) need_logits(services, "typical_p");
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
