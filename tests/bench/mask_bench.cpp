// Compile and mask times over a list of schemas: mask_bench SCHEMAS.jsonl [seconds]. One thread, o200k, one line of
// JSON: {"schemas", "refused", "compile_us": {...}, "mask_us": {...}, ...}. A mask is mask() + accept() of one token of
// a text drawn from the masks; each schema starts cold. Also: maxLength 100000 against none, and 128 tools at once.
//
// mask_bench --replay FILE: lines {"schema", "texts"} -> lines {"compile_us", "accepted": [...], "mask_us": [each token]}
// or {"error"}. scripts/bench_grammar.py runs it next to other engines.
#include <time.h>

#include <algorithm>
#include <chrono>
#include <fstream>
#include <iostream>
#include <nlohmann/json.hpp>

#include "core/base/json.h"
#include "core/grammar/schema.h"
#include "tests/core/grammar/walk.h"

namespace {

using namespace toccata;
using nlohmann::ordered_json;

// Time of this thread: other work on the machine does not count.
struct Clock {
  using duration = std::chrono::nanoseconds;
  using rep = duration::rep;
  using period = duration::period;
  using time_point = std::chrono::time_point<Clock>;
  static constexpr bool is_steady = true;
  static time_point now() {
    timespec t{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return time_point(std::chrono::seconds(t.tv_sec) + std::chrono::nanoseconds(t.tv_nsec));
  }
};

double micros(Clock::time_point since) { return std::chrono::duration<double, std::micro>(Clock::now() - since).count(); }

ordered_json summary(std::vector<double>& times) {
  std::sort(times.begin(), times.end());
  double sum = 0;
  for (const double t : times) sum += t;
  const auto at = [&](double share) { return times[static_cast<std::size_t>(share * static_cast<double>(times.size() - 1))]; };
  return {{"n", times.size()}, {"avg", sum / static_cast<double>(times.size())}, {"p50", at(.5)}, {"p95", at(.95)},
          {"p99", at(.99)}, {"p99.9", at(.999)}, {"max", times.back()}};
}

// Replays a text and times each token.
void replay(grammar::Matcher& matcher, const Tokens& tokens, std::vector<double>& times) {
  for (const Token token : tokens) {
    const auto begin = Clock::now();
    const bool allowed = grammar::has_token(matcher.mask(), token) && matcher.accept(token);
    times.push_back(micros(begin));
    if (!allowed) return;
  }
}

double string_mask_us(const std::shared_ptr<const grammar::TokenTrie>& trie, const tokenizer::Tokenizer& o200k, const char* schema) {
  const auto compiled = grammar::compile_schema_text(schema);
  std::string text = "\"";
  for (int i = 0; i < 300; ++i) text += "the quick brown fox ";
  std::vector<double> times;
  for (int i = 0; i < 10; ++i) {
    grammar::Matcher matcher(std::get<0>(compiled), trie);
    replay(matcher, o200k.encode(text), times);
  }
  double sum = 0;
  for (const double t : times) sum += t;
  return sum / static_cast<double>(times.size());
}

ordered_json replay_line(
    const ordered_json& line, const std::shared_ptr<const grammar::TokenTrie>& trie, const tokenizer::Tokenizer& o200k
) {
  const std::string schema = json_text(line.at("schema"));
  const auto begin = Clock::now();
  const auto compiled = grammar::compile_schema_text(schema);
  if (const auto* error = std::get_if<grammar::SchemaError>(&compiled)) return {{"error", error->text()}};
  grammar::Matcher matcher(std::get<0>(compiled), trie);
  ordered_json out = {{"compile_us", micros(begin)}, {"accepted", ordered_json::array()}};
  std::vector<double> masks;
  for (const ordered_json& text : line.at("texts")) {
    const Tokens tokens = o200k.encode(text.get<std::string>());
    matcher.rollback(matcher.n_accepted());
    replay(matcher, tokens, masks);
    out["accepted"].push_back(matcher.n_accepted() == std::ssize(tokens) && matcher.at_end());
  }
  out["mask_us"] = masks;
  return out;
}

int replay_file(const char* path) {
  const auto o200k = tokenizer::Tokenizer::o200k_harmony();
  const auto trie = grammar::TokenTrie::make(*o200k);
  std::ifstream in(path);
  std::string line;
  while (std::getline(in, line)) std::cout << json_text(replay_line(json_from_valid<ordered_json>(line), trie, *o200k)) << '\n';
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 3 && std::string_view(argv[1]) == "--replay") return replay_file(argv[2]);
  if (argc < 2) {
    std::cerr << "usage: mask_bench SCHEMAS.jsonl\n";
    return 2;
  }
  const auto o200k = tokenizer::Tokenizer::o200k_harmony();
  const auto begin_trie = Clock::now();
  const auto trie = grammar::TokenTrie::make(*o200k);
  const double trie_ms = micros(begin_trie) / 1000;
  std::ifstream in(argv[1]);
  std::string line;
  std::vector<double> compile, masks;
  std::vector<ordered_json> schemas;
  int refused = 0;
  std::mt19937_64 random(1);
  while (std::getline(in, line)) {
    schemas.push_back(json_from_valid<ordered_json>(line));
    const auto begin = Clock::now();
    const auto compiled = grammar::compile_schema(schemas.back());
    compile.push_back(micros(begin));
    if (compiled.index() == 1) {
      ++refused;
      continue;
    }
    grammar::Matcher draw(std::get<0>(compiled), trie);
    const std::string text = grammar::walk(draw, random, grammar::Draw::kBigram, 30, 60).text;
    grammar::Matcher matcher(std::get<0>(compiled), trie);
    replay(matcher, o200k->encode(text), masks);
  }
  const auto begin = Clock::now();
  for (std::size_t i = 0; i < 128; ++i) (void)grammar::compile_schema(schemas[(2 * i + 1) % schemas.size()]);
  const double tools_ms = micros(begin) / 1000;
  const double free_us = string_mask_us(trie, *o200k, R"({"type": "string"})");
  const double counted_us = string_mask_us(trie, *o200k, R"({"type": "string", "maxLength": 100000})");
  const ordered_json out = {
      {"schemas", schemas.size()}, {"refused", refused}, {"trie_ms", trie_ms}, {"trie_mb", static_cast<double>(trie->memory_bytes()) / 1e6},
      {"compile_us", summary(compile)}, {"mask_us", summary(masks)}, {"compile_128_tools_ms", tools_ms},
      {"string_mask_us", free_us}, {"string_mask_us_max_length_100000", counted_us}};
  std::cout << out.dump(1) << '\n';
  return 0;
}
