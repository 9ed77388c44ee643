// What a GPU makes of gpt-oss: decode and prefill at several batch sizes and depths, on weights of the full shape drawn at
// random (the arithmetic does not care), next to the floor that the device's memory sets.
//
//   gpu_bench [--model 20b|120b|small] [--out results.jsonl] [--tokens 64] [--requests 256]
//
// Tokens are drawn on the device, as a session draws them. The floor of a decode step: every dense weight once, the experts
// that the batch chose once, keys and values once, over the bandwidth that a device-to-device copy reaches in the same
// minute. Then what each operation takes, decoding without graphs, and requests of 1000 tokens that are answered with 1000.
// Prints one line of JSON a figure.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <fstream>
#include <memory>
#include <numeric>
#include <optional>
#include <random>
#include <string>

#include "core/engine/cuda/common.cuh"
#include "core/engine/cuda/layout.h"
#include "core/engine/cuda/placement.h"
#include "core/engine/cuda_transformer.h"
#include "core/cuda/bandwidth.cuh"

namespace toccata::engine {
namespace {

struct Shape {
  const char* name;
  int layers, experts, k, hidden, intermediate, heads, kv_heads, head_dim, vocab;
};
constexpr Shape k20b = {"gpt-oss-20b", 24, 32, 4, 2880, 2880, 64, 8, 64, 201088};
constexpr Shape k120b = {"gpt-oss-120b", 36, 128, 4, 2880, 2880, 64, 8, 64, 201088};
constexpr Shape kSmall = {"small", 2, 8, 2, 128, 128, 4, 2, 32, 1024};

// Weights in host memory, one layer's experts shared by all layers: the host need not hold 65 GB, the device gets its own
// copy of each.
class RandomWeights {
 public:
  explicit RandomWeights(const Shape& s) : rng_(1) {
    auto w = std::make_shared<model::Weights>();
    model::Config& c = w->config;
    c.n_layers = s.layers, c.n_experts = s.experts, c.n_experts_per_token = s.k, c.hidden = s.hidden;
    c.intermediate = s.intermediate, c.n_heads = s.heads, c.n_kv_heads = s.kv_heads, c.head_dim = s.head_dim;
    c.n_vocab = s.vocab, c.sliding_window = 128, c.rope_factor = 32, c.max_context = 131072;
    w->embedding = bf16(std::size_t(s.vocab) * s.hidden, 1.0F);
    const int q = s.heads * s.head_dim;
    const int kv = s.kv_heads * s.head_dim;
    model::LayerWeights layer;
    layer.attention_norm = layer.mlp_norm = w->norm = bf16(s.hidden, 0, 1.0F);
    layer.q = dense(q, s.hidden), layer.k = dense(kv, s.hidden), layer.v = dense(kv, s.hidden);
    layer.output = dense(s.hidden, q);
    layer.sinks = bf16(s.heads, 1.0F);
    layer.router = dense(s.experts, s.hidden);
    layer.gate_up = experts(s.experts, 2 * s.intermediate, s.hidden);
    layer.down = experts(s.experts, s.hidden, s.intermediate);
    w->layers.assign(s.layers, layer);
    w->unembedding = {
        .weight = bf16(std::size_t(s.vocab) * s.hidden, 0.02F), .bias = {}, .n_out = s.vocab, .n_in = s.hidden};
    weights_ = std::move(w);
  }
  std::shared_ptr<const model::Weights> get() const { return weights_; }

