// Where in a text the words of a query stand closest together: for the order of the best documents, and for what is shown of them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "tools/index/word_index.h"

namespace toccata::tools {

struct Passage {
  double score = 0;  // share of the query's weight that stands in it, and up to half as much again where words follow each other
  std::size_t begin = 0, end = 0;  // from the first word of the query in it to the last; equal when there is none
};

// One thread at a time.
class PassageFinder {
 public:
  explicit PassageFinder(const std::vector<QueryWord>& words);
  Passage find(std::string_view text);

 private:
  struct Occurrence {
    std::uint32_t number;  // counting the words of the text
    int word;
    std::size_t begin, end;
  };
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>{}(text); }
  };
  int query_word(std::string_view spelled);

  std::vector<double> weights_;
  double sum_ = 0;
  std::unordered_map<std::string, int> stems_;
  std::unordered_map<std::string, int, Hash, std::equal_to<>> spelled_;  // -1: no word of the query
  std::vector<Occurrence> occurrences_;
  std::vector<int> inside_;
};

// The passage with some text round it, about 200 characters, on one line; " ... " where it was cut.
std::string snippet(std::string_view text, const Passage& passage);

}  // namespace toccata::tools
