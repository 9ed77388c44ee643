// What a text says once it is undone from the spellings that hide it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace toccata::agent {

inline bool is_digit(char c) { return c >= '0' && c <= '9'; }
inline bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
inline char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }

// Letters and digits only, in lower case. Bytes of other scripts count as letters.
std::string plain(std::string_view text);

// Adds what an address may say, plain: as it is and undone from percent, base64, hexadecimal and rot13, backwards too.
void add_spellings(std::string_view address, std::vector<std::string>& all);

// Every run of characters that `belongs` takes, of at least `n_min`.
template <class Belongs>
std::vector<std::string_view> runs(std::string_view text, std::size_t n_min, const Belongs& belongs) {
  std::vector<std::string_view> all;
  for (std::size_t begin = 0; begin < text.size();) {
    std::size_t end = begin;
    while (end < text.size() && belongs(text[end])) ++end;
    if (end - begin >= n_min) all.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return all;
}

}  // namespace toccata::agent
