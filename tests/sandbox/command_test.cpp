// Commands beside the interpreter: what they print, how they end, what they cannot do, what they leave alone.
#include <signal.h>

#include <filesystem>
#include <fstream>

#include "tests/sandbox/footprint.h"
#include "tests/sandbox/sandbox_fixture.h"

namespace toccata::sandbox {
namespace {

using testing::AllOf;
using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;

class CommandTest : public SandboxTest {
 protected:
  Outcome bash(const std::string& text, std::chrono::milliseconds timeout = 60s) {
    return session_->run_command(Command::shell(text), timeout);
  }
  // The interpreter with its variables is still there, and so is the next command.
  void expect_all_is_well() {
    const Outcome echo = bash("echo well");
    EXPECT_EQ(echo.output, "well");
    EXPECT_EQ(echo.status, Status::kOk);
    const Outcome cell = run("x");
    EXPECT_EQ(cell.output, "41");
    EXPECT_FALSE(cell.restarted);
  }
  void SetUp() override {
    SandboxTest::SetUp();
    if (session_) {
      EXPECT_EQ(output("x = 41"), kNoOutput);
    }
  }
};

TEST_F(CommandTest, BothStreamsComeInTheOrderOfWriting) {
  const Outcome done = bash("echo a; echo b >&2; echo c; printf d >&2");
  EXPECT_EQ(done.output, "a\nb\nc\nd");
  EXPECT_EQ(done.status, Status::kOk);
  EXPECT_EQ(done.exit_code, 0);
  EXPECT_EQ(done.level, session_->level());
}

TEST_F(CommandTest, SilenceIsSaid) { EXPECT_EQ(bash("true").output, "(no output)"); }

TEST_F(CommandTest, AnExitStatusIsTold) {
  const Outcome done = bash("echo half; exit 3");
  EXPECT_EQ(done.output, "half\n[exit status 3]");
  EXPECT_EQ(done.status, Status::kError);
  EXPECT_EQ(done.exit_code, 3);
}

TEST_F(CommandTest, SignalsAreNamed) {
  EXPECT_EQ(bash("kill -SEGV $$").output, "[killed by SIGSEGV]");
  EXPECT_EQ(bash("kill -9 $$").exit_code, 137);
  EXPECT_THAT(bash("bash -c 'kill -TERM $$'; exit $?").output, EndsWith("[exit status 143: 128 + SIGTERM]"));
}

TEST_F(CommandTest, FilesAreSharedWithTheInterpreterFoldersAndVariablesAreNot) {
  EXPECT_EQ(bash("mkdir -p sub && cd sub && export A=1 && echo hi > f && pwd").output, "/mnt/data/sub");
  EXPECT_EQ(bash("pwd; echo \"A=$A\"").output, "/mnt/data\nA=");
  EXPECT_EQ(output("print(open('sub/f').read().strip())"), "hi");
  EXPECT_EQ(session_->run_command({{"cat", "f"}, "sub"}, 60s).output, "hi");
  EXPECT_EQ(session_->run_command({{"cat", "f"}, "/mnt/data/sub"}, 60s).output, "hi");
}

TEST_F(CommandTest, ChangedFilesAreNamed) {
  const Outcome done = bash("printf 12345 > made.txt");
  ASSERT_EQ(done.artifacts.size(), 1U);
  EXPECT_EQ(done.artifacts[0], (WorkspaceFile{"made.txt", 5}));
}

TEST_F(CommandTest, ArgumentsAreTakenAsTheyStand) {
  EXPECT_EQ(session_->run_command({{"printf", "[%s]", "$HOME; rm *", "a b", ""}, "."}, 60s).output, "[$HOME; rm *][a b][]");
}

TEST_F(CommandTest, WhatCannotBeRunSaysWhy) {
  EXPECT_THAT(session_->run_command({{"no-such-program"}, "."}, 60s).output, AllOf(HasSubstr("no-such-program: No such file"), EndsWith("[exit status 127]")));
  EXPECT_THAT(session_->run_command({{"ls"}, "nowhere"}, 60s).output, HasSubstr("nowhere: No such file"));
  for (const char* folder : {"/etc", "..", "a/../..", "/mnt/data/../x"}) {
    const Outcome refused = session_->run_command({{"ls"}, folder}, 60s);
    EXPECT_THAT(refused.output, HasSubstr("is not inside /mnt/data")) << folder;
    EXPECT_FALSE(refused.exit_code);
  }
  EXPECT_THAT(session_->run_command({{}, "."}, 60s).output, HasSubstr("is empty"));
  EXPECT_THAT(bash(std::string("a\0b", 3)).output, HasSubstr("NUL"));
  EXPECT_THAT(bash(std::string(70'000, ' ')).output, HasSubstr("at most 60000"));
  expect_all_is_well();
}

TEST_F(CommandTest, InputIsEmpty) { EXPECT_EQ(bash("cat; read -r line; echo \"end:$line\"").output, "end:"); }

TEST_F(CommandTest, BytesThatAreNoTextAreReplaced) {
  EXPECT_EQ(bash("printf 'a\\xff\\xe2\\x82z\\0end'").output, std::string("a\xEF\xBF\xBD\xEF\xBF\xBDz\0end", 12));
}

TEST_F(CommandTest, LongOutputIsCutInTheMiddle) {
  const Outcome done = bash("seq 1 100000");
  EXPECT_EQ(done.status, Status::kOk);
  EXPECT_THAT(done.output, AllOf(testing::StartsWith("1\n2\n"), HasSubstr("characters cut ..."), EndsWith("\n100000")));
  EXPECT_GT(done.truncated, 100'000U);
  EXPECT_LE(done.output.size(), 20'000U);
}

TEST_F(CommandTest, ATimeOutKillsTheWholeGroup) {
  const Outcome done = bash("trap '' TERM; (trap '' TERM; sleep 1000; echo late > late) & echo $! > pid; sleep 1000", 300ms);
  EXPECT_EQ(done.status, Status::kTimeout);
  EXPECT_THAT(done.output, HasSubstr("time limit of 0.3 seconds"));
  EXPECT_THAT(bash("kill -0 $(cat pid)").output, HasSubstr("No such process"));
  expect_all_is_well();
}

TEST_F(CommandTest, AStopIsObeyed) {
  std::stop_source source;
  source.request_stop();
  const Outcome done = session_->run_command(Command::shell("sleep 1000"), 60s, source.get_token());
  EXPECT_EQ(done.status, Status::kError);
  EXPECT_THAT(done.output, HasSubstr("stopped on request"));
  expect_all_is_well();
}

TEST_F(CommandTest, WhatIsLeftInTheBackgroundGoesOnAndDoesNotHoldTheCommand) {
  EXPECT_EQ(bash("(while [ ! -e go ]; do sleep 0.02; done; echo done > came) & echo left").output, "left");
  EXPECT_EQ(bash("touch go; while [ ! -s came ]; do sleep 0.02; done; cat came").output, "done");
}

TEST_F(CommandTest, DaemonsEndWithTheSession) {
  const Footprint before;
  auto session = sandbox_->open().value_or_throw();
  const Outcome done = session->run_command(Command::shell("setsid -f sh -c 'trap \"\" TERM HUP; sleep 1000'; echo ok"), 60s);
  EXPECT_EQ(done.output, "ok");
  session.reset();
  EXPECT_EQ(before, Footprint());
}

// The keeper's end is the session's.
TEST_F(CommandTest, ASessionThatEndedIsMadeAnewAndTold) {
  // The host's hand: what an out-of-memory kill of the keeper comes to.
  pid_t keeper = 0;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/task")) {
    std::ifstream children(entry.path() / "children");
    for (pid_t pid = 0; children >> pid;) keeper = pid;
  }
  if (keeper == 0 || test_warmth().zygote) GTEST_SKIP() << "the keeper cannot be found";
  ASSERT_EQ(kill(keeper, SIGKILL), 0);
  bool told = false;
  for (int i = 0; i < 100 && !told; ++i) told = bash("true").restarted;
  EXPECT_TRUE(told);
  EXPECT_THAT(run("x").output, AllOf(HasSubstr(kRestartedSentence), HasSubstr("NameError")));
}

// Hostile commands.

TEST_F(CommandTest, AFloodIsCutShort) {
  Policy policy;
  policy.limits.flood_bytes = 4 << 20;
  open(policy);
  if (IsSkipped()) return;
  run("x = 41");
  const Outcome done = bash("trap '' TERM; cat /dev/zero");
  EXPECT_EQ(done.status, Status::kError);
  EXPECT_THAT(done.output, HasSubstr("printed more than 4 MiB"));
  expect_all_is_well();
}

TEST_F(CommandTest, AForkBombIsHeld) {
  Policy policy;
  policy.limits.processes = 40;
  open(policy);
  if (IsSkipped()) return;
  run("x = 41");
  const Outcome done = bash("f() { f | f & }; f; sleep 1000", 500ms);
  EXPECT_LT(done.output.size(), 100'000U);
  const Outcome next = bash("true");
  EXPECT_NE(next.status, Status::kTimeout);
}

TEST_F(CommandTest, ClosedStreamsAreOfOneCommandOnly) {
  EXPECT_EQ(bash("exec >&- 2>&- 0<&-; echo lost; exit 4").exit_code, 4);
  expect_all_is_well();
}

TEST_F(CommandTest, TheKeeperCannotBeKilled) {
  bash("kill -9 1; kill -9 $PPID; kill -STOP 1");
  expect_all_is_well();
}

TEST_F(CommandTest, KillingEverythingCostsTheVariablesAndIsTold) {
  const Outcome done = bash("kill -9 -1; echo unreachable");
  EXPECT_NE(done.status, Status::kTimeout);
  const Outcome cell = run("1");  // the end of the interpreter is seen before or during it
  EXPECT_TRUE(cell.restarted);
  EXPECT_THAT(cell.output, HasSubstr(kRestartedSentence));
  EXPECT_EQ(output("1 + 1"), "2");
  EXPECT_EQ(bash("echo well").output, "well");
}

TEST_F(CommandTest, ChannelsOfTheSessionAreNotInherited) {
  EXPECT_EQ(bash("ls /proc/self/fd | wc -l; for i in 3 4 5 6 7 8 9; do (echo s >&$i) 2>/dev/null && echo open $i; done; true").output, "4");
}

TEST_F(CommandTest, TheWallsAreTheSessions) {
  for (const char* attempt :
       {"cat /etc/shadow", "ls /root", "unshare -r true", "mount -t tmpfs x /tmp", "echo x > /usr/x", "chroot / true",
        "exec 3<>/dev/tcp/127.0.0.1/80", "mknod d b 8 0", "ls /proc/sys/kernel"}) {
    EXPECT_NE(bash(attempt).exit_code, 0) << attempt;
  }
  EXPECT_EQ(bash("id -u; ls -d /home 2>/dev/null; grep -c . /proc/net/dev 2>/dev/null").output.substr(0, 4), "1000");
}

TEST_F(CommandTest, AClosedSessionSaysSo) {
  session_->close();
  EXPECT_EQ(bash("true").output, "The session is closed.");
}

}  // namespace
}  // namespace toccata::sandbox
