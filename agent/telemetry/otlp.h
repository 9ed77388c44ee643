// Spans to an OpenTelemetry collector: OTLP over HTTP, as JSON (opentelemetry.io/docs/specs/otlp, "OTLP/HTTP").
//
//   telemetry::OtlpExporter exporter({.url = "http://127.0.0.1:4318/v1/traces"});
//   exporter.add(span);                          // returns at once
//   telemetry::Delivery told = exporter.finish();
//
// The run never waits for the collector: add() puts a span into a bounded queue that a thread of its own empties, and
// what does not fit, or is not taken in time, is dropped and counted.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <variant>
#include <vector>

#include "core/base/error.h"

namespace toccata::telemetry {

using Texts = std::vector<std::string>;
using Value = std::variant<std::string, std::int64_t, double, bool, Texts>;
using Attributes = std::vector<std::pair<std::string, Value>>;

struct Span {
  enum class Kind { kInternal = 1, kClient = 3 };  // the numbers of the protocol
  std::string trace_id = {};                       // 32 hex digits
  std::string span_id = {}, parent_id = {};        // 16 hex digits; parent "" = none
  std::string name = {};
  Kind kind = Kind::kInternal;
  std::chrono::system_clock::time_point begin = {}, end = {};
  Attributes attributes = {};
  std::optional<std::string> error = {};  // status "error" with this message
};

struct OtlpOptions {
  std::string url;  // the whole address, with /v1/traces
  std::vector<std::pair<std::string, std::string>> headers = {};
  Attributes resource = {};  // service.name and the like
  std::size_t queue_max = 2048;
  std::size_t batch_max = 256;                 // spans in one request
  std::chrono::milliseconds batch_time{1000};  // a span waits at most so long for others
  std::chrono::milliseconds timeout{10'000};   // one request
  std::chrono::milliseconds grace{2000};       // finish() waits at most so long
  std::chrono::milliseconds retry_after{500};  // doubled each time
  int tries_max = 4;                           // of one batch, on 429, 502, 503, 504 and no answer
};

// What became of the spans.
struct Delivery {
  std::int64_t n_taken = 0;
  std::int64_t n_rejected = 0;  // the collector answered, and refused them
  std::int64_t n_dropped = 0;   // the queue was full, or nobody answered in time
  std::string problem = {};     // the last one, in words
};

class OtlpExporter {
 public:
  explicit OtlpExporter(OtlpOptions options);
  ~OtlpExporter();  // as finish()
  OtlpExporter(const OtlpExporter&) = delete;
  OtlpExporter& operator=(const OtlpExporter&) = delete;

  // From any thread. Never waits for the network. After finish() spans are dropped.
  void add(Span span);
  // Sends what is queued, for at most the grace. Further calls say the same again.
  Delivery finish();

 private:
  void send_all(const std::stop_token& quit);
  void deliver(const std::vector<Span>& batch, const std::stop_token& cut);
  void count(const std::vector<Span>& batch, std::int64_t Delivery::*as, std::string problem);

  const OtlpOptions options_;
  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::deque<Span> queue_;
  Delivery delivery_;
  bool closing_ = false, done_ = false;
  std::stop_source cut_;  // the grace is over
  std::jthread thread_;   // last: it stops before what it uses goes. Started with the first span
};

// The body of one request.
std::string otlp_json(const Attributes& resource, const std::vector<Span>& spans);

// The address spans go to, of an endpoint a person named: "http://host:4318" and ".../v1/traces" mean the same.
// kInvalidArgument for what is no http or https address.
Result<std::string> traces_url(std::string endpoint);
// "key=value,key2=value2", values percent-encoded, as OTEL_EXPORTER_OTLP_HEADERS and OTEL_RESOURCE_ATTRIBUTES have them.
Result<std::vector<std::pair<std::string, std::string>>> parse_pairs(std::string_view text);

// Random, in hex.
std::string new_trace_id();
std::string new_span_id();

}  // namespace toccata::telemetry
