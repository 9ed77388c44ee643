#include "tools/web/charset.h"

#include <iconv.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <vector>

#include "tools/web/utf8.h"

namespace toccata::tools {
namespace {

constexpr std::size_t kPrescanBytes = 4096;  // browsers read 1024; pages of the wild put comments first
constexpr std::string_view kUnknown = "\xEF\xBF\xBD";

// The standard's names that iconv knows by another one, and the two whose decoders the standard extends.
std::string iconv_name(std::string_view encoding) {
  constexpr std::pair<std::string_view, const char*> kOther[] = {
      {"GBK", "GB18030"},       {"gb18030", "GB18030"},           {"Big5", "BIG5-HKSCS"},  {"EUC-JP", "EUC-JP-MS"},
      {"Shift_JIS", "CP932"},   {"EUC-KR", "CP949"},              {"macintosh", "MACINTOSH"}, {"windows-874", "CP874"},
      {"ISO-8859-8-I", "ISO-8859-8"}, {"x-mac-cyrillic", "MAC-UK"}, {"x-user-defined", "WINDOWS-1252"}};
  for (const auto& [name, other] : kOther) {
    if (name == encoding) return other;
  }
  return std::string(encoding);
}

bool is_utf16(std::string_view encoding) { return encoding == "UTF-16LE" || encoding == "UTF-16BE"; }

bool is_multibyte(std::string_view encoding) {
  return encoding == "GBK" || encoding == "gb18030" || encoding == "Big5" || encoding == "EUC-JP" || encoding == "Shift_JIS" ||
         encoding == "EUC-KR" || encoding == "ISO-2022-JP" || encoding == "UTF-8" || is_utf16(encoding);
}

std::string latin1(std::string_view bytes) {
  std::string out;
  for (const char c : bytes) append_utf8(static_cast<unsigned char>(c), out);
  return out;
}

class Converter {
 public:
  explicit Converter(std::string_view encoding) : handle_(iconv_open("UTF-8", iconv_name(encoding).c_str())) {}
  Converter(const Converter&) = delete;
  Converter& operator=(const Converter&) = delete;
  ~Converter() {
    if (is_open()) iconv_close(handle_);
  }
  bool is_open() const { return handle_ != reinterpret_cast<iconv_t>(-1); }

  // Moves `in` on by what was converted; 0 or the errno of iconv.
  int convert(std::string_view& in, std::string& out) {
    std::array<char, 16'384> buffer;
    for (;;) {
      char* from = const_cast<char*>(in.data());
      std::size_t left = in.size();
      char* to = buffer.data();
      std::size_t room = buffer.size();
      const std::size_t done = iconv(handle_, &from, &left, &to, &room);
      const int failure = done == static_cast<std::size_t>(-1) ? errno : 0;
      out.append(buffer.data(), buffer.size() - room);
      in.remove_prefix(in.size() - left);
      if (failure != E2BIG) return failure;
    }
  }
  // What a stateful encoding still holds back.
  void finish(std::string& out) {
    std::array<char, 64> buffer;
    char* to = buffer.data();
    std::size_t room = buffer.size();
    iconv(handle_, nullptr, nullptr, &to, &room);
    out.append(buffer.data(), buffer.size() - room);
  }

