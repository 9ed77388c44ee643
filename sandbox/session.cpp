// A session: cells one after the other on one child, and what to do when the child is lost.
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <sstream>

#include "sandbox/branch.h"
#include "sandbox/cell.h"
#include "sandbox/command.h"
#include "sandbox/egress.h"
#include "sandbox/machinery.h"
#include "sandbox/session_words.h"
#include "sandbox/workspace.h"

namespace toccata::sandbox {
namespace {

using std::chrono::milliseconds;

constexpr std::chrono::seconds kStartTime{20};  // of the interpreter, on a loaded machine
constexpr std::chrono::seconds kRestartTime{3};

// The workspace where the session has no root of its own: a private folder of the host.
class HostFolder {
 public:
  // `owner`: uid and gid of the session, or -1 for the caller's.
  static Result<HostFolder> make(std::int64_t owner) {
    std::string path = "/tmp/toccata-workspace-XXXXXX";
    if (mkdtemp(path.data()) == nullptr) {
      return Error{
          ErrorCode::kUnavailable,
          "cannot make a workspace in /tmp: " + std::string(strerror(errno))};
    }
    HostFolder folder;
    folder.path_ = path;
    for (const std::string& made : {path + "/data", path + "/tmp", path}) {
      if (made != path && mkdir(made.c_str(), 0700) != 0) return cannot("mkdir", made);
      const auto id = static_cast<uid_t>(owner);
      if (owner >= 0 && chown(made.c_str(), id, id) != 0) return cannot("chown", made);
    }
    return folder;
  }
  static Error cannot(const char* call, const std::string& path) {
    return {ErrorCode::kUnavailable, std::string(call) + " " + path + ": " + strerror(errno)};
  }
  HostFolder() = default;
  HostFolder(HostFolder&& other) noexcept : path_(std::exchange(other.path_, {})) {}
  HostFolder& operator=(HostFolder&& other) noexcept {
    std::swap(path_, other.path_);
    return *this;
  }
  ~HostFolder() {
    std::error_code ignored;
    if (!path_.empty())
      std::filesystem::remove_all(path_, ignored);  // removes links, never follows them
  }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

// "/mnt/data/a" -> "a". The keeper stands in the workspace.
std::string below_workspace(const std::string& folder) {
  const std::string root = kWorkspacePath;
  if (folder == root || folder == root + "/" || folder.empty()) return ".";
  return folder.starts_with(root + "/") ? folder.substr(root.size() + 1) : folder;
}

// Why a command cannot be run; empty when it can.
std::string why_not(const Command& command) {
  if (command.argv.empty() || command.argv[0].empty()) return "The command is empty.";
  const std::string folder = below_workspace(command.folder);
  const auto names = "/" + folder + "/";
  if (folder[0] == '/' || names.find("/../") != std::string::npos) {
    return "The folder " + to_utf8(command.folder) + " is not inside " + kWorkspacePath + ".";
  }
  std::size_t size = folder.size();
  bool nul = folder.find('\0') != std::string::npos;
  for (const std::string& argument : command.argv) {
    size += argument.size() + 1;
    nul = nul || argument.find('\0') != std::string::npos;
  }
  if (nul) return "The command has a NUL character.";
  if (size <= kCommandBytesMax) return {};
  return "The command has " + std::to_string(size) + " bytes; at most " + std::to_string(kCommandBytesMax) +
         " can be run at once. Put it into a file of " + kWorkspacePath + " and run that.";
}

// The number of a cell for the wire: its count, below a random half that no cell before it can know. Without that, code
// could leave answers in the channel for the cells to come.
std::uint64_t unforeseeable(std::uint32_t count) {
  std::uint32_t random = 0;
  (void)!getrandom(&random, sizeof random, 0);
  return std::uint64_t{random} << 32 | count;
}

// One execution with its account at the door, when there is one.
class Passage {
 public:
  explicit Passage(std::shared_ptr<Door> door) : door_(std::move(door)), account_(door_ ? door_->begin() : 0) {}
  ~Passage() { (void)end(); }
  Passage(const Passage&) = delete;
  Passage& operator=(const Passage&) = delete;

  std::vector<HostUse> end() {
    const std::shared_ptr<Door> door = std::exchange(door_, nullptr);
    return door ? door->end(account_) : std::vector<HostUse>();
  }

 private:
  std::shared_ptr<Door> door_;
  int account_;
};

class PythonSession final : public Session {
 public:
  explicit PythonSession(std::shared_ptr<Machinery> machinery) : machinery_(std::move(machinery)) {}
  ~PythonSession() override { close(); }

