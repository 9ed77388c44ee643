// Draws tokens from logits in device memory (device/sampling.cuh), several rows at once.
#pragma once

#include <algorithm>
#include <cmath>
#include <map>
#include <span>
#include <vector>

#include "core/cuda/device/sampling.cuh"
#include "core/cuda/op_timer.cuh"
#include "core/engine/cuda/common.cuh"
#include "core/engine/timeline.h"

namespace toccata::engine::device_side {

class DeviceSampler {
 public:
  static constexpr int kRowsMax = 64;

  DeviceSampler(int n_vocab, Stream& stream, OpTimer& ops)
      : n_vocab_(n_vocab), n_chunks_(ceil_div(n_vocab, kSampleChunk)), mask_words_(ceil_div(n_vocab, 32)), stream_(stream), ops_(ops) {
    allow_shared(&sample_scan_kernel, sample_scan_shared_bytes());
    allow_shared(&sample_mass_kernel, sample_mass_shared_bytes());
    allow_shared(&sample_pick_kernel, sample_pick_shared_bytes());
    const std::size_t rows = kRowsMax;
    const std::size_t upload = rows * (sizeof(SampleRow) + size(mask_words_) * 4 + 16) + kChangesMax * sizeof(LogitChange);
    host_in_ = Pinned<std::byte>(upload);
    in_ = Array<std::byte>(upload);
    results_ = Array<SampleResult>(rows);
    host_results_ = Pinned<SampleResult>(rows);
    const std::size_t chunks = rows * size(n_chunks_);
    floats_ = Array<float>(rows * size(n_vocab_) + 2 * chunks + rows * kSampleListMax);
    ints_ = Array<int>(chunks + rows * (kSampleBins + kSampleListMax + 3));
    masses_ = Array<Mass>(2 * chunks + rows * kSampleBins);
    zero_bytes(ints_.data(), ints_.bytes(), stream);
    std::vector<SampleState> states(rows);
    float* floats = floats_.data();
    int* ints = ints_.data();
    Mass* masses = masses_.data();
    const auto take = [](auto*& from, std::size_t n) { return std::exchange(from, from + n); };
    for (SampleState& state : states) {
      state.changed = take(floats, size(n_vocab_));
      state.best = take(floats, size(n_chunks_));
      state.best_changed = take(floats, size(n_chunks_));
      state.list_logits = take(floats, kSampleListMax);
      state.best_id = take(ints, size(n_chunks_));
      state.counts = take(ints, kSampleBins);
      state.list_ids = take(ints, kSampleListMax);
      state.listed = take(ints, 2);
      state.arrivals = take(ints, 1);
      state.raw_mass = take(masses, size(n_chunks_));
      state.mass = take(masses, size(n_chunks_));
      state.masses = take(masses, kSampleBins);
    }
    states_ = to_device<SampleState>(states, stream);
  }
  std::size_t bytes() const { return floats_.bytes() + ints_.bytes() + masses_.bytes() + in_.bytes(); }

  // Of one row: logits in device memory, where to keep them (or null), and what to draw with.
  struct Row {
    const float* logits = nullptr;
    float* keep = nullptr;
    const DrawRequest* request = nullptr;
  };
  // Whether the device can do what is asked for.
  bool can(const DrawRequest& request) const {
    const SamplingParams& p = *request.params;
    const std::size_t n_changes = p.logit_bias.size() + (p.repetition != 1 ? p.repeated.size() : 0);
    if (n_changes > kChangesMax / kRowsMax) return false;
    return p.n_top == 0 || (p.n_top <= kSampleTopMax && n_changes == 0);
  }