 private:
  std::span<const Bf16> bf16(std::size_t n, float spread, float middle = 0) {
    auto& values = bf16_.emplace_back(n);
    for (Bf16& v : values) v = to_bf16(middle + spread * (float(rng_() % 2001) / 1000.0F - 1.0F));
    return values;
  }
  model::Linear dense(int n_out, int n_in) {
    return {
        .weight = bf16(std::size_t(n_out) * n_in, 1.5F / std::sqrt(float(n_in))), .bias = bf16(n_out, 0.1F),
        .n_out = n_out, .n_in = n_in};
  }
  model::ExpertLinear experts(int n, int n_out, int n_in) {
    auto& blocks = bytes_.emplace_back(std::size_t(n) * n_out * n_in / 2);
    for (std::size_t i = 0; i + 4 <= blocks.size(); i += 4) {
      const auto word = static_cast<std::uint32_t>(rng_());
      std::memcpy(blocks.data() + i, &word, 4);
    }
    auto& scales = bytes_.emplace_back(std::size_t(n) * n_out * n_in / 32);
    std::fill(scales.begin(), scales.end(), std::uint8_t(120));
    return {
        .blocks = blocks, .scales = scales, .bias = bf16(std::size_t(n) * n_out, 0.1F), .n_experts = n, .n_out = n_out,
        .n_in = n_in, .rows = {}, .odd_rows = {}};
  }
  std::mt19937 rng_;
  std::deque<std::vector<Bf16>> bf16_;  // references into it stay good
  std::deque<std::vector<std::uint8_t>> bytes_;
  std::shared_ptr<const model::Weights> weights_;
};

std::size_t chunk_of(const Shape& s) { return s.layers < 8 ? 32 : 1024; }

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}
double median(std::vector<double> v) {
  std::sort(v.begin(), v.end());
  return v[v.size() / 2];
}

// Of one decode step of `batch` sequences at `depth`.
double step_bytes(const Shape& s, int batch, int depth) {
  const double q = double(s.heads) * s.head_dim;
  const double kv = double(s.kv_heads) * s.head_dim;
  const double dense = 2.0 * s.hidden * (2 * q + 2 * kv + s.experts);
  // Experts that at least one of the batch's tokens chose, if they choose evenly.
  const double chosen = s.experts * (1 - std::pow(1 - double(s.k) / s.experts, batch));
  const double expert = 3.0 * s.hidden * s.intermediate * 17 / 32;
  const double window = std::min(depth, 128);
  const double cache = batch * 2.0 * kv * 2 * (0.5 * depth + 0.5 * window);
  return s.layers * (dense + chosen * expert + cache) + 2.0 * s.hidden * s.vocab;
}

class Report {
 public:
  explicit Report(const std::string& path) {
    if (!path.empty()) file_.open(path);
  }
  void line(const std::string& json) {
    std::printf("%s\n", json.c_str());
    std::fflush(stdout);
    if (file_.is_open()) file_ << json << '\n' << std::flush;
  }

 private:
  std::ofstream file_;
};

std::string number(const char* key, double value) {
  char text[64];
  std::snprintf(text, sizeof text, ",\"%s\":%.6g", key, value);
  return text;
}

// Sequences of so many tokens each that are drawn one after the other, all in one pass.
class Decoding {
 public:
  Decoding(CudaTransformer& t, const Shape& s, std::vector<std::unique_ptr<CudaSequence>> sequences)
      : t_(t), sequences_(std::move(sequences)), next_(sequences_.size()), draws_(sequences_.size()), requests_(sequences_.size()), items_(sequences_.size()) {
    std::mt19937 rng(7);
    for (Token& token : next_) token = int(rng() % unsigned(s.vocab));
    params_.seed = 5;
  }
  double step() {
    for (std::size_t b = 0; b < items_.size(); ++b) {
      requests_[b] = {&params_, std::nullopt, int(1e9), std::uint64_t(n_ * 1000 + b)};
      items_[b] = {sequences_[b].get(), std::span(next_).subspan(b, 1), 1, nullptr, &requests_[b], &draws_[b]};
    }
    ++n_;
    const auto start = std::chrono::steady_clock::now();
    t_.forward(items_);
    const double seconds = seconds_since(start);
    for (std::size_t b = 0; b < items_.size(); ++b) next_[b] = std::move(*draws_[b]).value_or_throw().token;
    return seconds;
  }

