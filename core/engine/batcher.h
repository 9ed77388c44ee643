// The passes of a model on the CPU, and what they have been found to cost.
#pragma once

#include "core/engine/forward.h"
#include "core/engine/guess_price.h"
#include "core/engine/pass_batcher.h"

namespace toccata::engine {

class Batcher : public PassBatcher<Part> {
 public:
  // `model` must outlive this.
  explicit Batcher(const Model& model);

  using Counts = PassCounts;
  // Of the passes, from any thread.
  const ExpertLoad& expert_load() const { return activations_.load; }
  // How many tokens of a prompt one pass should read, so that a session can be stopped within a second or two: the more
  // the faster, up to Options::chunk_tokens.
  std::size_t prompt_chunk() const;
  // What a token more in a decoding pass costs, in passes of one token; 0 until it is known.
  double price() const;
  // What every operation took between the two calls, which are made while nobody asks for a pass.
  void start_profile() { activations_.clock.start(); }
  std::vector<OpTime> stop_profile() { return activations_.clock.stop(); }

 private:
  void learn(std::span<const Part> parts, std::chrono::steady_clock::duration took) override;
  void learn_pace(std::span<const Part> parts, double seconds);

  Activations activations_;
  GuessPrice price_;
  double pace_ = 0;             // seconds a token of a prompt takes; 0 until it is known
};

}  // namespace toccata::engine
