#include "sandbox/linux/spawn.h"

#include <fcntl.h>
#include <linux/sched.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <fstream>
#include <span>

#include "sandbox/contain.h"
#include "sandbox/linux/cpu_time.h"
#include "sandbox/linux/deadline.h"
#include "sandbox/linux/errno_text.h"
#include "sandbox/linux/fd_message.h"
#include "sandbox/linux/namespace_flags.h"

namespace toccata::sandbox {
namespace {

constexpr std::chrono::seconds kSetupTime{20};
constexpr std::chrono::seconds kEndTime{5};

struct Pair {
  UniqueFd host, child;
};

// One system call or file the host could not do without.
struct HostFailure {
  std::string call;
  int error = errno;
};

Pair stream_pair() {
  int fds[2];
  if (pipe2(fds, O_CLOEXEC) != 0) throw HostFailure{"pipe"};
  fcntl(fds[0], F_SETFL, O_NONBLOCK);
  return {UniqueFd(fds[0]), UniqueFd(fds[1])};
}

Pair packet_pair() {
  int fds[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) != 0)
    throw HostFailure{"socketpair"};
  fcntl(fds[0], F_SETFL, O_NONBLOCK);
  return {UniqueFd(fds[0]), UniqueFd(fds[1])};
}

UniqueFd text_file(const std::string& text) {
  UniqueFd fd(memfd_create("runner", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  const auto size = static_cast<ssize_t>(text.size());
  if (!fd || pwrite(fd.get(), text.data(), text.size(), 0) != size) throw HostFailure{"memfd"};
  fcntl(fd.get(), F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL);
  return fd;
}

UniqueFd null_device() {
  UniqueFd fd(open("/dev/null", O_RDONLY | O_CLOEXEC));
  if (!fd) throw HostFailure{"open /dev/null"};
  return fd;
}

// The child's side of every channel, and the host's.
struct Channels {
  UniqueFd stdin_ = null_device();
  Pair out = stream_pair(), err = stream_pair(), cells = packet_pair(), keeper = packet_pair();
  UniqueFd runner;
  Pair sync = packet_pair();

  // A fork of the zygote has its text in memory; its descriptor of it is another of /dev/null.
  explicit Channels(const std::string* text)
      : runner(text != nullptr ? text_file(*text) : null_device()) {}
  ChildFds child_side() const {
    return {
        stdin_.get(),
        out.child.get(),
        err.child.get(),
        cells.child.get(),
        keeper.child.get(),
        runner.get(),
        sync.child.get()};
  }
  void close_child_side() {
    for (Pair* pair : {&out, &err, &cells, &keeper, &sync}) pair->child.reset();
  }
};

// On the launcher thread. The child continues in `contain` on a copy of this stack.
pid_t clone_fresh(const Plan& plan, const ChildFds& fds, int* pidfd) {
  clone_args arguments = {};
  arguments.flags = CLONE_PIDFD | (plan.level <= Level::kNoProc ? kNamespaces : 0);
  arguments.pidfd = reinterpret_cast<std::uint64_t>(pidfd);
  arguments.exit_signal = SIGCHLD;
  const long pid = syscall(SYS_clone3, &arguments, sizeof arguments);
  if (pid == 0) contain(plan, fds);
  return static_cast<pid_t>(pid);
}

void write_proc(pid_t pid, const char* file, const std::string& text) {
  const std::string path = "/proc/" + std::to_string(pid) + "/" + file;
  const UniqueFd fd(open(path.c_str(), O_WRONLY | O_CLOEXEC));
  if (!fd || write(fd.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size())) {
    throw HostFailure{"write " + path};
  }
}

// Exactly one id each is known inside; host uid 0 is never among them.
void write_identity_maps(pid_t pid, const Plan& plan) {
  const auto map = [](unsigned outside) {
    return std::to_string(kInsideId) + " " + std::to_string(outside) + " 1";
  };
  if (!plan.host_is_root) write_proc(pid, "setgroups", "deny");
  write_proc(pid, "uid_map", map(plan.host_is_root ? kOutsideId : geteuid()));
  write_proc(pid, "gid_map", map(plan.host_is_root ? kOutsideId : getegid()));
}

// The word to go on. A fork of the zygote gets its own folder of /proc with it, to write its maps.
void let_go_on(int sync, pid_t pid, const Plan& plan) {
  const char go = 'g';
  UniqueFd process;
  if (plan.role == Role::kForked) {
    const std::string path = "/proc/" + std::to_string(pid);
    process.reset(open(path.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (!process) throw HostFailure{"open " + path};
  }
  const int fd = process.get();
  if (send_message(sync, &go, 1, std::span(&fd, process ? 1 : 0)) != 1) throw HostFailure{"start signal"};
}

// One report of the child, with a descriptor when it carries one. False: the socket closed.
bool receive(int socket, ChildReport& report, UniqueFd& attached) {
  pollfd ready = {socket, POLLIN, 0};
  if (poll(&ready, 1, Deadline(kSetupTime).poll_ms()) <= 0) throw HostFailure{"set-up", ETIMEDOUT};
  int fd = -1;
  const ssize_t n = receive_message(socket, &report, sizeof report, std::span(&fd, 1));
  if (fd >= 0) attached.reset(fd);
  return n == static_cast<ssize_t>(sizeof report);
}

Error layer_error(const ChildReport& report, const Plan& plan) {
  const auto all = layers();
  const bool is_layer = report.layer >= 0 && report.layer < static_cast<int>(all.size());
  const std::string what =
      is_layer ? all[static_cast<std::size_t>(report.layer)].name : "start of " + plan.arguments[0];
  return {ErrorCode::kUnavailable, what + ": " + errno_text(report.error)};
}

// Follows the child through its layers. An error when one failed.
std::optional<SpawnFailure> follow(const Plan& plan, int sync, Child& child) {
  ChildReport report;
  UniqueFd attached;
  while (receive(sync, report, attached)) {
    if (report.layer == ChildReport::kAllUp) return std::nullopt;
    if (report.layer == ChildReport::kWorkspaceReady) child.workspace = std::move(attached);
    if (report.layer == ChildReport::kWayOutReady) child.way_out = std::move(attached);
    if (report.layer >= 0) return SpawnFailure{report.layer, layer_error(report, plan), report.error};
  }
  if (child.workspace && (child.way_out || plan.proxy_port == 0)) return std::nullopt;
  return SpawnFailure{
      SpawnFailure::kHost, {ErrorCode::kUnavailable, "the child ended while being set up"}, 0};
}

}  // namespace

void Plan::freeze() {
  argv.clear();
  envp.clear();
  for (std::string& text : arguments) argv.push_back(text.data());
  for (std::string& text : environment) envp.push_back(text.data());
  argv.push_back(nullptr);
  envp.push_back(nullptr);
}

Child::~Child() { end(); }

Child& Child::operator=(Child&& other) noexcept {
  end();
  out = std::move(other.out);
  err = std::move(other.err);
  cells = std::move(other.cells);
  keeper = std::move(other.keeper);
  workspace = std::move(other.workspace);
  way_out = std::move(other.way_out);
  processes = std::move(other.processes);
  return *this;
}

bool Child::running() const {
  if (!processes || !processes->first) return false;
  pollfd ended = {process(), POLLIN, 0};
  return poll(&ended, 1, 0) == 0;
}

// The keeper ends what a closed channel belonged to; with the last channel, and without a pid namespace, everything.
void Child::end() {
  keeper.reset();
  processes.reset();
}

Processes::~Processes() {
  if (!first) return;
  pollfd ended = {first.get(), POLLIN, 0};
  if (!own_pids) poll(&ended, 1, 1000);
  syscall(SYS_pidfd_send_signal, first.get(), SIGKILL, nullptr, 0);
  const Deadline deadline(kEndTime);
  while (poll(&ended, 1, deadline.poll_ms()) < 0 && errno == EINTR) {
  }
  siginfo_t info = {};
  waitid(P_PIDFD, static_cast<id_t>(first.get()), &info, WEXITED | WNOHANG);
  first.reset();
  cgroup.reset();
}

std::chrono::microseconds Processes::take_cpu_time() {
  const std::lock_guard lock(mutex_);
  std::optional<std::chrono::microseconds> whole = cgroup ? cgroup->cpu_time() : std::nullopt;
  if (!whole && first) {
    const pid_t root = pid_of(first.get());
    whole = root > 0 ? cpu_time_of_tree(root) : std::chrono::microseconds(0);
  }
  // A tree that lost a process between two looks is a moment younger than it was.
  const std::chrono::microseconds taken = std::max(whole.value_or(cpu_taken_), cpu_taken_) - cpu_taken_;
  cpu_taken_ += taken;
  return taken;
}

pid_t pid_of(int pidfd) {
  std::ifstream in("/proc/self/fdinfo/" + std::to_string(pidfd));
  std::string key;
  for (pid_t value = -1; in >> key;) {
    if (key == "Pid:" && in >> value) return value;
  }
  return -1;
}

Result<Offshoot> offshoot(const Child& origin) {
  try {
    Offshoot made;
    Pair out = stream_pair(), err = stream_pair(), cells = packet_pair(), keeper = packet_pair();
    made.child.workspace.reset(fcntl(origin.workspace.get(), F_DUPFD_CLOEXEC, 3));
    if (!made.child.workspace) throw HostFailure{"workspace"};
    made.child.out = std::move(out.host);
    made.child.err = std::move(err.host);
    made.child.cells = std::move(cells.host);
    made.child.keeper = std::move(keeper.host);
    made.child.processes = origin.processes;
    made.out = std::move(out.child);
    made.err = std::move(err.child);
    made.cells = std::move(cells.child);
    made.keeper = std::move(keeper.child);
    return made;
  } catch (const HostFailure& why) {
    return Error{ErrorCode::kUnavailable, why.call + ": " + errno_text(why.error)};
  }
}

Result<Child> raise_child(
    const Plan& plan,
    const std::string* runner,
    const std::optional<CgroupLimits>& limits,
    const std::function<pid_t(const ChildFds&, int* pidfd)>& clone_child,
    SpawnFailure* failure
) {
  const auto failed = [&](SpawnFailure why) {
    if (failure != nullptr) *failure = why;
    return why.error;
  };
  Child child;
  child.processes = std::make_shared<Processes>();
  Processes& processes = *child.processes;
  int step = SpawnFailure::kHost;
  try {
    if (limits) {
      Result<Cgroup> group = Cgroup::create(*limits);
      if (!group) return failed({step, group.error(), 0});
      processes.cgroup = std::move(*group);
    }
    Channels channels(runner);
    int pidfd = -1;
    const pid_t pid = clone_child(channels.child_side(), &pidfd);
    step = SpawnFailure::kClone;
    if (pid < 0) throw HostFailure{"namespaces: clone3"};
    step = SpawnFailure::kHost;
    processes.first.reset(pidfd);
    processes.own_pids = plan.level <= Level::kNoProc;
    channels.close_child_side();
    if (plan.level <= Level::kNoProc && plan.role != Role::kForked) write_identity_maps(pid, plan);
    const int sync = channels.sync.host.get();
    let_go_on(sync, pid, plan);
    if (processes.cgroup) {
      const auto added = processes.cgroup->add(pid);
      if (!added && child.running()) return failed({step, added.error(), 0});
    }
    // A child that failed meanwhile has said why, which `follow` reads.
    (void)!send(sync, "j", 1, MSG_NOSIGNAL);
    if (auto why = follow(plan, sync, child)) return failed(*why);
    child.out = std::move(channels.out.host);
    child.err = std::move(channels.err.host);
    child.cells = std::move(channels.cells.host);
    child.keeper = std::move(channels.keeper.host);
    return child;
  } catch (const HostFailure& why) {
    return failed({step, {ErrorCode::kUnavailable, why.call + ": " + errno_text(why.error)}, why.error});
  }
}

Result<Child> spawn(
    const Plan& plan,
    const std::string& runner,
    const std::optional<CgroupLimits>& limits,
    Launcher& launcher,
    SpawnFailure* failure
) {
  const auto on_launcher = [&](const ChildFds& fds, int* pidfd) {
    pid_t pid = -1;
    int error = 0;
    launcher.run([&] {
      pid = clone_fresh(plan, fds, pidfd);
      error = errno;
    });
    errno = error;
    return pid;
  };
  return raise_child(plan, &runner, limits, on_launcher, failure);
}

}  // namespace toccata::sandbox
