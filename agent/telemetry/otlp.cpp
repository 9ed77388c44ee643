#include "agent/telemetry/otlp.h"

#include <algorithm>
#include <cstdlib>
#include <nlohmann/json.hpp>

#include "core/base/json.h"
#include "core/net/client.h"

namespace toccata::telemetry {
namespace {

using std::chrono::milliseconds;

constexpr std::size_t kAnswerBytesMax = 64 << 10;
constexpr std::size_t kShownBytesMax = 200;

bool worth_another_try(int status) { return status == 429 || status == 502 || status == 503 || status == 504; }

// What a collector says it did not take: {"partialSuccess":{"rejectedSpans":"3","errorMessage":"..."}}.
struct Refusal {
  std::int64_t n = 0;
  std::string why;
};
Refusal refused(const std::string& body) {
  const auto json = json_from<nlohmann::json>(body);
  if (!json.is_object()) return {};
  const auto partial = json.value("partialSuccess", nlohmann::json());
  if (!partial.is_object()) return {};
  Refusal refusal;
  const auto n = partial.value("rejectedSpans", nlohmann::json());
  if (n.is_number_integer()) refusal.n = n.get<std::int64_t>();
  if (n.is_string()) refusal.n = std::strtoll(n.get<std::string>().c_str(), nullptr, 10);
  const auto why = partial.value("errorMessage", nlohmann::json());
  if (why.is_string()) refusal.why = why.get<std::string>().substr(0, kShownBytesMax);
  return refusal;
}

// Seconds; the other form, a date, is not worth reading here.
std::optional<milliseconds> asked_to_wait(const net::Response& response) {
  const auto value = response.header("retry-after");
  if (!value || value->empty() || value->size() > 4) return std::nullopt;
  if (value->find_first_not_of("0123456789") != std::string_view::npos) return std::nullopt;
  return milliseconds(1000 * std::stoi(std::string(*value)));
}

}  // namespace

OtlpExporter::OtlpExporter(OtlpOptions options) : options_(std::move(options)) {}
OtlpExporter::~OtlpExporter() { (void)finish(); }

void OtlpExporter::add(Span span) {
  const std::lock_guard lock(mutex_);
  if (closing_ || queue_.size() >= options_.queue_max) {
    ++delivery_.n_dropped;
    if (!closing_) delivery_.problem = "the queue of " + std::to_string(options_.queue_max) + " spans was full";
    return;
  }
  queue_.push_back(std::move(span));
  if (!thread_.joinable()) thread_ = std::jthread([this](const std::stop_token& quit) { send_all(quit); });
  if (queue_.size() == 1 || queue_.size() == options_.batch_max) changed_.notify_all();
}

Delivery OtlpExporter::finish() {
  std::unique_lock lock(mutex_);
  closing_ = true;
  if (!thread_.joinable()) return delivery_;
  changed_.notify_all();
  if (!changed_.wait_for(lock, options_.grace, [&] { return done_; })) {
    cut_.request_stop();
    changed_.wait(lock, [&] { return done_; });  // the request under way ends at once
  }
  lock.unlock();
  thread_.join();
  return delivery_;
}

void OtlpExporter::count(const std::vector<Span>& batch, std::int64_t Delivery::*as, std::string problem) {
  const std::lock_guard lock(mutex_);
  delivery_.*as += std::ssize(batch);
  if (!problem.empty()) delivery_.problem = std::move(problem);
}

void OtlpExporter::send_all(const std::stop_token&) {
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [&] { return closing_ || !queue_.empty(); });
    if (queue_.empty()) break;
    changed_.wait_for(lock, options_.batch_time, [&] { return closing_ || queue_.size() >= options_.batch_max; });
    std::vector<Span> batch;
    while (!queue_.empty() && batch.size() < options_.batch_max) {
      batch.push_back(std::move(queue_.front()));
      queue_.pop_front();
    }
    lock.unlock();
    deliver(batch, cut_.get_token());
    lock.lock();
  }
  done_ = true;
  changed_.notify_all();
}

void OtlpExporter::deliver(const std::vector<Span>& batch, const std::stop_token& cut) {
  net::Request request{.method = "POST", .url = options_.url, .headers = options_.headers};
  request.headers.emplace_back("Content-Type", "application/json");
  request.body = otlp_json(options_.resource, batch);
  request.connect_timeout = request.idle_timeout = request.total_timeout = options_.timeout;
  request.body_bytes_max = kAnswerBytesMax;
  net::Client client;
  milliseconds pause = options_.retry_after;
  std::string problem = "the time to send at the end was over";
  for (int n = 0; n < options_.tries_max && !cut.stop_requested(); ++n, pause *= 2) {
    const Result<net::Response> answer = client.send(request, cut);
    if (answer && answer->status / 100 == 2) {
      const Refusal refusal = refused(answer->body);
      const std::int64_t n_rejected = std::clamp<std::int64_t>(refusal.n, 0, std::ssize(batch));
      const std::lock_guard lock(mutex_);
      delivery_.n_rejected += n_rejected;
      delivery_.n_taken += std::ssize(batch) - n_rejected;
      if (!refusal.why.empty()) delivery_.problem = "the collector says: " + refusal.why;
      return;
    }
    problem = answer ? options_.url + " answered HTTP " + std::to_string(answer->status) : answer.error().message;
    if (answer && !worth_another_try(answer->status)) return count(batch, &Delivery::n_rejected, problem);
    const milliseconds wait = answer ? asked_to_wait(*answer).value_or(pause) : pause;
    std::unique_lock lock(mutex_);
    // Once the run is over there is no time for pauses: the collector is asked once more, at once, and then given up.
    if (closing_ && n > 0) break;
    changed_.wait_for(lock, cut, wait, [&] { return closing_; });
  }
  count(batch, &Delivery::n_dropped, problem);
}

}  // namespace toccata::telemetry
