// A tool whose calls come from several threads: what each does, and in which order they began and ended.
#pragma once

#include <algorithm>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <string>
#include <vector>

#include "tests/support/patience.h"
#include "tools/tool.h"

namespace toccata::testing {

// What its calls have done, for a test that outlives the tool.
class CallWatch {
 public:
  void began(const std::string& arguments) { note(began_, arguments); }
  void ended(const std::string& arguments) { note(ended_, arguments); }
  // False: it did not happen.
  bool wait_for_begin(const std::string& arguments) { return wait(began_, arguments); }
  bool wait_for_end(const std::string& arguments) { return wait(ended_, arguments); }
  int n_begun(const std::string& arguments) const {
    const std::lock_guard lock(mutex_);
    return static_cast<int>(std::count(began_.begin(), began_.end(), arguments));
  }
  int n_begun() const {
    const std::lock_guard lock(mutex_);
    return static_cast<int>(began_.size());
  }

 private:
  void note(std::vector<std::string>& list, const std::string& arguments) {
    const std::lock_guard lock(mutex_);
    list.push_back(arguments);
    changed_.notify_all();
  }
  bool wait(const std::vector<std::string>& list, const std::string& arguments) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, kPatience, [&] { return std::find(list.begin(), list.end(), arguments) != list.end(); });
  }

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::string> began_, ended_;
};

class WatchedTool : public tools::Tool {
 public:
  using Action = std::function<tools::ToolResult(const tools::ToolCall&, std::stop_token)>;
  WatchedTool(tools::ToolSpec spec, CallWatch& watch, Action action)
      : spec_(std::move(spec)), watch_(watch), action_(std::move(action)) {}
  const tools::ToolSpec& spec() const override { return spec_; }
  tools::ToolResult call(const tools::ToolCall& call, std::stop_token stop) override {
    watch_.began(call.arguments);
    tools::ToolResult result = action_(call, std::move(stop));
    watch_.ended(call.arguments);
    return result;
  }

 private:
  tools::ToolSpec spec_;
  CallWatch& watch_;
  Action action_;
};

// Returns when the stop has come; false: it did not.
inline bool wait_for_stop(const std::stop_token& stop) {
  std::mutex mutex;
  std::condition_variable_any changed;
  std::unique_lock lock(mutex);
  changed.wait_for(lock, stop, kPatience, [] { return false; });
  return stop.stop_requested();
}

}  // namespace toccata::testing
