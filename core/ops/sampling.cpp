#include "core/ops/sampling.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/base/error.h"

namespace toccata::ops {
namespace {

struct Philox {
  std::uint32_t x[4];
};

Philox philox(std::uint64_t seed, std::uint64_t counter) {
  Philox c = {
      {static_cast<std::uint32_t>(counter), static_cast<std::uint32_t>(counter >> 32), 0, 0}};
  auto k0 = static_cast<std::uint32_t>(seed);
  auto k1 = static_cast<std::uint32_t>(seed >> 32);
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t p0 = std::uint64_t{0xD2511F53} * c.x[0];
    const std::uint64_t p1 = std::uint64_t{0xCD9E8D57} * c.x[2];
    c = {{static_cast<std::uint32_t>(p1 >> 32) ^ c.x[1] ^ k0, static_cast<std::uint32_t>(p1),
          static_cast<std::uint32_t>(p0 >> 32) ^ c.x[3] ^ k1, static_cast<std::uint32_t>(p0)}};
    k0 += 0x9E3779B9;
    k1 += 0xBB67AE85;
  }
  return c;
}

bool allowed(const std::optional<std::span<const std::uint32_t>>& mask, std::size_t token) {
  return !mask || ((*mask)[token / 32] >> (token % 32) & 1U) != 0;
}

}  // namespace

double uniform(std::uint64_t seed, std::uint64_t counter) {
  const Philox bits = philox(seed, counter);
  const std::uint64_t wide = static_cast<std::uint64_t>(bits.x[1]) << 32 | bits.x[0];
  return static_cast<double>(wide >> 11) * 0x1p-53;
}

Sampler::Sampler(int n_vocab) {
  candidates_.reserve(static_cast<std::size_t>(n_vocab));
  probabilities_.reserve(static_cast<std::size_t>(n_vocab));
}

Draw Sampler::draw(
    std::span<const float> logits, const SamplingParams& params,
    std::optional<std::span<const std::uint32_t>> mask, int n_legal, std::uint64_t counter
) {
  candidates_.clear();
  const std::size_t n = std::min(logits.size(), static_cast<std::size_t>(n_legal));
  TOCCATA_CHECK(!mask || mask->size() * 32 >= n);
  for (std::size_t token = 0; token < n; ++token) {
    if (allowed(mask, token) && std::isfinite(logits[token])) {
      candidates_.push_back({logits[token], static_cast<Token>(token)});
    }
  }
  if (candidates_.empty()) {
    throw Exception(
        ErrorCode::kCorrupt, std::string("no token can be chosen: none ") + (mask ? "that is allowed " : "") +
                                 "has a finite logit; are the checkpoint's weights damaged?"
    );
  }

  const Candidate best = *std::min_element(candidates_.begin(), candidates_.end(), likelier);
  double total = 0;
  for (const Candidate& c : candidates_) total += std::exp(static_cast<double>(c.logit) - best.logit);
  const double log_total = std::log(total);
  const auto logprob = [&](Token token) {
    return static_cast<float>(static_cast<double>(logits[static_cast<std::size_t>(token)]) - best.logit - log_total);
  };
  Draw draw;
  if (params.n_top > 0) {
    std::vector<Candidate> top(std::min(candidates_.size(), static_cast<std::size_t>(params.n_top)));
    std::partial_sort_copy(candidates_.begin(), candidates_.end(), top.begin(), top.end(), likelier);
    for (const Candidate& c : top) draw.top.push_back({c.token, logprob(c.token)});
  }
  change_logits(params);
  draw.token = choose(params, counter);
  draw.logprob = logprob(draw.token);
  return draw;
}

// The candidates stand in the order of their ids.
void Sampler::change_logits(const SamplingParams& params) {
  const auto find = [&](Token token) -> Candidate* {
    const auto at = std::lower_bound(
        candidates_.begin(), candidates_.end(), token, [](const Candidate& c, Token t) { return c.token < t; }
    );
    return at != candidates_.end() && at->token == token ? &*at : nullptr;
  };
  if (params.repetition != 1) {
    for (const Token token : params.repeated) {
      if (Candidate* c = find(token)) c->logit = c->logit > 0 ? c->logit / params.repetition : c->logit * params.repetition;
    }
  }
  for (const LogitBias& change : params.logit_bias) {
    if (Candidate* c = find(change.token)) c->logit += change.bias;
  }
}

Token Sampler::choose(const SamplingParams& params, std::uint64_t counter) {
  const Candidate best = *std::min_element(candidates_.begin(), candidates_.end(), likelier);
  if (params.temperature <= 0) return best.token;

  std::size_t keep = candidates_.size();
  if (params.top_k > 0) keep = std::min(keep, static_cast<std::size_t>(params.top_k));
  if (keep < candidates_.size() || params.top_p < 1 || params.min_p > 0 || params.typical_p < 1) {
    std::partial_sort(
        candidates_.begin(), candidates_.begin() + static_cast<std::ptrdiff_t>(keep), candidates_.end(),
        likelier
    );
    candidates_.resize(keep);
  }
  probabilities_.clear();
  double sum = 0;
  for (const Candidate& c : candidates_) {
    probabilities_.push_back(std::exp((static_cast<double>(c.logit) - best.logit) / params.temperature));
    sum += probabilities_.back();
  }
  // Sorted from here on if anything is to be cut.
  if (params.top_p < 1) {
    double reached = 0;
    std::size_t cut = 0;
    while (cut < probabilities_.size() && reached < params.top_p * sum) reached += probabilities_[cut++];
    probabilities_.resize(std::max<std::size_t>(cut, 1));
  }
  if (params.min_p > 0) {
    const auto floor = params.min_p * probabilities_.front();
    while (probabilities_.size() > 1 && probabilities_.back() < floor) probabilities_.pop_back();
  }
  if (params.typical_p < 1) keep_typical(params.typical_p);
  sum = 0;
  for (const double p : probabilities_) sum += p;
  double at = uniform(params.seed, counter) * sum;
  std::size_t chosen = 0;
  while (chosen + 1 < probabilities_.size() && at >= probabilities_[chosen]) at -= probabilities_[chosen++];
  return candidates_[chosen].token;
}

// Of what the other cuts have left: probabilities_ of the first candidates, which are sorted.
void Sampler::keep_typical(float typical_p) {
  double sum = 0;
  for (const double p : probabilities_) sum += p;
  double expected = 0;
  for (const double p : probabilities_) {
    if (p > 0) expected -= p / sum * std::log(p / sum);
  }
  std::vector<std::size_t> order(probabilities_.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  const auto oddness = [&](std::size_t i) { return std::abs(-std::log(probabilities_[i] / sum) - expected); };
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return oddness(a) < oddness(b); });
  double reached = 0;
  std::size_t n = 0;
  while (n < order.size() && reached < typical_p * sum) reached += probabilities_[order[n++]];
  order.resize(std::max<std::size_t>(n, 1));
  std::sort(order.begin(), order.end());
  for (std::size_t i = 0; i < order.size(); ++i) {
    candidates_[i] = candidates_[order[i]];
    probabilities_[i] = probabilities_[order[i]];
  }
  probabilities_.resize(order.size());
}

}  // namespace toccata::ops
