#include "core/engine/batcher.h"

#include <algorithm>

namespace toccata::engine {
namespace {

using Clock = std::chrono::steady_clock;

// Tokens of prompts in a pass that also decodes: what others' next tokens are held up by.
constexpr std::size_t kPrefillBesideDecode = 16;
// A pass that reads a prompt cannot be stopped: it should not take much longer.
constexpr double kPromptPassSeconds = 1.5;
constexpr std::size_t kPromptChunkMin = 64;
// The part of a pass's time, and the most, that is spent waiting for sessions that are choosing their next token.
constexpr int kPatience = 8;
constexpr auto kPatienceMax = std::chrono::milliseconds(2);

}  // namespace

Batcher::Batcher(const Model& model)
    : model_(model), activations_(model.config(), model.options().chunk_tokens) {}

void Batcher::run(const Part& part) {
  Request request{part, false, nullptr};
  std::unique_lock lock(mutex_);
  waiting_.push_back(&request);
  changed_.notify_all();
  while (!request.done) {
    if (!led_) {
      lead(lock, request);
    } else {
      changed_.wait(lock, [&] { return request.done || !led_; });
    }
  }
  if (request.failure) std::rethrow_exception(request.failure);
}

Batcher::Counts Batcher::counts() const {
  const std::scoped_lock lock(mutex_);
  return counts_;
}

double Batcher::price() const {
  const std::scoped_lock lock(mutex_);
  return price_;
}

// From passes of one session that decodes, each with a weight of a fifth.
void Batcher::learn_price() {
  if (parts_.size() != 1 || parts_[0].n_logits != static_cast<int>(parts_[0].tokens.size())) return;
  const double seconds = std::chrono::duration<double>(last_pass_).count();
  const auto mix = [](double& known, double now) { known = known == 0 ? now : known + (now - known) / 5; };
  if (parts_[0].n_logits == 1) {
    mix(one_, seconds);
  } else if (one_ > 0) {
    mix(price_, std::max(0.0, seconds - one_) / one_ / (parts_[0].n_logits - 1));
  }
}

// From passes that read prompts only.
void Batcher::learn_pace() {
  std::size_t n = 0;
  for (const Part& part : parts_) {
    if (part.n_logits > 1) return;
    n += part.tokens.size();
  }
  if (n >= kPromptChunkMin / 2) pace_ = std::chrono::duration<double>(last_pass_).count() / static_cast<double>(n);
}

std::size_t Batcher::prompt_chunk() const {
  const auto most = static_cast<std::size_t>(activations_.n_max);
  const std::scoped_lock lock(mutex_);
  if (pace_ == 0) return std::min(kPromptChunkMin, most);
  const double n = std::min(static_cast<double>(most), kPromptPassSeconds / pace_);
  return std::clamp(static_cast<std::size_t>(n), std::min(kPromptChunkMin, most), most);
}

bool Batcher::alone() const {
  const std::scoped_lock lock(mutex_);
  return n_expected_ <= 1 && waiting_.empty();
}

// Makes passes until the own request is done; who waits still leads then.
void Batcher::lead(std::unique_lock<std::mutex>& lock, const Request& own) {
  led_ = true;
  while (!own.done) {
    await_others(lock);
    take();
    lock.unlock();
    const auto begin = Clock::now();
    std::exception_ptr failure;
    try {
      forward(model_, activations_, parts_);
    } catch (...) {
      failure = std::current_exception();
    }
    const auto took = Clock::now() - begin;
    lock.lock();
    last_pass_ = took;
    learn_price();
    learn_pace();
    settle(failure);
    changed_.notify_all();
  }
  led_ = false;
}

// Sessions that decoded in the last pass sample at this moment. Starting without them would make two half passes of one.
void Batcher::await_others(std::unique_lock<std::mutex>& lock) {
  if (n_expected_ <= waiting_.size()) return;
  const auto patience = std::min<Clock::duration>(last_pass_ / kPatience, kPatienceMax);
  changed_.wait_for(lock, patience, [&] { return waiting_.size() >= n_expected_; });
}

// Decoding first, in order of arrival; then as much of the prompts as there is room for.
void Batcher::take() {
  parts_.clear();
  taken_.clear();
  auto room = static_cast<std::size_t>(activations_.n_max);
  const auto add = [&](Request* request, std::size_t n) {
    Part part = request->part;
    const auto later = static_cast<int>(part.tokens.size() - n);
    part.tokens = part.tokens.first(n);
    part.n_logits = std::max(0, part.n_logits - later);
    parts_.push_back(part);
    taken_.push_back(request);
    room -= n;
  };
  const auto decodes = [](const Request& request) {  // one token, or one and a guess
    return request.part.n_logits == static_cast<int>(request.part.tokens.size());
  };
  for (Request* request : waiting_) {
    if (decodes(*request) && room > 0) add(request, std::min(request->part.tokens.size(), room));
  }
  if (!taken_.empty()) room = std::min(room, kPrefillBesideDecode);
  for (Request* request : waiting_) {
    const std::size_t n = request->part.tokens.size();
    if (!decodes(*request) && room > 0) add(request, std::min(n, room));
  }
}

void Batcher::settle(std::exception_ptr failure) {
  ++counts_.passes;
  if (parts_.size() > 1) ++counts_.shared_passes;
  n_expected_ = taken_.size();
  for (std::size_t i = 0; i < taken_.size(); ++i) {
    Request& request = *taken_[i];
    const std::size_t n = parts_[i].tokens.size();
    counts_.tokens += static_cast<std::int64_t>(n);
    request.part.tokens = request.part.tokens.subspan(n);
    request.part.n_logits -= parts_[i].n_logits;
    request.part.logits += static_cast<std::size_t>(parts_[i].n_logits) * static_cast<std::size_t>(model_.config().n_vocab);
    request.failure = failure;
    request.done = failure != nullptr || request.part.tokens.empty();
    if (request.done) waiting_.remove(&request);
  }
  taken_.clear();
}

}  // namespace toccata::engine
