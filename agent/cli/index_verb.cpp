#include "agent/cli/index_verb.h"

#include <iostream>
#include <nlohmann/json.hpp>

#include "agent/cli/exit_code.h"
#include "agent/cli/progress.h"
#include "agent/cli/terminal_text.h"
#include "core/base/json.h"
#include "tools/browser/local_index.h"

namespace toccata::cli {
namespace {

using tools::LocalIndex;

std::unique_ptr<LocalIndex> open_index(const IndexOptions& options, const Environment& env, LocalIndex::Mode mode) {
  return LocalIndex::open(options.index.empty() ? env.index_path() : options.index, mode).value_or_throw();
}

void print(const nlohmann::ordered_json& line) {
  std::cout << json_text(line) << '\n';
}

}  // namespace

int index_add_verb(const IndexOptions& options, const Environment& env) {
  const auto index = open_index(options, env, LocalIndex::Mode::kWrite);
  for (const std::string& path : options.paths) {
    Progress progress("indexing " + path, env.stderr_is_terminal);
    const auto change =
        index
            ->add(path, [&](std::size_t done, std::size_t total, const std::string&) { progress.update(done, total); })
            .value_or_throw();
    std::cout << path << ": " << change.added << " added, " << change.updated << " updated, " << change.removed
              << " removed, " << change.unchanged << " unchanged, " << change.skipped << " skipped\n";
    if (change.unreadable > 0) std::cerr << path << ": " << change.unreadable << " folders could not be read; what the index has of them stays\n";
  }
  return kExitDone;
}

int index_search_verb(const IndexOptions& options, const Environment& env) {
  const auto index = open_index(options, env, LocalIndex::Mode::kRead);
  for (const tools::SearchHit& hit : index->search(options.query, options.limit).value_or_throw()) {
    if (options.json) {
      print({{"url", hit.url}, {"title", hit.title}, {"summary", hit.summary}});
    } else {
      std::cout << for_terminal(hit.title) << "\n  " << for_terminal(hit.url) << "\n  " << for_terminal(hit.summary) << '\n';
    }
  }
  return kExitDone;
}

int index_list_verb(const IndexOptions& options, const Environment& env) {
  const auto index = open_index(options, env, LocalIndex::Mode::kRead);
  for (const tools::IndexedDocument& document : index->list()) {
    if (options.json) {
      print({{"url", document.url}, {"title", document.title}, {"bytes", document.bytes}});
    } else {
      std::cout << for_terminal(document.url) << "  " << for_terminal(document.title) << '\n';
    }
  }
  return kExitDone;
}

int index_remove_verb(const IndexOptions& options, const Environment& env) {
  const auto index = open_index(options, env, LocalIndex::Mode::kWrite);
  for (const std::string& path : options.paths) {
    std::cout << path << ": " << index->remove(path).value_or_throw() << " removed\n";
  }
  return kExitDone;
}

}  // namespace toccata::cli
