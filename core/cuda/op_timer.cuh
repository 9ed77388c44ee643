// Names for what runs on a device: NVTX ranges around the launches of an operation (a profiler shows them; without one they
// cost nothing), and, when asked, how long each took.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "core/base/op_time.h"
#include "core/cuda/memory.cuh"

#if defined(__CUDACC__) && __has_include(<nvtx3/nvToolsExt.h>)
#include <nvtx3/nvToolsExt.h>
#define TOCCATA_NVTX
#endif

namespace toccata::cuda {

// A point in the work of a stream. On the emulated device: now.
class Event {
 public:
#if defined(__CUDACC__)
  explicit Event(const Stream& stream) {
    TOCCATA_CUDA_CHECK(cudaEventCreate(&event_));
    TOCCATA_CUDA_CHECK(cudaEventRecord(event_, stream.get()));
  }
  ~Event() {
    if (event_ != nullptr) cudaEventDestroy(event_);
  }
  Event(Event&& other) noexcept : event_(std::exchange(other.event_, nullptr)) {}
  Event& operator=(Event&&) = delete;
  double seconds_until(const Event& later) const {
    float ms = 0;
    TOCCATA_CUDA_CHECK(cudaEventElapsedTime(&ms, event_, later.event_));
    return ms / 1e3;
  }

 private:
  cudaEvent_t event_ = nullptr;
#else
  explicit Event(const Stream&) : at_(std::chrono::steady_clock::now()) {}
  double seconds_until(const Event& later) const { return std::chrono::duration<double>(later.at_ - at_).count(); }

 private:
  std::chrono::steady_clock::time_point at_;
#endif
};

class OpTimer {
 public:
  // Between start() and stop() every operation is timed, which adds about a microsecond to each; such work must not be
  // captured in a graph.
  void start() { timing_ = true; }
  std::vector<OpTime> stop(const Stream& stream) {
    timing_ = false;
    stream.wait();
    OpSums sums;
    for (Timed& t : timed_) {
      t.op.seconds = t.begin.seconds_until(*t.end);
      sums.add(t.op);
    }
    timed_.clear();
    return sums.take();
  }
  bool timing() const { return timing_; }

  class Scope {
   public:
    Scope(OpTimer& timer, const Stream& stream, OpTime op) : timer_(timer), stream_(stream), timed_(timer.timing_) {
#if defined(TOCCATA_NVTX)
      nvtxRangePushA(op.name.c_str());
#endif
      if (timed_) timer_.timed_.push_back({std::move(op), Event(stream), std::nullopt});
    }
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;
    ~Scope() noexcept(false) {
#if defined(TOCCATA_NVTX)
      nvtxRangePop();
#endif
      if (timed_) timer_.timed_.back().end.emplace(stream_);
    }

   private:
    OpTimer& timer_;
    const Stream& stream_;
    bool timed_;
  };
  // The operation that the launches until the end of the scope belong to; scopes do not nest.
  Scope op(const Stream& stream, const char* name, double bytes, double flops) {
    return Scope(*this, stream, {name, 1, 0, bytes, flops});
  }

 private:
  struct Timed {
    OpTime op;
    Event begin;
    std::optional<Event> end;
  };
  bool timing_ = false;
  std::vector<Timed> timed_;
};

}  // namespace toccata::cuda
