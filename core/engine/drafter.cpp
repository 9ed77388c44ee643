#include "core/engine/drafter.h"

#include <algorithm>

namespace toccata::engine {
namespace {

constexpr std::size_t kMatch = 3;           // tokens that must agree
constexpr std::size_t kReach = 1 << 16;     // how far back to look: 10 us
constexpr std::size_t kShortest = 2, kLongest = 16;
constexpr int kPauseMax = 32;

}  // namespace

std::span<const Token> Drafter::guess(std::span<const Token> tokens, std::size_t n_max) {
  if (tokens.size() <= kMatch || n_max == 0) return {};
  if (wait_ > 0) {
    --wait_;
    return {};
  }
  const std::size_t n = tokens.size();
  const Token a = tokens[n - 3], b = tokens[n - 2], c = tokens[n - 1];
  const std::size_t first = n > kReach ? n - kReach : kMatch - 1;
  for (std::size_t last = n - 2; last >= first; --last) {
    if (tokens[last] != c || tokens[last - 1] != b || tokens[last - 2] != a) continue;
    return tokens.subspan(last + 1, std::min({length_, n_max, n - 1 - last}));
  }
  return {};
}

void Drafter::judge(std::size_t n_guessed, std::size_t n_right) {
  if (n_right == n_guessed) length_ = std::min(2 * length_, kLongest);
  if (2 * n_right < n_guessed) length_ = std::max(length_ / 2, kShortest);
  pause_ = n_right > 0 ? 0 : std::min(2 * pause_ + 2, kPauseMax);
  wait_ = pause_;
}

}  // namespace toccata::engine
