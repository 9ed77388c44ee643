#pragma once

#include <iosfwd>

namespace toccata::cli {

struct DevParseOptions {
  bool strict = false;  // openai-harmony's outcomes, its errors included
};

// {"id", "tokens" | "text", "role": "assistant" | null, "eos": true, "tools": [names]}
// -> {"messages", "projection": {"reasoning", "preamble", "final", "tool_calls", "tool_calls_resolved"}, "deltas",
//     "warnings", "end", "incomplete_call"} | {"error"}
// `text` is tokenized with special tokens on. `end` names the last token: return, call, end, endoftext or none.
int dev_parse(const DevParseOptions& options, std::istream& in, std::ostream& out);

}  // namespace toccata::cli
