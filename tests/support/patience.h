#pragma once

#include <chrono>

namespace toccata::testing {

// How long a test waits for what has to happen before it says that it did not.
constexpr std::chrono::seconds kPatience{60};

}  // namespace toccata::testing
