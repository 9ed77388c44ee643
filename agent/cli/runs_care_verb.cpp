// Looking after the ledger: export, rm, gc, check.
#include <fstream>
#include <iostream>

#include "agent/cli/exit_code.h"
#include "agent/cli/verbs.h"
#include "agent/store/ledger.h"
#include "agent/store/run_export.h"

namespace toccata::cli {
namespace {

constexpr std::int64_t kMsPerDay = 24LL * 60 * 60 * 1000;

std::unique_ptr<store::Ledger> open_ledger(const RunsCareOptions& options, const Environment& env) {
  const auto path = options.ledger.empty() ? env.ledger_path() : options.ledger;
  return store::Ledger::open(path).value_or_throw();
}

void write_file(const std::string& path, const std::string& text) {
  std::ofstream file(path, std::ios::binary);
  file << text;
  file.close();
  if (!file) throw Exception(ErrorCode::kIo, "cannot write " + path);
}

std::string mebibytes(std::int64_t bytes) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f MiB", static_cast<double>(bytes) / (1 << 20));
  return text;
}

}  // namespace

int runs_export_verb(const RunsCareOptions& options, const Environment& env) {
  const auto ledger = open_ledger(options, env);
  const auto run = ledger->load_run(options.runs.front()).value_or_throw();
  std::string text;
  if (options.format == "jsonl") text = store::to_json_lines(run);
  if (options.format == "markdown") text = store::to_markdown(run);
  if (options.format == "html") {
    auto files = ledger->session_files(run.summary.id).value_or_throw();
    for (store::SessionFile& file : files) file = ledger->session_file(run.summary.id, file.path).value_or_throw();
    text = store::to_html(run, files);
  }
  if (options.output.empty()) {
    std::cout << text;
  } else {
    write_file(options.output, text);
  }
  return kExitDone;
}

int runs_rm_verb(const RunsCareOptions& options, const Environment& env) {
  const auto ledger = open_ledger(options, env);
  int code = kExitDone;
  for (const std::string& run : options.runs) {
    const Result<void> removed = ledger->remove_run(run);
    if (removed) continue;
    std::cerr << "toccata: " << removed.error().message << '\n';
    code = exit_code(removed.error().code);
  }
  return code;
}

int runs_gc_verb(const RunsCareOptions& options, const Environment& env) {
  const auto ledger = open_ledger(options, env);
  store::SweepRule rule;
  if (options.older_than_days) {
    rule.older_than_ms = static_cast<std::int64_t>(*options.older_than_days * static_cast<double>(kMsPerDay));
  }
  rule.keep = options.keep;
  const store::SweepResult swept = ledger->sweep(rule);
  if (!options.quiet) {
    std::cerr << "deleted " << swept.n_runs << " runs and " << swept.n_blobs << " texts nobody uses; "
              << ledger->path().string() << ": " << mebibytes(swept.bytes_before) << " -> "
              << mebibytes(swept.bytes_after) << '\n';
  }
  return kExitDone;
}

int runs_check_verb(const RunsCareOptions& options, const Environment& env) {
  const auto ledger = open_ledger(options, env);
  const auto defects = ledger->check();
  for (const std::string& defect : defects) std::cout << defect << '\n';
  if (defects.empty() && !options.quiet) std::cerr << ledger->path().string() << " is sound\n";
  return defects.empty() ? kExitDone : kExitRunFailed;
}

}  // namespace toccata::cli
