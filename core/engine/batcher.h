// Forward passes that sessions on different threads ask for at the same time, made together: a weight is read from memory
// once for all of them (continuous batching). Nobody waits for a batch to fill for longer than a fraction of a pass, and
// a session that is alone never waits.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <list>
#include <mutex>
#include <vector>

#include "core/engine/forward.h"

namespace toccata::engine {

// On the CPU; one a model, any thread. Whoever finds no pass on its way makes the next one, for everybody who waits.
class Batcher {
 public:
  // `model` must outlive this.
  explicit Batcher(const Model& model);

  // Runs the part, alone or among others, and returns when it is done. A pass takes as much of a prompt as it has room
  // for, and little when it also decodes: prompts never hold up others' next tokens for long. Throws what the pass threw;
  // a beginning of the tokens, or none of them, was read then.
  void run(const Part& part);

  struct Counts {
    std::int64_t passes = 0;
    std::int64_t tokens = 0;
    std::int64_t shared_passes = 0;  // of more than one session
  };
  Counts counts() const;
  // Of the passes, from any thread.
  const ExpertLoad& expert_load() const { return activations_.load; }
  // Whether the last pass was of one session.
  bool alone() const;
  // How many tokens of a prompt one pass should read, so that a session can be stopped within a second or two: the more
  // the faster, up to Options::chunk_tokens.
  std::size_t prompt_chunk() const;
  // What a token more in a decoding pass costs, in passes of one token; 0 until it is known.
  double price() const;

 private:
  struct Request {
    Part part;  // what is left of it
    bool done = false;
    std::exception_ptr failure;
  };
  void lead(std::unique_lock<std::mutex>& lock, const Request& own);
  void await_others(std::unique_lock<std::mutex>& lock);
  void take();
  void settle(std::exception_ptr failure);
  void learn_price();
  void learn_pace();

  const Model& model_;
  Activations activations_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;   // a request came, is done, or the leader left
  std::list<Request*> waiting_;       // in order of arrival
  std::vector<Request*> taken_;       // by the present pass
  std::vector<Part> parts_;           // of it
  bool led_ = false;
  std::size_t n_expected_ = 0;        // sessions of the last pass: they will likely come again
  std::chrono::steady_clock::duration last_pass_{};
  double one_ = 0, price_ = 0;        // seconds of a pass of one token; see price()
  double pace_ = 0;                   // seconds a token of a prompt takes; 0 until it is known
  Counts counts_;
};

}  // namespace toccata::engine
