// POST /v1/completions.
#pragma once

#include <memory>

#include "agent/server/services.h"

namespace toccata::server {

// The prompt is a text, a list of texts, token ids or a list of those; nothing is rendered around it.
void completions(Services& services, const std::shared_ptr<Exchange>& exchange);

}  // namespace toccata::server
