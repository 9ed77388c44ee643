#pragma once

#include "tools/browser/page_view.h"

namespace toccata::cli {

// Counts the browser's window in o200k_harmony tokens, as the models were trained, whatever model runs.
tools::TokenPrefix o200k_prefix();

}  // namespace toccata::cli
