#include "agent/server/query_fields.h"

#include <charconv>

#include "agent/server/api_error.h"

namespace toccata::server {

std::int64_t query_number(const HttpRequest& request, const char* key, std::int64_t fallback, std::int64_t low, std::int64_t high) {
  const auto found = request.query.find(key);
  if (found == request.query.end()) return fallback;
  const std::string& text = found->second;
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < low || value > high) {
    throw ApiError::bad(key, std::string("'") + key + "' is '" + text + "', expected a number between " + std::to_string(low) + " and " + std::to_string(high));
  }
  return value;
}

std::string query_text(const HttpRequest& request, const char* key) {
  const auto found = request.query.find(key);
  return found == request.query.end() ? "" : found->second;
}

}  // namespace toccata::server
