// nlohmann/json's parser and writer, instantiated once: each costs seconds of compile time in every file that names it.
// Json = nlohmann::json or nlohmann::ordered_json.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

namespace toccata {

// A discarded value (`is_discarded()`) when the text is not JSON.
template <typename Json>
Json json_from(std::string_view text);
// Throws nlohmann::json::parse_error when the text is not JSON.
template <typename Json>
Json json_from_valid(std::string_view text);

extern template nlohmann::json json_from(std::string_view);
extern template nlohmann::ordered_json json_from(std::string_view);
extern template nlohmann::json json_from_valid(std::string_view);
extern template nlohmann::ordered_json json_from_valid(std::string_view);

bool is_json(std::string_view text);

// On one line; what is no UTF-8 becomes U+FFFD.
std::string json_text(const nlohmann::json& value);
std::string json_text(const nlohmann::ordered_json& value);

}  // namespace toccata
