#pragma once

#include <string>

namespace toccata {

// The local date as YYYY-MM-DD: what a model is told of the day.
std::string today();

}  // namespace toccata
