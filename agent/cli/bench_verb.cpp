#include "agent/cli/bench_verb.h"

#include <sys/resource.h>

#include <algorithm>
#include <barrier>
#include <chrono>
#include <cstdio>
#include <functional>
#include <iostream>
#include <mutex>
#include <nlohmann/json.hpp>
#include <numeric>
#include <optional>
#include <thread>

#include "agent/cli/exit_code.h"
#include "agent/cli/model_choice.h"
#include "agent/cli/progress.h"
#include "core/base/json.h"

namespace toccata::cli {
namespace {

using agent::TokenModel;
using agent::TokenSession;
using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point begin) { return std::chrono::duration<double>(Clock::now() - begin).count(); }

struct Case {
  const char* what;  // prefill, decode
  int n_tokens, depth, parallel;
};

// Ordinary tokens in no order: what they say does not matter to the time, and the experts get their share.
Tokens made_up(const TokenModel& model, int n) {
  const int n_ordinary = std::min(model.capabilities().n_vocab, model.tokenizer()->n_vocab()) * 9 / 10;
  Tokens tokens;
  std::uint64_t state = 1;
  for (int i = 0; i < n; ++i) {
    state = state * 6364136223846793005U + 1442695040888963407U;
    tokens.push_back(static_cast<Token>((state >> 33) % static_cast<std::uint64_t>(n_ordinary)));
  }
  return tokens;
}

SamplingParams sampling(int session) {
  SamplingParams params;
  params.seed = static_cast<std::uint64_t>(session);
  return params;
}

void sample_one(TokenSession& session, const SamplingParams& params) {
  session.sample(params, std::nullopt, {}).value_or_throw();
}

// Seconds from the prompt to the first token.
double time_prefill(TokenModel& model, const Case& c) {
  const auto session = model.open_session().value_or_throw();
  const Tokens prompt = made_up(model, c.n_tokens);
  const auto begin = Clock::now();
  session->append(prompt).value_or_throw();
  sample_one(*session, sampling(0));
  return seconds_since(begin);
}

// Sessions that have read `depth` tokens and sampled one: copies of one where the model can copy.
std::vector<std::unique_ptr<TokenSession>> open_sessions(TokenModel& model, const Case& c) {
  std::vector<std::unique_ptr<TokenSession>> sessions;
  for (int i = 0; i < c.parallel; ++i) {
    if (i > 0 && model.capabilities().fork) {
      sessions.push_back(sessions.front()->fork().value_or_throw());
      continue;
    }
    sessions.push_back(model.open_session().value_or_throw());
    sessions.back()->append(made_up(model, std::max(1, c.depth))).value_or_throw();
    sample_one(*sessions.back(), sampling(0));
  }
  return sessions;
}

// Seconds for all sessions to sample n_tokens each. `ready`: called when they have read what comes before.
double time_decode(TokenModel& model, const Case& c, const std::function<void()>& ready = [] {}) {
  const auto sessions = open_sessions(model, c);
  ready();
  Clock::time_point begin;
  std::barrier start(c.parallel, [&]() noexcept { begin = Clock::now(); });
  std::optional<Error> failure;
  std::mutex failure_mutex;
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < c.parallel; ++i) {
      threads.emplace_back([&, i] {
        start.arrive_and_wait();
        try {
          for (int n = 0; n < c.n_tokens; ++n) sample_one(*sessions[static_cast<std::size_t>(i)], sampling(i + 1));
        } catch (const Exception& e) {
          const std::scoped_lock lock(failure_mutex);
          failure = e.error();
        }
      });
    }
  }
  const double seconds = seconds_since(begin);
  if (failure) throw Exception(*failure);
  return seconds;
}

// Bytes a second that all processors together read from memory, best of three: what no decoding gets past.
double read_bandwidth() {
  const std::size_t n_threads = std::max(1U, std::thread::hardware_concurrency());
  const std::vector<std::uint64_t> words(std::size_t{32} << 20, 1);  // 256 MB
  double best = 0;
  for (int round = 0; round < 3; ++round) {
    std::vector<std::uint64_t> sums(n_threads);
    const auto begin = Clock::now();
    {
      std::vector<std::jthread> threads;
      for (std::size_t i = 0; i < n_threads; ++i) {
        threads.emplace_back([&, i] {
          const std::uint64_t* from = words.data() + words.size() / n_threads * i;
          sums[i] = std::accumulate(from, from + words.size() / n_threads, std::uint64_t{0});
        });
      }
    }
    const double rate = static_cast<double>(words.size() * sizeof(words[0])) / seconds_since(begin);
    if (std::accumulate(sums.begin(), sums.end(), std::uint64_t{0}) != 0) best = std::max(best, rate);
  }
  return best;
}

double peak_gib() {
  rusage used{};
  getrusage(RUSAGE_SELF, &used);
  return static_cast<double>(used.ru_maxrss) / (1 << 20);  // KiB on Linux
}

std::vector<Case> cases_of(const BenchOptions& o) {
  std::vector<Case> cases;
  for (const int n : o.prompts) cases.push_back({"prefill", n, 0, 1});
  for (const int depth : o.depths) {
    for (const int parallel : o.parallel) cases.push_back({"decode", o.decode, depth, parallel});
  }
  return cases;
}

void check(const TokenModel& model, const std::vector<Case>& cases) {
  for (const Case& c : cases) {
    const std::int64_t needed = std::int64_t{c.n_tokens} + std::max(1, c.depth) + 1;
    if (needed <= model.capabilities().n_context) continue;
    throw Exception(
        ErrorCode::kInvalidArgument, std::string(c.what) + " of " + std::to_string(c.n_tokens) + " tokens at depth " +
                                         std::to_string(c.depth) + " needs a context of " + std::to_string(needed) + "; " +
                                         model.name() + " has " + std::to_string(model.capabilities().n_context)
    );
  }
}

