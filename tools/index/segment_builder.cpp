#include "tools/index/segment_builder.h"

#include <algorithm>

#include "tools/index/words.h"

namespace toccata::tools {
namespace {

// How often a word of the title and of the file name counts; usual values, not tuned.
constexpr std::uint32_t kTitleWeight = 3;
constexpr std::uint32_t kPlaceWeight = 2;
constexpr std::size_t kWordBytes = 90;  // of memory, besides its letters
constexpr std::size_t kSpellingBytes = 24;

}  // namespace

std::uint32_t SegmentBuilder::stem_id(std::string_view stem) {
  const auto [id, is_new] = stems_.add(stem);
  if (is_new) {
    lists_.emplace_back();
    counts_.push_back(0);
    bytes_ += stem.size() + kWordBytes;
  }
  return id;
}

std::uint32_t SegmentBuilder::word_id(std::string_view word) {
  if (static_cast<unsigned char>(word.front()) >= 0x80) return stem_id(word);  // no English: the word is its stem
  const auto [spelling, is_new] = spelled_.add(word);
  if (is_new) {
    stem_of_.push_back(stem_id(stem(word)));
    bytes_ += word.size() + kSpellingBytes;
  }
  return stem_of_[spelling];
}

std::uint32_t SegmentBuilder::count(std::string_view text, std::uint32_t weight) {
  std::uint32_t n = 0;
  for_each_word(text, WordUse::kIndex, [&](std::string_view word, std::size_t, std::size_t) {
    const std::uint32_t id = word_id(word);
    if (counts_[id] == 0) touched_.push_back(id);
    counts_[id] += weight;
    ++n;
  });
  return n;
}

void SegmentBuilder::add(std::int64_t id, const IndexedText& text) {
  const auto document = static_cast<std::uint32_t>(ids_.size());
  touched_.clear();
  count(text.title, kTitleWeight);
  count(text.place, kPlaceWeight);
  const std::uint32_t length = count(text.body, 1);
  for (const std::uint32_t touched : touched_) {
    lists_[touched].add(document, counts_[touched]);
    counts_[touched] = 0;
  }
  bytes_ += touched_.size() * 3;
  ids_.push_back(id);
  lengths_.push_back(std::max(length, std::uint32_t{1}));
}

void SegmentBuilder::for_each_list(const std::function<void(std::string_view, std::uint32_t, std::string_view)>& use) const {
  std::vector<std::pair<std::string_view, std::uint32_t>> sorted;
  sorted.reserve(stems_.size());
  for (std::uint32_t id = 0; id < stems_.size(); ++id) sorted.emplace_back(stems_.word(id), id);
  std::sort(sorted.begin(), sorted.end());
  for (const auto& [word, id] : sorted) use(word, lists_[id].size(), lists_[id].bytes());
}

void SegmentBuilder::clear() { *this = SegmentBuilder(); }

}  // namespace toccata::tools
