#include "agent/cli/session_files.h"

#include <cstdio>

#include "agent/cli/terminal_text.h"
#include "core/hub/pull.h"
#include "tools/files/work_folder.h"

namespace toccata::cli {
namespace {

constexpr std::size_t kNamed = 4;

// "plot.png (14.2 kB), 3 more"
std::string named(const std::vector<store::SessionFile>& files) {
  std::string text;
  for (std::size_t i = 0; i < files.size() && i < kNamed; ++i) {
    if (i > 0) text += ", ";
    text += for_terminal(files[i].path) + " (" + hub::bytes_text(files[i].size.value_or(0)) + ")";
  }
  if (files.size() > kNamed) text += ", " + std::to_string(files.size() - kNamed) + " more";
  return text;
}

}  // namespace

int save_session_files(const store::Ledger& ledger, const std::string& run, const std::filesystem::path& folder) {
  const auto files = ledger.session_files(run).value_or_throw();
  if (files.empty()) return 0;
  std::error_code failed;
  std::filesystem::create_directories(folder, failed);
  if (failed) {
    throw Exception(ErrorCode::kIo, "cannot make the folder " + folder.string() + ": " + failed.message());
  }
  const tools::WorkFolder to = tools::WorkFolder::open(folder).value_or_throw();
  for (const store::SessionFile& file : files) {
    to.write(file.path, ledger.session_file(run, file.path).value_or_throw().bytes).value_or_throw();
  }
  return static_cast<int>(files.size());
}

void deliver_session_files(const AgentOptions& options, const store::Ledger& ledger, const std::string& run) {
  if (run.empty()) return;
  const auto files = ledger.session_files(run).value_or_throw();
  const bool save = !options.save_files.empty();
  if (save) save_session_files(ledger, run, options.save_files);
  if (files.empty() || options.quiet || options.json) return;
  const std::string where = save ? "saved in " + options.save_files.string()
                                 : "get them with: toccata runs files " + run + " --to FOLDER";
  std::fprintf(stderr, "toccata: files of the session: %s; %s\n", named(files).c_str(), where.c_str());
}

}  // namespace toccata::cli
