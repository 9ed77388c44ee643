#include "tools/declared/command_call.h"

#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <nlohmann/json.hpp>

#include "core/base/json.h"
#include "tools/mcp/process.h"

namespace toccata::tools::declared {
namespace {

using Json = nlohmann::ordered_json;
using Kind = TextTemplate::Piece::Kind;
using sandbox::UniqueFd;
using Clock = std::chrono::steady_clock;

constexpr std::chrono::milliseconds kGrace{200};  // from SIGTERM to SIGKILL
constexpr const char* kKeyVariable = "TOCCATA_IDEMPOTENCY_KEY";

Error wrong(const std::string& what) { return {ErrorCode::kInvalidArgument, what}; }

std::string variable_of(const std::string& argument) {
  std::string name = "ARG_" + argument;
  for (char& c : name) {
    if ((c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9')) c = '_';
  }
  return name;
}

class ArgvMaker {
 public:
  ArgvMaker(const CommandCall& call, const Arguments& arguments) : call_(call), arguments_(arguments) {}

  Result<std::vector<std::string>> make() {
    for (const CommandCall::Words& words : call_.argv) {
      std::vector<std::string> made;
      bool missing = false;
      for (const TextTemplate& word : words.words) {
        auto texts = texts_of(word);
        if (!texts) return texts.error();
        missing = missing || !*texts;
        if (*texts) made.insert(made.end(), (*texts)->begin(), (*texts)->end());
      }
      if (!missing) argv_.insert(argv_.end(), made.begin(), made.end());
    }
    return std::move(argv_);
  }

 private:
  using Texts = std::optional<std::vector<std::string>>;

  // A lone argument that is a list is as many words. nullopt: an argument is missing.
  Result<Texts> texts_of(const TextTemplate& word) {
    const auto alone = word.only_argument();
    const Json* list = alone ? arguments_.find(*alone) : nullptr;
    std::vector<std::string> texts;
    if (list != nullptr && list->is_array()) {
      for (const Json& item : *list) texts.push_back(item.is_string() ? item.get<std::string>() : json_text(item));
    } else {
      auto text = arguments_.fill(word);
      if (!text) return text.error();
      if (!*text) return Texts();
      texts.push_back(std::move(**text));
    }
    for (const std::string& text : texts) {
      if (auto good = check(word, text); !good) return good.error();
    }
    ends_options_ = ends_options_ || (word.pieces().size() == 1 && word.pieces()[0] == TextTemplate::Piece{Kind::kText, "--"});
    return Texts(std::move(texts));
  }

  Result<void> check(const TextTemplate& word, const std::string& text) const {
    const auto names = word.names(Kind::kArgument);
    const std::string whose = names.empty() ? "a word of the command" : "the argument " + names.front();
    if (text.find('\0') != std::string::npos) return wrong(whose + " may not hold a NUL character");
    const bool could_be_option = word.begins_with_argument() && text.starts_with('-') && !ends_options_ && !call_.dashes;
    if (could_be_option) return wrong(whose + " may not begin with '-': the program would take it for an option");
    return {};
  }

  const CommandCall& call_;
  const Arguments& arguments_;
  std::vector<std::string> argv_;
  bool ends_options_ = false;  // a literal "--" came before
};

// Feeds a program and drains it until it ends, the time is over, or somebody stops it.
class HostRun {
 public:
  enum class End { kExited, kTimeout, kStopped, kFlood };

  HostRun(mcp::Process& process, std::string_view input) : process_(process), input_(input) {
    if (input_.empty()) process_.in.reset();
  }

  End wait(Clock::time_point deadline, const std::stop_token& stop) {
    const UniqueFd stopped(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    const std::stop_callback wake(stop, [&] {
      const std::uint64_t one = 1;
      [[maybe_unused]] const ssize_t n = write(stopped.get(), &one, sizeof one);
    });
    while (true) {
      const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now()).count();
      if (left <= 0) return End::kTimeout;
      std::array<pollfd, 5> fds = {{
          {process_.process.get(), POLLIN, 0}, {stopped.get(), POLLIN, 0}, {open_or_none(process_.out), POLLIN, 0},
          {open_or_none(process_.err), POLLIN, 0}, {open_or_none(process_.in), POLLOUT, 0}}};
      poll(fds.data(), fds.size(), static_cast<int>(std::min<std::int64_t>(left, 60'000)));
      if (fds[1].revents != 0) return End::kStopped;
      if (fds[4].revents != 0) feed();
      if (fds[2].revents != 0) drain(process_.out, out_);
      if (fds[3].revents != 0) drain(process_.err, err_);
      if (out_.size() + err_.size() > kPrintedBytesMax) return End::kFlood;
      if (fds[0].revents != 0) return End::kExited;
    }
  }

  // What is left in the pipes of an ended program, which something it started may go on filling.
  void finish() {
    for (int n = 0; n < kLastReads && process_.out && out_.size() <= kPrintedBytesMax; ++n) {
      if (!drain(process_.out, out_)) break;
    }
    for (int n = 0; n < kLastReads && process_.err && err_.size() <= kPrintedBytesMax; ++n) {
      if (!drain(process_.err, err_)) break;
    }
  }
  const std::string& out() const { return out_; }
  const std::string& err() const { return err_; }

 private:
  static constexpr int kLastReads = 64;
  static int open_or_none(const UniqueFd& fd) { return fd ? fd.get() : -1; }

  void feed() {
    const ssize_t n = mcp::write_quietly(process_.in.get(), input_);
    if (n > 0) input_.remove_prefix(static_cast<std::size_t>(n));
    if ((n < 0 && errno != EAGAIN && errno != EINTR) || input_.empty()) process_.in.reset();
  }
  // Whether something came.
  static bool drain(UniqueFd& fd, std::string& to) {
    std::array<char, 65536> bytes;
    const ssize_t n = read(fd.get(), bytes.data(), bytes.size());
    if (n > 0) to.append(bytes.data(), static_cast<std::size_t>(n));
    if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) fd.reset();
    return n > 0;
  }

  mcp::Process& process_;
  std::string_view input_;
  std::string out_, err_;
};

std::string joined(const std::string& out, const std::string& err, const std::string& remark) {
  std::string text = out;
  const auto add = [&](const std::string& more) {
    if (more.empty()) return;
    if (!text.empty() && !text.ends_with('\n')) text += '\n';
    text += more;
  };
  if (!err.empty()) add("[stderr]\n" + err);
  add(remark);
  return text.empty() ? "(no output)" : text;
}

}  // namespace

Result<CommandLine> make_command_line(const CommandCall& call, const Json& object, const Arguments& arguments, const std::string& key) {
  CommandLine line;
  if (call.shell.empty()) {
    auto argv = ArgvMaker(call, arguments).make();
    if (!argv) return argv.error();
    line.argv = std::move(*argv);
  } else {
    line.argv = {"bash", "-c", call.shell};
    for (const auto& [name, value] : object.items()) {
      const auto text = arguments.text(name);
      if (text && text->find('\0') != std::string::npos) return wrong("the argument " + name + " may not hold a NUL character");
      if (text) line.environment.push_back(variable_of(name) + "=" + *text);
    }
  }
  for (const auto& [name, text] : call.environment) {
    auto value = arguments.fill(text);
    if (!value) return value.error();
    if (!*value) continue;
    if ((*value)->find('\0') != std::string::npos) return wrong("what stands in the variable " + name + " may not hold a NUL character");
    line.environment.push_back(name + "=" + **value);
  }
  if (!key.empty()) line.environment.push_back(std::string(kKeyVariable) + "=" + key);
  if (call.input == CommandCall::Input::kJson) line.input = json_text(object) + "\n";
  if (call.input == CommandCall::Input::kText) {
    auto text = arguments.fill(call.input_text);
    if (!text) return text.error();
    line.input = text->value_or("");
  }
  return line;
}

Result<CommandEnd> run_on_host(
    const CommandCall& call, const CommandLine& line, const std::vector<std::string>& environment, std::chrono::milliseconds timeout,
    std::stop_token stop
) {
  const auto begin = Clock::now();
  mcp::ProcessOrder order{line.argv.at(0), {line.argv.begin() + 1, line.argv.end()}, line.environment, call.folder};
  for (const std::string& entry : environment) {
    const std::string start = entry.substr(0, entry.find('=') + 1);
    const bool named = std::any_of(line.environment.begin(), line.environment.end(), [&](const auto& own) { return own.starts_with(start); });
    if (!named) order.environment.push_back(entry);
  }
  Result<mcp::Process> process = mcp::Process::start(order);
  if (!process) return process.error();
  const std::string input = line.input.value_or("");
  HostRun run(*process, input);
  const HostRun::End how = run.wait(begin + timeout, stop);
  std::string remark;
  if (how == HostRun::End::kExited) run.finish();
  if (how == HostRun::End::kTimeout) remark = "[stopped after " + std::to_string(timeout.count()) + " ms, its time limit]";
  if (how == HostRun::End::kStopped) remark = "[stopped]";
  if (how == HostRun::End::kFlood) remark = "[stopped: it printed more than " + std::to_string(kPrintedBytesMax >> 20) + " MiB]";
  const std::string ended = process->end(how == HostRun::End::kExited ? std::chrono::milliseconds(0) : kGrace);
  CommandEnd end;
  constexpr std::string_view kExit = "exited with code ";
  if (how == HostRun::End::kExited && ended.starts_with(kExit)) end.exit_code = std::stoi(ended.substr(kExit.size()));
  end.ok = end.exit_code == 0;
  if (remark.empty() && !end.ok) remark = "[" + ended + "]";
  end.text = joined(run.out(), run.err(), remark);
  const auto took = std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - begin);
  Json metadata = {{"where", "host"}, {"duration_ms", took.count()}};
  if (end.exit_code) metadata["exit_code"] = *end.exit_code;
  end.metadata = json_text(metadata);
  return end;
}

Result<CommandEnd> run_in_sandbox(
    const CommandCall& call, const CommandLine& line, sandbox::SessionSlot& slot, std::chrono::milliseconds timeout,
    const ToolCall& listener, std::stop_token stop
) {
  const Result<sandbox::Session*> session = slot.open();
  if (!session) return session.error();
  std::vector<std::string> argv = line.argv;
  if (!line.environment.empty()) {
    argv.insert(argv.begin(), line.environment.begin(), line.environment.end());
    argv.insert(argv.begin(), "env");
  }
  // Sessions give commands an empty stdin.
  if (line.input) argv.insert(argv.begin(), {"bash", "-c", R"(printf %s "$1" | { shift; exec "$@"; })", "toccata", *line.input});
  (*session)->listen(listener.on_output);
  const sandbox::Outcome outcome = (*session)->run_command({argv, call.folder.empty() ? "." : call.folder.string()}, timeout, stop, listener.charge_cpu);
  (*session)->listen(nullptr);
  CommandEnd end{outcome.status == sandbox::Status::kOk, outcome.output, outcome.exit_code, "{}", outcome.cpu};
  Json metadata = {{"where", "sandbox"}, {"level", sandbox::to_string(outcome.level)}, {"status", sandbox::to_string(outcome.status)},
                   {"duration_ms", outcome.duration.count()}, {"truncated", outcome.truncated}, {"artifacts", Json::array()}};
  if (outcome.exit_code) metadata["exit_code"] = *outcome.exit_code;
  for (const auto& file : outcome.artifacts) metadata["artifacts"].push_back({{"name", file.path}, {"size", file.size}});
  end.metadata = json_text(metadata);
  return end;
}

}  // namespace toccata::tools::declared
