// Reading requests, writing answers. Only for the .cpp files of this folder.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

namespace toccata::server {

using Json = nlohmann::ordered_json;  // key order of tool schemas is kept

// Invalid UTF-8 becomes U+FFFD.
std::string dump(const Json& json);

// A request's body: one JSON object, nested at most 200 deep. Throws ApiError 400.
Json parse_object(std::string_view body);

// A field that may be absent or null. Throws ApiError 400 naming the field when the type is wrong.
std::optional<std::string> string_field(const Json& object, const char* key);
std::optional<double> number_field(const Json& object, const char* key, double low, double high);
std::optional<std::int64_t> integer_field(
    const Json& object, const char* key, std::int64_t low, std::int64_t high
);
bool bool_field(const Json& object, const char* key, bool fallback);
// nullptr when absent or null.
const Json* field(const Json& object, const char* key);
const Json* object_field(const Json& object, const char* key);
const Json* array_field(const Json& object, const char* key);

// `event: TYPE` and `data: JSON` for a server-sent event; without type only data.
std::string sse(const Json& data, std::string_view type = {});

}  // namespace toccata::server