 private:
  iconv_t handle_;
};

// How much of `in` is one thing that stands for no character. A byte of ASCII after a broken first byte is a character of its own.
std::size_t bad_bytes(std::string_view in, std::string_view encoding) {
  if (is_utf16(encoding)) return std::min<std::size_t>(2, in.size());
  const bool double_byte = is_multibyte(encoding) && encoding != "UTF-8" && encoding != "ISO-2022-JP";
  return double_byte && in.size() > 1 && static_cast<unsigned char>(in[1]) >= 0x80 ? 2 : 1;
}

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  return out;
}

bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\f' || c == '\r'; }

// The value of `charset=` in `text` (in lower case): quoted, or up to a blank or semicolon.
std::string_view charset_parameter(std::string_view text) {
  for (std::size_t at = text.find("charset"); at != std::string_view::npos; at = text.find("charset", at + 7)) {
    std::size_t i = at + 7;
    while (i < text.size() && is_blank(text[i])) ++i;
    if (i == text.size() || text[i] != '=') continue;
    ++i;
    while (i < text.size() && is_blank(text[i])) ++i;
    if (i == text.size()) return {};
    if (text[i] == '"' || text[i] == '\'') {
      const std::size_t end = text.find(text[i], i + 1);
      return end == std::string_view::npos ? std::string_view() : text.substr(i + 1, end - i - 1);
    }
    std::size_t end = i;
    while (end < text.size() && !is_blank(text[end]) && text[end] != ';' && text[end] != '"' && text[end] != '\'' && text[end] != '>' && text[end] != '/') ++end;
    return text.substr(i, end - i);
  }
  return {};
}

// What an XML declaration or the first <meta> with a known charset says.
std::optional<std::string_view> declared_inside(std::string_view bytes) {
  const std::string head = lower(bytes.substr(0, kPrescanBytes));
  std::optional<std::string_view> found;
  if (head.starts_with("<?xml")) {
    const std::string_view declaration = std::string_view(head).substr(0, head.find("?>"));
    const std::size_t at = declaration.find("encoding");
    const std::size_t quote = at == std::string_view::npos ? at : declaration.find_first_of("\"'", at);
    if (quote != std::string_view::npos) {
      const std::size_t end = declaration.find(declaration[quote], quote + 1);
      if (end != std::string_view::npos) found = encoding_of_label(declaration.substr(quote + 1, end - quote - 1));
    }
  }
  for (std::size_t at = head.find('<'); !found && at != std::string::npos; at = head.find('<', at + 1)) {
    if (head.compare(at, 4, "<!--") == 0) {
      at = head.find("-->", at + 4);
      if (at == std::string::npos) break;
      continue;
    }
    if (head.compare(at, 5, "<meta") != 0 || at + 5 >= head.size() || (!is_blank(head[at + 5]) && head[at + 5] != '/')) continue;
    const std::size_t end = std::min(head.find('>', at), head.size());
    found = encoding_of_label(charset_parameter(std::string_view(head).substr(at, end - at)));
  }
  // It could be read as ASCII, so it is not UTF-16 (the standard says so too).
  if (found && is_utf16(*found)) return "UTF-8";
  return found;
}

bool is_refuted(std::string_view encoding, std::string_view bytes) {
  const Utf8Form form = utf8_form(bytes);
  if (encoding == "UTF-8") return form.n_bad * 20 > form.n_bad + form.n_multibyte;
  const bool is_utf8 = form.n_bad == 0 && form.n_multibyte >= 2;
  if (is_utf16(encoding)) return bytes.size() > 1 && bytes.find('\0') == std::string_view::npos && form.n_bad == 0;
  return is_utf8 && !is_multibyte(encoding) && encoding != "replacement";
}

}  // namespace

Charset find_charset(std::string_view bytes, std::string_view content_type, bool markup) {
  if (bytes.starts_with("\xEF\xBB\xBF")) return {"UTF-8", CharsetSource::kByteOrderMark};
  if (bytes.starts_with("\xFE\xFF")) return {"UTF-16BE", CharsetSource::kByteOrderMark};
  if (bytes.starts_with("\xFF\xFE")) return {"UTF-16LE", CharsetSource::kByteOrderMark};
  const auto header = encoding_of_label(charset_parameter(lower(content_type.substr(0, 1024))));
  if (header && !is_refuted(*header, bytes)) return {*header, CharsetSource::kHeader};
  const auto inside = markup ? declared_inside(bytes) : std::nullopt;
  if (inside && !is_refuted(*inside, bytes)) return {*inside, CharsetSource::kMeta};
  return {detect_encoding(bytes), CharsetSource::kDetected};
}

std::string decode(std::string_view bytes, std::string_view encoding) {
  if (encoding == "replacement") return bytes.empty() ? std::string() : std::string(kUnknown);
  if (encoding == "UTF-8") return mended_utf8(bytes.starts_with("\xEF\xBB\xBF") ? bytes.substr(3) : bytes);
  std::string out;
  Converter converter(encoding);
  if (!converter.is_open()) return latin1(bytes);
  out.reserve(bytes.size() + bytes.size() / 2);
  std::string_view in = bytes;
  while (!in.empty()) {
    const int failure = converter.convert(in, out);
    if (failure == 0) break;
    out += kUnknown;
    if (failure != EILSEQ || in.empty()) break;  // EINVAL: the end came inside a character
    in.remove_prefix(bad_bytes(in, encoding));
  }
  converter.finish(out);
  if (out.starts_with("\xEF\xBB\xBF")) out.erase(0, 3);
  return out;
}

}  // namespace toccata::tools
