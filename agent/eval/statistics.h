// Estimates from few trials, with how far they can be trusted.
#pragma once

#include <cstddef>
#include <vector>

namespace toccata::eval {

struct Interval {
  double low = 0, high = 1;
};

// Of a share, 95% (Wilson 1927): never outside 0..1, sensible at 0 and n of n.
Interval wilson(std::size_t n_right, std::size_t n);
// Of the mean, 95%: percentiles of 2000 resamples of the values with a fixed seed, so that the same results give the same report.
Interval bootstrap(const std::vector<double>& values);
// That one of k answers is right, of n of which c are: 1 - C(n-c, k) / C(n, k). Unbiased. k <= n.
double pass_at_k(std::size_t n, std::size_t c, std::size_t k);

struct Spread {
  double mean = 0, median = 0, p95 = 0, max = 0, sum = 0;
};
Spread spread(std::vector<double> values);

}  // namespace toccata::eval
