#include "agent/cli/line_reader.h"

#include <fcntl.h>
#include <histedit.h>
#include <unistd.h>

#include <clocale>
#include <iostream>

namespace toccata::cli {
namespace {

constexpr std::string_view kQuotes = R"(""")";

class PlainReader final : public LineReader {
 public:
  std::optional<std::string> line(bool) override {
    std::string line;
    if (!std::getline(std::cin, line)) return std::nullopt;
    return line;
  }
};

class EditingReader final : public LineReader {
 public:
  explicit EditingReader(std::filesystem::path file)
      : file_(std::move(file)), history_(::history_init()), edit_(::el_init("toccata", stdin, stderr, stderr)) {
    std::setlocale(LC_CTYPE, "");
    HistEvent event{};
    ::history(history_, &event, H_SETSIZE, 1000);
    ::history(history_, &event, H_SETUNIQUE, 1);
    if (!file_.empty()) ::history(history_, &event, H_LOAD, file_.c_str());
    ::el_set(edit_, EL_PROMPT, +[](EditLine*) -> char* { return prompt_; });
    ::el_set(edit_, EL_EDITOR, "emacs");
    ::el_set(edit_, EL_HIST, ::history, history_);
    ::el_source(edit_, nullptr);  // ~/.editrc
  }
  ~EditingReader() override {
    ::el_end(edit_);
    ::history_end(history_);
  }
  EditingReader(const EditingReader&) = delete;
  EditingReader& operator=(const EditingReader&) = delete;

  std::optional<std::string> line(bool more) override {
    prompt_ = more ? more_ : first_;
    int length = 0;
    const char* line = ::el_gets(edit_, &length);
    if (line == nullptr || length <= 0) return std::nullopt;
    std::string text(line, static_cast<std::size_t>(length));
    if (text.ends_with('\n')) text.pop_back();
    return text;
  }

  void remember(const std::string& message) override {
    if (message.empty()) return;
    HistEvent event{};
    ::history(history_, &event, H_ENTER, message.c_str());
    if (file_.empty()) return;
    // A chat is nobody else's business, from the file's first byte on.
    const int fd = open(file_.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) return;  // a history that cannot be kept is no reason to stop talking
    close(fd);
    ::history(history_, &event, H_SAVE, file_.c_str());
  }

 private:
  // libedit's callback has no place for an object, and wants a mutable string.
  static inline char first_[] = "> ", more_[] = ". ";
  static inline char* prompt_ = first_;
  std::filesystem::path file_;
  History* history_;
  EditLine* edit_;
};

std::optional<std::string> quoted(LineReader& reader, std::string text) {
  for (bool first = true;; first = false) {
    if (text.ends_with(kQuotes)) {
      text.resize(text.size() - kQuotes.size());
      if (text.ends_with('\n')) text.pop_back();
      return text;
    }
    const std::optional<std::string> line = reader.line(/*more=*/true);
    if (!line) return text;
    if (!first || !text.empty()) text += '\n';
    text += *line;
  }
}

std::optional<std::string> continued(LineReader& reader, std::string text) {
  while (text.ends_with('\\') && !text.ends_with("\\\\")) {
    text.back() = '\n';
    const std::optional<std::string> line = reader.line(/*more=*/true);
    if (!line) break;
    text += *line;
  }
  return text;
}

}  // namespace

std::unique_ptr<LineReader> plain_reader() { return std::make_unique<PlainReader>(); }
std::unique_ptr<LineReader> editing_reader(const std::filesystem::path& history) {
  return std::make_unique<EditingReader>(history);
}

std::optional<std::string> next_message(LineReader& reader) {
  std::optional<std::string> line = reader.line(/*more=*/false);
  if (!line) return line;
  std::optional<std::string> message = line->starts_with(kQuotes) ? quoted(reader, line->substr(kQuotes.size()))
                                                                  : continued(reader, std::move(*line));
  if (message) reader.remember(*message);
  return message;
}

}  // namespace toccata::cli