  Result<void> start();

  Outcome execute(std::string_view code, milliseconds timeout, std::stop_token stop, CpuAccount cpu) override;
  Outcome run_command(const Command& command, milliseconds timeout, std::stop_token stop, CpuAccount cpu) override;
  void listen(Listener listener) override { listener_ = std::move(listener); }
  void interrupt() override;
  Result<std::vector<WorkspaceFile>> list_files() override;
  Result<std::string> download(const std::string& path) override;
  Result<void> upload(const std::string& path, std::string_view bytes) override;
  std::vector<FileChange> take_changes() override;
  Result<Folder> workspace_folder() override;
  Result<std::unique_ptr<Session>> fork() override;
  Level level() const override { return machinery_->level(); }
  const std::vector<std::string>& heard() const override { return heard_; }
  void close() override;
  bool alive() const { return child_.running(); }

 private:
  enum class Before { kSame, kRestarted, kRemade, kFailed };
  void note(const KeeperMessage& message);
  Before catch_up();
  void note_network(Outcome& outcome, Passage& passage);
  bool has_cpu(Outcome& outcome, const CpuAccount& cpu);
  void judge_command(Outcome& outcome, const CommandRun& run, milliseconds timeout);
  bool await_interpreter(Deadline deadline);
  void judge(Outcome& outcome, const Cell& cell, Cell::End end, milliseconds timeout);
  std::string cause_of_death(const Cell& cell);
  void remake(Outcome& outcome);
  Error start_error();
  std::int64_t files_belong_to() const;
  void use_workspace();

