#include "agent/model/remote_endpoint.h"

#include <algorithm>
#include <charconv>
#include <condition_variable>
#include <mutex>
#include <nlohmann/json.hpp>

#include "agent/model/completion_chunk.h"
#include "core/base/json.h"

namespace toccata::agent {
namespace {

using std::chrono::milliseconds;

constexpr std::int64_t kDefaultContext = 131'072;
constexpr milliseconds kFirstWait{500};
constexpr std::size_t kErrorBodyMax = std::size_t{64} << 10;
constexpr std::size_t kModelListMax = std::size_t{4} << 20;
constexpr std::size_t kStreamBytesMax = std::size_t{1} << 30;

// Every spelling that RemoteOptions::base_url lists -> ".../v1".
std::string base_of(std::string url) {
  const auto drop = [&](std::string_view end) {
    if (url.ends_with(end)) url.resize(url.size() - end.size());
  };
  for (const char* end : {"/", "/chat/completions", "/completions", "/responses", "/"}) drop(end);
  if (!url.ends_with("/v1")) url += "/v1";
  return url;
}

bool may_retry_status(int status) {
  return status == 408 || status == 429 || status == 500 || (status >= 502 && status <= 504);
}

// Retry-After in seconds; a date is taken as absent.
std::optional<milliseconds> retry_after(const net::Response& response) {
  const auto header = response.header("retry-after");
  if (!header) return std::nullopt;
  double seconds = 0;
  const auto parsed = std::from_chars(header->data(), header->data() + header->size(), seconds);
  if (parsed.ec != std::errc() || !(seconds >= 0) || seconds > 1e6) return std::nullopt;
  return milliseconds(static_cast<std::int64_t>(seconds * 1000));
}

// Sleeps; true when stopped.
bool sleep_or_stop(milliseconds time, const std::stop_token& stop) {
  std::mutex mutex;
  std::condition_variable_any changed;
  std::unique_lock lock(mutex);
  changed.wait_for(lock, stop, time, [] { return false; });
  return stop.stop_requested();
}

}  // namespace

RemoteEndpoint::RemoteEndpoint(RemoteOptions options)
    : options_(std::move(options)),
      base_(base_of(options_.base_url)),
      model_(options_.model),
      n_context_(options_.n_context > 0 ? options_.n_context : kDefaultContext) {}

Result<void> RemoteEndpoint::ask_models(std::stop_token stop) {
  net::Client client;
  net::Request request = request_to("/models");
  request.body_bytes_max = kModelListMax;
  request.total_timeout = std::min(options_.idle_timeout, milliseconds(30'000));
  Result<net::Response> response = client.send(request, stop);
  if (!response) return response.error();
  if (response->status != 200) return status_error(response->status, response->body);
  const auto json = json_from<nlohmann::json>(response->body);
  if (!json.is_object() || !json.contains("data") || !json["data"].is_array() ||
      json["data"].empty() || !json["data"][0].is_object() ||
      !json["data"][0].value("id", nlohmann::json()).is_string()) {
    return Error{
        ErrorCode::kCorrupt, base_ + "/models does not list a model; name one explicitly"};
  }
  model_ = json["data"][0]["id"].get<std::string>();
  const auto length = json["data"][0].value("max_model_len", nlohmann::json());
  if (options_.n_context <= 0 && length.is_number_integer() && length.get<std::int64_t>() > 0) {
    n_context_ = length.get<std::int64_t>();
  }
  return {};
}

net::Request RemoteEndpoint::request_to(const std::string& path) const {
  net::Request request;
  request.url = base_ + path;
  request.connect_timeout = options_.connect_timeout;
  request.idle_timeout = options_.idle_timeout;
  request.total_timeout = options_.total_timeout;
  request.body_bytes_max = kStreamBytesMax;
  request.connect_policy = options_.connect_policy;
  if (!options_.api_key.empty()) {
    request.headers.emplace_back("Authorization", "Bearer " + options_.api_key);
  }
  return request;
}

Error RemoteEndpoint::status_error(int status, std::string_view body) const {
  std::string excerpt = error_excerpt(body);
  const std::string& key = options_.api_key;
  for (auto at = excerpt.find(key); !key.empty() && at != std::string::npos; at = excerpt.find(key)) {
    excerpt.replace(at, key.size(), "***");
  }
  const ErrorCode code = status == 401 || status == 403 ? ErrorCode::kPermissionDenied
                         : status == 404                ? ErrorCode::kNotFound
                                                        : ErrorCode::kUnavailable;
  return Error{code, base_ + " answered HTTP " + std::to_string(status) + ": " + excerpt};
}

Result<void> RemoteEndpoint::with_retries(
    const std::stop_token& stop, const std::function<Result<void>(RetryAdvice&)>& attempt
) const {
  milliseconds wait = kFirstWait;
  for (int n = 1;; ++n) {
    RetryAdvice advice;
    Result<void> done = attempt(advice);
    if (done || !advice.may_retry || n >= options_.attempts_max) return done;
    const milliseconds pause = advice.wait.value_or(wait);
    if (pause > options_.retry_after_max) return done;
    if (sleep_or_stop(pause, stop)) return Error{ErrorCode::kCancelled, "sampling was stopped"};
    wait *= 2;
  }
}

Result<EventStream> EventStream::start(
    net::Client& client,
    const RemoteEndpoint& endpoint,
    const std::string& path,
    std::string body,
    const std::string& traceparent,
    const std::stop_token& stop,
    RetryAdvice& advice
) {
  net::Request request = endpoint.request_to(path);
  request.method = "POST";
  request.body = std::move(body);
  request.headers.emplace_back("Content-Type", "application/json");
  request.headers.emplace_back("Accept", "text/event-stream");
  if (!traceparent.empty()) request.headers.emplace_back("traceparent", traceparent);
  Result<net::Exchange> exchange = client.start(request, stop);
  if (!exchange) {
    advice.may_retry = exchange.error().code == ErrorCode::kUnavailable;
    return exchange.error();
  }
  const net::Response& response = exchange->response();
  if (response.status != 200) {
    advice.may_retry = may_retry_status(response.status);
    advice.wait = retry_after(response);
    Result<std::string> said = exchange->read_all(kErrorBodyMax, stop);
    return endpoint.status_error(response.status, said ? *said : "");
  }
  const std::string_view type = response.header("content-type").value_or("");
  if (type.find("event-stream") == std::string_view::npos) {
    return Error{
        ErrorCode::kCorrupt,
        endpoint.base() + " answered '" + std::string(type.substr(0, 100)) +
            "' instead of text/event-stream: is " + path + " served there?"};
  }
  return EventStream(std::move(*exchange), endpoint.options().line_bytes_max, endpoint.base());
}

Result<std::string> EventStream::next(const std::stop_token& stop, RetryAdvice& advice) {
  for (;;) {
    if (std::optional<std::string> event = reader_.next()) return std::move(*event);
    Result<std::string_view> bytes = exchange_.read(stop);
    if (!bytes) {
      advice.may_retry = bytes.error().code == ErrorCode::kUnavailable;
      return bytes.error();
    }
    if (bytes->empty()) {
      advice.may_retry = true;
      return Error{
          ErrorCode::kCorrupt,
          base_ + ": the stream ended before the completion did (server or proxy cut it)"};
    }
    if (Result<void> pushed = reader_.push(*bytes); !pushed) return pushed.error();
  }
}

Result<void> check_remote_url(const std::string& url) {
  if (url.starts_with("http://") || url.starts_with("https://")) return {};
  return Error{
      ErrorCode::kInvalidArgument,
      "a remote model is an http or https URL such as http://127.0.0.1:8000/v1, not '" + url + "'"};
}

std::int64_t seed_for(std::uint64_t seed, std::int64_t position) {
  std::uint64_t mixed = seed + 0x9e3779b97f4a7c15U * (static_cast<std::uint64_t>(position) + 1);
  mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9U;
  mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111ebU;
  return static_cast<std::int64_t>((mixed ^ (mixed >> 31)) & 0x7fffffffU);
}

}  // namespace toccata::agent
