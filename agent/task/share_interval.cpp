#include "agent/task/share_interval.h"

#include <algorithm>
#include <cmath>

namespace toccata::task {

Interval wilson(std::size_t n_right, std::size_t n) {
  if (n == 0) return {};
  constexpr double kZ = 1.959963984540054;
  const double count = static_cast<double>(n), share = static_cast<double>(n_right) / count;
  const double middle = (share + kZ * kZ / (2 * count)) / (1 + kZ * kZ / count);
  const double half = kZ / (1 + kZ * kZ / count) * std::sqrt(share * (1 - share) / count + kZ * kZ / (4 * count * count));
  return {std::max(0.0, middle - half), std::min(1.0, middle + half)};
}

}  // namespace toccata::task