agent::Profile profile_of(TokenModel& model, const Case& c) {
  if (std::string_view(c.what) == "prefill") {
    model.start_profile();
    time_prefill(model, c);
  } else {
    time_decode(model, c, [&] { model.start_profile(); });
  }
  return model.stop_profile();
}

void print(const nlohmann::ordered_json& json) { std::cout << json_text(json) << std::endl; }

// `bandwidth`: of the machine, for a model that does not name its own.
void print_profile(const Case& c, const agent::Profile& profile, double bandwidth, bool json) {
  const double rate = profile.bytes_per_second > 0 ? profile.bytes_per_second : bandwidth;
  double all = 0;
  for (const OpTime& op : profile.operations) all += op.seconds;
  const auto floor = [&](const OpTime& op) {
    const double arithmetic = profile.flops_per_second > 0 ? op.flops / profile.flops_per_second : 0;
    return std::max(op.bytes / rate, arithmetic);
  };
  if (json) {
    for (const OpTime& op : profile.operations) {
      print({{"what", "operation"}, {"of", c.what}, {"name", op.name}, {"calls", op.calls}, {"seconds", op.seconds}, {"bytes", op.bytes}, {"flops", op.flops}, {"floor_seconds", floor(op)}});
    }
    return;
  }
  std::printf("\n%s %d at depth %d, %d session%s, by operation:\n\n", c.what, c.n_tokens, c.depth, c.parallel, c.parallel == 1 ? "" : "s");
  if (profile.operations.empty()) {
    std::printf("not known: the model does not run here\n");
    return;
  }
  std::printf("| operation | calls | ms | share | GB/s | GFLOP/s | floor ms | of the floor |\n|---|---:|---:|---:|---:|---:|---:|---:|\n");
  for (const OpTime& op : profile.operations) {
    std::printf(
        "| %s | %d | %.2f | %.0f %% | %.1f | %.1f | %.2f | %.0f %% |\n", op.name.c_str(), op.calls, op.seconds * 1e3,
        100 * op.seconds / all, op.bytes / op.seconds / 1e9, op.flops / op.seconds / 1e9, floor(op) * 1e3,
        100 * floor(op) / op.seconds
    );
  }
}

}  // namespace

int bench_verb(const BenchOptions& options, const Environment& env) {
  const double bandwidth = read_bandwidth();
  const auto begin = Clock::now();
  Computation how{options.device, options.precision, options.kv};
  how.graphs = !options.no_graphs;
  how.device_bytes = static_cast<std::size_t>(options.gpu_gib * (1 << 30));
  const ChosenModel chosen = choose_model(options.model, how, options.offline, env);
  TokenModel& model = *chosen.model;
  const std::vector<Case> cases = cases_of(options);
  check(model, cases);
  sample_one(*open_sessions(model, {"load", 1, 0, 1}).front(), sampling(0));  // pages in what every pass reads
  const double load = seconds_since(begin);

  if (options.json) {
    print({{"what", "machine"}, {"processors", std::thread::hardware_concurrency()}, {"read_bytes_per_second", bandwidth}});
    print({{"what", "load"}, {"model", model.name()}, {"seconds", load}, {"where", model.whereabouts()}});
  } else {
    if (!model.whereabouts().empty()) std::printf("%s\n", model.whereabouts().c_str());
    std::printf(
        "%s: %.1f s to load and sample once; %u processors read memory at %.1f GB/s\n\n| what | depth | sessions | "
        "tok/s | ms a token | range tok/s |\n|---|---:|---:|---:|---:|---:|\n",
        model.name().c_str(), load, std::thread::hardware_concurrency(), bandwidth / 1e9
    );
  }
  std::optional<Progress> progress;
  progress.emplace("bench", env.stderr_is_terminal);
  std::vector<agent::Profile> profiles;
  std::size_t done = 0;
  const std::size_t total = cases.size() * static_cast<std::size_t>(options.repeats);
  for (const Case& c : cases) {
    const bool prefill = std::string_view(c.what) == "prefill";
    const double n = static_cast<double>(c.n_tokens) * c.parallel;
    std::vector<double> rates;
    for (int i = 0; i < options.repeats; ++i) {
      rates.push_back(n / (prefill ? time_prefill(model, c) : time_decode(model, c)));
      progress->update(++done, total);
    }
    std::sort(rates.begin(), rates.end());
    const double median = (rates[rates.size() / 2] + rates[(rates.size() - 1) / 2]) / 2;
    if (options.json) {
      print({{"what", c.what}, {"n_tokens", c.n_tokens}, {"depth", c.depth}, {"sessions", c.parallel}, {"tokens_per_second", median}, {"runs", rates}});
    } else {
      std::printf(
          "| %s %d | %d | %d | %.1f | %.2f | %.1f-%.1f |\n", c.what, c.n_tokens, c.depth, c.parallel, median,
          1000.0 * c.parallel / median, rates.front(), rates.back()
      );
    }
    std::fflush(stdout);
    if (options.profile) profiles.push_back(profile_of(model, c));
  }
  progress.reset();
  for (std::size_t i = 0; i < profiles.size(); ++i) print_profile(cases[i], profiles[i], bandwidth, options.json);
  if (options.json) {
    print({{"what", "memory"}, {"peak_bytes", peak_gib() * (1 << 30)}});
  } else {
    std::printf("\nmedian of %d; peak memory %.2f GiB\n", options.repeats, peak_gib());
  }
  return kExitDone;
}

}  // namespace toccata::cli
