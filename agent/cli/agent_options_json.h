#pragma once

#include <string>

#include "agent/cli/options.h"

namespace toccata::cli {

// Options as one JSON object whose keys are the long names of `toccata run`, with underscores for hyphens:
// {"temperature": 0, "allow_domain": ["example.org"]}. A list may be given as a single string; null = the default.
// Throws Exception(kInvalidArgument) naming the key that is unknown or has another type than expected.
// What only a terminal has (json, quiet, no_color) is no key, and AGENTS.md is not read: a library reads no files it
// was not given.
AgentOptions agent_options_from_json(const std::string& text);

}  // namespace toccata::cli
