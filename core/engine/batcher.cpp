#include "core/engine/batcher.h"

#include <algorithm>

namespace toccata::engine {
namespace {

constexpr std::size_t kPrefillBesideDecode = 16;
// A pass that reads a prompt cannot be stopped: it should not take much longer.
constexpr double kPromptPassSeconds = 1.5;
constexpr std::size_t kPromptChunkMin = 64;

}  // namespace

Batcher::Batcher(const Model& model)
    : PassBatcher(
          {static_cast<std::size_t>(model.options().chunk_tokens), kPrefillBesideDecode},
          [this, &model](std::span<const Part> parts, std::span<std::exception_ptr>) { forward(model, activations_, parts); }
      ),
      activations_(model.config(), model.options().chunk_tokens) {}

double Batcher::price() const {
  const std::scoped_lock lock(mutex_);
  return price_.price();
}

void Batcher::learn(std::span<const Part> parts, std::chrono::steady_clock::duration took) {
  const double seconds = std::chrono::duration<double>(took).count();
  price_.learn(parts, seconds);
  learn_pace(parts, seconds);
}

// From passes that read prompts only.
void Batcher::learn_pace(std::span<const Part> parts, double seconds) {
  std::size_t n = 0;
  for (const Part& part : parts) {
    if (part.n_logits > 1) return;
    n += part.tokens.size();
  }
  if (n >= kPromptChunkMin / 2) pace_ = seconds / static_cast<double>(n);
}

std::size_t Batcher::prompt_chunk() const {
  const std::size_t most = pass_max();
  const std::scoped_lock lock(mutex_);
  if (pace_ == 0) return std::min(kPromptChunkMin, most);
  const double n = std::min(static_cast<double>(most), kPromptPassSeconds / pace_);
  return std::clamp(static_cast<std::size_t>(n), std::min(kPromptChunkMin, most), most);
}

}  // namespace toccata::engine
