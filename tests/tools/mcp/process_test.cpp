#include "tools/mcp/process.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>

#include <cerrno>
#include <fstream>

namespace toccata::tools::mcp {
namespace {

using namespace std::chrono_literals;

std::string read_all(int fd) {
  std::string text;
  char bytes[4096];
  for (;;) {
    pollfd ready = {fd, POLLIN, 0};
    if (poll(&ready, 1, 10'000) <= 0) return text + " [no end]";
    const ssize_t n = read(fd, bytes, sizeof bytes);
    if (n <= 0) return text;
    text.append(bytes, static_cast<std::size_t>(n));
  }
}

ProcessOrder shell(const std::string& script) {
  return {.program = "sh", .arguments = {"-c", script}, .environment = {"PATH=/usr/bin:/bin", "A=from here"}};
}

// Ended and gone, for a process that need not be our child.
bool is_gone(pid_t pid) {
  for (int i = 0; i < 1000; ++i) {
    if (kill(pid, 0) != 0) return true;
    std::ifstream stat("/proc/" + std::to_string(pid) + "/stat");
    std::string line;
    std::getline(stat, line);
    if (line.find(") Z ") != std::string::npos) return true;  // reaped by whoever is init here, when it likes
    usleep(10'000);
  }
  return false;
}

TEST(McpProcess, HasThePipesTheFolderAndNoOtherEnvironment) {
  ASSERT_EQ(0, setenv("MCP_SECRET", "of the host", 1));
  ProcessOrder order = shell("read line; echo \"$line $A [$MCP_SECRET] in $(pwd)\"; ls /proc/self/fd | wc -l >&2");
  order.folder = "/usr";
  Result<Process> process = Process::start(order);
  ASSERT_TRUE(process) << process.error().message;
  ASSERT_EQ(6, write(process->in.get(), "hello\n", 6));
  EXPECT_EQ("hello from here [] in /usr\n", read_all(process->out.get()));
  EXPECT_EQ("4", read_all(process->err.get()).substr(0, 1)) << "0, 1, 2 and the folder that ls reads";
  EXPECT_EQ("exited with code 0", process->end(10s));
  EXPECT_EQ("exited with code 0", process->end(10s));
}

TEST(McpProcess, SaysWhatCannotBeStarted) {
  ProcessOrder order = shell("");
  order.program = "no-such-program";
  Result<Process> process = Process::start(order);
  ASSERT_FALSE(process);
  EXPECT_EQ(ErrorCode::kNotFound, process.error().code);
  EXPECT_NE(std::string::npos, process.error().message.find("no-such-program"));
  order.program = "/etc/passwd";
  EXPECT_EQ(ErrorCode::kNotFound, Process::start(order).error().code);
  order = shell("");
  order.folder = "/no/such/folder";
  const Result<Process> nowhere = Process::start(order);
  ASSERT_FALSE(nowhere);
  EXPECT_EQ(ErrorCode::kUnavailable, nowhere.error().code);
  EXPECT_NE(std::string::npos, nowhere.error().message.find("No such file"));
}

TEST(McpProcess, EndsWithAllItStarted) {
  Result<Process> process = Process::start(shell("trap '' TERM; sleep 600 & echo $!; cat; while :; do sleep 1; done"));
  ASSERT_TRUE(process);
  char bytes[32] = {};
  pollfd ready = {process->out.get(), POLLIN, 0};
  ASSERT_EQ(1, poll(&ready, 1, 10'000));
  ASSERT_GT(read(process->out.get(), bytes, sizeof bytes - 1), 0);
  const pid_t child = std::atoi(bytes), own = process->pid();
  EXPECT_TRUE(process->running());
  EXPECT_EQ("was killed by signal 9", process->end(50ms)) << "it ignores the end of its input and SIGTERM";
  EXPECT_FALSE(process->running());
  EXPECT_TRUE(is_gone(child));
  errno = 0;
  EXPECT_TRUE(waitpid(own, nullptr, WNOHANG) == -1 && errno == ECHILD) << "reaped";
}

TEST(McpProcess, LeavesNoZombieBehindInManyCycles) {
  for (int i = 0; i < 300; ++i) {
    Result<Process> process = Process::start(shell(i % 2 == 0 ? "exit 3" : "exec sleep 600"));
    ASSERT_TRUE(process);
    if (i % 3 == 0) kill(process->pid(), SIGKILL);
  }
  errno = 0;
  EXPECT_TRUE(waitpid(-1, nullptr, WNOHANG) == -1 && errno == ECHILD) << "no child at all is left";
}

TEST(McpProcess, DiesWithItsHost) {
  int pipe_fds[2];
  ASSERT_EQ(0, pipe(pipe_fds));
  const pid_t host = fork();
  if (host == 0) {
    Result<Process> process = Process::start(shell("exec sleep 600"));
    const pid_t pid = process ? process->pid() : -1;
    if (write(pipe_fds[1], &pid, sizeof pid) > 0) kill(getpid(), SIGKILL);
    _exit(1);
  }
  pid_t pid = -1;
  ASSERT_EQ(static_cast<ssize_t>(sizeof pid), read(pipe_fds[0], &pid, sizeof pid));
  ASSERT_GT(pid, 0);
  ASSERT_EQ(host, waitpid(host, nullptr, 0));
  EXPECT_TRUE(is_gone(pid));
  close(pipe_fds[0]);
  close(pipe_fds[1]);
}

}  // namespace
}  // namespace toccata::tools::mcp
