// Passes that are replayed as captured graphs: one for each kind of pass, number of tokens and doubling of the context, since the
// sizes of launches are part of a graph and positions are not.
#pragma once

#include <algorithm>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <tuple>
#include <utility>

#include "core/cuda/op_timer.cuh"
#include "core/engine/cuda/common.cuh"
#include "core/engine/cuda_transformer.h"

namespace toccata::engine::device_side {

class Graphs {
 public:
  enum class Kind { kDecode, kDecodeWithLogits, kBatch };

  Graphs(Stream& stream, const CudaOptions& options, const OpTimer& timer)
      : stream_(stream), timer_(timer), on_(options.graphs), overlap_(options.overlap_launches) {}

  // The highest position that a pass reaching `highest` is captured for.
  static int reach_of(int highest, std::int64_t n_context) {
    std::int64_t reach = 8 * kSplit;
    while (reach <= highest) reach *= 2;
    return static_cast<int>(std::min(reach, n_context) - 1);
  }

  // Replays the launches, which are those of every pass of this kind, n and reach. Large passes are captured when they come for
  // the second time, so that numbers of tokens that come once cost nothing and whatever loads at first use is loaded; of them
  // the ones of use longest ago are given up.
  void run(Kind kind, int n, int reach, const std::function<void()>& launches) {
    const bool batch = kind == Kind::kBatch;
    const auto plainly = [&] {
      stream_.overlap_launches(!batch && overlap_ && !timer_.timing());
      launches();
      stream_.overlap_launches(false);
    };
    std::string& failure = failures_[batch ? 1 : 0];
    if (!on_ || timer_.timing() || !failure.empty()) return plainly();
    Entry& entry = entries_[{kind, n, reach}];
    entry.used = ++tick_;
    if (!entry.graph && batch && !std::exchange(entry.seen, true)) {
      make_room();
      return plainly();
    }
    if (!entry.graph) {
      entry.graph = capture(plainly, failure, batch);
      if (!entry.graph) return plainly();
      ++captured_;
    }
    entry.graph->launch(stream_);
    ++launched_;
  }

  std::int64_t captured() const { return captured_; }
  std::int64_t launched() const { return launched_; }
  std::string describe() const {
    if (!on_) return "decoding launch by launch";
    if (!failures_[0].empty()) return "decoding launch by launch, since graphs cannot be captured: " + failures_[0];
    return failures_[1].empty() ? "decoding replays graphs" : "decoding replays graphs, but not of many sessions: " + failures_[1];
  }

 private:
  static constexpr std::size_t kBatchMax = 48;  // graphs of a megabyte or two

  struct Entry {
    std::optional<Graph> graph;
    bool seen = false;
    std::int64_t used = 0;
  };
  // First as asked for, then without overlap; nothing, and a note why, when neither can be captured.
  std::optional<Graph> capture(const std::function<void()>& plainly, std::string& failure, bool batch) {
    for (;;) {
      try {
        return Graph::capture(stream_, plainly);
      } catch (const Exception& e) {
        stream_.overlap_launches(false);
        if (batch || !overlap_) {
          failure = e.what();
          return std::nullopt;
        }
        overlap_ = false;
      }
    }
  }
  void make_room() {
    const auto batch = [](const auto& entry) { return std::get<0>(entry.first) == Kind::kBatch; };
    if (static_cast<std::size_t>(std::count_if(entries_.begin(), entries_.end(), batch)) <= kBatchMax) return;
    auto oldest = entries_.end();
    for (auto at = entries_.begin(); at != entries_.end(); ++at) {
      if (batch(*at) && (oldest == entries_.end() || at->second.used < oldest->second.used)) oldest = at;
    }
    stream_.wait();
    entries_.erase(oldest);
  }

  Stream& stream_;
  const OpTimer& timer_;
  bool on_, overlap_;
  std::map<std::tuple<Kind, int, int>, Entry> entries_;
  std::string failures_[2];  // of decode, of batches
  std::int64_t tick_ = 0, captured_ = 0, launched_ = 0;
};

}  // namespace toccata::engine::device_side
