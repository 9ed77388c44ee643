// Speed of o200k_harmony: bytes of UTF-8 a second, one thread.
//
//   tokenizer_bench                        made-up text, the sources of this project, and the worst pieces
//   tokenizer_bench prose.txt code.txt     these files as well
#include <benchmark/benchmark.h>

#include <algorithm>
#include <cmath>
#include <ctime>
#include <filesystem>
#include <random>
#include <string>
#include <vector>

#include "core/base/mapped_file.h"
#include "core/tokenizer/splitter.h"
#include "core/tokenizer/tokenizer.h"

namespace toccata::tokenizer {
namespace {

constexpr std::size_t kTextBytes = std::size_t{1} << 20;

// Tokens that `wanted` accepts, drawn with frequency 1/rank as words are, one after the other. The id is the
// rank: the vocabulary lists what is frequent first.
template <class Predicate>
std::string zipf_text(Predicate wanted) {
  const auto tokenizer = Tokenizer::o200k_harmony();
  std::vector<std::string_view> words;
  for (Token token = 256; token < 199998; ++token) {
    if (wanted(*tokenizer->token_bytes(token))) words.push_back(*tokenizer->token_bytes(token));
  }
  std::mt19937_64 random(1);
  std::string text;
  while (text.size() < kTextBytes) {
    const double uniform = std::generate_canonical<double, 53>(random);
    const double rank = std::pow(static_cast<double>(words.size()), uniform) - 1;
    text += words[static_cast<std::size_t>(rank)];
    if (random() % 12 == 0) text += random() % 4 == 0 ? ".\n" : ",";
  }
  return text;
}

bool is_small_word(std::string_view bytes) {
  return bytes.size() > 1 && bytes[0] == ' ' &&
         std::all_of(bytes.begin() + 1, bytes.end(), [](char c) { return 'a' <= c && c <= 'z'; });
}

// Three-byte characters from U+4000 to U+9FFF.
bool is_cjk(std::string_view bytes) {
  return bytes.size() % 3 == 0 && '\xE4' <= bytes[0] && bytes[0] <= '\xE9';
}

std::string project_sources() {
  std::string text;
  for (const auto& entry :
       std::filesystem::recursive_directory_iterator(TOCCATA_SOURCE_DIR "/core")) {
    const auto extension = entry.path().extension();
    const bool is_table = entry.path().stem().string().ends_with("_table");
    if ((extension == ".h" || extension == ".cpp") && !is_table) {
      text += *read_text_file(entry.path());
    }
  }
  return text;
}

std::string random_letters() {
  std::mt19937_64 random(2);
  std::string text(kTextBytes, ' ');
  for (char& c : text) c = static_cast<char>('a' + random() % 26);
  return text;
}

void encode(benchmark::State& state, const std::string& text) {
  const auto tokenizer = Tokenizer::o200k_harmony();
  Tokens tokens;
  for (auto _ : state) {
    tokens.clear();
    tokenizer->encode_into(text, Specials::kNone, tokens);
    benchmark::DoNotOptimize(tokens.data());
  }
  state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations() * text.size()));
  state.counters["bytes_per_token"] =
      static_cast<double>(text.size()) / static_cast<double>(tokens.size());
}

void split(benchmark::State& state, const std::string& text) {
  for (auto _ : state) {
    std::size_t pieces = 0;
    for (std::string_view rest = text; !rest.empty(); ++pieces)
      rest.remove_prefix(o200k_piece(rest));
    benchmark::DoNotOptimize(pieces);
  }
  state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations() * text.size()));
}

void decode(benchmark::State& state, const std::string& text) {
  const auto tokenizer = Tokenizer::o200k_harmony();
  const Tokens tokens = tokenizer->encode(text);
  for (auto _ : state) benchmark::DoNotOptimize(*tokenizer->decode_bytes(tokens));
  state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations() * text.size()));
}

void add(const std::string& name, const std::string& text) {
  benchmark::RegisterBenchmark(("encode/" + name).c_str(), encode, text);
  benchmark::RegisterBenchmark(("split/" + name).c_str(), split, text);
  benchmark::RegisterBenchmark(("decode/" + name).c_str(), decode, text);
}

}  // namespace
}  // namespace toccata::tokenizer

int main(int argc, char** argv) {
  using namespace toccata::tokenizer;
  benchmark::Initialize(&argc, argv);
  const std::clock_t begin = std::clock();
  Tokenizer::o200k_harmony();  // unpacked once in a process, so timed once
  const double load_seconds = static_cast<double>(std::clock() - begin) / CLOCKS_PER_SEC;
  benchmark::RegisterBenchmark("load", [load_seconds](benchmark::State& state) {
    for (auto _ : state) state.SetIterationTime(load_seconds);
  })->UseManualTime()->Iterations(1)->Unit(benchmark::kMillisecond);
  toccata::Tokens warm;  // the tables which a large text is worth are there after this
  Tokenizer::o200k_harmony()->encode_into(random_letters(), Specials::kNone, warm);
  add("words", zipf_text(is_small_word));
  add("cjk", zipf_text(is_cjk));
  add("sources", project_sources());
  for (int i = 1; i < argc; ++i) add(argv[i], toccata::read_text_file(argv[i]).value_or_throw());
  // One piece each, which nothing can split: time must stay linear in its length.
  benchmark::RegisterBenchmark("encode/one_letter_1MB", encode, std::string(kTextBytes, 'a'));
  benchmark::RegisterBenchmark("encode/spaces_1MB", encode, std::string(kTextBytes, ' '));
  benchmark::RegisterBenchmark("encode/equals_1MB", encode, std::string(kTextBytes, '='));
  benchmark::RegisterBenchmark("encode/random_letters_1MB", encode, random_letters());
  benchmark::RunSpecifiedBenchmarks();
}
