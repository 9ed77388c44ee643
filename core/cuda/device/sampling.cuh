// The next token, chosen where the logits are: what comes back is a token, not 200,000 numbers. The same cuts in the same
// order as ops::Sampler, with the same uniform number.
//
// Probabilities are summed as integers of 2^-45, so that no order of blocks or of atomic additions changes a sum: a
// sequence draws the same token whatever runs beside it. Against the CPU's sums in double the borders between tokens move
// by about 1e-11 of the whole.
#pragma once

#include "core/cuda/device/sampling_row.cuh"
#include "core/cuda/device/sampling_wide.cuh"

namespace toccata::cuda {

// Mask and changes.   grid: (n_chunks, n rows); block: kSampleThreads; shared: sample_scan_shared_bytes()
inline std::size_t sample_scan_shared_bytes() { return (kSampleChunk + 2 * kSampleThreads) * sizeof(float); }
TOCCATA_KERNEL void __launch_bounds__(kSampleThreads) sample_scan_kernel(SampleView view) {
  TOCCATA_SHARED(float, tile);
  float* values = tile + kSampleChunk;
  int* ids = reinterpret_cast<int*>(values + kSampleThreads);
  await_earlier_launches();
  const SampleRow row = view.rows[blockIdx.y];
  const SampleState state = view.states[blockIdx.y];
  const int me = static_cast<int>(threadIdx.x);
  const int first = static_cast<int>(blockIdx.x) * kSampleChunk;
  float best = -INFINITY;
  int best_id = view.n_vocab;
  for (int i = me; i < kSampleChunk; i += kSampleThreads) {
    const int token = first + i;
    float value = NAN;
    if (token < view.n_vocab) {
      const float logit = row.logits[token];
      if (row.keep != nullptr) row.keep[token] = logit;
      const bool allowed = token < row.n_legal && (row.mask == nullptr || (row.mask[token / 32] >> (token % 32) & 1U) != 0);
      if (allowed && fabsf(logit) <= 3.4028235e38F) {
        value = logit;
        if (likelier(logit, token, best, best_id)) {
          best = logit;
          best_id = token;
        }
      }
    }
    tile[i] = value;
  }
  block_best(best, best_id, values, ids);
  if (me == 0) state.best[blockIdx.x] = best;
  for (int c = me; c < row.n_changes; c += kSampleThreads) {
    const LogitChange change = row.changes[c];
    const int i = change.token - first;
    if (i < 0 || i >= kSampleChunk || tile[i] != tile[i]) continue;
    for (int t = 0; t < change.times; ++t) tile[i] = tile[i] > 0 ? tile[i] / row.repetition : tile[i] * row.repetition;
    tile[i] += change.bias;
  }
  block_sync();
  best = -INFINITY;
  best_id = view.n_vocab;
  for (int i = me; i < kSampleChunk; i += kSampleThreads) {
    const int token = first + i;
    if (token >= view.n_vocab) break;
    state.changed[token] = tile[i];
    if (tile[i] == tile[i] && likelier(tile[i], token, best, best_id)) {
      best = tile[i];
      best_id = token;
    }
  }
  block_best(best, best_id, values, ids);
  if (me == 0) {
    state.best_changed[blockIdx.x] = best;
    state.best_id[blockIdx.x] = best_id;
  }
  if (row.lists() && blockIdx.x == 0) {
    for (int b = me; b < kSampleBins; b += kSampleThreads) {
      state.counts[b] = 0;
      state.masses[b] = 0;
    }
    if (me == 0) state.listed[1] = 0;
  }
}

// Sums of probabilities, and where the list of the likeliest ends.   grid, block as above; shared: sample_mass_shared_bytes()
inline std::size_t sample_mass_shared_bytes() {
  return kSampleBins * (sizeof(Mass) + sizeof(int)) + kSampleThreads * (sizeof(Mass) + 2 * sizeof(int)) + 2 * sizeof(int);
}
TOCCATA_KERNEL void __launch_bounds__(kSampleThreads) sample_mass_kernel(SampleView view) {
  TOCCATA_SHARED(Mass, masses);                                        // [kSampleBins]
  Mass* scratch = masses + kSampleBins;                                // [kSampleThreads]
  int* counts = reinterpret_cast<int*>(scratch + kSampleThreads);      // [kSampleBins]
  float* values = reinterpret_cast<float*>(counts + kSampleBins);      // [kSampleThreads]
  int* ids = reinterpret_cast<int*>(values + kSampleThreads);          // [kSampleThreads]
  int* flags = ids + kSampleThreads;                                   // [2]
  await_earlier_launches();
  const SampleRow row = view.rows[blockIdx.y];
  const SampleState state = view.states[blockIdx.y];
  const int me = static_cast<int>(threadIdx.x);
  const int first = static_cast<int>(blockIdx.x) * kSampleChunk;
  float raw_best;
  float best;
  int best_id;
  best_of_chunks(state, view.n_chunks, values, ids, raw_best, best, best_id);
  const bool lists = row.lists();
  if (lists) {
    for (int b = me; b < kSampleBins; b += kSampleThreads) {
      masses[b] = 0;
      counts[b] = 0;
    }
    block_sync();
  }
  Mass raw_sum = 0;
  Mass sum = 0;
  const double heat = row.temperature > 0 ? row.temperature : 1.0;
  for (int i = me; i < kSampleChunk; i += kSampleThreads) {
    const int token = first + i;
    if (token >= view.n_vocab) break;
    const float value = state.changed[token];
    if (value != value) continue;
    raw_sum += mass_of(static_cast<double>(row.logits[token]) - raw_best);
    const Mass mass = mass_of((static_cast<double>(value) - best) / heat);
    sum += mass;
    if (lists) {
      const int bin = sample_bin(best, value);
      atomic_add(counts + bin, 1);
      atomic_add(masses + bin, mass);
    }
  }
  Mass raw_total;
  Mass total;
  block_prefix(raw_sum, scratch, raw_total);
  block_prefix(sum, scratch, total);
  if (me == 0) {
    state.raw_mass[blockIdx.x] = raw_total;
    state.mass[blockIdx.x] = total;
  }
  if (!lists) return;
  for (int b = me; b < kSampleBins; b += kSampleThreads) {
    if (counts[b] == 0) continue;
    atomic_add(state.counts + b, counts[b]);
    atomic_add(state.masses + b, masses[b]);
  }
  memory_fence();
  block_sync();
  if (me == 0) flags[0] = atomic_add(state.arrivals, 1) + 1 == static_cast<int>(gridDim.x);
  block_sync();
  if (flags[0] == 0) return;
  memory_fence();
  // The last block: the first bin up to which every candidate is needed that a cut may keep.
  constexpr int kOwn = kSampleBins / kSampleThreads;
  Mass own_mass = 0;
  Mass own_count = 0;
  for (int i = 0; i < kOwn; ++i) {
    masses[me * kOwn + i] = load_from_others(state.masses + me * kOwn + i);
    counts[me * kOwn + i] = load_from_others(state.counts + me * kOwn + i);
    own_mass += masses[me * kOwn + i];
    own_count += static_cast<Mass>(counts[me * kOwn + i]);
  }
  Mass n_all;
  Mass mass_all;
  Mass count_here = block_prefix(own_count, scratch, n_all);
  Mass mass_here = block_prefix(own_mass, scratch, mass_all);
  if (me == 0) flags[1] = row.cuts_by_list() ? kSampleBins - 1 : -1;
  block_sync();
  const double wanted_mass = static_cast<double>(row.top_p) * static_cast<double>(mass_all);
  const Mass wanted_count = row.top_k > 0 && static_cast<Mass>(row.top_k) < n_all ? static_cast<Mass>(row.top_k) : n_all;
  int last = kSampleBins;  // for the cuts: the first bin with enough, by one of them
  int top = -1;            // for n_top: the same
  for (int i = 0; i < kOwn; ++i) {
    const int b = me * kOwn + i;
    const Mass before = count_here;
    const Mass mass_before = mass_here;
    count_here += static_cast<Mass>(counts[b]);
    mass_here += masses[b];
    if (before < wanted_count && count_here >= wanted_count && b < last) last = b;
    // With top_k, top_p is of the sum over the k: known only when they are in order.
    const bool by_mass = row.top_k == 0 && row.top_p < 1;
    if (by_mass && static_cast<double>(mass_before) < wanted_mass && static_cast<double>(mass_here) >= wanted_mass && b < last) last = b;
    const Mass n_top = static_cast<Mass>(row.n_top) < n_all ? static_cast<Mass>(row.n_top) : n_all;
    if (row.n_top > 0 && before < n_top && count_here >= n_top) top = b;
  }
  if (row.cuts_by_list() && row.min_p > 0 && (row.top_k == 0 || row.top_p >= 1)) {
    // One bin more than the border's: it is compared exactly later.
    const double border = -heat * log(static_cast<double>(row.min_p)) * kSampleBinsAUnit + 1;
    if (border < last) last = static_cast<int>(border);
  }
  // Least `last` and `top` over the threads, through shared memory.
  ids[me] = row.cuts_by_list() ? last : -1;
  block_sync();
  if (me == 0) {
    int least = row.cuts_by_list() ? kSampleBins - 1 : -1;
    for (int t = 0; t < kSampleThreads; ++t) least = ids[t] >= 0 && ids[t] < least ? ids[t] : least;
    flags[1] = least;
  }
  block_sync();
  if (top >= 0) ids[0] = top;
  if (me == 0 && row.n_top == 0) ids[0] = -1;
  block_sync();
  if (me == 0) {
    const int end = flags[1] > ids[0] ? flags[1] : ids[0];
    int n = 0;
    for (int b = 0; b <= end; ++b) n += counts[b];
    state.listed[0] = n <= kSampleListMax ? end : -1;
    *state.arrivals = 0;
  }
}

// Candidates up to the last bin of the list.   grid, block as above; shared: 2 words a thread
TOCCATA_KERNEL void __launch_bounds__(kSampleThreads) sample_gather_kernel(SampleView view) {
  TOCCATA_SHARED(float, values);
  int* ids = reinterpret_cast<int*>(values + kSampleThreads);
  await_earlier_launches();
  const SampleRow row = view.rows[blockIdx.y];
  const SampleState state = view.states[blockIdx.y];
  if (!row.lists() || state.listed[0] < 0) return;
  float raw;
  float best;
  int best_id;
  best_of_chunks(state, view.n_chunks, values, ids, raw, best, best_id);
  const int first = static_cast<int>(blockIdx.x) * kSampleChunk;
  for (int i = static_cast<int>(threadIdx.x); i < kSampleChunk; i += kSampleThreads) {
    const int token = first + i;
    if (token >= view.n_vocab) break;
    const float value = state.changed[token];
    if (value != value || sample_bin(best, value) > state.listed[0]) continue;
    const int at = atomic_add(state.listed + 1, 1);
    state.list_logits[at] = value;
    state.list_ids[at] = token;
  }
}

// The token.   grid: (n rows); block: kSampleThreads; shared: sample_pick_shared_bytes()
inline std::size_t sample_pick_shared_bytes() {
  return kSampleListMax * (sizeof(Mass) + 2 * sizeof(float)) + kSampleThreads * (sizeof(Mass) + 2 * sizeof(int)) + 4 * sizeof(Mass);
}
TOCCATA_KERNEL void __launch_bounds__(kSampleThreads) sample_pick_kernel(SampleView view) {
  TOCCATA_SHARED(Mass, until);                                            // [kSampleListMax]
  Mass* scratch = until + kSampleListMax;                                 // [kSampleThreads]
  Mass* found = scratch + kSampleThreads;                                 // [4]
  float* logits = reinterpret_cast<float*>(found + 4);                    // [kSampleListMax]
  int* tokens = reinterpret_cast<int*>(logits + kSampleListMax);          // [kSampleListMax]
  float* values = reinterpret_cast<float*>(tokens + kSampleListMax);      // [kSampleThreads]
  int* ids = reinterpret_cast<int*>(values + kSampleThreads);             // [kSampleThreads]
  await_earlier_launches();
  const SampleRow row = view.rows[blockIdx.x];
  const SampleState state = view.states[blockIdx.x];
  SampleResult& result = view.results[blockIdx.x];
  const int me = static_cast<int>(threadIdx.x);
  float raw_best;
  float best;
  int best_id;
  best_of_chunks(state, view.n_chunks, values, ids, raw_best, best, best_id);
  if (best_id >= view.n_vocab) {
    if (me == 0) result.status = SampleStatus::kToHost;
    return;
  }
  const bool lists = row.lists() && state.listed[0] >= 0;
  Mass own_raw = 0;
  Mass own = 0;
  for (int c = me; c < view.n_chunks; c += kSampleThreads) own_raw += state.raw_mass[c];
  for (int c = me; c < view.n_chunks; c += kSampleThreads) own += state.mass[c];
  Mass raw_total;
  Mass total;
  block_prefix(own_raw, scratch, raw_total);
  block_prefix(own, scratch, total);
  const double heat = row.temperature > 0 ? row.temperature : 1.0;

  if (lists) {
    const int n = state.listed[1];
    int width = 1;
    while (width < n) width *= 2;
    for (int i = me; i < width; i += kSampleThreads) {
      logits[i] = i < n ? state.list_logits[i] : -INFINITY;
      tokens[i] = i < n ? state.list_ids[i] : 0x7FFFFFFF;
    }
    // Bitonic sort, likeliest first.
    for (int run = 2; run <= width; run *= 2) {
      for (int step = run / 2; step > 0; step /= 2) {
        block_sync();
        for (int i = me; i < width; i += kSampleThreads) {
          const int j = i ^ step;
          if (j <= i) continue;
          const bool in_order = likelier(logits[i], tokens[i], logits[j], tokens[j]);
          if (in_order != ((i & run) == 0)) {
            const float value = logits[i];
            const int token = tokens[i];
            logits[i] = logits[j];
            tokens[i] = tokens[j];
            logits[j] = value;
            tokens[j] = token;
          }
        }
      }
    }
    block_sync();
    const int n_top = row.n_top < n ? row.n_top : n;
    for (int i = me; i < n_top; i += kSampleThreads) {
      result.top[i] = tokens[i];
      result.top_logits[i] = logits[i];
    }
    if (me == 0) result.n_top = n_top;
    if (row.cuts_by_list()) {
      // until[i]: mass of the first i + 1.
      constexpr int kOwn = kSampleListMax / kSampleThreads;
      const int kept = row.top_k > 0 && row.top_k < n ? row.top_k : n;
      Mass here = 0;
      for (int i = me * kOwn; i < (me + 1) * kOwn && i < kept; ++i) {
        here += mass_of((static_cast<double>(logits[i]) - best) / heat);
        until[i] = here;
      }
      Mass listed;
      const Mass before = block_prefix(here, scratch, listed);
      for (int i = me * kOwn; i < (me + 1) * kOwn && i < kept; ++i) until[i] += before;
      block_sync();
      if (me == 0) {
        int end = kept;
        if (row.top_p < 1) {
          const double wanted = static_cast<double>(row.top_p) * static_cast<double>(row.top_k > 0 ? listed : total);
          int low = 0;  // the first entry at which enough is reached
          int high = kept - 1;
          while (low < high) {
            const int middle = (low + high) / 2;
            if (static_cast<double>(until[middle]) < wanted) {
              low = middle + 1;
            } else {
              high = middle;
            }
          }
          end = low + 1;
        }
        if (row.min_p > 0) {
          while (end > 1 && exp((static_cast<double>(logits[end - 1]) - best) / heat) < static_cast<double>(row.min_p)) --end;
        }
        const double target = row.uniform * static_cast<double>(until[end - 1]);
        int low = 0;
        int high = end - 1;
        while (low < high) {
          const int middle = (low + high) / 2;
          if (static_cast<double>(until[middle]) > target) {
            high = middle;
          } else {
            low = middle + 1;
          }
        }
        result.token = tokens[low];
      }
    }
  }
  const WideShared wide = {until, reinterpret_cast<int*>(logits), scratch, found};
  if (!lists) {
    const int n_top = wide_top(row.n_top, state.changed, view.n_vocab, values, ids, result);
    if (me == 0) result.n_top = n_top;
  }
  if (row.temperature <= 0) {
    if (me == 0) result.token = best_id;
  } else if (row.cuts() && (!lists || row.typical())) {
    const int token = wide_draw(row, state.changed, view.n_vocab, best, wide);
    if (me == 0) result.token = token;
  } else if (!row.cuts()) {
    // In the order of ids: the chunk, then the token.
    if (me == 0) {
      Mass target = static_cast<Mass>(row.uniform * static_cast<double>(total));
      if (target >= total) target = total - 1;
      int chunk = 0;
      while (chunk + 1 < view.n_chunks && target >= state.mass[chunk]) target -= state.mass[chunk++];
      found[0] = static_cast<Mass>(chunk);
      found[1] = target;
    }
    block_sync();
    const int first = static_cast<int>(found[0]) * kSampleChunk + me * kSampleOwn;
    const Mass target = found[1];
    Mass here = 0;
    const auto mass_at = [&](int token) {
      if (token >= view.n_vocab) return Mass{0};
      const float value = state.changed[token];
      return value == value ? mass_of((static_cast<double>(value) - best) / heat) : Mass{0};
    };
    for (int i = 0; i < kSampleOwn; ++i) here += mass_at(first + i);
    Mass in_chunk;
    Mass before = block_prefix(here, scratch, in_chunk);
    if (target >= before && target < before + here) {
      for (int i = 0; i < kSampleOwn; ++i) {
        const Mass mass = mass_at(first + i);
        if (target < before + mass) {
          result.token = first + i;
          break;
        }
        before += mass;
      }
    }
  }
  block_sync();
  if (me != 0) return;
  result.status = SampleStatus::kDone;
  result.logit = row.logits[result.token];
  result.best = raw_best;
  result.total = raw_total;
}

}  // namespace toccata::cuda
