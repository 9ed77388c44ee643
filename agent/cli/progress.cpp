#include "agent/cli/progress.h"

#include <algorithm>

namespace toccata::cli {

Progress::Progress(std::string label, bool is_terminal, std::FILE* out)
    : label_(std::move(label)), is_terminal_(is_terminal), out_(out), start_(Clock::now()), drawn_(start_) {}

Progress::~Progress() {
  if (is_terminal_) std::fprintf(out_, "\r\x1b[K");
}

void Progress::update(std::size_t done, std::size_t total) {
  using namespace std::chrono_literals;
  const auto now = Clock::now();
  if (!is_terminal_ || total == 0 || (now - drawn_ < 100ms && done < total)) return;
  drawn_ = now;
  constexpr int kWidth = 24;
  const double share = static_cast<double>(done) / static_cast<double>(total);
  const double seconds = std::chrono::duration<double>(now - start_).count();
  const double rate = static_cast<double>(done) / std::max(seconds, 1e-3);
  const int filled = std::min(kWidth, static_cast<int>(share * kWidth));
  std::string bar(static_cast<std::size_t>(filled), '#');
  bar.resize(kWidth, '.');
  std::fprintf(
      out_, "\r\x1b[K%s [%s] %zu/%zu  %.0f/s  %.0f s left", label_.c_str(), bar.c_str(), done, total, rate,
      static_cast<double>(total - done) / std::max(rate, 1e-3)
  );
  std::fflush(out_);
}

}  // namespace toccata::cli
