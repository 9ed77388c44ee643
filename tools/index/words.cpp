#include "tools/index/words.h"

#include <utf8proc.h>

#include <array>
#include <vector>

#include "tools/web/utf8.h"

namespace toccata::tools {
namespace {

constexpr std::size_t kWordBytesMax = 64;

struct Range {
  char32_t first, last;
};

// Letters of scripts without blanks.
constexpr std::array<Range, 16> kUnspaced = {
    Range{0x0E01, 0x0E3A}, {0x0E40, 0x0E5B}, {0x0E80, 0x0EFF}, {0x1000, 0x109F}, {0x1780, 0x17FF}, {0x3005, 0x3007},
    {0x3041, 0x3096}, {0x309D, 0x309F}, {0x30A1, 0x30FA}, {0x30FC, 0x30FF}, {0x31F0, 0x31FF}, {0x3400, 0x4DBF}, {0x4E00, 0x9FFF},
    {0xAC00, 0xD7A3}, {0xF900, 0xFAFF}, {0x20000, 0x3FFFF}};

bool is_unspaced(char32_t c) {
  if (c < kUnspaced.front().first) return false;
  for (const Range& range : kUnspaced) {
    if (c <= range.last) return c >= range.first;
  }
  return false;
}

bool has_accents_to_drop(char32_t c) { return c < 0x0590 || (c >= 0x1E00 && c < 0x2000); }

// Letters, marks and numbers.
bool is_word_char(utf8proc_int32_t c) {
  const auto category = utf8proc_category(c);
  return category >= UTF8PROC_CATEGORY_LU && category <= UTF8PROC_CATEGORY_NO;
}

bool is_lower(unsigned char c) { return c >= 'a' && c <= 'z'; }
bool is_upper(unsigned char c) { return c >= 'A' && c <= 'Z'; }
bool is_digit(unsigned char c) { return c >= '0' && c <= '9'; }
bool is_alnum(unsigned char c) { return is_lower(c) || is_upper(c) || is_digit(c); }

class Scanner {
 public:
  Scanner(std::string_view text, WordUse use, const WordSink& sink) : text_(text), use_(use), sink_(sink) {}

  void scan() {
    for (at_ = 0; at_ < text_.size();) {
      const auto c = static_cast<unsigned char>(text_[at_]);
      if (c >= 0x80) {
        other();
      } else if (is_alnum(c)) {
        ascii(c);
      } else {
        between(c);
      }
    }
    end_word();
    end_run();
  }

 private:
  void begin_word(std::size_t at) {
    if (!word_.empty()) return;
    begin_ = at;
    upper_run_ = 0;
  }

  void ascii(unsigned char c) {
    end_run();
    begin_word(at_);
    if (is_upper(c)) {
      if (!word_.empty() && upper_run_ == 0) cuts_.push_back({word_.size(), at_, at_});  // fooBar
      ++upper_run_;
      word_ += static_cast<char>(c - 'A' + 'a');
    } else {
      if (is_lower(c) && upper_run_ > 1) cuts_.push_back({word_.size() - 1, at_ - 1, at_ - 1});  // HTTPServer
      if (is_lower(c)) upper_run_ = 0;
      word_ += static_cast<char>(c);
    }
    end_ = ++at_;
  }

  void between(unsigned char c) {
    const auto next = [&](std::size_t n) { return at_ + n < text_.size() ? static_cast<unsigned char>(text_[at_ + n]) : 0; };
    if (c == '_' && !word_.empty() && is_alnum(next(1))) {
      cuts_.push_back({word_.size(), at_, at_ + 1});
      upper_run_ = 1;  // the cut is made
      if (!is_upper(next(1))) upper_run_ = 0;
      ++at_;
      return;
    }
    const bool possessive = c == '\'' && !word_.empty() && (next(1) | 0x20) == 's' && !is_alnum(next(2)) && next(2) < 0x80;
    end_word();
    end_run();
    at_ += possessive ? 2 : 1;
  }

