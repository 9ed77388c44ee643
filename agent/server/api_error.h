// Errors as clients of each protocol expect them.
#pragma once

#include <stdexcept>
#include <string>

#include "agent/server/http_server.h"
#include "core/base/error.h"

namespace toccata::server {

// Thrown by the code that reads requests; caught where a request is dispatched.
class ApiError : public std::runtime_error {
 public:
  ApiError(
      int http_status, const std::string& message, std::string error_code = {}, std::string field = {}
  )
      : std::runtime_error(message),
        status(http_status),
        code(std::move(error_code)),
        param(std::move(field)) {}
  int status;
  std::string code;   // "context_length_exceeded"; empty: null
  std::string param;  // the field at fault; empty: null

  // 400: the field `param` is wrong.
  static ApiError bad(std::string param, const std::string& message) {
    return ApiError(400, message, "", std::move(param));
  }
};

// A failure of the model or of a store: a full context is the caller's affair (400), the rest is ours.
ApiError api_error(const Error& error);
// The exception that is being handled, as an answer: call it in a catch block.
ApiError current_api_error();

// {"error": {message, type, param, code}}; below /v1/messages Anthropic's {"type": "error", ...}; below /api/ Ollama's
// {"error": "..."}. 429 and 503 carry Retry-After.
HttpReply error_reply(const HttpRequest& request, const ApiError& error);

// "invalid_request_error", "rate_limit_exceeded", ...
const char* error_type(int status);

}  // namespace toccata::server
