#pragma once

#include <chrono>
#include <cstdio>
#include <string>

namespace toccata::cli {

// A progress bar on stderr: label, bar, done/total, rate, time left. Silent where stderr is no terminal.
class Progress {
 public:
  Progress(std::string label, bool is_terminal, std::FILE* out = stderr);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  // Redraws at most ten times a second.
  void update(std::size_t done, std::size_t total);

 private:
  using Clock = std::chrono::steady_clock;
  std::string label_;
  bool is_terminal_;
  std::FILE* out_;
  Clock::time_point start_, drawn_;
};

}  // namespace toccata::cli
