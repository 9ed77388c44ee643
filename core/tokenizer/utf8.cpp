#include "core/tokenizer/utf8.h"

namespace toccata::tokenizer {
namespace {

// What a lead byte demands: the number of bytes, and the range of the second one, which is narrower than
// 80..BF where overlong forms, surrogates and values above U+10FFFF must be kept out (Unicode, table 3-7).
struct Lead {
  int length;
  std::uint8_t second_min;
  std::uint8_t second_max;
};

Lead lead_of(std::uint8_t byte) {
  if (byte < 0xC2 || byte > 0xF4) return {0, 0, 0};
  if (byte < 0xE0) return {2, 0x80, 0xBF};
  if (byte == 0xE0) return {3, 0xA0, 0xBF};
  if (byte == 0xED) return {3, 0x80, 0x9F};
  if (byte < 0xF0) return {3, 0x80, 0xBF};
  if (byte == 0xF0) return {4, 0x90, 0xBF};
  if (byte == 0xF4) return {4, 0x80, 0x8F};
  return {4, 0x80, 0xBF};
}

}  // namespace

Utf8Char read_utf8(std::string_view bytes) {
  const auto first = static_cast<std::uint8_t>(bytes[0]);
  if (first < 0x80) return {first, 1, Utf8Status::kValid};
  const Lead lead = lead_of(first);
  if (lead.length == 0) return {0, 1, Utf8Status::kIllFormed};
  char32_t code_point = first & (0x7F >> lead.length);
  for (int i = 1; i < lead.length; ++i) {
    const auto length = static_cast<std::uint8_t>(i);
    if (bytes.size() == length) return {0, length, Utf8Status::kTruncated};
    const auto byte = static_cast<std::uint8_t>(bytes[length]);
    const std::uint8_t min = i == 1 ? lead.second_min : 0x80;
    const std::uint8_t max = i == 1 ? lead.second_max : 0xBF;
    if (byte < min || byte > max) return {0, length, Utf8Status::kIllFormed};
    code_point = code_point << 6 | (byte & 0x3F);
  }
  return {code_point, static_cast<std::uint8_t>(lead.length), Utf8Status::kValid};
}

bool is_valid_utf8(std::string_view bytes) {
  while (!bytes.empty()) {
    const Utf8Char c = read_utf8(bytes);
    if (c.status != Utf8Status::kValid) return false;
    bytes.remove_prefix(c.length);
  }
  return true;
}

}  // namespace toccata::tokenizer
