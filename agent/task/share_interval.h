#pragma once

#include <cstddef>

namespace toccata::task {

struct Interval {
  double low = 0, high = 1;
};

// Of a share, 95% (Wilson 1927): never outside 0..1, sensible at 0 and n of n.
Interval wilson(std::size_t n_right, std::size_t n);

}  // namespace toccata::task
