#include <histedit.h>

#include <clocale>
#include <cstdio>
#include <iostream>
#include <memory>
#include <optional>
#include <string>

#include "agent/cli/run_trace.h"
#include "agent/cli/session_setup.h"
#include "agent/cli/signals.h"
#include "agent/cli/terminal_view.h"
#include "agent/cli/verbs.h"

namespace toccata::cli {
namespace {

// Lines of the user: edited with history on a terminal, plain otherwise.
class LineReader {
 public:
  virtual ~LineReader() = default;
  // nullopt at the end of input.
  virtual std::optional<std::string> next() = 0;
};

class PlainReader : public LineReader {
 public:
  std::optional<std::string> next() override {
    std::string line;
    if (!std::getline(std::cin, line)) return std::nullopt;
    return line;
  }
};

class EditingReader : public LineReader {
 public:
  EditingReader() : history_(::history_init()), edit_(::el_init("toccata", stdin, stderr, stderr)) {
    std::setlocale(LC_CTYPE, "");
    HistEvent event{};
    ::history(history_, &event, H_SETSIZE, 1000);
    ::el_set(edit_, EL_PROMPT, +[](EditLine*) -> char* { return prompt_; });
    ::el_set(edit_, EL_EDITOR, "emacs");
    ::el_set(edit_, EL_HIST, ::history, history_);
  }
  ~EditingReader() override {
    ::el_end(edit_);
    ::history_end(history_);
  }
  EditingReader(const EditingReader&) = delete;
  EditingReader& operator=(const EditingReader&) = delete;

  std::optional<std::string> next() override {
    int length = 0;
    const char* line = ::el_gets(edit_, &length);
    if (line == nullptr || length <= 0) return std::nullopt;
    std::string text(line, static_cast<std::size_t>(length));
    if (text.ends_with('\n')) text.pop_back();
    HistEvent event{};
    if (!text.empty()) ::history(history_, &event, H_ENTER, text.c_str());
    return text;
  }

 private:
  static inline char prompt_[] = "> ";  // libedit's callback wants a mutable string
  History* history_;
  EditLine* edit_;
};

}  // namespace

int chat_verb(const ChatOptions& options, const Environment& env) {
  if (options.agent.json) {
    throw Exception(ErrorCode::kInvalidArgument, "chat is for people; for --json use `toccata run`");
  }
  SignalStop signals;
  RunTrace trace(options.agent, env);
  AgentSetup setup = set_up(options.agent, env);
  TerminalView view({
      .color = env.color && !options.agent.no_color,
      .quiet = options.agent.quiet,
      .stdout_is_terminal = env.stdout_is_terminal,
  });
  const agent::EventSink sink = trace.watch(setup.model.model->name(), setup.config, std::ref(view));
  agent::Agent agent(*setup.model.model, setup.tools, *setup.ledger, setup.config, sink);
  const bool interactive = env.stdin_is_terminal && env.stderr_is_terminal;
  std::unique_ptr<LineReader> reader;
  if (interactive) {
    std::fprintf(
        stderr, "%s, tools: %s. Ctrl-C stops an answer, Ctrl-D ends the chat.\n",
        setup.model.model->name().c_str(),
        setup.tools.tools().empty() ? "none" : setup.tools.recipients().front().c_str()
    );
    reader = std::make_unique<EditingReader>();
  } else {
    reader = std::make_unique<PlainReader>();
  }

  int code = 0;
  while (signals.exit_code() == 0 || interactive) {
    if (interactive) signals.set_idle(true);
    const std::optional<std::string> line = reader->next();
    if (interactive) signals.set_idle(false);
    if (!line || *line == "/quit" || *line == "/exit") break;
    if (line->find_first_not_of(" \t") == std::string::npos) continue;
    const agent::RunOutcome outcome = agent.run(*line, signals.token());
    report(outcome);
    code = outcome.exit_code;
  }
  return signals.exit_code() != 0 ? signals.exit_code() : code;
}

}  // namespace toccata::cli
