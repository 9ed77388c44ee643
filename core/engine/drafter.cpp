#include "core/engine/drafter.h"

#include <algorithm>

namespace toccata::engine {
namespace {

constexpr std::size_t kMatch = 3;        // tokens that must agree
constexpr std::size_t kReach = 1 << 16;  // how far back to look: 10 us
constexpr std::size_t kShortest = 2, kLongest = 16;
constexpr int kProbe = 32;
constexpr double kNews = 0.3;  // weight of the last guess in the rate

}  // namespace

std::span<const Token> Drafter::guess(std::span<const Token> tokens, std::size_t n_max, double price) {
  if (tokens.size() <= kMatch || n_max == 0) return {};
  const std::size_t n = tokens.size();
  const Token a = tokens[n - 3], b = tokens[n - 2], c = tokens[n - 1];
  const std::size_t first = n > kReach ? n - kReach : kMatch - 1;
  for (std::size_t last = n - 2; last >= first; --last) {
    if (tokens[last] != c || tokens[last - 1] != b || tokens[last - 2] != a) continue;
    const bool pays = rate_ >= price;
    if (!pays && ++left_out_ % kProbe != 0) return {};
    return tokens.subspan(last + 1, std::min({pays ? length_ : kShortest, n_max, n - 1 - last}));
  }
  return {};
}

void Drafter::judge(std::size_t n_guessed, std::size_t n_right) {
  rate_ += kNews * (static_cast<double>(n_right) / static_cast<double>(n_guessed) - rate_);
  if (n_right == n_guessed) length_ = std::min(2 * length_, kLongest);
  if (2 * n_right < n_guessed) length_ = std::max(length_ / 2, kShortest);
}

}  // namespace toccata::engine
