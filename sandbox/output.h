// What a session printed: bytes in, bounded valid UTF-8 out.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>

namespace toccata::sandbox {

// Keeps the head and the tail of a stream of any length in bounded memory. Ill-formed UTF-8 becomes U+FFFD, one for each
// maximal piece of a sequence, also when a sequence arrives in several pieces.
class CappedText {
 public:
  // Can show at most `capacity` characters (code points).
  explicit CappedText(std::size_t capacity) : capacity_(capacity) {}

  // What comes is also told, as valid text, until `capacity` characters have been.
  void tell(std::function<void(std::string_view)> listener) { listener_ = std::move(listener); }

  void add(std::string_view bytes);
  // No more is coming: an unfinished sequence is ill-formed.
  void finish();

  std::size_t chars() const { return chars_; }
  std::uint64_t bytes() const { return bytes_; }

  // All of it when it has at most `budget` characters, else head, a line saying how many were cut, and tail:
  // `budget` characters besides that line.
  // Requires budget <= capacity. `cut` is increased by the number of characters left out.
  std::string render(std::size_t budget, std::size_t& cut) const;

 private:
  void accept(std::string_view valid, std::size_t n_chars);

  std::size_t capacity_;
  std::function<void(std::string_view)> listener_;
  std::size_t chars_ = 0;
  std::uint64_t bytes_ = 0;
  std::string pending_;  // beginning of a sequence that may still become whole; at most 3 bytes
  std::string head_;     // the first `capacity_` characters
  std::size_t head_chars_ = 0;
  std::string tail_;  // at least the last `capacity_` characters, or all
};

// Reads what a non-blocking descriptor has, `at_most` bytes of it.
void drain(int fd, CappedText& text, std::size_t at_most);
// The same, of what lies in a pipe now and not of what comes meanwhile.
void drain_present(int fd, CappedText& text);

// Valid UTF-8 with U+FFFD for what was not.
std::string to_utf8(std::string_view bytes);

}  // namespace toccata::sandbox
