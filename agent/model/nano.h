// nano: the model built into the program (examples/nano says how it was made and what it can do).
#pragma once

#include <memory>
#include <string_view>

#include "agent/model/engine_model.h"
#include "core/base/error.h"

namespace toccata::agent {

Result<std::unique_ptr<TokenModel>> load_nano(const EngineOptions& options = {.device = EngineDevice::kCpu});

// Its generation_config.json: the sampling it was made for.
std::string_view nano_generation_config();

// Bytes of its weights.
std::size_t nano_bytes();

}  // namespace toccata::agent
