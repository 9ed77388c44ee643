// Words and their numbers, from 0 in the order they came: a hash table for many short words that are looked up far more often than added.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace toccata::tools {

// Open addressing in one array of 8 bytes a slot, at most half full; all letters lie one after the other. std::unordered_map, with a
// node for each word, takes twice the time in index_bench, most of it waiting for memory.
class WordTable {
 public:
  // The number of a word, and whether it is new. At most 2^32 - 2 words of 4 GiB together.
  std::pair<std::uint32_t, bool> add(std::string_view word) {
    if (2 * (size() + 1) > slots_.size()) grow();
    const auto hash = static_cast<std::uint32_t>(std::hash<std::string_view>{}(word));
    for (std::size_t at = hash & mask_;; at = (at + 1) & mask_) {
      Slot& slot = slots_[at];
      if (slot.next == 0) {
        letters_ += word;
        ends_.push_back(static_cast<std::uint32_t>(letters_.size()));
        slot = {hash, size()};
        return {size() - 1, true};
      }
      if (slot.hash == hash && this->word(slot.next - 1) == word) return {slot.next - 1, false};
    }
  }
  // Valid until the next add().
  std::string_view word(std::uint32_t number) const {
    const std::uint32_t begin = number == 0 ? 0 : ends_[number - 1];
    return std::string_view(letters_).substr(begin, ends_[number] - begin);
  }
  std::uint32_t size() const { return static_cast<std::uint32_t>(ends_.size()); }

 private:
  struct Slot {
    std::uint32_t hash = 0;
    std::uint32_t next = 0;  // the number behind the word's; 0 = the slot is free
  };

  void grow() {
    std::vector<Slot> old(slots_.empty() ? 1024 : 2 * slots_.size());
    old.swap(slots_);
    mask_ = slots_.size() - 1;
    for (const Slot& slot : old) {
      if (slot.next == 0) continue;
      std::size_t at = slot.hash & mask_;
      while (slots_[at].next != 0) at = (at + 1) & mask_;
      slots_[at] = slot;
    }
  }

  std::vector<Slot> slots_;
  std::size_t mask_ = 0;
  std::string letters_;
  std::vector<std::uint32_t> ends_;  // of each word in letters_
};

}  // namespace toccata::tools
