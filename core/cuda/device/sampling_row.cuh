// What a draw on the device works with: rows, the state between the launches, and what a block's threads find out together.
// See sampling.cuh.
#pragma once

#include "core/cuda/platform.cuh"

namespace toccata::cuda {

inline constexpr int kSampleThreads = 256;
inline constexpr int kSampleChunk = 2048;  // tokens a block
inline constexpr int kSampleOwn = kSampleChunk / kSampleThreads;
// Candidates stand in bins by how far their logit is below the best: bins_a_unit bins for 1, the last bin open.
inline constexpr int kSampleBins = 2048;
inline constexpr float kSampleBinsAUnit = 64;
inline constexpr int kSampleListMax = 2048;  // candidates that are put in order; among more the token is found without (sampling_wide.cuh)
inline constexpr int kSampleTopMax = 20;
inline constexpr double kSampleUnit = 35184372088832.0;  // 2^45

using Mass = unsigned long long;
TOCCATA_DEVICE Mass mass_of(double exponent) { return static_cast<Mass>(exp(exponent) * kSampleUnit + 0.5); }

// A token whose logit is changed: `times` times by the penalty of repetition, then by `bias`.
struct LogitChange {
  int token = 0;
  int times = 0;
  float bias = 0;
};

// What one row is to be sampled with. Pointers to device memory.
struct SampleRow {
  const float* logits = nullptr;        // [n_vocab]
  float* keep = nullptr;                // where they are copied to, or null
  const std::uint32_t* mask = nullptr;  // a bit a token; null: all
  const LogitChange* changes = nullptr;
  int n_changes = 0;
  int n_legal = 0;  // ids at or above it are never chosen
  float repetition = 1;
  float temperature = 1;  // <= 0: greedy
  float top_p = 1;
  float min_p = 0;
  float typical_p = 1;
  int top_k = 0;
  int n_top = 0;
  double uniform = 0;
  // Whether tokens are drawn in order of probability; whether that takes the list of the likeliest alone; whether it is made.
  TOCCATA_BOTH bool typical() const { return temperature > 0 && typical_p < 1; }
  TOCCATA_BOTH bool cuts() const { return temperature > 0 && (top_k > 0 || top_p < 1 || min_p > 0 || typical_p < 1); }
  TOCCATA_BOTH bool cuts_by_list() const { return cuts() && !typical(); }
  TOCCATA_BOTH bool lists() const { return cuts_by_list() || n_top > 0; }
};

enum class SampleStatus : int { kDone = 0, kToHost = 1 };  // kToHost: there is no candidate, which the host puts in words
struct SampleResult {
  SampleStatus status = SampleStatus::kDone;
  int token = 0;
  float logit = 0;           // of the token, as the model gave it
  float best = 0;            // the highest of the allowed
  Mass total = 0;            // sum over the allowed of exp(logit - best)
  int n_top = 0;
  int top[kSampleTopMax] = {};
  float top_logits[kSampleTopMax] = {};
};

// Between the launches: one for each row.
struct SampleState {
  float* changed = nullptr;   // [n_vocab] logits after changes; NaN: not allowed
  float* best = nullptr;      // [n_chunks] highest logit of a chunk, as the model gave it; -inf: no candidate
  float* best_changed = nullptr;
  int* best_id = nullptr;     // who has best_changed; the lower id when equal
  Mass* raw_mass = nullptr;   // [n_chunks]
  Mass* mass = nullptr;       // [n_chunks]
  int* counts = nullptr;      // [kSampleBins]
  Mass* masses = nullptr;     // [kSampleBins]
  int* listed = nullptr;      // [2] last bin of the list (-1: it would be too long), entries so far
  float* list_logits = nullptr;  // [kSampleListMax]
  int* list_ids = nullptr;       // [kSampleListMax]
  int* arrivals = nullptr;       // [1] zero before and after
};
struct SampleView {
  const SampleRow* rows = nullptr;      // [n]
  const SampleState* states = nullptr;  // [n]
  SampleResult* results = nullptr;      // [n]
  int n_vocab = 0, n_chunks = 0;
};

TOCCATA_DEVICE bool likelier(float a, int a_id, float b, int b_id) { return a > b || (a == b && a_id < b_id); }
TOCCATA_DEVICE int sample_bin(float best, float logit) {
  const float bin = (best - logit) * kSampleBinsAUnit;
  return bin < static_cast<float>(kSampleBins - 1) ? static_cast<int>(bin) : kSampleBins - 1;
}

// The highest of the values of a block's threads, with its id, in every thread. scratch: two words a thread.
TOCCATA_DEVICE void block_best(float& value, int& id, float* values, int* ids) {
  const int me = static_cast<int>(threadIdx.x);
  block_sync();
  values[me] = value;
  ids[me] = id;
  for (int half = kSampleThreads / 2; half > 0; half /= 2) {
    block_sync();
    if (me < half && likelier(values[me + half], ids[me + half], values[me], ids[me])) {
      values[me] = values[me + half];
      ids[me] = ids[me + half];
    }
  }
  block_sync();
  value = values[0];
  id = ids[0];
}
// Sum over the threads before this one; `total` over all. scratch: a Mass a thread.
TOCCATA_DEVICE Mass block_prefix(Mass value, Mass* scratch, Mass& total) {
  const int me = static_cast<int>(threadIdx.x);
  block_sync();
  scratch[me] = value;
  for (int step = 1; step < kSampleThreads; step *= 2) {
    block_sync();
    const Mass before = me >= step ? scratch[me - step] : 0;
    block_sync();
    scratch[me] += before;
  }
  block_sync();
  total = scratch[kSampleThreads - 1];
  return scratch[me] - value;
}

// The best of all chunks, in every thread: as the model gave it, and after the changes.
TOCCATA_DEVICE void best_of_chunks(const SampleState& state, int n_chunks, float* values, int* ids, float& raw, float& changed, int& id) {
  raw = changed = -INFINITY;
  id = 0x7FFFFFFF;
  int nobody = 0;
  for (int c = static_cast<int>(threadIdx.x); c < n_chunks; c += kSampleThreads) {
    raw = fmaxf(raw, state.best[c]);
    if (likelier(state.best_changed[c], state.best_id[c], changed, id)) {
      changed = state.best_changed[c];
      id = state.best_id[c];
    }
  }
  block_best(raw, nobody, values, ids);
  block_best(changed, id, values, ids);
}

}  // namespace toccata::cuda
