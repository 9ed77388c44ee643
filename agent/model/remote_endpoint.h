// What every model behind an OpenAI-compatible server shares: its address, its patience, and streams of events from it.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>

#include "agent/model/sse_reader.h"
#include "core/base/error.h"
#include "core/net/client.h"

namespace toccata::agent {

struct RemoteOptions {
  // "http://host:8000/v1", with or without "/v1", or with the endpoint: ".../completions", ".../chat/completions",
  // ".../responses".
  std::string base_url;
  std::string model;           // sent as "model"; empty: asked from GET /v1/models
  std::string api_key;         // sent as a bearer token; never printed
  std::int64_t n_context = 0;  // tokens; 0: the server's max_model_len, else 131072
  int max_tokens = 32'768;     // of one completion
  // Tries of one completion while no token of it has arrived: refused or cut connections, 429, 5xx.
  // Retry-After is honoured up to retry_after_max; a longer one is an error at once.
  int attempts_max = 4;
  std::chrono::milliseconds retry_after_max{30'000};
  std::chrono::milliseconds connect_timeout{10'000};
  std::chrono::milliseconds idle_timeout{120'000};     // no byte for so long; prefill may be slow
  std::chrono::milliseconds total_timeout{3'600'000};  // one completion
  std::size_t line_bytes_max = std::size_t{4} << 20;   // one server-sent event
  net::ConnectPolicy connect_policy = {};              // asked for every address
};

// Whether what failed may be tried again, and how long the server wants to be left alone.
struct RetryAdvice {
  bool may_retry = false;
  std::optional<std::chrono::milliseconds> wait;
};

// Immutable once made; shared by sessions and threads.
class RemoteEndpoint {
 public:
  explicit RemoteEndpoint(RemoteOptions options);

  // Asks the server for its models: the name to send when none was given, and its context length.
  Result<void> ask_models(std::stop_token stop);

  const RemoteOptions& options() const { return options_; }
  const std::string& base() const { return base_; }  // ".../v1"
  const std::string& model() const { return model_; }
  std::int64_t n_context() const { return n_context_; }

  net::Request request_to(const std::string& path) const;
  // With the server's words, and without the key in them.
  Error status_error(int status, std::string_view body) const;
  // Calls `attempt` until it succeeds, advises against another try, or was called attempts_max times.
  Result<void> with_retries(const std::stop_token& stop, const std::function<Result<void>(RetryAdvice&)>& attempt) const;

 private:
  RemoteOptions options_;
  std::string base_, model_;
  std::int64_t n_context_;
};

// The answer to one POST as server-sent events. `traceparent`: its header; "" = none. The client must outlive it.
class EventStream {
 public:
  static Result<EventStream> start(
      net::Client& client,
      const RemoteEndpoint& endpoint,
      const std::string& path,
      std::string body,
      const std::string& traceparent,
      const std::stop_token& stop,
      RetryAdvice& advice
  );
  // The data of the next event. kCorrupt when the stream is over: its last event says so before.
  Result<std::string> next(const std::stop_token& stop, RetryAdvice& advice);

 private:
  EventStream(net::Exchange exchange, std::size_t event_bytes_max, std::string base)
      : exchange_(std::move(exchange)), reader_(event_bytes_max), base_(std::move(base)) {}

  net::Exchange exchange_;
  SseReader reader_;
  std::string base_;
};

// Whether it is an http or https URL; kInvalidArgument otherwise.
Result<void> check_remote_url(const std::string& url);

// The server's seed must differ from completion to completion, and repeat with the run's.
std::int64_t seed_for(std::uint64_t seed, std::int64_t position);

}  // namespace toccata::agent