  // Starts the draws of rows that the device can do, at most kRowsMax; results() waits for them.
  void start(std::span<const Row> rows) {
    rows_.assign(rows.begin(), rows.end());
    std::size_t used = rows.size() * sizeof(SampleRow);
    bool lists = false;
    const auto put = [&](const void* from, std::size_t bytes) {
      std::memcpy(host_in_.data() + used, from, bytes);
      return in_.data() + std::exchange(used, (used + bytes + 15) / 16 * 16);
    };
    std::vector<SampleRow> table;
    for (const Row& row : rows) {
      const SamplingParams& p = *row.request->params;
      SampleRow& one = table.emplace_back();
      one.logits = row.logits;
      one.keep = row.keep;
      one.n_legal = std::min(row.request->n_legal, n_vocab_);
      if (row.request->mask) {
        TOCCATA_CHECK(row.request->mask->size() * 32 >= size(one.n_legal));
        const std::size_t words = std::min(row.request->mask->size(), size(mask_words_));
        one.mask = reinterpret_cast<const std::uint32_t*>(put(row.request->mask->data(), words * 4));
      }
      const std::vector<LogitChange> changes = changes_of(p);
      if (!changes.empty()) one.changes = reinterpret_cast<const LogitChange*>(put(changes.data(), changes.size() * sizeof(LogitChange)));
      one.n_changes = static_cast<int>(changes.size());
      one.repetition = p.repetition;
      one.temperature = p.temperature;
      one.top_p = p.top_p;
      one.min_p = p.min_p;
      one.typical_p = p.typical_p;
      one.top_k = std::max(0, p.top_k);
      one.n_top = p.n_top;
      one.uniform = ops::uniform(p.seed, row.request->counter);
      lists |= one.lists();
    }
    std::memcpy(host_in_.data(), table.data(), table.size() * sizeof(SampleRow));
    uploaded_ = used;
    copy_bytes(in_.data(), host_in_.data(), used, stream_);
    const SampleView view = {
        reinterpret_cast<const SampleRow*>(in_.data()), states_.data(), results_.data(), n_vocab_, n_chunks_};
    const auto scope = ops_.op(stream_, "sampling", 4.0 * n_vocab_ * static_cast<double>(rows.size()) * 4, 0);
    const int n = static_cast<int>(rows.size());
    const Grid all = grid(n_chunks_, n);
    launch(stream_, &sample_scan_kernel, all, grid(kSampleThreads), sample_scan_shared_bytes(), view);
    launch(stream_, &sample_mass_kernel, all, grid(kSampleThreads), sample_mass_shared_bytes(), view);
    if (lists) launch(stream_, &sample_gather_kernel, all, grid(kSampleThreads), 2 * kSampleThreads * sizeof(float), view);
    launch(stream_, &sample_pick_kernel, grid(n), grid(kSampleThreads), sample_pick_shared_bytes(), view);
    copy_bytes(host_results_.data(), results_.data(), rows.size() * sizeof(SampleResult), stream_);
  }
  // Waits. Row i's draw, or nullopt: it has no candidate, and the host says so.
  std::vector<std::optional<ops::Draw>> results() {
    stream_.wait();
    std::vector<std::optional<ops::Draw>> draws;
    for (std::size_t i = 0; i < rows_.size(); ++i) {
      const SampleResult& r = host_results_.data()[i];
      if (r.status != SampleStatus::kDone) {
        draws.emplace_back(std::nullopt);
        continue;
      }
      const double log_total = std::log(static_cast<double>(r.total) / kSampleUnit);
      const auto logprob = [&](float logit) { return static_cast<float>(static_cast<double>(logit) - r.best - log_total); };
      ops::Draw draw{r.token, logprob(r.logit)};
      for (int t = 0; t < r.n_top; ++t) draw.top.push_back({r.top[t], logprob(r.top_logits[t])});
      draws.emplace_back(std::move(draw));
    }
    return draws;
  }
  std::size_t uploaded() const { return uploaded_; }  // bytes, by the last start()
  std::size_t downloaded() const { return rows_.size() * sizeof(SampleResult); }

 private:
  static constexpr std::size_t kChangesMax = std::size_t{1} << 18;

  static std::vector<LogitChange> changes_of(const SamplingParams& p) {
    std::map<Token, LogitChange> of;
    if (p.repetition != 1) {
      for (const Token token : p.repeated) ++of[token].times;
    }
    for (const LogitBias& change : p.logit_bias) of[change.token].bias += change.bias;
    std::vector<LogitChange> all;
    for (auto& [token, change] : of) {
      change.token = token;
      all.push_back(change);
    }
    return all;
  }

  int n_vocab_, n_chunks_, mask_words_;
  Stream& stream_;
  OpTimer& ops_;
  Pinned<std::byte> host_in_;
  Array<std::byte> in_;
  Array<SampleResult> results_;
  Pinned<SampleResult> host_results_;
  Array<float> floats_;
  Array<int> ints_;
  Array<Mass> masses_;
  Array<SampleState> states_;
  std::vector<Row> rows_;
  std::size_t uploaded_ = 0;
};

}  // namespace toccata::engine::device_side
