// Logits of random checkpoints on the GPU beside the CPU's exact mode, one line of JSON a comparison.
//
//   logits_check [FOLDER]
//
// With FOLDER it also writes the checkpoints, their tokens and everybody's logits there, for reference_logits.py. Exit code
// 1 when the exact mode is further from the CPU than 1e-4 (relative L2 of a row) or chooses another token anywhere, or
// when a session's bits depend on how its tokens were read.
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <fstream>

#include "core/engine/session.h"
#include "tests/support/tiny_checkpoint.h"

namespace toccata::engine {
namespace {

namespace fs = std::filesystem;
using testing::TinyCheckpoint;
using testing::TinyShape;

struct Named {
  const char* name;
  TinyShape shape;
  int n_tokens;
};
// The last has the group, the head size, the experts a token and the window of gpt-oss.
const Named kShapes[] = {
    {"plain", {}, 40},
    {"odd", {.layers = 3, .experts = 5, .experts_per_token = 3, .hidden = 96, .intermediate = 32, .heads = 6, .kv_heads = 3, .head_dim = 32, .vocab = 131, .window = 11}, 30},
    {"gpt-oss", {.layers = 2, .experts = 32, .experts_per_token = 4, .hidden = 128, .intermediate = 96, .heads = 16, .kv_heads = 2, .head_dim = 64, .vocab = 320, .window = 128}, 150},
};

Tokens tokens_of(const Named& s) {
  Tokens tokens;
  for (int i = 0; i < s.n_tokens; ++i) tokens.push_back((i * 7 + i * i % 11 + 3) % s.shape.vocab);
  return tokens;
}

// Every row of logits [n, vocab], the tokens read in steps of so many: only the rows after a step are there.
std::vector<float> run(TinyCheckpoint& checkpoint, const Options& options, const Tokens& tokens, std::size_t step) {
  const auto model = Model::load(checkpoint.files(), options);
  Session session(model);
  const auto width = static_cast<std::size_t>(model->config().n_vocab);
  std::vector<float> all(tokens.size() * width);
  for (std::size_t at = 0; at < tokens.size();) {
    const std::size_t n = std::min(step, tokens.size() - at);
    session.append(std::span(tokens).subspan(at, n)).value_or_throw();
    at += n;
    const auto row = session.logits().value_or_throw();
    std::copy(row.begin(), row.end(), all.begin() + static_cast<std::ptrdiff_t>((at - 1) * width));
  }
  return all;
}

void write(const fs::path& path, const void* data, std::size_t bytes) {
  std::ofstream file(path, std::ios::binary);
  file.write(static_cast<const char*>(data), static_cast<std::streamsize>(bytes));
  if (!file) throw Exception(ErrorCode::kUnavailable, "cannot write " + path.string());
}

struct Difference {
  double worst = 0;
  int other_choices = 0;
};
Difference compare(std::span<const float> got, std::span<const float> wanted, std::size_t width) {
  Difference d;
  for (std::size_t row = 0; row < wanted.size(); row += width) {
    double difference = 0;
    double size = 0;
    for (std::size_t i = row; i < row + width; ++i) {
      difference += (double{got[i]} - wanted[i]) * (double{got[i]} - wanted[i]);
      size += double{wanted[i]} * wanted[i];
    }
    d.worst = std::max(d.worst, std::sqrt(difference / size));
    const auto best = [&](std::span<const float> x) { return std::max_element(x.begin() + static_cast<std::ptrdiff_t>(row), x.begin() + static_cast<std::ptrdiff_t>(row + width)) - x.begin(); };
    d.other_choices += best(got) != best(wanted);
  }
  return d;
}

bool check(const Named& s, const fs::path& folder) {
  TinyCheckpoint checkpoint(s.shape, 7);
  const Tokens tokens = tokens_of(s);
  const auto width = static_cast<std::size_t>(s.shape.vocab);
  const Options cpu{.n_threads = 1};
  Options gpu{.device = ops::Device::kCuda, .n_sequences = 2, .n_context = 512};
  const auto wanted = run(checkpoint, cpu, tokens, 1);
  const auto exact = run(checkpoint, gpu, tokens, 1);
  const auto in_chunks = run(checkpoint, gpu, tokens, 7);
  gpu.exact = false;
  const auto fast = run(checkpoint, gpu, tokens, 1);
  const Difference of_exact = compare(exact, wanted, width);
  const Difference of_fast = compare(fast, wanted, width);
  bool same_bits = true;
  for (std::size_t at = 6; at < tokens.size(); at += 7) {
    same_bits &= std::equal(exact.begin() + static_cast<std::ptrdiff_t>(at * width), exact.begin() + static_cast<std::ptrdiff_t>((at + 1) * width), in_chunks.begin() + static_cast<std::ptrdiff_t>(at * width));
  }
  const bool good = of_exact.worst <= 1e-4 && of_exact.other_choices == 0 && same_bits;
  std::printf(
      "{\"what\":\"logits\",\"shape\":\"%s\",\"tokens\":%d,\"exact_worst_row\":%.3g,\"exact_other_choices\":%d,\"chunks_same_bits\":%s,"
      "\"fast_worst_row\":%.3g,\"fast_other_choices\":%d,\"ok\":%s}\n",
      s.name, s.n_tokens, of_exact.worst, of_exact.other_choices, same_bits ? "true" : "false", of_fast.worst, of_fast.other_choices,
      good ? "true" : "false"
  );
  std::fflush(stdout);
  if (folder.empty()) return good;
  const fs::path at = folder / s.name;
  fs::create_directories(at);
  const std::vector<std::byte> file = checkpoint.safetensors();
  write(at / "config.json", checkpoint.config().data(), checkpoint.config().size());
  write(at / "model.safetensors", file.data(), file.size());
  write(at / "tokens.i32", tokens.data(), tokens.size() * sizeof(Token));
  write(at / "cpu.f32", wanted.data(), wanted.size() * sizeof(float));
  write(at / "exact.f32", exact.data(), exact.size() * sizeof(float));
  write(at / "fast.f32", fast.data(), fast.size() * sizeof(float));
  return good;
}

}  // namespace
}  // namespace toccata::engine

int main(int argc, char** argv) {
  try {
    bool good = true;
    for (const auto& shape : toccata::engine::kShapes) good &= toccata::engine::check(shape, argc > 1 ? argv[1] : "");
    return good ? 0 : 1;
  } catch (const std::exception& e) {
    std::fprintf(stderr, "logits_check: %s\n", e.what());
    return 1;
  }
}
