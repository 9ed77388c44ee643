// The command line as a page to read: the manual page toccata(1) and docs/cli.md, from the tables that --help prints.
#pragma once

#include <string>

#include "agent/cli/completion.h"

namespace toccata::cli {

// roff source for man(7).
std::string manual_man(const CompletionVerb& program, const std::string& version);

std::string manual_markdown(const CompletionVerb& program);

}  // namespace toccata::cli
