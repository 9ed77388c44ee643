// Which documents a word occurs in, and how often, as bytes.
//
// A list is (document, count) in ascending order of document. Each is a varint of 2 * (distance to the one before) + (count is 1),
// followed, when the count is not 1, by one byte: the count, at most 255. Seven bits a byte, the lowest first.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>

namespace toccata::tools {

class PostingWriter {
 public:
  // Requires count >= 1 and a document above the last one.
  void add(std::uint32_t document, std::uint32_t count) {
    std::uint64_t rest = std::uint64_t{document - next_} * 2 + (count == 1 ? 1 : 0);
    for (; rest >= 0x80; rest >>= 7) bytes_ += static_cast<char>(rest | 0x80);
    bytes_ += static_cast<char>(rest);
    if (count != 1) bytes_ += static_cast<char>(std::min(count, std::uint32_t{255}));
    next_ = document + 1;
    ++size_;
  }
  const std::string& bytes() const { return bytes_; }
  std::uint32_t size() const { return size_; }

 private:
  std::string bytes_;
  std::uint32_t next_ = 0;
  std::uint32_t size_ = 0;
};

// Calls use(document, count) for each; false when the bytes are no list of documents below `n_documents`.
template <class Use>
bool for_each_posting(std::string_view bytes, std::uint32_t n_documents, Use use) {
  const auto* at = reinterpret_cast<const unsigned char*>(bytes.data());
  const auto* const end = at + bytes.size();
  std::uint64_t next = 0;
  while (at != end) {
    std::uint64_t value = *at & 0x7F;
    for (int shift = 7; (*at++ & 0x80) != 0; shift += 7) {
      if (at == end || shift > 35) return false;
      value |= std::uint64_t{static_cast<unsigned>(*at & 0x7F)} << shift;
    }
    std::uint32_t count = 1;
    if ((value & 1) == 0) {
      if (at == end) return false;
      count = *at++;
    }
    const std::uint64_t document = next + (value >> 1);
    if (document >= n_documents) return false;
    use(static_cast<std::uint32_t>(document), count);
    next = document + 1;
  }
  return true;
}

}  // namespace toccata::tools
