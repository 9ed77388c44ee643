// Documents of this machine in one SQLite file, found by their words: BM25, where words in the title and the file's name count
// more, and the best of them ordered anew by how close together the words stand.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "tools/browser/backend.h"

namespace toccata::tools {

struct IndexedDocument {
  std::int64_t id = 0;
  std::string url;
  std::string title;
  std::uint64_t bytes = 0;
};

struct IndexChange {
  int added = 0, updated = 0, removed = 0, unchanged = 0;
  int skipped = 0;     // binary, too large, not readable
  int unreadable = 0;  // folders; what the index has of them stays
};

// Called after each file: done, total, its path.
using IndexProgress = std::function<void(std::size_t, std::size_t, const std::string&)>;

// One writer, any number of readers. One thread at a time per object.
class LocalIndex final : public BrowserBackend {
 public:
  enum class Mode { kRead, kWrite };
  // kWrite makes the file and its folder. kNotFound when there is none to read; kCorrupt, kUnsupported for a file that is
  // no index or of a newer version.
  static Result<std::unique_ptr<LocalIndex>> open(const std::filesystem::path& path, Mode mode);
  ~LocalIndex() override;

  // Adds the text files below a folder (or one file): new ones, changed ones again, and forgets those that are gone. Links
  // are not followed. A process that dies leaves a whole index, with what was committed by then: the next add goes on.
  Result<IndexChange> add(const std::filesystem::path& root, const IndexProgress& progress = {});
  // Forgets every document at or below a path. How many.
  Result<int> remove(const std::filesystem::path& root);
  // By url.
  std::vector<IndexedDocument> list() const;

  // Best first. Any text is a query: words are looked for, operators are not understood.
  Result<std::vector<SearchHit>> search(const std::string& query, int n_max, std::stop_token stop = {}) override;
  Result<Document> fetch(const std::string& url, std::stop_token stop = {}) override;
  bool is_local() const override { return true; }

 private:
  class Impl;
  explicit LocalIndex(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace toccata::tools
