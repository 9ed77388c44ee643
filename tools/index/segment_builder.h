// Documents on their way into the index: their words in memory, until there are enough of them for a segment.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "tools/index/postings.h"

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
  struct Word {
    PostingWriter list;
    std::uint32_t count = 0;  // in the document that is being added
  };
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>{}(text); }
  };
  using Ids = std::unordered_map<std::string, std::uint32_t, Hash, std::equal_to<>>;

  std::uint32_t count(std::string_view text, std::uint32_t weight);
  std::uint32_t word_id(std::string_view word);

  std::vector<std::int64_t> ids_;
  std::vector<std::uint32_t> lengths_;
  Ids stems_;
  Ids spelled_;  // as written -> the number of its stem: each spelling is stemmed once
  std::vector<Word> words_;
  std::vector<std::uint32_t> touched_;
  std::size_t bytes_ = 0;
};

}  // namespace toccata::tools
