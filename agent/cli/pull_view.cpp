#include "agent/cli/pull_view.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "agent/cli/terminal_text.h"
#include "core/base/json.h"

namespace toccata::cli {
namespace {

using namespace std::chrono_literals;
using nlohmann::ordered_json;
using hub::bytes_text;

constexpr auto kRateWindow = 5s;

void print_json(std::FILE* out, const ordered_json& event) {
  std::fprintf(out, "%s\n", json_text(event).c_str());
  std::fflush(out);
}

}  // namespace

hub::PullEvents PullView::events() {
  hub::PullEvents events;
  events.on_plan = [this](const hub::PullPlan& p) { plan(p); };
  events.download.on_progress = [this](std::uint64_t done, std::uint64_t fetched) { progress(done, fetched); };
  events.download.on_file = [this](const hub::HubFile& f, bool fetched) { file(f, fetched); };
  events.download.on_note = [this](const std::string& what) { note(what); };
  return events;
}

void PullView::clear() {
  if (bar_is_drawn_) std::fprintf(err_, "\r\x1b[K");
  bar_is_drawn_ = false;
}

void PullView::line(const std::string& text) {
  clear();
  std::fprintf(err_, "%s\n", for_terminal(text).c_str());
  std::fflush(err_);
}

void PullView::plan(const hub::PullPlan& plan) {
  total_ = plan.bytes;
  if (style_ == Style::kJson) {
    ordered_json files = ordered_json::array();
    for (const hub::HubFile& f : plan.files) files.push_back({{"file", f.path}, {"bytes", f.size}, {"id", f.id}});
    print_json(
        out_, {{"event", "plan"}, {"repo", repo_}, {"commit", plan.commit}, {"folder", plan.folder.string()},
               {"bytes", plan.bytes}, {"bytes_missing", plan.bytes_missing}, {"files", files}}
    );
    return;
  }
  if (style_ == Style::kQuiet) return;
  line(
      repo_ + " at " + plan.commit.substr(0, 12) + ": " + std::to_string(plan.files.size()) + " files, " +
      bytes_text(plan.bytes) + (plan.bytes_missing == 0           ? ", all here"
       : plan.bytes_missing < plan.bytes ? ", " + bytes_text(plan.bytes_missing) + " not here yet"
                                         : "")
  );
}

void PullView::progress(std::uint64_t done, std::uint64_t fetched) {
  const auto now = Clock::now();
  samples_.emplace_back(now, fetched);
  while (samples_.size() > 2 && now - samples_.front().first > kRateWindow) samples_.pop_front();
  if (total_ == 0 || fetched == 0) return;  // nothing came: what is there already is told file by file
  if (style_ == Style::kBar && now - told_ >= 100ms) {
    told_ = now;
    draw(done);
  } else if (style_ == Style::kJson && now - told_ >= 1s) {
    told_ = now;
    print_json(
        out_, {{"event", "progress"}, {"bytes", done}, {"total", total_}, {"fetched", fetched},
               {"bytes_per_second", static_cast<std::uint64_t>(rate())}}
    );
  } else if (style_ == Style::kLines) {
    const int tenths = static_cast<int>(static_cast<double>(done) / static_cast<double>(total_) * 10);
    if (tenths <= tenths_told_) return;
    tenths_told_ = tenths;
    line(
        std::to_string(10 * tenths) + "%  " + bytes_text(done) + " of " + bytes_text(total_) + "  " +
        bytes_text(static_cast<std::uint64_t>(rate())) + "/s" + time_left(total_ - done)
    );
  }
}

void PullView::draw(std::uint64_t done) {
  constexpr int kWidth = 24;
  const double share = static_cast<double>(done) / static_cast<double>(total_);
  std::string bar(static_cast<std::size_t>(std::clamp(static_cast<int>(share * kWidth), 0, kWidth)), '#');
  bar.resize(kWidth, '.');
  std::fprintf(
      err_, "\r\x1b[K[%s] %3d%%  %s of %s  %s/s%s", bar.c_str(), static_cast<int>(share * 100), bytes_text(done).c_str(),
      bytes_text(total_).c_str(), bytes_text(static_cast<std::uint64_t>(rate())).c_str(),
      done == total_ ? "  checking" : time_left(total_ - done).c_str()
  );
  std::fflush(err_);
  bar_is_drawn_ = true;
}

double PullView::rate() const {
  if (samples_.size() < 2) return 0;
  const double seconds = std::chrono::duration<double>(samples_.back().first - samples_.front().first).count();
  return static_cast<double>(samples_.back().second - samples_.front().second) / std::max(seconds, 1e-3);
}

std::string PullView::time_left(std::uint64_t bytes_left) const {
  const double per_second = rate();
  if (per_second < 1 || bytes_left == 0) return {};
  const double seconds = static_cast<double>(bytes_left) / per_second;
  if (seconds > 99 * 3600) return {};
  const auto whole = static_cast<long>(seconds) + 1;
  if (whole < 60) return "  " + std::to_string(whole) + " s left";
  const long minutes = whole / 60;
  if (minutes < 60) return "  " + std::to_string(minutes) + " min " + std::to_string(whole % 60) + " s left";
  return "  " + std::to_string(minutes / 60) + " h " + std::to_string(minutes % 60) + " min left";
}

void PullView::file(const hub::HubFile& file, bool fetched) {
  if (style_ == Style::kJson) {
    print_json(out_, {{"event", "file"}, {"file", file.path}, {"bytes", file.size}, {"fetched", fetched}});
  } else if (style_ != Style::kQuiet) {
    line((fetched ? "  got   " : "  have  ") + file.path + "  " + bytes_text(file.size));
  }
}

void PullView::note(const std::string& what) {
  if (style_ == Style::kJson) {
    print_json(out_, {{"event", "note"}, {"message", what}});
  } else if (style_ != Style::kQuiet) {
    line("  " + what);
  }
}

void PullView::done(const hub::PullOutcome& outcome, const std::string& model_path, const std::string& run) {
  clear();
  if (style_ == Style::kJson) {
    print_json(
        out_, {{"event", "done"}, {"path", model_path}, {"commit", outcome.plan.commit}, {"bytes", outcome.plan.bytes},
               {"bytes_fetched", outcome.bytes_fetched}, {"run", run}}
    );
    return;
  }
  std::fprintf(out_, "%s\n", for_terminal(model_path).c_str());
  std::fflush(out_);
  if (style_ != Style::kQuiet && !run.empty()) line("run it: " + run);
}

}  // namespace toccata::cli
