// Speed of the harmony parser, and the long form of the property test.
//
//   parser_bench STREAM.json [SECONDS]     STREAM.json: a list of ids; prints one JSON object with ns per token
//   parser_bench --mutations N             checks N mutated completions, prints how many broke
#include <chrono>
#include <cstdio>
#include <ctime>
#include <fstream>
#include <nlohmann/json.hpp>

#include "agent/harmony/parser.h"
#include "tests/agent/harmony/mutations.h"

namespace {

using namespace toccata;

double cpu_seconds() {
  timespec t{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
}

int check_mutations(const harmony::Renderer& renderer, std::uint64_t n) {
  std::uint64_t n_broken = 0, n_tokens = 0;
  for (std::uint64_t seed = 0; seed < n; ++seed) {
    const harmony::MutatedStream stream = harmony::mutated_stream(renderer, seed);
    n_tokens += stream.tokens.size();
    const std::string broken = harmony::check_stream(renderer, stream);
    if (!broken.empty() && ++n_broken <= 3) std::printf("seed %llu: %s\n", static_cast<unsigned long long>(seed), broken.c_str());
  }
  std::printf("%llu mutated completions, %llu tokens, %llu broken\n", static_cast<unsigned long long>(n),
              static_cast<unsigned long long>(n_tokens), static_cast<unsigned long long>(n_broken));
  return n_broken == 0 ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  const auto renderer = harmony::Renderer::make(tokenizer::Tokenizer::o200k_harmony()).value_or_throw();
  if (argc == 3 && std::string_view(argv[1]) == "--mutations") return check_mutations(renderer, std::stoull(argv[2]));
  if (argc < 2) return 2;
  std::ifstream file(argv[1]);
  const auto tokens = nlohmann::json::parse(file).get<Tokens>();
  const double seconds = argc > 2 ? std::stod(argv[2]) : 1.0;
  double best = 1e9;
  std::vector<harmony::ParseEvent> events;
  for (const double begin = cpu_seconds(); cpu_seconds() - begin < seconds;) {
    const double start = cpu_seconds();
    harmony::Parser parser(renderer, {.role = std::nullopt, .strict = false, .tools = {}});
    for (const Token token : tokens) {
      events.clear();
      parser.push(token, events).value_or_throw();
    }
    parser.finish(events).value_or_throw();
    best = std::min(best, cpu_seconds() - start);
  }
  std::printf("{\"ns_per_token\": %.2f}\n", best * 1e9 / static_cast<double>(tokens.size()));
  return 0;
}
