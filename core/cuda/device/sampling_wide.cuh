// Draws from more candidates than are put in order: nearly flat logits, and locally typical sampling, whose order is another.
//
// Every cut keeps the first candidates of an order; what is asked for is always the candidate at which a sum along the order
// reaches a bound. That needs no sorting: sums over 2048 bins of the order name a bin, sums over the next eight bits of the
// order's key, of what stands in that bin, name a part of it, and so on until one candidate is left. A block does all of a row,
// so that nothing beside it can change a sum.
#pragma once

#include "core/cuda/device/sampling_row.cuh"

namespace toccata::cuda {

// Where a candidate stands: by how untypical it is (0 where that is not asked for), then by likelihood, then by id.
struct SampleKey {
  Mass odd = 0;     // bits of a double that is not negative: they grow with it
  Mass likely = 0;  // grows along the order of likelier(); the id in the low half
};
TOCCATA_DEVICE Mass likely_key(float logit, int id) {
  const std::uint32_t bits = as_bits(logit == 0 ? 0.0F : logit);
  const std::uint32_t rising = (bits & 0x80000000U) != 0 ? ~bits : bits | 0x80000000U;
  return static_cast<Mass>(~rising) << 32 | static_cast<std::uint32_t>(id);
}
TOCCATA_DEVICE bool up_to(const SampleKey& key, const SampleKey& border) {
  return key.odd != border.odd ? key.odd < border.odd : key.likely <= border.likely;
}

// Shared memory of a block.
struct WideShared {
  Mass* masses;   // [kSampleBins]
  int* counts;    // [kSampleBins]
  Mass* scratch;  // [kSampleThreads]
  Mass* found;    // [4]
};

// The bin of kBins at which the sums reach `wanted`: chosen[0] its number, chosen[1] what stands before it. Every thread.
template <int kBins>
TOCCATA_DEVICE void find_bin(Mass wanted, const WideShared& s) {
  constexpr int kOwn = kBins / kSampleThreads;
  const int me = static_cast<int>(threadIdx.x);
  Mass own = 0;
  for (int i = 0; i < kOwn; ++i) own += s.masses[me * kOwn + i];
  Mass total;
  Mass before = block_prefix(own, s.scratch, total);
  for (int i = 0; i < kOwn; ++i) {
    const Mass mass = s.masses[me * kOwn + i];
    if (before < wanted && before + mass >= wanted) {
      s.found[0] = static_cast<Mass>(me * kOwn + i);
      s.found[1] = before;
    }
    before += mass;
  }
  block_sync();
}

// The first candidate at which the sum of the weights, along the order of the keys, reaches wanted(sum of all), which is at
// least 1. In every thread.
//   key_of(token, key)   false: no candidate
//   bin_of(token, key)   0 .. kSampleBins - 1, never falling along the order
//   weight_of(token)     a whole number; together less than 2^64
template <class KeyOf, class BinOf, class WeightOf, class Wanted>
TOCCATA_DEVICE SampleKey select_candidate(
    int n_vocab, bool by_oddness, KeyOf key_of, BinOf bin_of, WeightOf weight_of, Wanted wanted_of, const WideShared& s
) {
  const int me = static_cast<int>(threadIdx.x);
  const auto clear = [&](int n) {
    block_sync();
    for (int b = me; b < n; b += kSampleThreads) {
      s.masses[b] = 0;
      s.counts[b] = 0;
    }
    block_sync();
  };
  clear(kSampleBins);
  Mass own = 0;
  for (int token = me; token < n_vocab; token += kSampleThreads) {
    SampleKey key;
    if (!key_of(token, key)) continue;
    const Mass weight = weight_of(token);
    const int bin = bin_of(token, key);
    atomic_add(s.masses + bin, weight);
    atomic_add(s.counts + bin, 1);
    own += weight;
  }
  Mass total;
  block_prefix(own, s.scratch, total);
  Mass wanted = wanted_of(total);
  wanted = wanted < 1 ? 1 : wanted > total ? total : wanted;
  find_bin<kSampleBins>(wanted, s);
  const int bin = static_cast<int>(s.found[0]);
  wanted -= s.found[1];
  int left = s.counts[bin];
  SampleKey prefix, mask;
  for (int digit = by_oddness ? 0 : 8; digit < 16 && left > 1; ++digit) {
    const int shift = 56 - 8 * (digit % 8);
    clear(256);
    for (int token = me; token < n_vocab; token += kSampleThreads) {
      SampleKey key;
      if (!key_of(token, key) || (key.odd & mask.odd) != prefix.odd || (key.likely & mask.likely) != prefix.likely) continue;
      if (bin_of(token, key) != bin) continue;
      const int value = static_cast<int>((digit < 8 ? key.odd : key.likely) >> shift & 255U);
      atomic_add(s.masses + value, weight_of(token));
      atomic_add(s.counts + value, 1);
    }
    block_sync();
    find_bin<256>(wanted, s);
    const Mass value = s.found[0];
    wanted -= s.found[1];
    left = s.counts[value];
    (digit < 8 ? prefix.odd : prefix.likely) |= value << shift;
    (digit < 8 ? mask.odd : mask.likely) |= Mass{255} << shift;
  }
  block_sync();
  for (int token = me; token < n_vocab; token += kSampleThreads) {
    SampleKey key;
    if (!key_of(token, key) || (key.odd & mask.odd) != prefix.odd || (key.likely & mask.likely) != prefix.likely) continue;
    if (bin_of(token, key) != bin) continue;
    s.found[2] = key.odd;  // by one thread: ids are part of the key
    s.found[3] = key.likely;
  }
  block_sync();
  SampleKey found;
  found.odd = s.found[2];
  found.likely = s.found[3];
  block_sync();
  return found;
}

// The sum of a value of each thread, added in an order of its own, in every thread.
TOCCATA_DEVICE double block_total(double value, Mass* scratch) {
  double* sums = reinterpret_cast<double*>(scratch);
  const int me = static_cast<int>(threadIdx.x);
  block_sync();
  sums[me] = value;
  for (int half = kSampleThreads / 2; half > 0; half /= 2) {
    block_sync();
    if (me < half) sums[me] += sums[me + half];
  }
  block_sync();
  const double total = sums[0];
  block_sync();
  return total;
}

// The token, in every thread. `changed` [n_vocab]: logits after changes, NaN where not allowed; `best` is the highest.
TOCCATA_DEVICE int wide_draw(const SampleRow& row, const float* changed, int n_vocab, float best, const WideShared& s) {
  const int me = static_cast<int>(threadIdx.x);
  const double heat = row.temperature;
  const auto exponent = [&](int token) { return (static_cast<double>(changed[token]) - best) / heat; };
  const auto mass = [&](int token) { return mass_of(exponent(token)); };
  const auto likely_bin = [&](int token, const SampleKey&) { return sample_bin(best, changed[token]); };
  SampleKey last;  // the last that is kept, by likelihood
  last.likely = ~Mass{0};
  const auto kept = [&](int token, SampleKey& key) {
    const float value = changed[token];
    if (value != value) return false;
    key.likely = likely_key(value, token);
    return up_to(key, last);
  };
  if (row.top_k > 0) {
    last = select_candidate(
        n_vocab, false, kept, likely_bin, [](int) { return Mass{1}; }, [&](Mass) { return static_cast<Mass>(row.top_k); }, s
    );
  }
  // The least whole number that is not below the wanted share of a sum.
  const auto share = [](float part, Mass total) {
    const double wanted = static_cast<double>(part) * static_cast<double>(total);
    return static_cast<Mass>(ceil(wanted));
  };
  if (row.top_p < 1) {
    last = select_candidate(n_vocab, false, kept, likely_bin, mass, [&](Mass total) { return share(row.top_p, total); }, s);
  }
  if (row.min_p > 0) {
    Mass border = 0;
    for (int token = me; token < n_vocab; token += kSampleThreads) {
      SampleKey key;
      if (!kept(token, key)) continue;
      // The likeliest stays in any case.
      const bool enough = changed[token] == best || exp(exponent(token)) >= static_cast<double>(row.min_p);
      if (enough && key.likely > border) border = key.likely;
    }
    block_sync();
    s.scratch[me] = border;
    for (int half = kSampleThreads / 2; half > 0; half /= 2) {
      block_sync();
      if (me < half && s.scratch[me + half] > s.scratch[me]) s.scratch[me] = s.scratch[me + half];
    }
    block_sync();
    last.likely = s.scratch[0];
    block_sync();
  }
  double middle = 0;  // the expected exponent; a candidate is as odd as it is far from there
  SampleKey odd_last;
  const auto oddness = [&](int token) { return fabs(middle - exponent(token)); };
  const auto kept_by_oddness = [&](int token, SampleKey& key) {
    if (!kept(token, key)) return false;
    key.odd = double_bits(oddness(token));
    return true;
  };
  if (row.typical()) {
    double own = 0;
    double own_exponents = 0;
    for (int token = me; token < n_vocab; token += kSampleThreads) {
      SampleKey key;
      if (!kept(token, key)) continue;
      const double x = exponent(token);
      const double p = exp(x);
      own += p;
      own_exponents += p * x;
    }
    const double sum = block_total(own, s.scratch);
    middle = block_total(own_exponents, s.scratch) / sum;
    odd_last = select_candidate(
        n_vocab, true, kept_by_oddness,
        [&](int token, const SampleKey&) {
          const double bin = oddness(token) * kSampleBinsAUnit;
          return bin < kSampleBins - 1 ? static_cast<int>(bin) : kSampleBins - 1;
        },
        mass, [&](Mass total) { return share(row.typical_p, total); }, s
    );
  }
  const SampleKey drawn = select_candidate(
      n_vocab, false,
      [&](int token, SampleKey& key) {
        if (!row.typical()) return kept(token, key);
        SampleKey odd;
        if (!kept_by_oddness(token, odd) || !up_to(odd, odd_last)) return false;
        key.likely = odd.likely;
        return true;
      },
      likely_bin, mass,
      [&](Mass total) { return static_cast<Mass>(row.uniform * static_cast<double>(total)) + 1; }, s
  );
  return static_cast<int>(drawn.likely & 0xFFFFFFFFU);
}

// The likeliest n tokens, best first, one after the other; how many there are.
TOCCATA_DEVICE int wide_top(int n, const float* changed, int n_vocab, float* values, int* ids, SampleResult& result) {
  float last = INFINITY;
  int last_id = -1;
  for (int found = 0; found < n; ++found) {
    float best = -INFINITY;
    int best_id = n_vocab;
    for (int token = static_cast<int>(threadIdx.x); token < n_vocab; token += kSampleThreads) {
      const float value = changed[token];
      if (value != value || !likelier(last, last_id, value, token)) continue;
      if (likelier(value, token, best, best_id)) {
        best = value;
        best_id = token;
      }
    }
    block_best(best, best_id, values, ids);
    if (best_id >= n_vocab) return found;
    if (threadIdx.x == 0) {
      result.top[found] = best_id;
      result.top_logits[found] = best;
    }
    last = best;
    last_id = best_id;
  }
  return n;
}

}  // namespace toccata::cuda
