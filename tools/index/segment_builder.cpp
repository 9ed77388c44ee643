#include "tools/index/segment_builder.h"

#include <algorithm>

#include "tools/index/words.h"

namespace toccata::tools {
namespace {

// How often a word of the title and of the file name counts; usual values, not tuned.
constexpr std::uint32_t kTitleWeight = 3;
constexpr std::uint32_t kPlaceWeight = 2;
constexpr std::size_t kWordBytes = 130;  // of memory, besides its letters

}  // namespace

std::uint32_t SegmentBuilder::word_id(std::string_view word) {
  if (static_cast<unsigned char>(word.front()) >= 0x80) {  // no English: the word is its stem
    const auto known = stems_.find(word);
    if (known != stems_.end()) return known->second;
    bytes_ += word.size() + kWordBytes;
    words_.emplace_back();
    return stems_.emplace(std::string(word), static_cast<std::uint32_t>(words_.size() - 1)).first->second;
  }
  const auto known = spelled_.find(word);
  if (known != spelled_.end()) return known->second;
  const auto [of_stem, is_new] = stems_.try_emplace(stem(word), static_cast<std::uint32_t>(words_.size()));
  if (is_new) words_.emplace_back();
  bytes_ += 2 * (word.size() + kWordBytes);
  return spelled_.emplace(std::string(word), of_stem->second).first->second;
}

std::uint32_t SegmentBuilder::count(std::string_view text, std::uint32_t weight) {
  std::uint32_t n = 0;
  for_each_word(text, WordUse::kIndex, [&](std::string_view word, std::size_t, std::size_t) {
    const std::uint32_t id = word_id(word);
    if (words_[id].count == 0) touched_.push_back(id);
    words_[id].count += weight;
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
    Word& word = words_[touched];
    word.list.add(document, word.count);
    word.count = 0;
  }
  bytes_ += touched_.size() * 3;
  ids_.push_back(id);
  lengths_.push_back(std::max(length, std::uint32_t{1}));
}

void SegmentBuilder::for_each_list(const std::function<void(std::string_view, std::uint32_t, std::string_view)>& use) const {
  std::vector<std::pair<std::string_view, std::uint32_t>> sorted(stems_.begin(), stems_.end());
  std::sort(sorted.begin(), sorted.end());
  for (const auto& [word, id] : sorted) use(word, words_[id].list.size(), words_[id].list.bytes());
}

void SegmentBuilder::clear() { *this = SegmentBuilder(); }

}  // namespace toccata::tools