 private:
  CudaTransformer& t_;
  std::vector<std::unique_ptr<CudaSequence>> sequences_;
  Tokens next_;
  std::vector<std::optional<Result<ops::Draw>>> draws_;
  std::vector<DrawRequest> requests_;
  std::vector<CudaTransformer::Item> items_;
  SamplingParams params_;
  std::size_t n_ = 0;
};

std::unique_ptr<CudaSequence> read_some(CudaTransformer& t, const Shape& s, int n, std::size_t chunk, unsigned seed) {
  std::mt19937 rng(seed);
  Tokens tokens(chunk);
  auto sequence = t.new_sequence();
  while (sequence->size() < n) {
    const auto m = std::min<std::size_t>(chunk, std::size_t(n - sequence->size()));
    for (Token& token : tokens) token = int(rng() % unsigned(s.vocab));
    const CudaTransformer::Item item = {sequence.get(), std::span(tokens).first(m), 0, nullptr};
    t.forward({&item, 1});
  }
  return sequence;
}

// Each sequence with keys of its own where reading so many tokens takes less than a minute or so and there is room for them;
// otherwise forks of one, whose keys come from the cache more often than they would.
constexpr std::int64_t kReadMax = 600000;
struct AtDepth {
  Decoding decoding;
  bool own_keys;
};
AtDepth at_depth(CudaTransformer& t, const Shape& s, int batch, int depth) {
  bool own = std::int64_t{batch} * depth <= kReadMax;
  std::vector<std::unique_ptr<CudaSequence>> sequences;
  try {
    for (int i = 0; own && i < batch; ++i) sequences.push_back(read_some(t, s, depth, chunk_of(s), unsigned(7 + i)));
  } catch (const Exception& e) {
    if (e.code() != ErrorCode::kResourceExhausted) throw;
    own = false;
    sequences.clear();
  }
  if (sequences.empty()) sequences.push_back(read_some(t, s, depth, chunk_of(s), 7));
  while (int(sequences.size()) < batch) sequences.push_back(t.fork(*sequences[0]));
  return {{t, s, std::move(sequences)}, own};
}

// Most device memory that was taken since `start`.
class Peak {
 public:
  void look() { least_free_ = std::min(least_free_, device_side::free_device_bytes()); }
  double gigabytes() const { return double(start_ - least_free_) / 1e9; }

