#pragma once

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <deque>
#include <string>
#include <utility>

#include "core/hub/pull.h"

namespace toccata::cli {

// A download as a person or a program sees it. One thread.
//   kBar     one line on stderr, redrawn: bar, bytes, rate, time left
//   kLines   a line on stderr every tenth of the way, for logs
//   kJson    JSON Lines on stdout: plan, progress (once a second), file, note, done
//   kQuiet   nothing
class PullView {
 public:
  enum class Style { kBar, kLines, kJson, kQuiet };

  PullView(Style style, std::string repo, std::FILE* out = stdout, std::FILE* err = stderr)
      : style_(style), repo_(std::move(repo)), out_(out), err_(err) {}
  ~PullView() { clear(); }
  PullView(const PullView&) = delete;
  PullView& operator=(const PullView&) = delete;

  hub::PullEvents events();
  // `run` is what the user may type next; "" with --dry-run.
  void done(const hub::PullOutcome& outcome, const std::string& model_path, const std::string& run);

 private:
  using Clock = std::chrono::steady_clock;
  void plan(const hub::PullPlan& plan);
  void progress(std::uint64_t done, std::uint64_t fetched);
  void draw(std::uint64_t done);
  void file(const hub::HubFile& file, bool fetched);
  void note(const std::string& what);
  void line(const std::string& text);
  void clear();

  // Bytes over the network a second, in the last seconds.
  double rate() const;
  std::string time_left(std::uint64_t bytes_left) const;

  Style style_;
  std::string repo_;
  std::FILE* out_;
  std::FILE* err_;
  std::uint64_t total_ = 0;
  int tenths_told_ = -1;
  bool bar_is_drawn_ = false;
  Clock::time_point told_ = {};
  std::deque<std::pair<Clock::time_point, std::uint64_t>> samples_;  // bytes fetched, the last seconds
};

}  // namespace toccata::cli
