// A run as a person sees it: the answer on stdout, everything else on stderr.
#pragma once

#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

#include "agent/cli/markdown_ink.h"
#include "agent/loop/events.h"

namespace toccata::cli {

struct TerminalStyle {
  bool color = false;
  bool quiet = false;              // nothing on stderr but failures
  bool stdout_is_terminal = false;  // control characters are made visible there, and Markdown in colour
  int output_lines_max = 20;        // of a tool's output
};

// Prints events as they come. One thread.
class TerminalView {
 public:
  explicit TerminalView(TerminalStyle style, std::FILE* out = stdout, std::FILE* err = stderr)
      : style_(style), out_(out), err_(err) {}
  void operator()(const agent::Event& event);

 private:
  void on(const agent::ThreadStarted&) {}
  void on(const agent::TurnStarted&) {}
  void on(const agent::ItemStarted& event);
  void on(const agent::ItemDelta& event);
  void on(const agent::ItemCompleted& event);
  void on(const agent::TurnCompleted&) {}
  void on(const agent::TurnFailed&) {}  // the verb prints the outcome
  void on(const agent::StreamError& event);
  void on(const agent::ChildEvent& event);

  // A piece of the answer with "[n]" in place of what cites source n.
  std::string with_numbers(const agent::ItemDelta& event);
  std::size_t number_of(const agent::Citation& citation);
  void list_sources(const std::vector<agent::Citation>& citations);
  bool paints() const;
  void print_answer(const std::string& text);
  void say(const char* style, std::string_view text);
  void block(const char* style, std::string_view text, int lines_max);

  TerminalStyle style_;
  std::FILE* out_;
  std::FILE* err_;
  bool answer_open_line_ = false;  // the answer so far does not end in a newline
  bool stderr_open_line_ = false;
  MarkdownInk ink_;                 // of the open answer
  std::int64_t n_answer_chars_ = 0;   // of the open answer, as the model wrote it
  std::vector<std::string> sources_;  // URLs the open answer cites, in that order
};

}  // namespace toccata::cli
