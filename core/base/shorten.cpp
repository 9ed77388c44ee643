#include "core/base/shorten.h"

namespace toccata {
namespace {

bool is_continuation(char c) { return (static_cast<unsigned char>(c) & 0xc0) == 0x80; }

}  // namespace

std::string shorten(std::string text, std::size_t bytes_max, std::string_view how_to_see) {
  if (text.size() <= bytes_max) return text;
  std::size_t head = bytes_max / 4 * 3;
  std::size_t tail = text.size() - (bytes_max - head);
  while (head > 0 && is_continuation(text[head])) --head;
  while (tail < text.size() && is_continuation(text[tail])) ++tail;
  return text.substr(0, head) + "\n[... " + std::to_string(tail - head) + " of " +
         std::to_string(text.size()) + " bytes left out" + std::string(how_to_see) + " ...]\n" +
         text.substr(tail);
}

}  // namespace toccata
