#include "core/base/json.h"

#include <nlohmann/json.hpp>

namespace toccata {

template <typename Json>
Json json_from(std::string_view text) {
  return Json::parse(text, nullptr, /*allow_exceptions=*/false);
}
template <typename Json>
Json json_from_valid(std::string_view text) {
  return Json::parse(text);
}

template nlohmann::json json_from(std::string_view);
template nlohmann::ordered_json json_from(std::string_view);
template nlohmann::json json_from_valid(std::string_view);
template nlohmann::ordered_json json_from_valid(std::string_view);

bool is_json(std::string_view text) { return nlohmann::json::accept(text); }

std::string json_text(const nlohmann::json& value) {
  return value.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}
std::string json_text(const nlohmann::ordered_json& value) {
  return value.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

}  // namespace toccata