  std::shared_ptr<Machinery> machinery_;
  std::shared_ptr<HostFolder> folder_;  // where there is no root of its own
  UniqueFd interrupts_{eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};  // asked for by interrupt()
  Child child_;
  std::uint32_t generation_ = 0;
  std::uint32_t cells_ = 0;
  std::uint32_t commands_ = 0;
  bool ended_ = false, restarted_ = false;  // the interpreter, since the cell before
  std::uint64_t oom_kills_ = 0;  // before the cell
  bool is_fresh_ = true;         // nobody has run anything in its processes yet
  std::optional<Workspace> workspace_;
  std::map<std::string, Workspace::Stamp> taken_;  // as take_changes() last saw them, also in a workspace before
  Listener listener_;
  std::shared_ptr<Door> door_;  // of this session and its forks; null without a network
  std::vector<std::string> heard_;
  bool closed_ = false;
};

// A fresh child with its namespaces and an empty workspace; returns when its interpreter is up.
Result<void> PythonSession::start() {
  if (level() > Level::kNoProc && !folder_) {
    Result<HostFolder> folder = HostFolder::make(files_belong_to());
    if (!folder) return folder.error();
    folder_ = std::make_shared<HostFolder>(std::move(*folder));
  }
  Result<Child> child = machinery_->start(folder_ ? folder_->path() : "");
  if (!child) return child.error();
  child_ = std::move(*child);
  if (child_.way_out) door_ = machinery_->egress()->open(std::move(child_.way_out));
  generation_ = 0;
  is_fresh_ = true;
  if (!await_interpreter(Deadline(kStartTime))) return start_error();
  use_workspace();
  return {};
}

// A root that is left for another uid: how its files are to belong to it. -1: as they come.
std::int64_t PythonSession::files_belong_to() const {
  return geteuid() == 0 && level() != Level::kNone ? std::int64_t{kOutsideId} : -1;
}

void PythonSession::use_workspace() {
  workspace_.emplace(child_.workspace.get(), files_belong_to(), machinery_->limits().transfer_bytes);
  workspace_->remember();
}

Error PythonSession::start_error() {
  char text[2000];
  const ssize_t n = read(child_.err.get(), text, sizeof text);
  std::string message = "the Python interpreter does not start in the sandbox";
  if (n > 0) message += ": " + to_utf8({text, static_cast<std::size_t>(n)});
  return {ErrorCode::kUnavailable, message};
}

// Waits until the keeper has said that an interpreter newer than the known one is up.
bool PythonSession::await_interpreter(Deadline deadline) {
  while (!deadline.passed()) {
    pollfd fds[] = {{child_.keeper.get(), POLLIN, 0}, {child_.process(), POLLIN, 0}};
    poll(fds, 2, deadline.poll_ms());
    while (const auto message = receive_keeper(child_.keeper.get())) {
      if (message->kind != 's' || message->generation <= generation_) continue;
      generation_ = message->generation;
      return true;
    }
    if (!child_.running()) return false;
  }
  return false;
}

// What happened since the cell before: background threads may have ended the interpreter, or the whole session.
void PythonSession::note(const KeeperMessage& message) {
  if (message.kind == 'd' && message.generation == generation_) ended_ = true;
  if (message.kind != 's' || message.generation <= generation_) return;
  generation_ = message.generation;
  ended_ = false;
  restarted_ = true;
}

PythonSession::Before PythonSession::catch_up() {
  while (const auto message = receive_keeper(child_.keeper.get())) note(*message);
  const bool ended = std::exchange(ended_, false);
  bool restarted = std::exchange(restarted_, false);
  if (ended) restarted = await_interpreter(Deadline(kRestartTime));
  if (child_.running() && (!ended || restarted)) {
    return restarted ? Before::kRestarted : Before::kSame;
  }
  return start() ? Before::kRemade : Before::kFailed;
}

// Charges what ran on in the background since the last execution; what made the session ready is nobody's.
bool PythonSession::has_cpu(Outcome& outcome, const CpuAccount& cpu) {
  const std::chrono::microseconds before = child_.take_cpu_time();
  if (!std::exchange(is_fresh_, false)) outcome.cpu = before;
  if (!cpu || cpu(outcome.cpu) > std::chrono::microseconds(0)) return true;
  outcome.status = Status::kTimeout;
  outcome.output = "No CPU time is left for the sandbox. Nothing was run.";
  return false;
}

Outcome PythonSession::execute(std::string_view code, milliseconds timeout, std::stop_token stop, CpuAccount cpu) {
  const auto began = std::chrono::steady_clock::now();
  Outcome outcome;
  outcome.level = level();
  const Limits& limits = machinery_->limits();
  if (closed_) {
    outcome.status = Status::kDied;
    outcome.output = "The Python session is closed.";
    return outcome;
  }
  if (code.size() > limits.code_bytes) {
    outcome.status = Status::kError;
    outcome.output = "The code has " + std::to_string(code.size()) + " bytes; at most " +
                     std::to_string(limits.code_bytes) + " can be run at once. Nothing was run.";
    return outcome;
  }
  const Before before = catch_up();
  if (before == Before::kFailed) {
    outcome.status = Status::kDied;
    outcome.state_lost = true;
    outcome.output = "The Python process ended and cannot be started again.";
    return outcome;
  }
  if (!has_cpu(outcome, cpu)) {
    restarted_ = before != Before::kSame;  // the next cell has to be told of it
    return outcome;
  }
  oom_kills_ = child_.oom_kills();
  CpuWatch watch(child_, std::move(cpu));
  Cell cell(child_, generation_, unforeseeable(++cells_), limits);
  cell.tell(listener_);
  Passage passage(door_);
  const Cell::End end = cell.run(code, timeout, stop, interrupts_.get(), watch);
  outcome.cpu += watch.finish();
  outcome.output = cell.text(outcome.truncated);
  note_network(outcome, passage);
  judge(outcome, cell, end, timeout);
  while (outcome.output.ends_with('\n')) outcome.output.pop_back();
  if (outcome.output.empty()) outcome.output = kNoOutput;
  if (before != Before::kSame) {
    outcome.restarted = outcome.state_lost = true;
    outcome.output = "The Python process had ended since the last execution. " +
                     std::string(kRestartedSentence) + "\n" + outcome.output;
  }
  if (workspace_) outcome.artifacts = workspace_->changes();
  outcome.duration =
      std::chrono::duration_cast<milliseconds>(std::chrono::steady_clock::now() - began);
  return outcome;
}

// Ends the passage. What strangers answered stays known as long as the session, whatever is lost with its processes.
void PythonSession::note_network(Outcome& outcome, Passage& passage) {
  if (!door_) return;
  outcome.network = machinery_->network();
  outcome.hosts = passage.end();
  for (const HostUse& use : outcome.hosts) {
    if (use.received == 0 || heard_.size() >= kHeardMax) continue;
    if (std::ranges::find(heard_, use.host) == heard_.end()) heard_.push_back(use.host);
  }
  if (const std::string words = refused_words(outcome.hosts); !words.empty()) append_line(outcome.output, words);
}

// Status and the host's own words, from what was seen.
void PythonSession::judge(Outcome& outcome, const Cell& cell, Cell::End end, milliseconds timeout) {
  const bool answered = end == Cell::End::kReturned || end == Cell::End::kRaised;
  std::string words;
  switch (cell.cause()) {
    case Cell::Cause::kTimeout:
      outcome.status = Status::kTimeout;
      words = "The execution was interrupted: it reached its time limit of " +
              seconds_text(timeout) + ".";
      break;
    case Cell::Cause::kStopped:
      outcome.status = Status::kError;
      words = "The execution was interrupted on request.";
      break;
    case Cell::Cause::kCpu:
      outcome.status = Status::kTimeout;
      words = "The execution was interrupted: it used up the CPU time that was left for the sandbox.";
      break;
    case Cell::Cause::kFlood:
      outcome.status = Status::kDied;
      words = "The execution was stopped: it printed more than " +
              mebibytes(machinery_->limits().flood_bytes) + ".";
      break;
    case Cell::Cause::kNone:
      outcome.status = end == Cell::End::kReturned ? Status::kOk
                       : answered                  ? Status::kError
                                                   : Status::kDied;
      if (!answered) words = cause_of_death(cell);
      break;
  }
  if (answered) {
    if (!words.empty()) append_line(outcome.output, words + " Variables are kept.");
    return;
  }
  outcome.restarted = outcome.state_lost = true;
  append_line(outcome.output, words + " " + kRestartedSentence);
  if (end == Cell::End::kGone) {
    remake(outcome);
  } else {
    generation_ = cell.generation();
  }
}

std::string PythonSession::cause_of_death(const Cell& cell) {
  if (child_.oom_kills() > oom_kills_) {
    return "The Python process ran out of memory (limit " +
           mebibytes(machinery_->limits().memory_bytes) + ").";
  }
  return "The Python process ended (" + how_it_ended(cell.wait_status()) + ").";
}

void PythonSession::remake(Outcome& outcome) {
  workspace_.reset();
  const Result<void> started = start();
  if (level() <= Level::kNoProc) {
    append_line(outcome.output, std::string("The files in ") + kWorkspacePath + " are lost too.");
  }
  if (started) return;
  outcome.restarted = false;
  outcome.status = Status::kDied;
  append_line(outcome.output, "It cannot be started again: " + started.error().message);
}

Outcome PythonSession::run_command(
    const Command& command, milliseconds timeout, std::stop_token stop, CpuAccount cpu
) {
  const auto began = std::chrono::steady_clock::now();
  Outcome outcome;
  outcome.level = level();
  if (const std::string why = why_not(command); !why.empty()) {
    outcome.status = Status::kError;
    outcome.output = why + " Nothing was run.";
    return outcome;
  }
  const bool anew = !child_.running();
  if (closed_ || (anew && !start())) {
    outcome.status = Status::kDied;
    outcome.output = closed_ ? "The session is closed." : "The session ended and cannot be started again.";
    return outcome;
  }
  restarted_ = restarted_ || anew;  // the next cell has to be told of it too
  if (!has_cpu(outcome, cpu)) return outcome;
  oom_kills_ = child_.oom_kills();
  CpuWatch watch(child_, std::move(cpu));
  CommandRun run(child_, ++commands_, machinery_->limits(), [this](const KeeperMessage& m) { note(m); });
  run.tell(listener_);
  Passage passage(door_);
  const bool whole = run.run(command.argv, below_workspace(command.folder), timeout, stop, watch);
  outcome.cpu += watch.finish();
  outcome.output = run.text(outcome.truncated);
  note_network(outcome, passage);
  judge_command(outcome, run, timeout);
  if (anew) {
    outcome.restarted = outcome.state_lost = true;
    outcome.output = "The session had ended: variables and the files in " + std::string(kWorkspacePath) +
                     " are lost.\n" + outcome.output;
  }
  if (!whole) {
    outcome.restarted = outcome.state_lost = true;
    append_line(outcome.output, "The session ended with it. " + std::string(kRestartedSentence));
    remake(outcome);
    restarted_ = true;
  }
  if (workspace_) outcome.artifacts = workspace_->changes();
  outcome.duration =
      std::chrono::duration_cast<milliseconds>(std::chrono::steady_clock::now() - began);
  return outcome;
}

// Status and the host's own words: how it ended, and why when that was not its own doing.
void PythonSession::judge_command(Outcome& outcome, const CommandRun& run, milliseconds timeout) {
  const auto say = [&](const std::string& words) { append_line(outcome.output, words); };
  while (outcome.output.ends_with('\n')) outcome.output.pop_back();
  if (const auto status = run.wait_status()) {
    outcome.exit_code = WIFSIGNALED(*status) ? 128 + WTERMSIG(*status) : WEXITSTATUS(*status);
    if (*outcome.exit_code != 0 && run.cause() == CommandRun::Cause::kNone)
      say(exit_words(*status));
  }
  outcome.status = outcome.exit_code == 0 ? Status::kOk : Status::kError;
  if (child_.oom_kills() > oom_kills_) {
    say("A process ran out of memory (limit of the session " + mebibytes(machinery_->limits().memory_bytes) + ").");
  }
  switch (run.cause()) {
    case CommandRun::Cause::kNone:
      break;
    case CommandRun::Cause::kTimeout:
      outcome.status = Status::kTimeout;
      say("The command reached its time limit of " + seconds_text(timeout) + "; its processes were killed.");
      break;
    case CommandRun::Cause::kStopped:
      outcome.status = Status::kError;
      say("The command was stopped on request; its processes were killed.");
      break;
    case CommandRun::Cause::kCpu:
      outcome.status = Status::kTimeout;
      say("The command used up the CPU time that was left for the sandbox; its processes were killed.");
      break;
    case CommandRun::Cause::kFlood:
      outcome.status = Status::kError;
      say("The command printed more than " + mebibytes(machinery_->limits().flood_bytes) + "; its processes were killed.");
      break;
  }
  if (outcome.output.empty()) outcome.output = "(no output)";
}

void PythonSession::interrupt() { (void)!eventfd_write(interrupts_.get(), 1); }

Result<std::vector<WorkspaceFile>> PythonSession::list_files() {
  if (!workspace_) return Error{ErrorCode::kUnavailable, "the session is closed"};
  return workspace_->list();
}

Result<std::string> PythonSession::download(const std::string& path) {
  if (!workspace_) return Error{ErrorCode::kUnavailable, "the session is closed"};
  return workspace_->read(path);
}

Result<void> PythonSession::upload(const std::string& path, std::string_view bytes) {
  if (!workspace_) return Error{ErrorCode::kUnavailable, "the session is closed"};
  const Result<void> done = workspace_->write(path, bytes);
  workspace_->remember();
  return done;
}

std::vector<FileChange> PythonSession::take_changes() {
  std::vector<FileChange> changes;
  if (!workspace_) return changes;
  Workspace::Scan now = workspace_->scan();
  for (const auto& [path, stamp] : now.files) {
    const auto before = taken_.find(path);
    if (before == taken_.end() || before->second != stamp) changes.push_back({path, stamp.size, false});
  }
  for (const auto& [path, stamp] : taken_) {
    if (now.complete && !now.files.contains(path)) changes.push_back({path, 0, true});
  }
  if (!now.complete) now.files.merge(taken_);
  taken_ = std::move(now.files);
  return changes;
}

Result<Session::Folder> PythonSession::workspace_folder() {
  if (!child_.running()) {
    if (closed_ || !start()) return Error{ErrorCode::kUnavailable, "the session is closed"};
    restarted_ = true;
  }
  UniqueFd fd(fcntl(workspace_->folder(), F_DUPFD_CLOEXEC, 3));
  if (!fd) return Error{ErrorCode::kIo, std::string("workspace: ") + strerror(errno)};
  return Folder{std::move(fd), workspace_->owner()};
}

void PythonSession::close() {
  closed_ = true;
  workspace_.reset();
  door_.reset();
  child_ = Child();
  folder_.reset();
}

Result<std::unique_ptr<Session>> PythonSession::fork() {
  if (closed_) return Error{ErrorCode::kUnavailable, "the session is closed"};
  const Before before = catch_up();
  if (before == Before::kFailed) return Error{ErrorCode::kUnavailable, "the session ended and cannot be started again"};
  restarted_ = before != Before::kSame;  // both are told with their next cell
  Result<Branch> branch = fork_interpreter(child_, generation_, unforeseeable(++cells_));
  if (!branch) return branch.error();
  auto session = std::make_unique<PythonSession>(machinery_);
  session->folder_ = folder_;
  session->child_ = std::move(branch->child);
  session->door_ = door_;
  session->heard_ = heard_;
  session->generation_ = branch->generation;
  session->cells_ = cells_;
  session->restarted_ = restarted_;
  session->is_fresh_ = false;
  session->use_workspace();
  return std::unique_ptr<Session>(std::move(session));
}

}  // namespace

Result<std::unique_ptr<Session>> open_session(std::shared_ptr<Machinery> machinery) {
  auto session = std::make_unique<PythonSession>(std::move(machinery));
  if (const Result<void> started = session->start(); !started) return started.error();
  return std::unique_ptr<Session>(std::move(session));
}

bool is_alive(const Session& session) { return static_cast<const PythonSession&>(session).alive(); }

}  // namespace toccata::sandbox
