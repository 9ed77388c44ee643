// The files that python and shell left in /mnt/data, out of the ledger.
#pragma once

#include <filesystem>
#include <string>

#include "agent/cli/options.h"
#include "agent/store/ledger.h"

namespace toccata::cli {

// Writes the files of a run below `folder`, which is made; their paths are a model's and never lead out of it, also not
// over links. How many there were. Throws Exception naming the file that cannot be written.
int save_session_files(const store::Ledger& ledger, const std::string& run, const std::filesystem::path& folder);

// At the end of a run: writes its files where the options say, and tells on stderr what there is and how to get it.
void deliver_session_files(const AgentOptions& options, const store::Ledger& ledger, const std::string& run);

}  // namespace toccata::cli
