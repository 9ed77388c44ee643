// A recorded run as a document of its own.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "agent/store/ledger.h"

namespace toccata::store {

// One JSON object a line, each with a "type": first the run, then its steps, messages, calls, token segments and notes.
// Nothing of the run is left out.
std::string to_json_lines(const RunRecord& run);
// For reading: the task, then every message with its step; texts in fenced blocks that no text can close.
std::string to_markdown(const RunRecord& run);
// The same as one HTML file: every text escaped, its style inside, no scripts, and a content policy that forbids
// everything from elsewhere. `files`, with their bytes, stand at its end: pictures are shown, others named.
std::string to_html(const RunRecord& run, std::span<const SessionFile> files = {});

// `text` with the characters that mean something in HTML replaced, control characters made visible, and bytes that are
// not UTF-8 as U+FFFD.
std::string escape_html(std::string_view text);

}  // namespace toccata::store
