// What it costs to read guessed tokens ahead, learnt from the passes of one session that decodes.
#pragma once

#include <algorithm>
#include <span>

namespace toccata::engine {

class GuessPrice {
 public:
  // Parts as PassBatcher has them. Passes of one session count, each with a weight of a fifth.
  template <class Part>
  void learn(std::span<const Part> parts, double seconds) {
    if (parts.size() != 1 || parts[0].n_logits != static_cast<int>(parts[0].tokens.size())) return;
    if (parts[0].n_logits == 1) {
      mix(one_, seconds);
    } else if (one_ > 0) {
      mix(price_, std::max(0.0, seconds - one_) / one_ / (parts[0].n_logits - 1));
    }
  }
  // Of a token more, in passes of one token; 0 until it is known.
  double price() const { return price_; }

 private:
  static void mix(double& known, double now) { known = known == 0 ? now : known + (now - known) / 5; }
  double one_ = 0, price_ = 0;  // seconds of a pass of one token; see price()
};

}  // namespace toccata::engine
