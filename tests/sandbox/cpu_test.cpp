// CPU time of executions: told, charged while it is used, and bounded.
#include <mutex>
#include <thread>

#include "sandbox/cpu_watch.h"
#include "tests/sandbox/sandbox_fixture.h"

namespace toccata::sandbox {
namespace {

using std::chrono::microseconds;
using testing::HasSubstr;

// Uses so much CPU time, by its own clock, and not much more.
std::string burn(double seconds) {
  return "import time\nend = time.process_time() + " + std::to_string(seconds) + "\nwhile time.process_time() < end: pass";
}

// What may be used, and what was.
struct Purse {
  microseconds limit;
  microseconds used{0};
  CpuAccount account() {
    return [this](microseconds more) {
      used += more;
      return limit - used;
    };
  }
};

// With a control group where there is one, and as /proc tells.
class CpuTest : public SandboxTest, public testing::WithParamInterface<Level> {
 protected:
  void SetUp() override {
    Policy policy;
    policy.maximum = GetParam();
    open(policy);
  }
};

INSTANTIATE_TEST_SUITE_P(Levels, CpuTest, testing::Values(Level::kFull, Level::kFullNoCgroup), [](const auto& of) {
  return of.param == Level::kFull ? "full" : "full_nocg";
});

// Without a bound it would be a minute. How soon the host looks depends on what else the machine has to do; on an idle one
// it is less than CpuWatch::kGrace after the end of the budget.
constexpr auto kMuchLess = 10s;

TEST_P(CpuTest, AnExecutionSaysWhatItUsed) {
  run("1");
  const Outcome busy = run(burn(0.3));
  EXPECT_EQ(busy.status, Status::kOk) << busy.output;
  EXPECT_GE(busy.cpu, 290ms);
  EXPECT_LT(busy.cpu, 600ms);
  EXPECT_LT(run("time.sleep(0.5)").cpu, 200ms);
}

TEST_P(CpuTest, ProcessesThatEndedAndThoseThatGoOnCount) {
  run("1");
  const Outcome command = session_->run_command(Command::shell("python3 -c '" + burn(0.3) + "'"), 60s);
  EXPECT_EQ(command.status, Status::kOk) << command.output;
  EXPECT_GE(command.cpu, 280ms);
  const std::string program = burn(0.3) + "\\nopen(\"done\", \"w\").close()\\ntime.sleep(60)";
  const Outcome started = run("import subprocess, os\nchild = subprocess.Popen(['python3', '-c', '''" + program + "'''])");
  EXPECT_EQ(started.status, Status::kOk) << started.output;
  microseconds sum = started.cpu + run("import time\nwhile not os.path.exists('done'): time.sleep(0.01)").cpu;
  EXPECT_GE(sum, 280ms);
}

TEST_P(CpuTest, WhatIsLeftIsAllThereIs) {
  run("kept = 7");
  Purse purse{200ms};
  const Outcome outcome = session_->execute("while True: pass", 60s, {}, purse.account());
  EXPECT_EQ(outcome.status, Status::kTimeout);
  EXPECT_THAT(outcome.output, HasSubstr("used up the CPU time"));
  EXPECT_THAT(outcome.output, HasSubstr("Variables are kept"));
  EXPECT_FALSE(outcome.restarted);
  EXPECT_EQ(purse.used, outcome.cpu);
  EXPECT_GE(purse.used, 200ms);
  EXPECT_LT(purse.used, kMuchLess);
  EXPECT_EQ(output("kept"), "7");
}

TEST_P(CpuTest, CodeThatGoesOnIsKilledAtTheGrace) {
  run("1");
  Purse purse{100ms};
  const Outcome outcome = session_->execute(
      "import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\nwhile True: pass", 60s, {}, purse.account()
  );
  EXPECT_EQ(outcome.status, Status::kTimeout);
  EXPECT_TRUE(outcome.restarted);
  EXPECT_EQ(purse.used, outcome.cpu);
  // Where the machine gives it less than that in two seconds, the ladder of the time limit comes first.
  EXPECT_GE(purse.used, 100ms);
  EXPECT_LT(purse.used, kMuchLess);
  EXPECT_EQ(output("1 + 1"), "2");
}

TEST_P(CpuTest, ACommandIsBoundedToo) {
  run("1");
  Purse purse{100ms};
  const Outcome outcome = session_->run_command(Command::shell("trap '' TERM; while :; do :; done"), 60s, {}, purse.account());
  EXPECT_EQ(outcome.status, Status::kTimeout);
  EXPECT_THAT(outcome.output, HasSubstr("used up the CPU time"));
  EXPECT_GE(purse.used, 100ms);
  EXPECT_LT(purse.used, kMuchLess);
}

TEST_P(CpuTest, WithNothingLeftNothingRuns) {
  run("1");
  Purse purse{0ms};
  const Outcome cell = session_->execute("open('ran', 'w').close()", 60s, {}, purse.account());
  EXPECT_EQ(cell.status, Status::kTimeout);
  EXPECT_THAT(cell.output, HasSubstr("Nothing was run"));
  EXPECT_EQ(session_->run_command(Command::shell("touch ran"), 60s, {}, purse.account()).status, Status::kTimeout);
  EXPECT_EQ(output("import os\nos.listdir('.')"), "[]");
}

TEST_P(CpuTest, WhatRunsOnBehindACellIsTheNextOnes) {
  run("import subprocess\nchild = subprocess.Popen(['sh', '-c', 'while :; do :; done'])");
  std::this_thread::sleep_for(300ms);  // some of it is the child's, however busy the machine
  Purse purse{1us};
  const Outcome next = session_->execute("open('ran', 'w').close()", 60s, {}, purse.account());
  EXPECT_GT(next.cpu, 1us);
  EXPECT_EQ(purse.used, next.cpu);
  EXPECT_THAT(next.output, HasSubstr("Nothing was run"));
}

// Each microsecond is told to one of those who share the processes.
TEST_P(CpuTest, ForksShareWhatTheyUse) {
  run(burn(0.05));
  auto fork = session_->fork().value_or_throw();
  Purse purse{60s};
  std::mutex mutex;
  const CpuAccount shared = [&](microseconds more) {
    const std::lock_guard lock(mutex);
    return purse.account()(more);
  };
  microseconds of_fork{0};
  std::jthread other([&] { of_fork = fork->execute(burn(0.3), 60s, {}, shared).cpu; });
  const microseconds of_origin = session_->execute(burn(0.3), 60s, {}, shared).cpu;
  other.join();
  EXPECT_EQ(of_fork + of_origin, purse.used);
  const microseconds rest = run("1").cpu + fork->execute("1", 60s).cpu;
  EXPECT_GE(purse.used + rest, 580ms);
  EXPECT_LT(purse.used + rest, 1200ms);
}

}  // namespace
}  // namespace toccata::sandbox
