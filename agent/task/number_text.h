#pragma once

#include <optional>

#include "agent/task/value.h"

namespace toccata::task {

// A number, or the last one written in a text: "48,213 * 2 = 96,426." -> 96426. Commas count only between groups of three.
std::optional<double> last_number(const Value& value);

}  // namespace toccata::task
