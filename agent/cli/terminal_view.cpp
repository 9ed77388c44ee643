#include "agent/cli/terminal_view.h"

#include <algorithm>
#include <utility>
#include <variant>

#include "agent/cli/terminal_text.h"
#include "agent/loop/citation_stream.h"
#include "core/base/overloaded.h"

namespace toccata::cli {
namespace {

constexpr const char* kDim = "\x1b[2m";
constexpr const char* kBold = "\x1b[1m";
constexpr const char* kRed = "\x1b[31m";
constexpr const char* kReset = "\x1b[0m";

// Where character `n` of `text` begins.
std::size_t byte_of(std::string_view text, std::int64_t n) {
  std::size_t at = 0;
  for (; at < text.size(); ++at) {
    const bool begins = (static_cast<unsigned char>(text[at]) & 0xC0) != 0x80;
    if (begins && n-- == 0) break;
  }
  return at;
}

std::string indented(std::string text) {
  for (std::size_t at = text.find('\n'); at != std::string::npos; at = text.find('\n', at + 1)) text.insert(at + 1, "        ");
  return text;
}

std::string spelled(const std::vector<agent::LineSpan>& lines) {
  std::string text;
  for (const agent::LineSpan& span : lines) {
    text += (text.empty() ? "L" : ", L") + std::to_string(span.first);
    if (span.last != span.first) text += "-L" + std::to_string(span.last);
  }
  return text.empty() ? "the page" : text;
}

}  // namespace

void TerminalView::operator()(const agent::Event& event) {
  std::visit([this](const auto& e) { on(e); }, event);
}

void TerminalView::say(const char* style, std::string_view text) {
  if (style_.quiet || text.empty()) return;
  const std::string safe = for_terminal(text);
  std::fprintf(
      err_, "%s%s%s", style_.color ? style : "", safe.c_str(), style_.color ? kReset : ""
  );
  stderr_open_line_ = safe.back() != '\n';
}

void TerminalView::block(const char* style, std::string_view text, int lines_max) {
  if (style_.quiet) return;
  int n_lines = 0;
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    const std::string_view line = text.substr(0, end);
    if (n_lines++ < lines_max) say(style, "  " + std::string(line) + "\n");
    if (end == std::string_view::npos) break;
    text.remove_prefix(end + 1);
  }
  if (n_lines > lines_max) {
    say(kDim, "  ... " + std::to_string(n_lines - lines_max) + " more lines (toccata runs show)\n");
  }
}

// Of a run that this one makes: that it begins, what it calls, and how it ends.
void TerminalView::on(const agent::ChildEvent& event) {
  const std::string name = event.call > 0 ? "sub-agent " : "candidate " + std::to_string(event.part) + " ";
  const auto line = [&](const std::string& what) {
    if (stderr_open_line_) say("", "\n");
    say(kDim, "  " + name + event.run_id + ": " + what + "\n");
  };
  const agent::Event& inner = event.event->event;
  if (std::holds_alternative<agent::TurnStarted>(inner)) line("begins");
  if (std::holds_alternative<agent::TurnCompleted>(inner)) line("done");
  if (const auto* failed = std::get_if<agent::TurnFailed>(&inner)) line("ended, " + failed->terminal_reason);
  const auto* started = std::get_if<agent::ItemStarted>(&inner);
  if (started == nullptr) return;
  if (const auto* call = std::get_if<agent::ToolCallItem>(&started->item.details)) line(call->server + "." + call->tool);
  if (std::holds_alternative<agent::CommandItem>(started->item.details)) line("python");
  if (const auto* search = std::get_if<agent::WebSearchItem>(&started->item.details)) line("search " + search->query);
}

void TerminalView::on(const agent::ItemStarted& event) {
  if (stderr_open_line_) say("", "\n");
  std::visit(
      Overloaded{
          [&](const agent::CommandItem& item) {
            say(kBold, "python\n");
            block("", item.command, style_.output_lines_max);
          },
          [&](const agent::ToolCallItem& item) {
            say(kBold, item.server + "." + item.tool + " ");
            say("", item.arguments + "\n");
          },
          [&](const agent::WebSearchItem& item) {
            say(kBold, "search ");
            say("", item.query + "\n");
          },
          [](const auto&) {},
      },
      event.item.details
  );
}

