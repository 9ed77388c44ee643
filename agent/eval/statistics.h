// Estimates from few trials, with how far they can be trusted.
#pragma once

#include <cstddef>
#include <vector>

#include "agent/task/share_interval.h"

namespace toccata::eval {

using task::Interval;
using task::wilson;

// Of the mean, 95%: percentiles of 2000 resamples of the values with a fixed seed, so that the same results give the same report.
Interval bootstrap(const std::vector<double>& values);
// That one of k answers is right, of n of which c are: 1 - C(n-c, k) / C(n, k). Unbiased. k <= n.
double pass_at_k(std::size_t n, std::size_t c, std::size_t k);

struct Spread {
  double mean = 0, median = 0, p95 = 0, max = 0, sum = 0;
};
Spread spread(std::vector<double> values);

}  // namespace toccata::eval
