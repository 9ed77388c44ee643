// A plan as bytes, for the zygote, which is another program than the host.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "sandbox/linux/plan.h"

namespace toccata::sandbox {

std::string to_bytes(const Plan& plan);

// Nothing when `bytes` are not what to_bytes makes.
std::optional<Plan> plan_from(std::string_view bytes);

}  // namespace toccata::sandbox
