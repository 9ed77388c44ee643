#include "agent/server/api_error.h"

#include "agent/server/json_fields.h"
#include "agent/store/ledger.h"

namespace toccata::server {
namespace {

const char* anthropic_type(int status) {
  switch (status) {
    case 401: return "authentication_error";
    case 403: return "permission_error";
    case 404: return "not_found_error";
    case 413: return "request_too_large";
    case 429: return "rate_limit_error";
    case 503: return "overloaded_error";
    default: return status < 500 ? "invalid_request_error" : "api_error";
  }
}

Json or_null(const std::string& text) { return text.empty() ? Json(nullptr) : Json(text); }

}  // namespace

const char* error_type(int status) {
  switch (status) {
    case 401: return "invalid_request_error";
    case 429: return "rate_limit_exceeded";
    case 503: return "server_overloaded";
    default: return status < 500 ? "invalid_request_error" : "server_error";
  }
}

ApiError api_error(const Error& error) {
  switch (error.code) {
    case ErrorCode::kResourceExhausted:
      return ApiError(400, error.message, "context_length_exceeded");
    case ErrorCode::kInvalidArgument:
    case ErrorCode::kUnsupported: return ApiError(400, error.message);
    case ErrorCode::kNotFound: return ApiError(404, error.message, "not_found");
    case ErrorCode::kCancelled: return ApiError(499, error.message, "cancelled");
    default: return ApiError(500, error.message, "model_error");
  }
}

ApiError current_api_error() {
  try {
    throw;
  } catch (const ApiError& error) {
    return error;
  } catch (const store::LedgerError& error) {  // a full disk is not a full context
    return ApiError(500, error.what(), "storage_error");
  } catch (const Exception& error) {
    return api_error(error.error());
  } catch (const std::exception& error) {
    return ApiError(500, error.what());
  }
}

HttpReply error_reply(const HttpRequest& request, const ApiError& error) {
  Json body;
  const std::string message = error.what();
  if (request.path.starts_with("/v1/messages")) {
    body = {
        {"type", "error"},
        {"error", {{"type", anthropic_type(error.status)}, {"message", message}}},
        {"request_id", request.id}};
  } else if (request.path.starts_with("/api/")) {
    body = {{"error", message}};
  } else {
    body = {
        {"error",
         {{"message", message},
          {"type", error_type(error.status)},
          {"param", or_null(error.param)},
          {"code", or_null(error.code)}}}};
  }
  HttpReply reply{.status = error.status, .body = dump(body)};
  if (error.status == 429 || error.status == 503) reply.headers.emplace_back("Retry-After", "1");
  if (error.status == 401) reply.headers.emplace_back("WWW-Authenticate", "Bearer");
  return reply;
}

}  // namespace toccata::server