  void other() {
    const std::size_t begin = at_;
    utf8proc_int32_t c = 0;
    const auto n = utf8proc_iterate(
        reinterpret_cast<const utf8proc_uint8_t*>(text_.data()) + at_, static_cast<utf8proc_ssize_t>(text_.size() - at_), &c);
    at_ += n > 0 ? static_cast<std::size_t>(n) : 1;
    if (n <= 0) {
      end_word();
      end_run();
    } else if (c == 0x2019 && !word_.empty() && at_ < text_.size() && text_[at_] == 's' && (at_ + 1 == text_.size() || !is_alnum(static_cast<unsigned char>(text_[at_ + 1])))) {
      end_word();  // the typographer's apostrophe
      ++at_;
    } else if (is_unspaced(static_cast<char32_t>(c))) {
      unspaced(text_.substr(begin, at_ - begin), begin);
    } else {
      folded(c, begin);
    }
  }

  void unspaced(std::string_view character, std::size_t begin) {
    end_word();
    if (use_ == WordUse::kIndex) sink_(character, begin, at_);
    if (!previous_.empty()) {
      pair_.assign(previous_).append(character);
      sink_(pair_, previous_begin_, at_);
      alone_ = false;
    } else {
      alone_ = true;
    }
    previous_.assign(character);
    previous_begin_ = begin;
  }

  void end_run() {
    if (previous_.empty()) return;
    if (alone_ && use_ == WordUse::kQuery) sink_(previous_, previous_begin_, previous_begin_ + previous_.size());
    previous_.clear();
  }

  void folded(utf8proc_int32_t c, std::size_t begin) {
    std::array<utf8proc_int32_t, 24> plain{};
    int options = UTF8PROC_DECOMPOSE | UTF8PROC_COMPAT | UTF8PROC_CASEFOLD;
    if (has_accents_to_drop(static_cast<char32_t>(c))) options |= UTF8PROC_STRIPMARK;
    int boundary = 0;
    const auto n = utf8proc_decompose_char(c, plain.data(), plain.size(), static_cast<utf8proc_option_t>(options), &boundary);
    if (n < 0 || n > static_cast<utf8proc_ssize_t>(plain.size())) return end_word();
    for (utf8proc_ssize_t i = 0; i < n; ++i) {
      const utf8proc_int32_t p = plain[static_cast<std::size_t>(i)];
      if (is_unspaced(static_cast<char32_t>(p))) {  // half-width katakana
        one_.clear();
        append_utf8(static_cast<char32_t>(p), one_);
        unspaced(one_, begin);
      } else if (is_word_char(p)) {
        end_run();
        begin_word(begin);
        append_utf8(static_cast<char32_t>(p), word_);
        upper_run_ = utf8proc_category(c) == UTF8PROC_CATEGORY_LU ? 1 : 0;  // 1: no cut before a capital, none inside this character
        end_ = at_;
      } else {
        end_word();
        end_run();
      }
    }
  }

  void end_word() {
    if (word_.empty()) return;
    const std::string_view word = word_;
    if (word.size() <= kWordBytesMax) sink_(word, begin_, end_);
    if (!cuts_.empty()) {
      cuts_.push_back({word.size(), end_, end_});
      Cut from{0, begin_, begin_};
      for (const Cut& cut : cuts_) {
        const std::size_t size = cut.size - from.size;
        if (size > 0 && size <= kWordBytesMax) sink_(word.substr(from.size, size), from.next, cut.end);
        from = cut;
      }
      cuts_.clear();
    }
    word_.clear();
  }

  struct Cut {
    std::size_t size;       // of the word so far
    std::size_t end, next;  // in the text: of the part before, where the part after begins
  };
  std::string_view text_;
  WordUse use_;
  const WordSink& sink_;
  std::size_t at_ = 0;
  std::string word_;
  std::size_t begin_ = 0, end_ = 0;
  int upper_run_ = 0;
  std::vector<Cut> cuts_;
  std::string previous_, pair_, one_;  // of a run without blanks
  std::size_t previous_begin_ = 0;
  bool alone_ = false;
};

}  // namespace

void for_each_word(std::string_view text, WordUse use, const WordSink& sink) { Scanner(text, use, sink).scan(); }

}  // namespace toccata::tools
