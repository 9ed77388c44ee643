// The SQLite file of an index: documents with their texts, what the words of them are found by, and the rules by which all of it
// changes together.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tools/browser/document_file.h"
#include "tools/index/database.h"
#include "tools/index/segment_builder.h"
#include "tools/index/vector_index.h"
#include "tools/index/word_index.h"

namespace toccata::tools {

// What lies below a folder comes in the order of bytes from the first on and ends before the second.
std::pair<std::string, std::string> places_below(const std::string& root);

// One thread at a time. Throws Exception.
class DocumentTable {
 public:
  // kWrite makes the file. kCorrupt, kUnsupported for a file that is no index or of another version.
  DocumentTable(const std::filesystem::path& path, Database::Mode mode);

  Database& db() { return db_; }
  WordIndex& words() { return words_; }
  VectorIndex& vectors() { return vectors_; }

  // All that `change` does, or nothing of it.
  template <class Change>
  void write(Change change) {
    try {
      Transaction transaction(db_, Database::Mode::kWrite);
      change();
      words_.write(builder_);
      transaction.commit();
    } catch (...) {
      builder_.clear();
      words_.discard();
      text_bytes_ = 0;
      throw;
    }
    text_bytes_ = 0;
  }
  // Enough is in memory to be written and committed: a process that dies loses no more work than this.
  bool is_batch_full() const { return builder_.bytes() + text_bytes_ >= kBatchBytes; }

  struct Known {
    std::int64_t id = 0, modified = 0, bytes = 0;
  };
  // By its place: the path of a file byte for byte, or a URL.
  std::optional<Known> find(std::string_view place);
  // (place, id) of what lies at or below a folder or URL.
  std::vector<std::pair<std::string, std::int64_t>> known_below(const std::string& root);

  // Inside write(). `name`: the last part of its place. The id of it.
  std::int64_t insert(std::string_view place, const std::string& name, const IndexedFile& file, std::int64_t modified, std::int64_t bytes);
  void forget(std::int64_t id);

  // By URL or place.
  std::optional<Document> fetch(const std::string& url);
  // The first bytes of a document's text, which may be long. kCorrupt when it has none.
  std::string text_head(std::int64_t id, std::size_t n_max);

 private:
  static constexpr std::size_t kBatchBytes = std::size_t{192} << 20;

  bool is_empty();
  void create();
  void extend();

  Database db_;
  WordIndex words_;
  VectorIndex vectors_;
  SegmentBuilder builder_;
  std::size_t text_bytes_ = 0;  // of the documents in it
};

}  // namespace toccata::tools
