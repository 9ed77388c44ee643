// Markdown as a terminal shows it, while it streams: headings and **bold** stand out, `code` and fenced blocks have a colour,
// list markers become bullets. Everything else stays as it was written; what looks like markup and is none, too.
#pragma once

#include <string>
#include <string_view>

namespace toccata::cli {

class MarkdownInk {
 public:
  // What to print for a further piece of text, which has no control characters but newline and tab. Markers that may go
  // on are held back: at most the beginning of a line or one run of marker characters.
  std::string push(std::string_view text);
  // What was held back, and the end of all styles. The next text begins a new line.
  std::string finish();

 private:
  enum class Line { kBegins, kText, kFence };
  bool take_line_begin(std::string& out, bool last);
  bool take_inline(std::string& out, bool last);
  bool take_emphasis(std::string& out, bool last);
  bool take_code(std::string& out, bool last);
  void end_line(std::string& out);
  void put(std::string_view text, std::string& out);
  std::string style() const;
  std::size_t run_of(char c, std::size_t from = 0) const;

  std::string held_;
  Line line_ = Line::kBegins;
  bool fenced_ = false;
  bool heading_ = false, quote_ = false, bold_ = false, italic_ = false;
  std::size_t code_ = 0;  // backticks that opened the code the text is in
  char before_ = '\n';    // the character printed last
};

}  // namespace toccata::cli
