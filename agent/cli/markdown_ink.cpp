#include "agent/cli/markdown_ink.h"

#include <cctype>

namespace toccata::cli {
namespace {

constexpr std::string_view kReset = "\x1b[0m";
constexpr std::size_t kHeadingMax = 6;

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n'; }
bool is_word(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || (c & 0x80) != 0; }

}  // namespace

std::size_t MarkdownInk::run_of(char c, std::size_t from) const {
  std::size_t n = 0;
  while (from + n < held_.size() && held_[from + n] == c) ++n;
  return n;
}

std::string MarkdownInk::style() const {
  std::string codes;
  if (heading_ || bold_) codes += ";1";
  if (quote_) codes += ";2";
  if (italic_) codes += ";3";
  if (code_ > 0 || fenced_) codes += ";36";
  return codes.empty() ? std::string(kReset) : "\x1b[0" + codes + "m";
}

void MarkdownInk::put(std::string_view text, std::string& out) {
  out += text;
  if (!text.empty()) before_ = text.back();
}

void MarkdownInk::end_line(std::string& out) {
  if (heading_ || quote_ || bold_ || italic_ || code_ > 0) out += kReset;
  heading_ = quote_ = bold_ = italic_ = false;
  code_ = 0;
  put("\n", out);
  line_ = Line::kBegins;
}

// The beginning of a line, up to its first character of text. False: more is needed.
bool MarkdownInk::take_line_begin(std::string& out, bool last) {
  const std::size_t blanks = run_of(' ');
  if (blanks == held_.size() && !last) return false;
  const char first = blanks < held_.size() ? held_[blanks] : '\n';
  const std::size_t run = run_of(first, blanks);
  const bool run_is_open = blanks + run == held_.size() && !last;
  if (first == '`' || first == '~') {
    if (run_is_open) return false;
    if (run >= 3) {
      if (!fenced_) out += "\x1b[0;2m";  // the fence itself, with its language
      put(std::string_view(held_).substr(0, blanks + run), out);
      fenced_ = !fenced_;
      if (!fenced_) out += kReset;
      held_.erase(0, blanks + run);
      line_ = Line::kFence;
      return true;
    }
  }
  line_ = Line::kText;
  if (fenced_) {
    out += style();
    return true;
  }
  const char* const shown = first == '#' && run <= kHeadingMax ? "" : first == '>' ? "│" : first == '-' || first == '*' || first == '+' ? "•" : nullptr;
  if (shown == nullptr) return true;
  const std::size_t after = blanks + (first == '#' ? run : 1);
  if (after >= held_.size() && !last) {
    line_ = Line::kBegins;
    return false;
  }
  if (after >= held_.size() || held_[after] != ' ') return true;  // "**bold**", "-1", "#tag"
  heading_ = first == '#';
  quote_ = first == '>';
  if (heading_ || quote_) out += style();
  put(std::string(blanks, ' ') + shown + (heading_ ? "" : " "), out);
  held_.erase(0, after + 1);
  return true;
}

// `code`: until as many backticks again. Where they never come, the line's end is its end.
bool MarkdownInk::take_code(std::string& out, bool last) {
  const std::size_t run = run_of('`');
  if (run == held_.size() && !last) return false;
  if (code_ == 0) {
    code_ = run;
    out += style();
  } else if (code_ == run) {
    code_ = 0;
    out += style();
  } else {
    out.append(run, '`');
  }
  before_ = '`';
  held_.erase(0, run);
  return true;
}

// **bold** and *italic*: an opening marker stands before a word and behind none, a closing one behind text.
bool MarkdownInk::take_emphasis(std::string& out, bool last) {
  const std::size_t run = run_of('*');
  if (run == held_.size() && !last) return false;
  const char next = run < held_.size() ? held_[run] : '\n';
  bool& on = run == 2 ? bold_ : italic_;
  const bool closes = on && !is_space(before_);
  const bool opens = !on && !is_space(next) && next != '*' && (run == 2 || !is_word(before_));
  if (run <= 2 && (closes || opens)) {
    on = !on;
    out += style();
  } else {
    put(std::string(run, '*'), out);
  }
  held_.erase(0, run);
  return true;
}

bool MarkdownInk::take_inline(std::string& out, bool last) {
  const char c = held_[0];
  if (c == '\n') {
    end_line(out);
    held_.erase(0, 1);
    return true;
  }
  const bool raw = fenced_ || line_ == Line::kFence;
  if (!raw && c == '`') return take_code(out, last);
  if (!raw && code_ == 0) {
    if (c == '*') return take_emphasis(out, last);
    if (c == '\\') {
      if (held_.size() == 1 && !last) return false;
      const bool escapes = held_.size() > 1 && std::ispunct(static_cast<unsigned char>(held_[1])) != 0;
      if (escapes) held_.erase(0, 1);
      put(std::string_view(held_).substr(0, 1), out);
      held_.erase(0, 1);
      return true;
    }
  }
  const std::size_t end = held_.find_first_of(raw ? "\n" : "\n`*\\", 1);
  put(std::string_view(held_).substr(0, end), out);
  held_.erase(0, end);
  return true;
}

std::string MarkdownInk::push(std::string_view text) {
  held_ += text;
  std::string out;
  while (!held_.empty()) {
    const bool took = line_ == Line::kBegins ? take_line_begin(out, false) : take_inline(out, false);
    if (!took) break;
  }
  return out;
}

std::string MarkdownInk::finish() {
  std::string out;
  while (!held_.empty()) (void)(line_ == Line::kBegins ? take_line_begin(out, true) : take_inline(out, true));
  out += kReset;
  *this = {};
  return out;
}

}  // namespace toccata::cli
