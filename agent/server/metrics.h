// Counters of the server in Prometheus' text format.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>

namespace toccata::server {

// Any thread.
class Metrics {
 public:
  void request_done(std::string_view route, int status);
  // One model call: seconds of prefill and of decode, and how it went.
  struct Step {
    std::int64_t prompt_tokens = 0, cached_tokens = 0, output_tokens = 0;
    double prefill_s = 0, decode_s = 0;
    bool cancelled = false;
  };
  void step_done(const Step& step);
  // One turn of an agent that ran here. Its model calls are not among the steps.
  void agent_turn_done(std::int64_t output_tokens);
  // By programs in the sandbox, of agents and of tools that the server runs for requests.
  void sandbox_cpu_used(std::chrono::microseconds time);

  struct Gauges {
    std::size_t n_waiting = 0, n_running = 0, n_sessions = 0;
    std::int64_t session_tokens = 0;
    int n_http = 0;
    std::int64_t leased_tokens = 0, sampled_tokens = 0;
    std::size_t n_containers = 0;
  };
  // `aliases`: also under vLLM's names, which gateways look for.
  std::string prometheus(const Gauges& gauges, std::string_view model, bool aliases) const;


 private:
  struct Totals {
    std::int64_t prompt_tokens = 0, cached_tokens = 0, output_tokens = 0, steps = 0, cancelled = 0;
    double prefill_s = 0, decode_s = 0;
  };
  // Seconds; cumulative counts as Prometheus wants them are made when printed.
  struct Histogram {
    static constexpr std::array<double, 12> kBounds = {0.001, 0.005, 0.01, 0.025, 0.05, 0.1,
                                                       0.25,  0.5,   1,    2.5,   10,   60};
    std::array<std::int64_t, kBounds.size() + 1> counts{};
    double sum = 0;
    void add(double value);
    void print(std::string& out, const char* name, const char* help) const;
  };

  mutable std::mutex mutex_;
  std::map<std::pair<std::string, int>, std::int64_t> requests_;
  Totals totals_;
  std::int64_t agent_turns_ = 0, agent_output_tokens_ = 0;
  std::chrono::microseconds sandbox_cpu_{0};
  Histogram first_token_, per_token_;
};

}  // namespace toccata::server
