// The inverted index: which documents hold which words, in the tables `segments` and `postings` of a SQLite file, and their
// order by BM25.
//
// A segment holds the documents of one write. Documents are numbered inside it; `ids` and `lengths` (words) say what they are,
// and a length of 0 says that a document is gone. Segments are merged as they become many, which leaves out what is gone.
// Why not FTS5: to rank, it walks every list of a query twice and looks up a row for each document in them; 100,000 documents and
// a few common words take it half a second. A list here is one blob, decoded at some ns a document. Measured by index_bench.
#pragma once

#include <cstdint>
#include <map>
#include <stop_token>
#include <string>
#include <vector>

#include "tools/index/database.h"
#include "tools/index/segment_builder.h"

namespace toccata::tools {

struct QueryWord {
  std::string word;   // its stem
  double weight = 0;  // how much it tells: inverse document frequency
};

struct RankedDocument {
  std::int64_t id = 0;
  double score = 0;
};

struct Ranking {
  std::vector<QueryWord> words;  // those that occur, in the order of the query
  std::vector<RankedDocument> documents;  // best first; of equals, the one that came earlier
};

// One thread at a time. Calls are made inside a transaction of the caller. Throws Exception; kCorrupt for tables that are not
// what was written.
class WordIndex {
 public:
  explicit WordIndex(Database& db) : db_(db) {}
  static void create_tables(Database& db);
  // kCorrupt with what to do about it.
  [[noreturn]] static void fail_corrupt(const Database& db);

  // From write() on.
  void forget(std::int64_t id);
  // Writes what was forgotten and the documents of a builder, as one segment, and clears it. Merges where there are too many
  // segments.
  void write(SegmentBuilder& builder);
  // After a transaction that was not committed.
  void discard() { generation_ = -1; }

  // The best of all documents that hold any of the words. Stopped: what was found by then.
  Ranking rank(const std::string& query, std::size_t n_max, const std::stop_token& stop);

 private:
  struct Segment {
    std::int64_t key = 0;
    std::vector<std::int64_t> ids;
    std::vector<std::uint32_t> lengths;
    std::vector<float> norms = {};  // the part of BM25 that a document's length decides
    std::size_t n_alive = 0;
    bool changed = false;
  };
  struct List {
    std::size_t segment;
    std::string bytes;
  };

  void load();
  Segment read_segment(std::int64_t key, std::string_view ids, std::string_view lengths) const;
  void write_segment(const Segment& segment);
  void drop_segment(std::int64_t key);
  std::int64_t next_key() { return db_.number("SELECT ifnull(max(key), 0) + 1 FROM segments"); }
  void write_forgotten();
  void reload();
  void merge_some();
  void merge(const Segment& first, const Segment& second);

  Database& db_;
  std::int64_t generation_ = -1;  // of what is loaded
  std::vector<Segment> segments_;  // by id
  std::size_t n_alive_ = 0;
};

}  // namespace toccata::tools