void TerminalView::on(const agent::ItemDelta& event) {
  if (event.kind == agent::ItemDelta::Kind::kOutput) return;  // shown, shortened, when the command is done
  if (event.kind != agent::ItemDelta::Kind::kFinal) {
    say(event.kind == agent::ItemDelta::Kind::kReasoning ? kDim : "", event.delta);
    return;
  }
  const std::string numbered = with_numbers(event);
  if (numbered.empty()) return;
  print_answer(paints() ? ink_.push(for_terminal(numbered)) : style_.stdout_is_terminal ? for_terminal(numbered) : numbered);
  answer_open_line_ = numbered.back() != '\n';
}

bool TerminalView::paints() const { return style_.stdout_is_terminal && style_.color; }

void TerminalView::print_answer(const std::string& text) {
  std::fwrite(text.data(), 1, text.size(), out_);
  std::fflush(out_);
}

std::size_t TerminalView::number_of(const agent::Citation& citation) {
  const auto known = std::find(sources_.begin(), sources_.end(), citation.url);
  if (known != sources_.end()) return static_cast<std::size_t>(known - sources_.begin()) + 1;
  sources_.push_back(citation.url);
  return sources_.size();
}

std::string TerminalView::with_numbers(const agent::ItemDelta& event) {
  const std::string_view text = event.delta;
  std::string shown;
  std::size_t done = 0;
  for (const agent::Citation& citation : event.citations) {
    const std::size_t begin = byte_of(text, citation.start - n_answer_chars_);
    shown += std::string(text.substr(done, begin - done)) + "[" + std::to_string(number_of(citation)) + "]";
    done = byte_of(text, citation.end - n_answer_chars_);
  }
  n_answer_chars_ += agent::count_code_points(text);
  return shown + std::string(text.substr(done));
}

void TerminalView::list_sources(const std::vector<agent::Citation>& citations) {
  if (!citations.empty()) say(kBold, "Sources\n");
  for (std::size_t n = 1; n <= sources_.size(); ++n) {
    bool headed = false;
    std::vector<std::string> told;  // the same lines may be cited many times
    for (const agent::Citation& citation : citations) {
      if (citation.url != sources_[n - 1]) continue;
      if (!std::exchange(headed, true)) say("", "  [" + std::to_string(n) + "] " + citation.title + "  " + citation.url + "\n");
      const bool ok = citation.check == agent::CitationCheck::kOk;
      const std::string line = spelled(citation.lines) + (ok ? "" : std::string("  (") + agent::to_string(citation.check) + ")");
      if (std::find(told.begin(), told.end(), line) != told.end()) continue;
      told.push_back(line);
      say(ok ? kDim : kRed, "      " + line + "\n");
      if (!citation.quote.empty()) block(kDim, "        " + indented(citation.quote), style_.output_lines_max);
    }
  }
  sources_.clear();
  n_answer_chars_ = 0;
}

void TerminalView::on(const agent::ItemCompleted& event) {
  if (stderr_open_line_) say("", "\n");
  std::visit(
      Overloaded{
          [&](const agent::CommandItem& item) {
            block(kDim, item.aggregated_output, style_.output_lines_max);
          },
          [&](const agent::ToolCallItem& item) {
            block(kDim, item.error.value_or(item.result.value_or("")), style_.output_lines_max);
          },
          [&](const agent::WebSearchItem& item) {
            block(kDim, item.result.value_or(""), style_.output_lines_max);
          },
          [&](const agent::NoticeItem& item) { say(kDim, "note: " + item.message + "\n"); },
          [&](const agent::AgentMessageItem& item) {
            if (item.phase != agent::AgentMessageItem::Phase::kFinal) return;
            if (paints()) print_answer(ink_.finish());
            if (std::exchange(answer_open_line_, false)) print_answer("\n");
            list_sources(item.citations);
          },
          [](const agent::ReasoningItem&) {},
      },
      event.item.details
  );
}

void TerminalView::on(const agent::StreamError& event) {
  std::fprintf(
      err_, "%stoccata: %s%s\n", style_.color ? kRed : "", event.message.c_str(),
      style_.color ? kReset : ""
  );
}

}  // namespace toccata::cli
