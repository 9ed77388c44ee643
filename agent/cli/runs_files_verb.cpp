#include <iostream>
#include <nlohmann/json.hpp>

#include "agent/cli/exit_code.h"
#include "agent/cli/session_files.h"
#include "agent/cli/terminal_text.h"
#include "agent/cli/verbs.h"
#include "core/base/json.h"
#include "core/hub/pull.h"

namespace toccata::cli {

int runs_files_verb(const RunsCareOptions& options, const Environment& env) {
  const auto path = options.ledger.empty() ? env.ledger_path() : options.ledger;
  const auto ledger = store::Ledger::open(path).value_or_throw();
  const std::string& run = options.runs.front();
  if (!options.to.empty()) save_session_files(*ledger, run, options.to);
  const auto files = ledger->session_files(run).value_or_throw();
  if (options.json) {
    auto list = nlohmann::ordered_json::array();
    for (const store::SessionFile& file : files) list.push_back({{"path", file.path}, {"size", *file.size}});
    std::cout << json_text(list) << '\n';
    return kExitDone;
  }
  for (const store::SessionFile& file : files) {
    const std::string shown = options.to.empty() ? file.path : (options.to / file.path).string();
    std::cout << for_terminal(shown) << "  " << hub::bytes_text(*file.size) << '\n';
  }
  if (files.empty()) std::cerr << "toccata: the run left no files in /mnt/data\n";
  return kExitDone;
}

}  // namespace toccata::cli