 private:
  std::size_t start_ = device_side::free_device_bytes(), least_free_ = start_;
};

// What stands where on a card of 80 GB with one session of 32k positions: computed, for any card that this runs on.
void placement(const model::Weights& w, const Shape& s, Report& report) {
  constexpr double kCard = 80e9, kOther = 1.5e9;  // buffers of a pass, cuBLAS, graphs, the driver's own
  constexpr int kPositions = 32768;
  const model::Linear table = embedding_of(w);
  const double page_row = 2.0 * s.kv_heads * s.head_dim * 2;  // bytes of a position of a layer
  PlacementNeeds needs;
  needs.free = std::size_t(kCard - kOther);
  needs.embedding = matrix_bytes(table, stays_q8(table));
  needs.dense = dense_bytes(w);
  needs.n_layers = s.layers;
  needs.layer_experts = expert_bytes(w.layers[0].gate_up) + expert_bytes(w.layers[0].down);
  // The windowed half keeps the window and a chunk, and as much again for a checkpoint.
  needs.kv_least = std::size_t(page_row * (0.5 * s.layers * kPositions + 0.5 * s.layers * 2 * (128 + 1024 + 64)));
  needs.kv_wanted = needs.kv_least;
  const auto plan = plan_placement(needs);
  const bool fits = plan && plan->host_weights == 0 && plan->kv_bytes >= needs.kv_least;
  report.line(
      std::string("{\"what\":\"placement\",\"model\":\"") + s.name + "\"" + number("card_gb", kCard / 1e9) + number("positions", kPositions) +
      number("weights_gb", plan ? double(plan->device_weights) / 1e9 : 0) + number("kv_gb", double(needs.kv_least) / 1e9) +
      number("other_gb", kOther / 1e9) + ",\"fits\":" + (fits ? "true" : "false") + "}"
  );
}

void decode(CudaTransformer& t, const Shape& s, int batch, int depth, int n_tokens, double bandwidth, const char* how, Report& report) {
  auto [decoding, own_keys] = at_depth(t, s, batch, depth);
  for (int i = 0; i < 3; ++i) decoding.step();
  const auto before = t.counts();
  std::vector<double> times;
  for (int i = 0; i < n_tokens; ++i) times.push_back(decoding.step());
  const auto after = t.counts();
  const double step = median(times);
  const double floor = step_bytes(s, batch, depth) / bandwidth;
  const double n = double(batch) * n_tokens;
  report.line(
      std::string("{\"what\":\"decode\",\"model\":\"") + s.name + "\",\"how\":\"" + how + "\"" + number("batch", batch) +
      number("depth", depth) + number("tok_s", batch / step) + number("step_ms", step * 1e3) + number("floor_ms", floor * 1e3) +
      number("of_limit", floor / step) + number("up_bytes_a_token", double(after.uploaded - before.uploaded) / n) +
      number("down_bytes_a_token", double(after.downloaded - before.downloaded) / n) + ",\"keys\":\"" +
      (own_keys ? "own" : "shared") + "\"}"
  );
}

void profile(CudaTransformer& t, const Shape& s, int depth, int n_tokens, double bandwidth, Report& report) {
  Decoding decoding = std::move(at_depth(t, s, 1, depth).decoding);
  decoding.step();
  t.start_profile();
  for (int i = 0; i < n_tokens; ++i) decoding.step();
  for (const OpTime& op : t.stop_profile()) {
    report.line(
        std::string("{\"what\":\"operation\",\"model\":\"") + s.name + "\",\"name\":\"" + op.name + "\"" +
        number("calls_a_token", double(op.calls) / n_tokens) + number("us_a_token", op.seconds * 1e6 / n_tokens) +
        number("floor_us_a_token", op.bytes / bandwidth * 1e6 / n_tokens) + "}"
    );
  }
}

// Requests that all come at once: their prompts in chunks, then all decode together.
void throughput(CudaTransformer& t, const Shape& s, int n_requests, int n_in, int n_out, Report& report) {
  const auto start = std::chrono::steady_clock::now();
  std::vector<std::unique_ptr<CudaSequence>> sequences;
  for (int i = 0; i < n_requests; ++i) sequences.push_back(read_some(t, s, n_in, chunk_of(s), unsigned(i)));
  const double read = seconds_since(start);
  Decoding decoding(t, s, std::move(sequences));
  for (int i = 0; i < n_out; ++i) decoding.step();
  const double all = seconds_since(start);
  report.line(
      std::string("{\"what\":\"throughput\",\"model\":\"") + s.name + "\"" + number("requests", n_requests) +
      number("tokens_in", n_in) + number("tokens_out", n_out) + number("output_tok_s", double(n_requests) * n_out / all) +
      number("prefill_tok_s", double(n_requests) * n_in / read) + "}"
  );
}

void prefill(CudaTransformer& t, const Shape& s, int length, std::size_t chunk, Report& report) {
  std::mt19937 rng(9);
  Tokens tokens(length);
  for (Token& token : tokens) token = int(rng() % unsigned(s.vocab));
  std::vector<double> times;
  for (int i = 0; i < 4; ++i) {
    const auto sequence = t.new_sequence();
    const auto start = std::chrono::steady_clock::now();
    for (std::size_t at = 0; at < tokens.size(); at += chunk) {
      const auto n = std::min(chunk, tokens.size() - at);
      const CudaTransformer::Item item = {sequence.get(), std::span(tokens).subspan(at, n), 0, nullptr};
      t.forward({&item, 1});
    }
    if (i > 0) times.push_back(seconds_since(start));
  }
  report.line(
      std::string("{\"what\":\"prefill\",\"model\":\"") + s.name + "\"" + number("tokens", length) +
      number("tok_s", length / median(times)) + "}"
  );
}

int run(int argc, char** argv) {
  Shape shape = k20b;
  std::string out;
  int n_tokens = 64;
  int n_requests = 256;
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string option = argv[i];
    const std::string value = argv[i + 1];
    if (option == "--model") shape = value == "120b" ? k120b : value == "small" ? kSmall : k20b;
    if (option == "--out") out = value;
    if (option == "--tokens") n_tokens = std::atoi(value.c_str());
    if (option == "--requests") n_requests = std::atoi(value.c_str());
  }
  Report report(out);
  // The small shape is for trying the program out, on the emulated device too.
  const std::size_t chunk = chunk_of(shape);
  const bool small = chunk < 512;
  const double bandwidth = cuda::copy_bandwidth(std::size_t{1} << (small ? 24 : 30));
  const RandomWeights weights(shape);
  placement(*weights.get(), shape, report);
  Peak peak;
  CudaOptions options{.n_context = small ? 512 : 40960, .n_sequences = small ? 4 : n_requests, .chunk_tokens = int(chunk)};
  const auto start = std::chrono::steady_clock::now();
  auto transformer = std::make_unique<CudaTransformer>(weights.get(), options);
  const double load = seconds_since(start);
  const auto memory = transformer->memory();
  report.line(
      std::string("{\"what\":\"load\",\"model\":\"") + shape.name + "\"" + number("seconds", load) +
      number("weights_gb", double(memory.weights) / 1e9) + number("gb_s", double(memory.weights) / 1e9 / load) +
      number("host_weights_gb", double(memory.host_weights) / 1e9) + number("kv_gb", double(memory.kv) / 1e9) +
      number("scratch_gb", double(memory.scratch) / 1e9) + number("copy_gb_s", bandwidth / 1e9) + ",\"where\":\"" +
      transformer->describe() + "\"}"
  );
  // The first position stands for depth 0: something must have been read.
  const std::vector<int> depths = small ? std::vector{1, 20} : std::vector{1, 1024, 8192, 32768};
  const std::vector<int> batches = small ? std::vector{1, 9} : std::vector{1, 8, 64, 256};
  const std::vector<int> lengths = small ? std::vector{40} : std::vector{512, 2048, 8192};
  for (const int batch : batches) {
    for (const int depth : depths) {
      decode(*transformer, shape, batch, depth, n_tokens, bandwidth, batch <= 8 ? "graph" : "graph, many tokens", report);
      peak.look();
    }
  }
  if (!small) {
    for (const int batch : {2, 4, 16}) decode(*transformer, shape, batch, depths[1], n_tokens, bandwidth, batch <= 8 ? "graph" : "graph, many tokens", report);
  }
  for (const int length : lengths) prefill(*transformer, shape, length, chunk, report);
  peak.look();
  profile(*transformer, shape, depths[1], small ? 1 : 16, bandwidth, report);
  const int n_in = small ? 10 : 1000;
  throughput(*transformer, shape, small ? 2 : n_requests, n_in, small ? 2 : 1000, report);
  peak.look();
  report.line(std::string("{\"what\":\"memory\",\"model\":\"") + shape.name + "\"" + number("peak_gb", peak.gigabytes()) + "}");
  // Launch by launch, and with graphs that do not overlap: what each of the two is worth.
  transformer.reset();
  for (const bool graphs : {false, true}) {
    options.graphs = graphs;
    options.overlap_launches = false;
    options.n_sequences = small ? 4 : 64;
    CudaTransformer other(weights.get(), options);
    decode(other, shape, 1, depths[1], n_tokens, bandwidth, graphs ? "graph without overlap" : "launches", report);
    if (!graphs && !small) decode(other, shape, 64, depths[1], n_tokens, bandwidth, "launches", report);
  }
  return 0;
}

}  // namespace
}  // namespace toccata::engine

int main(int argc, char** argv) {
  try {
    return toccata::engine::run(argc, argv);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "gpu_bench: %s\n", e.what());
    return 1;
  }
}
