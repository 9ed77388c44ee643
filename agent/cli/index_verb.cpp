#include "agent/cli/index_verb.h"

#include <iostream>
#include <nlohmann/json.hpp>

#include "agent/cli/exit_code.h"
#include "agent/cli/page_setup.h"
#include "agent/cli/progress.h"
#include "agent/cli/search_setup.h"
#include "agent/cli/signals.h"
#include "agent/cli/terminal_text.h"
#include "core/base/json.h"
#include "tools/browser/local_index.h"
#include "tools/browser/site_crawl.h"
#include "tools/web/fetcher.h"

namespace toccata::cli {
namespace {

using tools::LocalIndex;

std::unique_ptr<LocalIndex> open_index(const IndexOptions& options, const Environment& env, LocalIndex::Mode mode) {
  return LocalIndex::open(options.index.empty() ? env.index_path() : options.index, mode).value_or_throw();
}

void print(const nlohmann::ordered_json& line) {
  std::cout << json_text(line) << '\n';
}

bool is_site(const std::string& path) { return path.starts_with("http://") || path.starts_with("https://"); }

int stopped(const Error& error, const SignalStop& signals) {
  std::cerr << "toccata: " << error.message << '\n';
  return signals.exit_code();
}

void report(const std::string& path, const tools::IndexChange& change) {
  std::cout << path << ": " << change.added << " added, " << change.updated << " updated, " << change.removed
            << " removed, " << change.unchanged << " unchanged, " << change.skipped << " skipped\n";
  for (const std::string& trouble : change.troubles) std::cerr << "skipped: " << for_terminal(trouble) << '\n';
  if (change.troubles.size() == tools::IndexChange::kTroublesMax) std::cerr << "(more of these are not shown)\n";
}

// False: stopped by a signal.
bool add_files(const std::string& path, LocalIndex& index, const Environment& env, const std::stop_token& stop) {
  Progress progress("indexing " + path, env.stderr_is_terminal);
  const auto change = index.add(path, [&](std::size_t done, std::size_t total, const std::string&) { progress.update(done, total); }, stop);
  if (!change && change.error().code == ErrorCode::kCancelled) {
    std::cerr << path << ": " << change.error().message << '\n';
    return false;
  }
  if (!change) throw Exception(change.error());
  report(path, *change);
  if (change->unreadable > 0) std::cerr << path << ": " << change->unreadable << " folders could not be read; what the index has of them stays\n";
  return true;
}

// Likewise.
bool add_site(
    const std::string& url, LocalIndex& index, const IndexOptions& options, const tools::PdfToText& pdfs, const tools::ProxyRules& proxy,
    const Environment& env, const std::stop_token& stop
) {
  tools::FetchLimits limits;
  limits.host_interval = std::chrono::milliseconds(static_cast<std::int64_t>(options.delay_s * 1000));
  tools::Fetcher fetcher(tools::AddressPolicy::with_origins(options.allow_origins).value_or_throw(), limits, {}, proxy);
  fetcher.read_pdfs(pdfs);
  Progress progress("reading " + url, env.stderr_is_terminal);
  tools::SiteCrawl crawl(
      index, fetcher, {options.max_pages, options.max_depth, options.max_mib << 20},
      [&](std::size_t done, std::size_t total) { progress.update(done, total); });
  const auto done = crawl.run(url, stop);
  if (!done && done.error().code == ErrorCode::kCancelled) return false;
  if (!done) throw Exception(done.error());
  if (done->resumed) std::cerr << url << ": went on where the last one was cut short\n";
  report(url, done->change);
  if (done->stopped) {
    std::cerr << url << ": stopped; what was read is in the index, and the next add goes on\n";
  } else if (!done->cut.empty()) {
    std::cerr << url << ": not all of it: " << done->cut << '\n';
  }
  return !done->stopped;
}

// Null: none is wanted. An index that has vectors is kept as it is when nobody says how to make more.
std::shared_ptr<tools::Embedder> embedder_for(
    const LocalIndex& index, const IndexOptions& options, const tools::ProxyRules& proxy, const Environment& env
) {
  EmbeddingsOptions chosen = options.embeddings;
  const auto space = index.vector_space().value_or_throw();
  if (chosen.url.empty()) {
    if (space) std::cerr << "toccata: WARNING: the index has vectors of " << for_terminal(space->model)
                         << "; without --embeddings what was added now is found by words alone\n";
    return nullptr;
  }
  if (chosen.model.empty() && space) chosen.model = space->model;
  return make_embedder(chosen, proxy, env);
}

}  // namespace

int index_add_verb(const IndexOptions& options, const Environment& env) {
  SignalStop signals;
  const auto index = open_index(options, env, LocalIndex::Mode::kWrite);
  const tools::PdfToText pdfs = pdf_to_text(options.sandbox);
  index->read_pdfs(pdfs);
  index->read_archives(open_archive(options.sandbox));
  const tools::ProxyRules proxy = proxy_rules(options.proxy, options.proxy_names, env);
  for (const std::string& path : options.paths) {
    const bool whole = is_site(path) ? add_site(path, *index, options, pdfs, proxy, env, signals.token())
                                     : add_files(path, *index, env, signals.token());
    if (!whole) return signals.exit_code();
  }
  if (const auto embedder = embedder_for(*index, options, proxy, env)) {
    Progress progress("embedding", env.stderr_is_terminal);
    const auto made = index->embed(*embedder, [&](std::size_t done, std::size_t total, const std::string&) { progress.update(done, total); }, signals.token());
    if (!made && signals.exit_code() != 0) return stopped(made.error(), signals);
    if (!made) throw Exception(made.error().code, made.error().message + "; documents without vectors are found by words, and the next add goes on");
    std::cout << "vectors: of " << *made << " documents made, by " << embedder->model() << '\n';
  }
  return kExitDone;
}

int index_search_verb(const IndexOptions& options, const Environment& env) {
  const auto index = open_index(options, env, LocalIndex::Mode::kRead);
  use_embeddings(*index, options.embeddings, proxy_rules(options.proxy, options.proxy_names, env), env);
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
