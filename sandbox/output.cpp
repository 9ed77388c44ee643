#include "sandbox/output.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>

namespace toccata::sandbox {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";

unsigned char byte(char c) { return static_cast<unsigned char>(c); }
bool continues(char c) { return (byte(c) & 0xC0) == 0x80; }

// One step over bytes at `text`: how many bytes form the next piece, and what it is.
struct Piece {
  enum class Kind { kChar, kIllFormed, kUnfinished } kind;
  std::size_t size;
};

// Range of the second byte after `lead` (Unicode 16, table 3-7).
std::pair<unsigned char, unsigned char> second_range(unsigned char lead) {
  switch (lead) {
    case 0xE0:
      return {0xA0, 0xBF};
    case 0xED:
      return {0x80, 0x9F};
    case 0xF0:
      return {0x90, 0xBF};
    case 0xF4:
      return {0x80, 0x8F};
    default:
      return {0x80, 0xBF};
  }
}

Piece next_piece(std::string_view text) {
  const unsigned char lead = byte(text[0]);
  if (lead < 0x80) return {Piece::Kind::kChar, 1};
  const std::size_t size = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
  if (lead < 0xC2 || lead > 0xF4) return {Piece::Kind::kIllFormed, 1};
  const auto [low, high] = second_range(lead);
  for (std::size_t i = 1; i < size; ++i) {
    if (i == text.size()) return {Piece::Kind::kUnfinished, i};
    const bool good = i == 1 ? byte(text[1]) >= low && byte(text[1]) <= high : continues(text[i]);
    if (!good) return {Piece::Kind::kIllFormed, i};
  }
  return {Piece::Kind::kChar, size};
}

// Byte length of the first / last n characters of valid UTF-8 (all of it when it has fewer).
std::size_t prefix_bytes(std::string_view text, std::size_t n) {
  std::size_t at = 0;
  for (; at < text.size(); ++at) {
    if (!continues(text[at]) && n-- == 0) break;
  }
  return at;
}
std::size_t suffix_bytes(std::string_view text, std::size_t n) {
  std::size_t at = text.size();
  while (at > 0 && n > 0) {
    if (!continues(text[--at])) --n;
  }
  return text.size() - at;
}

}  // namespace

void CappedText::accept(std::string_view valid, std::size_t n_chars) {
  chars_ += n_chars;
  if (head_chars_ < capacity_) {
    const std::string_view kept = valid.substr(0, prefix_bytes(valid, capacity_ - head_chars_));
    head_ += kept;
    if (listener_ && !kept.empty()) listener_(kept);
    head_chars_ = std::min(capacity_, head_chars_ + n_chars);
  }
  tail_ += valid;
  // A character has at most 4 bytes; trimmed rarely, so that each byte moves a bounded number of times.
  if (tail_.size() > capacity_ * 8 + 4096) {
    tail_.erase(0, tail_.size() - suffix_bytes(tail_, capacity_));
  }
}

void CappedText::add(std::string_view bytes) {
  bytes_ += bytes.size();
  std::string joined;
  if (!pending_.empty()) {
    joined = pending_ + std::string(bytes);
    bytes = joined;
    pending_.clear();
  }
  std::string valid;
  valid.reserve(bytes.size());
  std::size_t n_chars = 0;
  while (!bytes.empty()) {
    const Piece piece = next_piece(bytes);
    if (piece.kind == Piece::Kind::kUnfinished) {
      pending_ = bytes;
      break;
    }
    valid += piece.kind == Piece::Kind::kChar ? bytes.substr(0, piece.size) : kReplacement;
    ++n_chars;
    bytes.remove_prefix(piece.size);
  }
  accept(valid, n_chars);
}

void CappedText::finish() {
  if (!pending_.empty()) accept(kReplacement, 1);
  pending_.clear();
}

std::string CappedText::render(std::size_t budget, std::size_t& cut) const {
  if (chars_ <= budget) return head_;
  const std::size_t n_cut = chars_ - budget;
  cut += n_cut;
  const std::size_t n_head = budget / 2;
  const std::size_t tail_size = suffix_bytes(tail_, budget - n_head);
  std::string text = head_.substr(0, prefix_bytes(head_, n_head));
  text += "\n[... " + std::to_string(n_cut) + " characters cut ...]\n";
  text += std::string_view(tail_).substr(tail_.size() - tail_size);
  return text;
}

void drain(int fd, CappedText& text, std::size_t at_most) {
  std::array<char, 65536> buffer;
  while (at_most > 0) {
    const ssize_t n = read(fd, buffer.data(), std::min(buffer.size(), at_most));
    if (n <= 0) return;
    text.add({buffer.data(), static_cast<std::size_t>(n)});
    at_most -= static_cast<std::size_t>(n);
  }
}

void drain_present(int fd, CappedText& text) {
  int size = 0;
  if (ioctl(fd, FIONREAD, &size) == 0) drain(fd, text, static_cast<std::size_t>(size));
}

std::string to_utf8(std::string_view bytes) {
  CappedText text(bytes.size());
  text.add(bytes);
  text.finish();
  std::size_t cut = 0;
  return text.render(bytes.size(), cut);
}

}  // namespace toccata::sandbox
