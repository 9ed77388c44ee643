// Fields of an address behind '?'. Only for the .cpp files of this folder.
#pragma once

#include <cstdint>
#include <string>

#include "agent/server/http_server.h"

namespace toccata::server {

// Throws ApiError 400 naming the field when it is no number between the two.
std::int64_t query_number(const HttpRequest& request, const char* key, std::int64_t fallback, std::int64_t low, std::int64_t high);
// Empty when absent.
std::string query_text(const HttpRequest& request, const char* key);

}  // namespace toccata::server
