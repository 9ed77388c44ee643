// Nothing of a session stays behind, however it or its host ends.
#include <dirent.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <set>
#include <thread>

#include "tests/sandbox/sandbox_fixture.h"

namespace toccata::sandbox {
namespace {

using LifetimeTest = SandboxTest;

std::size_t open_descriptors() {
  std::size_t n = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator("/proc/self/fd"))
    ++n;
  return n;
}

// Processes of the whole machine whose command line names `marker`.
std::set<pid_t> processes_with(const std::string& marker) {
  std::set<pid_t> found;
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    const pid_t pid = static_cast<pid_t>(std::atoi(entry.path().filename().c_str()));
    if (pid <= 0) continue;
    std::ifstream in(entry.path() / "cmdline");
    const std::string line((std::istreambuf_iterator<char>(in)), {});
    if (line.find(marker) != std::string::npos) found.insert(pid);
  }
  return found;
}

bool gone_soon(const std::string& marker) {
  for (int i = 0; i < 500; ++i) {
    if (processes_with(marker).empty()) return true;
    std::this_thread::sleep_for(10ms);
  }
  return false;
}

// Starts a process that is nobody's child, ignores polite signals and names `marker`; returns once it runs.
std::string leave_orphan(const std::string& marker) {
  return "import os, signal\n"
         "started, starting = os.pipe()  # both close at exec\n"
         "if os.fork() == 0:\n"
         "    os.setsid()\n"
         "    if os.fork() == 0:\n"
         "        for s in (1, 2, 15): signal.signal(s, signal.SIG_IGN)\n"
         "        os.execv('/bin/sh', ['sh', '-c', 'sleep 600; true', '" +
         marker +
         "'])\n"
         "    os._exit(0)\n"
         "os.close(starting)\n"
         "os.wait()\n"
         "os.read(started, 1)\n"
         "None";
}

TEST_F(LifetimeTest, ClosingKillsWhateverTheCodeStarted) {
  const std::string marker = "toccata-orphan-a-" + std::to_string(getpid());
  run(leave_orphan(marker));
  EXPECT_FALSE(processes_with(marker).empty());
  session_->close();
  EXPECT_TRUE(gone_soon(marker));
}

TEST_F(LifetimeTest, KillingTheInterpreterKillsItsOrphans) {
  const std::string marker = "toccata-orphan-b-" + std::to_string(getpid());
  run(leave_orphan(marker));
  EXPECT_FALSE(processes_with(marker).empty());
  EXPECT_EQ(run("import os; os._exit(0)").status, Status::kDied);
  EXPECT_TRUE(gone_soon(marker));
}

TEST_F(LifetimeTest, AKilledHostLeavesNoOrphan) {
  const std::string marker = "toccata-orphan-c-" + std::to_string(getpid());
  int ready[2];
  ASSERT_EQ(pipe(ready), 0);
  session_.reset();
  sandbox_.reset();  // no threads of this process may be needed by the copy below
  const pid_t host = fork();
  if (host == 0) {
    Result<Sandbox> sandbox = make_sandbox(Policy{});
    auto session = sandbox->open().value_or_throw();
    session->execute(leave_orphan(marker), 60s);
    (void)!write(ready[1], "r", 1);
    session->execute("while True: pass", 600s);
    _exit(0);
  }
  close(ready[1]);
  char byte = 0;
  ASSERT_EQ(read(ready[0], &byte, 1), 1);
  close(ready[0]);
  EXPECT_FALSE(processes_with(marker).empty());
  kill(host, SIGKILL);
  waitpid(host, nullptr, 0);
  EXPECT_TRUE(gone_soon(marker));
}

TEST_F(LifetimeTest, FiftySessionsLeakNothing) {
  { auto warm = sandbox_->open().value_or_throw(); }
  const std::size_t before = open_descriptors();
  for (int i = 0; i < 50; ++i) {
    auto session = sandbox_->open().value_or_throw();
    if (i % 10 == 0) {
      EXPECT_EQ(session->execute("1", 60s).output, "1");
    }
  }
  EXPECT_EQ(open_descriptors(), before);
  session_.reset();
  sandbox_.reset();
  EXPECT_EQ(waitpid(-1, nullptr, WNOHANG), -1) << "a child was left";
}

TEST_F(LifetimeTest, ASessionDoesNotDieWithTheThreadThatOpenedIt) {
  std::unique_ptr<Session> session;
  std::thread([&] { session = sandbox_->open().value_or_throw(); }).join();
  EXPECT_EQ(session->execute("'alive'", 60s).output, "'alive'");
}

TEST_F(LifetimeTest, SessionsDoNotSeeEachOther) {
  auto other = sandbox_->open().value_or_throw();
  run("open('mine', 'w').close()\nopen('/tmp/mine', 'w').close()\nopen('/dev/shm/mine', "
      "'w').close()");
  EXPECT_EQ(
      other
          ->execute("import os\nos.listdir('.') + os.listdir('/tmp') + os.listdir('/dev/shm')", 60s)
          .output,
      "[]"
  );
}

TEST_F(LifetimeTest, SessionsOfSeveralThreadsRunAtTheSameTime) {
  std::vector<std::jthread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&, i] {
      auto session = sandbox_->open().value_or_throw();
      EXPECT_EQ(session->execute(std::to_string(i) + " * 2", 60s).output, std::to_string(i * 2));
    });
  }
}

}  // namespace
}  // namespace toccata::sandbox
