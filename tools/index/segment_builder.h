// Documents on their way into the index: their words in memory, until there are enough of them for a segment.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "tools/index/postings.h"
#include "tools/index/word_table.h"

namespace toccata::tools {

// What of a document is searched. A word counts more in the title and in the place where the document lies.
struct IndexedText {
  std::string_view title;
  std::string_view place;  // the last part of its path or address
  std::string_view body;
};

class SegmentBuilder {
 public:
  // Requires ids to ascend.
  void add(std::int64_t id, const IndexedText& text);
  bool empty() const { return ids_.empty(); }
  // About what this holds.
  std::size_t bytes() const { return bytes_; }
  const std::vector<std::int64_t>& ids() const { return ids_; }
  // Words in each document; at least 1.
  const std::vector<std::uint32_t>& lengths() const { return lengths_; }
  // Every word with its documents, numbered from 0 in the order they came; words in the order of their bytes.
  void for_each_list(const std::function<void(std::string_view word, std::uint32_t n_documents, std::string_view list)>& use) const;
  void clear();

 private:
  std::uint32_t count(std::string_view text, std::uint32_t weight);
  std::uint32_t stem_id(std::string_view stem);
  std::uint32_t word_id(std::string_view word);

  std::vector<std::int64_t> ids_;
  std::vector<std::uint32_t> lengths_;
  WordTable stems_;
  WordTable spelled_;  // as written: each spelling is stemmed once
  std::vector<std::uint32_t> stem_of_;  // of each spelling
  std::vector<PostingWriter> lists_;    // of each stem
  std::vector<std::uint32_t> counts_;   // of each stem, in the document that is being added
  std::vector<std::uint32_t> touched_;
  std::size_t bytes_ = 0;
};

}  // namespace toccata::tools
