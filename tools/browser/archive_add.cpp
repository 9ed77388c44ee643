#include "tools/browser/archive_add.h"

#include <utility>

namespace toccata::tools {
namespace {

class ArchiveAdd {
 public:
  ArchiveAdd(DocumentTable& table, ArchivePages& archives, const FoundFile& file, IndexChange& change)
      : table_(table), archives_(archives), file_(file), place_(file.path.string()), change_(change) {}

  void run(const OpenArchive& open, const IndexProgress& progress, const std::stop_token& stop) {
    const auto known = archives_.state(place_);
    const bool same = known && known->modified == file_.modified && known->bytes == file_.bytes;
    if (same && known->done) {
      change_.unchanged += static_cast<int>(table_.known_below(place_).size());
      return;
    }
    const auto archive = open(file_.path, stop);
    if (!archive) {
      if (!stop.stop_requested()) fail(archive.error());
      return;
    }
    if (!same) forget();
    state_ = {file_.modified, file_.bytes, same ? known->next : 0, false};
    while (!state_.done && !failed_ && !stop.stop_requested()) read_part(**archive, progress, stop);
  }

 private:
  void fail(const Error& error) {
    failed_ = true;
    ++change_.skipped;
    change_.trouble(place_ + ": " + error.message);
  }

  void forget() {
    table_.write([&] {
      for (const auto& [place, id] : table_.known_below(place_)) {
        table_.forget(id);
        ++change_.removed;
      }
      archives_.forget_below(place_);
    });
  }

  // What one transaction holds.
  void read_part(DocumentArchive& archive, const IndexProgress& progress, const std::stop_token& stop) {
    table_.write([&] {
      while (!state_.done && !table_.is_batch_full() && !stop.stop_requested()) {
        auto batch = archive.read(state_.next, stop);
        if (!batch && stop.stop_requested()) break;
        if (!batch) {
          fail(batch.error());
          break;
        }
        for (ArchivedPage& page : batch->pages) keep(std::move(page));
        change_.skipped += static_cast<int>(batch->left_out);
        state_.next = batch->next;
        state_.done = state_.next >= archive.n_entries();
        if (progress) progress(state_.next, archive.n_entries(), place_);
      }
      archives_.set_state(place_, state_);
    });
  }

  void keep(ArchivedPage page) {
    const std::string url = archived_url(file_.path, page.path);
    if (!page.stands_for.empty()) {
      archives_.add_name(place_, url, archived_url(file_.path, page.stands_for));
      return;
    }
    const std::string place = place_ + '/' + page.path;
    if (table_.find(place)) {  // twice in it
      ++change_.skipped;
      return;
    }
    const std::string name = page.title.empty() ? page.path : page.title;
    const auto bytes = static_cast<std::int64_t>(page.source.size());
    Document document{url, page.html ? "" : page.title, std::move(page.source), page.html ? DocumentKind::kHtml : DocumentKind::kText};
    table_.insert(place, name, indexed_file(std::move(document), name), file_.modified, bytes);
    ++change_.added;
  }

  DocumentTable& table_;
  ArchivePages& archives_;
  const FoundFile& file_;
  const std::string place_;
  IndexChange& change_;
  ArchivePages::State state_;
  bool failed_ = false;
};

}  // namespace

void add_archive(
    DocumentTable& table, ArchivePages& archives, const FoundFile& file, const OpenArchive& open, IndexChange& change,
    const IndexProgress& progress, const std::stop_token& stop
) {
  ArchiveAdd(table, archives, file, change).run(open, progress, stop);
}

}  // namespace toccata::tools
