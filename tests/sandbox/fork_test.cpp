// Forks of a session: the same variables, and from then on two lives behind the same walls.
#include <algorithm>
#include <thread>
#include <vector>

#include "tests/sandbox/footprint.h"
#include "tests/sandbox/sandbox_fixture.h"

namespace toccata::sandbox {
namespace {

using testing::HasSubstr;
using testing::Not;

class ForkTest : public SandboxTest, public testing::WithParamInterface<Level> {
 protected:
  void SetUp() override {
    Policy policy;
    policy.minimum = policy.maximum = GetParam();
    open(policy);
  }
  std::unique_ptr<Session> fork() {
    auto made = session_->fork();
    EXPECT_TRUE(made.ok()) << made.error().message;
    return made ? *std::move(made) : nullptr;
  }
  static std::string in(Session& session, const std::string& code) { return session.execute(code, 60s).output; }
};

TEST_P(ForkTest, VariablesAreCopiedAndThenTheirOwn) {
  run("import random\nx = [1]\ndef f(): return len(x)\nrandom.seed(5)");
  const auto branch = fork();
  ASSERT_TRUE(branch);
  EXPECT_EQ(branch->level(), GetParam());
  EXPECT_EQ(in(*branch, "x.append(2); f()"), "2");
  EXPECT_EQ(output("f()"), "1");
  EXPECT_EQ(output("del x"), kNoOutput);
  EXPECT_EQ(in(*branch, "x"), "[1, 2]");
  EXPECT_EQ(in(*branch, "random.random()"), output("random.random()")) << "a copy is a copy";
  EXPECT_EQ(in(*branch, "import os; os.getpid()") == output("import os; os.getpid()"), false);
}

TEST_P(ForkTest, EachPrintsForItself) {
  run("import sys\nsys.stdout.write('left over')");
  const auto branch = fork();
  ASSERT_TRUE(branch);
  EXPECT_EQ(in(*branch, "print('branch'); import os; os.system('echo child')"), "branch\nchild\n0");
  EXPECT_EQ(output("print('origin')"), "origin");
  EXPECT_EQ(branch->run_command(Command::shell("echo b"), 60s).output, "b");
  EXPECT_EQ(session_->run_command(Command::shell("echo o"), 60s).output, "o");
  EXPECT_THAT(in(*branch, "1 / 0"), HasSubstr("ZeroDivisionError"));
  EXPECT_EQ(output("1"), "1");
}

TEST_P(ForkTest, TheWorkspaceIsOne) {
  const auto branch = fork();
  ASSERT_TRUE(branch);
  ASSERT_TRUE(session_->upload("a.txt", "hello").ok());
  EXPECT_EQ(in(*branch, "open('a.txt').read()"), "'hello'");
  const Outcome made = branch->execute("open('b.txt', 'w').write('x')", 60s);
  EXPECT_TRUE(std::ranges::count(made.artifacts, WorkspaceFile{"b.txt", 1}) == 1);
  EXPECT_EQ(session_->download("b.txt").value_or_throw(), "x");
}

TEST_P(ForkTest, BothRunAtTheSameTime) {
  const auto branch = fork();
  ASSERT_TRUE(branch);
  std::string there;
  std::jthread other([&] {
    for (int i = 0; i < 20; ++i) there += in(*branch, "'b'");
  });
  std::string here;
  for (int i = 0; i < 20; ++i) here += output("'a'");
  other.join();
  EXPECT_EQ(here.size(), 60U);
  EXPECT_EQ(here.find('b'), std::string::npos);
  EXPECT_EQ(there.find('a'), std::string::npos);
}

TEST_P(ForkTest, TheEndOfOneInterpreterIsNotThatOfTheOther) {
  run("x = 1");
  const auto branch = fork();
  ASSERT_TRUE(branch);
  const Outcome died = run("import os; os._exit(3)");
  EXPECT_EQ(died.status, Status::kDied);
  EXPECT_TRUE(died.restarted && died.state_lost);
  EXPECT_EQ(in(*branch, "x"), "1");
  EXPECT_THAT(output("x"), HasSubstr("NameError"));
  EXPECT_EQ(branch->execute("import os; os._exit(3)", 60s).restarted, true);
  EXPECT_THAT(in(*branch, "x"), HasSubstr("NameError"));
  EXPECT_EQ(output("2"), "2");
}

TEST_P(ForkTest, ATimeOutOfOneIsNotThatOfTheOther) {
  run("x = 1");
  const auto branch = fork();
  ASSERT_TRUE(branch);
  const Outcome late = branch->execute("x = 2\nwhile True: pass", 200ms);
  EXPECT_EQ(late.status, Status::kTimeout);
  EXPECT_FALSE(late.restarted);
  EXPECT_EQ(in(*branch, "x"), "2");
  EXPECT_EQ(output("x"), "1");
  const Outcome stubborn = run("import time\nwhile True:\n  try: time.sleep(9)\n  except BaseException: pass", 200ms);
  EXPECT_TRUE(stubborn.restarted);
  EXPECT_EQ(in(*branch, "x"), "2");
}

TEST_P(ForkTest, ClosingOneLeavesTheOtherWhicheverItIs) {
  run("x = 1");
  {
    const auto branch = fork();
    ASSERT_TRUE(branch);
    EXPECT_EQ(in(*branch, "x"), "1");
  }
  EXPECT_EQ(output("x"), "1");
  auto branch = fork();
  ASSERT_TRUE(branch);
  session_->close();
  EXPECT_EQ(in(*branch, "x += 1; x"), "2");
  EXPECT_EQ(branch->run_command(Command::shell("echo on"), 60s).output, "on");
  EXPECT_TRUE(branch->upload("f", "1").ok());
  auto next = branch->fork();
  ASSERT_TRUE(next.ok()) << next.error().message;
  branch.reset();
  EXPECT_EQ(in(**next, "x, open('f').read()"), "(2, '1')");
  EXPECT_TRUE((*next)->execute("import os; os._exit(1)", 60s).restarted);
  EXPECT_EQ(in(**next, "open('f').read()"), "'1'");
}

TEST_P(ForkTest, NothingIsLeftBehind) {
  const Footprint before;
  {
    std::vector<std::unique_ptr<Session>> all;
    auto origin = sandbox_->open().value_or_throw();
    for (int i = 0; i < 8; ++i) {
      auto made = (i % 2 == 0 || all.empty() ? *origin : *all.back()).fork();
      ASSERT_TRUE(made.ok()) << made.error().message;
      all.push_back(*std::move(made));
    }
    for (const auto& session : all) EXPECT_EQ(in(*session, "1+1"), "2");
    origin.reset();
    EXPECT_EQ(in(*all.back(), "1+1"), "2");
  }
  EXPECT_EQ(before, Footprint()) << "descriptors, mounts, control groups or children remain";
}

TEST_P(ForkTest, ThreadsAreInTheWay) {
  run("import threading\ngo = threading.Event()\nt = threading.Thread(target=go.wait)\nt.start()");
  const auto refused = session_->fork();
  ASSERT_FALSE(refused.ok());
  EXPECT_THAT(refused.error().message, HasSubstr("more than one thread"));
  EXPECT_EQ(output("go.set(); t.join(); 7"), "7");
  EXPECT_TRUE(fork());
}

TEST_P(ForkTest, AClosedOrEndedSessionIsToldOf) {
  run("x = 1");
  run("import os, threading\nthreading.Timer(0.05, lambda: os._exit(1)).start()");
  std::this_thread::sleep_for(400ms);
  const auto branch = fork();
  ASSERT_TRUE(branch);
  EXPECT_TRUE(branch->execute("1", 60s).state_lost);
  EXPECT_TRUE(run("1").state_lost);
  session_->close();
  EXPECT_FALSE(session_->fork().ok());
}

// Of its origin's descriptors a branch has none, and the other way round: what one reads or writes is its own.
TEST_P(ForkTest, NoChannelOfTheOtherIsOpen) {
  if (GetParam() == Level::kNoProc || GetParam() == Level::kLandlock) GTEST_SKIP() << "needs /proc to look";
  const std::string look = "import os\nsorted(os.readlink(f'/proc/self/fd/{fd}') for fd in os.listdir('/proc/self/fd') if os.path.exists(f'/proc/self/fd/{fd}') or fd == '3')";
  const std::string before = output(look);
  const auto branch = fork();
  ASSERT_TRUE(branch);
  EXPECT_EQ(output(look), before);
  const std::string there = in(*branch, look);
  EXPECT_EQ(std::ranges::count(there, '['), std::ranges::count(before, '[')) << there << before;
  // "socket:[123]", "pipe:[45]": none is the same.
  for (std::size_t at = before.find(":["); at != std::string::npos; at = before.find(":[", at + 1)) {
    EXPECT_THAT(there, Not(HasSubstr(before.substr(at, before.find(']', at) - at + 1))));
  }
  EXPECT_EQ(output("import os\ntry: os.waitpid(-1, os.WNOHANG)\nexcept ChildProcessError: print('no child')"), "no child");
}

TEST_P(ForkTest, OneCannotAnswerForTheOther) {
  const auto branch = fork();
  ASSERT_TRUE(branch);
  std::jthread forger([&] {
    session_->execute(
        "import os, time\nend = time.time() + 1.5\nwhile time.time() < end:\n  for g in range(6):\n"
        "    for n in range(6):\n      try: os.write(3, g.to_bytes(4, 'little') + n.to_bytes(8, 'little') + b'o')\n      except OSError: pass",
        60s
    );
  });
  for (int i = 0; i < 10; ++i) EXPECT_EQ(branch->execute("import time; time.sleep(0.1); 1 / 0", 60s).status, Status::kError);
  forger.join();
  EXPECT_EQ(output("1"), "1");
}

TEST_P(ForkTest, BrokenCodeIsRefusedOrSurvived) {
  for (const char* sabotage : {
           "import os\nos.fork = lambda: (_ for _ in ()).throw(OSError('no'))",
           "import os\nos.fork = lambda: 12345",
           "import os\nos.getpid = lambda: 1",
           "import sys, types\nsys.modules['random'] = types.ModuleType('random')",
           "import os\nos.close(3)",
           "import sys\nsys._current_frames = None",
           "import os\nos.register_at_fork(after_in_child=lambda: os._exit(9))",
       }) {
    auto session = sandbox_->open().value_or_throw();
    session->execute(sabotage, 20s);
    auto branch = session->fork();
    if (branch) {
      EXPECT_NE((*branch)->execute("1 + 1", 20s).status, Status::kTimeout) << sabotage;
    }
    branch = Error{};
    const Outcome next = session->execute("print(1 + 1)", 20s);
    EXPECT_TRUE(next.status == Status::kOk || next.restarted) << sabotage << "\n" << next.output;
    EXPECT_EQ(session->execute("print(2 + 2)", 20s).output, "4") << sabotage;
  }
}

// What shared walls imply: the processes are in each other's reach. Both are told.
TEST_P(ForkTest, OneMayEndTheOtherAndBothHearOfIt) {
  run("x = 1");
  if (GetParam() == Level::kNone) GTEST_SKIP() << "would reach every process of the user";
  const auto branch = fork();
  ASSERT_TRUE(branch);
  const Outcome all = run("import os, signal\nos.kill(-1, signal.SIGKILL)\nos._exit(1)");
  EXPECT_TRUE(all.state_lost);
  const Outcome there = branch->execute("1 + 1", 60s);
  EXPECT_TRUE(there.state_lost) << there.output;
  EXPECT_EQ(in(*branch, "1 + 1"), "2");
  EXPECT_EQ(output("1 + 1"), "2");
}

INSTANTIATE_TEST_SUITE_P(
    Levels, ForkTest, testing::Values(Level::kFull, Level::kFullNoCgroup, Level::kNoProc, Level::kLandlock, Level::kNone),
    [](const auto& test) {
      std::string name = to_string(test.param);
      std::erase(name, '-');
      return name;
    }
);

}  // namespace
}  // namespace toccata::sandbox
