#pragma once

#include <string>

namespace toccata::cuda {

// What one kind of operation cost, summed over its calls.
struct OpTime {
  std::string name;
  int calls = 0;
  double seconds = 0;
  double bytes = 0;  // that it has to move to and from device memory at the least
  double flops = 0;  // multiplications and additions
};

}  // namespace toccata::cuda
