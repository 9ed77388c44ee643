// Calls made before the model has asked for them: the results that the run takes when it does.
//
// Speculation may change when a run does something, never what it does. So:
//
//   - Only tools whose spec says that they are pure and `concurrent`, and that keep no state, are called ahead. Whatever
//     refuses a call refuses a guess: approval that somebody would be asked for, rules, trust, budgets, the tools a
//     sub-agent was given.
//   - A guess is no call. Until the run makes an equal one, nothing of it stands in the token log, the history of calls or
//     the trust state, and the ledger has it as a note alone: what was asked of the world and not used can be looked up.
//   - The run's call is begun as every call is, with its intent row; then the guess's result is its result, or the wait
//     for it. Equal means the same recipient and the same JSON (of raw bodies the same bytes).
//   - A guess that did not come to a result in order is forgotten, and the call is made as if there had been none: it may
//     have failed because it was made beside others.
//   - Before a call that has effects all guesses are dropped: what they have read may be different behind it. Nobody
//     guesses while such a call runs either. So between a guess and the call that takes it stand pure calls only, and the
//     run could have made it when the guess was made. What the model does otherwise than was guessed drops them as well,
//     so none waits for long.
//
// Guesses have no effects, so a run that is killed with some open has nothing to clean up: resumed, it makes its calls.
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "tools/tool.h"

namespace toccata::agent {

// A call of the answer that still goes on, which comes for certain; or one that a fork of the session made.
enum class Foresight { kInAnswer, kGuessed };

// One call made ahead, on a thread of its own.
class Guess {
 public:
  using Clock = std::chrono::steady_clock;
  using Work = std::function<tools::ToolResult(std::stop_token)>;

  // Throws std::system_error where there is no thread for it.
  Guess(Foresight foresight, Work work);
  Guess(const Guess&) = delete;
  Guess& operator=(const Guess&) = delete;

  Foresight foresight() const { return foresight_; }
  Clock::time_point begun() const { return begun_; }
  void request_stop() { thread_.request_stop(); }
  bool is_over() const;
  // Waits for its end, which `stop` brings about. none: it threw.
  struct End {
    std::optional<tools::ToolResult> result;
    Clock::duration took{};
  };
  End wait(const std::stop_token& stop);

 private:
  const Foresight foresight_;
  const Clock::time_point begun_ = Clock::now();
  mutable std::mutex mutex_;
  std::condition_variable ended_;
  std::optional<End> end_;
  std::jthread thread_;  // last: it uses the others
};

// The guesses of a run that have not been used. Any thread.
class Guesses {
 public:
  struct Key {
    std::string recipient;
    std::string arguments;  // see canonical()
    friend auto operator<=>(const Key&, const Key&) = default;
  };
  // JSON without the blanks between its tokens: the same to whoever reads it. What is no JSON stays as it is.
  static std::string canonical(std::string_view json);

  // At most `n_max` at once, those included that were dropped and have not ended yet.
  explicit Guesses(int n_max) : n_max_(n_max) {}
  ~Guesses() { end(); }

  // False where there is one like it or no room for another.
  bool start(const Key& key, Foresight foresight, Guess::Work work);
  // The guess that a call is equal to; null: there is none, and what was guessed is not what the model does: dropped.
  std::unique_ptr<Guess> take(const Key& key);
  // A call with effects comes.
  void drop();
  // Stops all, waits for their ends. Before the tools go.
  void end();

  bool empty() const;
  bool contains(const Key& key) const;
  struct Count {
    int made = 0, used = 0;
    friend bool operator==(const Count&, const Count&) = default;
  };
  Count count() const;
  // What was dropped since it was last asked.
  std::vector<Key> take_unused();

 private:
  template <class Predicate>
  void drop_if(const Predicate& predicate);

  const int n_max_;
  mutable std::mutex mutex_;
  std::map<Key, std::unique_ptr<Guess>> open_;
  std::vector<std::unique_ptr<Guess>> leaving_;  // told to stop
  std::vector<Key> unused_;
  Count count_;
};

}  // namespace toccata::agent
