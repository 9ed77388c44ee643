// From bytes of a page to UTF-8: which encoding they are in, and decoding through iconv.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace toccata::tools {

// The encoding that a label of the WHATWG Encoding standard names ("latin1" -> "windows-1252"); blanks around it and case do not count.
// nullopt for a label the standard does not know.
std::optional<std::string_view> encoding_of_label(std::string_view label);

enum class CharsetSource { kByteOrderMark, kHeader, kMeta, kDetected };

struct Charset {
  std::string_view encoding;  // a name of the standard
  CharsetSource source = CharsetSource::kDetected;
};

// In this order: a byte order mark, the charset of the Content-Type, what a <meta> or XML declaration in the first KiB says, the bytes
// themselves. A declaration that the bytes refute is not believed: UTF-8 that is full of errors, or a single-byte encoding for bytes
// that are UTF-8.
Charset find_charset(std::string_view bytes, std::string_view content_type, bool markup);

// What bytes without a declaration are most likely in: UTF-8 and UTF-16 by their form; ISO-2022-JP by its escapes; Shift_JIS, EUC-JP,
// GB18030, Big5, EUC-KR, KOI8-R and windows-1251 by how usual the characters are that come out; windows-1252 otherwise.
std::string_view detect_encoding(std::string_view bytes);

// UTF-8 of `bytes` in a named encoding of the standard: what stands for no character becomes U+FFFD; a byte order mark goes. An encoding
// that iconv of this machine lacks is read as windows-1252.
std::string decode(std::string_view bytes, std::string_view encoding);

// Both in one.
inline std::string to_utf8(std::string_view bytes, std::string_view content_type, bool markup) {
  return decode(bytes, find_charset(bytes, content_type, markup).encoding);
}

}  // namespace toccata::tools
