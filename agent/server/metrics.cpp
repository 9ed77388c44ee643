#include "agent/server/metrics.h"

#include <algorithm>
#include <cstdio>

namespace toccata::server {
namespace {

std::string number(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.9g", value);
  return text;
}

void describe(std::string& out, const std::string& name, const char* type, const char* help) {
  out += "# HELP " + name + " " + help + "\n# TYPE " + name + " " + type + "\n";
}

void value(std::string& out, const std::string& name, const char* type, const char* help, double v) {
  describe(out, name, type, help);
  out += name + " " + number(v) + "\n";
}

// A label's value: quotes, backslashes and newlines escaped.
std::string in_quotes(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c == '\n' ? ' ' : c;
  }
  return out + "\"";
}

}  // namespace

void Metrics::Histogram::add(double seconds) {
  const auto bucket = std::lower_bound(kBounds.begin(), kBounds.end(), seconds) - kBounds.begin();
  ++counts[static_cast<std::size_t>(bucket)];
  sum += seconds;
}

void Metrics::Histogram::print(std::string& out, const char* name, const char* help) const {
  describe(out, name, "histogram", help);
  std::int64_t total = 0;
  const std::string base(name);
  for (std::size_t i = 0; i < counts.size(); ++i) {
    total += counts[i];
    const std::string bound = i < kBounds.size() ? number(kBounds[i]) : "+Inf";
    out += base + "_bucket{le=\"" + bound + "\"} " + std::to_string(total) + "\n";
  }
  out += base + "_sum " + number(sum) + "\n" + base + "_count " + std::to_string(total) + "\n";
}

void Metrics::request_done(std::string_view route, int status) {
  const std::lock_guard lock(mutex_);
  ++requests_[{std::string(route), status}];
}

void Metrics::step_done(const Step& step) {
  const std::lock_guard lock(mutex_);
  totals_.prompt_tokens += step.prompt_tokens;
  totals_.cached_tokens += step.cached_tokens;
  totals_.output_tokens += step.output_tokens;
  totals_.prefill_s += step.prefill_s;
  totals_.decode_s += step.decode_s;
  ++totals_.steps;
  if (step.cancelled) ++totals_.cancelled;
  if (step.output_tokens > 0) first_token_.add(step.prefill_s);
  if (step.output_tokens > 1) {
    per_token_.add(step.decode_s / static_cast<double>(step.output_tokens - 1));
  }
}

void Metrics::agent_turn_done(std::int64_t output_tokens) {
  const std::lock_guard lock(mutex_);
  ++agent_turns_;
  agent_output_tokens_ += output_tokens;
}

void Metrics::sandbox_cpu_used(std::chrono::microseconds time) {
  const std::lock_guard lock(mutex_);
  sandbox_cpu_ += time;
}

std::string Metrics::prometheus(const Gauges& g, std::string_view model, bool aliases) const {
  const std::lock_guard lock(mutex_);
  std::string out;
  describe(out, "toccata_info", "gauge", "The served model.");
  out += "toccata_info{model=" + in_quotes(model) + "} 1\n";
  describe(out, "toccata_http_requests_total", "counter", "Requests answered, by route and status.");
  for (const auto& [key, count] : requests_) {
    out += "toccata_http_requests_total{route=" + in_quotes(key.first) + ",status=\"" +
           std::to_string(key.second) + "\"} " + std::to_string(count) + "\n";
  }
  const auto count = [](std::int64_t n) { return static_cast<double>(n); };
  value(out, "toccata_prompt_tokens_total", "counter", "Tokens of prompts.", count(totals_.prompt_tokens));
  value(out, "toccata_cached_tokens_total", "counter", "Of these, tokens that were not read again.", count(totals_.cached_tokens));
  value(out, "toccata_output_tokens_total", "counter", "Tokens sampled.", count(totals_.output_tokens));
  value(out, "toccata_model_calls_total", "counter", "Model calls.", count(totals_.steps));
  value(out, "toccata_model_calls_cancelled_total", "counter", "Model calls that were cut off.", count(totals_.cancelled));
  value(out, "toccata_prefill_seconds_total", "counter", "Seconds to first tokens.", totals_.prefill_s);
  value(out, "toccata_decode_seconds_total", "counter", "Seconds after first tokens.", totals_.decode_s);
  value(out, "toccata_requests_waiting", "gauge", "Requests waiting for a worker.", count(static_cast<std::int64_t>(g.n_waiting)));
  value(out, "toccata_requests_running", "gauge", "Requests being served.", count(static_cast<std::int64_t>(g.n_running)));
  value(out, "toccata_http_open_requests", "gauge", "HTTP requests in flight.", g.n_http);
  value(out, "toccata_idle_sessions", "gauge", "Sessions kept for their prefix.", count(static_cast<std::int64_t>(g.n_sessions)));
  value(out, "toccata_idle_session_tokens", "gauge", "Tokens in them.", count(g.session_tokens));
  value(out, "toccata_active_session_tokens", "gauge", "Tokens in sessions that are at work.", count(g.leased_tokens));
  value(out, "toccata_sampled_tokens_total", "counter", "Tokens sampled, as they come.", count(g.sampled_tokens));
  value(out, "toccata_containers", "gauge", "Conversations whose interpreter and pages are kept.", count(static_cast<std::int64_t>(g.n_containers)));
  value(out, "toccata_agent_turns_total", "counter", "Turns of agents that ran here.", count(agent_turns_));
  value(out, "toccata_agent_output_tokens_total", "counter", "Tokens sampled in them.", count(agent_output_tokens_));
  value(out, "toccata_sandbox_cpu_seconds_total", "counter", "CPU time of programs in the sandbox.", std::chrono::duration<double>(sandbox_cpu_).count());
  first_token_.print(out, "toccata_time_to_first_token_seconds", "From the start of a model call to its first token.");
  per_token_.print(out, "toccata_time_per_output_token_seconds", "Mean seconds between tokens of a model call.");
  if (aliases) {
    value(out, "vllm:num_requests_waiting", "gauge", "toccata_requests_waiting.", count(static_cast<std::int64_t>(g.n_waiting)));
    value(out, "vllm:num_requests_running", "gauge", "toccata_requests_running.", count(static_cast<std::int64_t>(g.n_running)));
  }
  return out;
}

}  // namespace toccata::server
