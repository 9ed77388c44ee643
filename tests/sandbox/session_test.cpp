#include <stop_token>
#include <thread>

#include "tests/sandbox/sandbox_fixture.h"

namespace toccata::sandbox {
namespace {

using testing::AllOf;
using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

using SessionTest = SandboxTest;

// Ends only by force.
constexpr const char* kStubborn =
    "import time\n"
    "while True:\n"
    "    try:\n"
    "        time.sleep(60)\n"
    "    except BaseException:\n"
    "        pass";

TEST_F(SessionTest, VariablesLiveFromCellToCell) {
  EXPECT_EQ(output("x = 6 * 7"), kNoOutput);
  EXPECT_EQ(output("x"), "42");
  EXPECT_EQ(output("def f(): return x + 1\nf()"), "43");
}

TEST_F(SessionTest, TheLastExpressionIsShownAfterWhatWasPrinted) {
  EXPECT_EQ(output("print('a')\n'b'"), "a\n'b'");
  EXPECT_EQ(output("None"), kNoOutput);
  EXPECT_EQ(output("1 + 1;"), kNoOutput) << "a semicolon silences it, as in a notebook";
  EXPECT_EQ(output("_ = 5"), kNoOutput);
}

TEST_F(SessionTest, StderrFollowsStdout) {
  EXPECT_EQ(output("import sys\nprint('late', file=sys.stderr)\nprint('early')"), "early\nlate");
}

TEST_F(SessionTest, TrailingNewlinesAreStripped) { EXPECT_EQ(output("print('a\\n\\n')"), "a"); }

TEST_F(SessionTest, EveryWayOfWritingIsCaught) {
  EXPECT_EQ(
      output("import os, subprocess, ctypes\n"
             "print('print', flush=True)\n"
             "os.write(1, b'write\\n')\n"
             "subprocess.run(['echo', 'child'])\n"
             "ctypes.CDLL(None).puts(b'from C'), ctypes.CDLL(None).fflush(None)\n"
             "None"),
      "print\nwrite\nchild\nfrom C"
  );
}

TEST_F(SessionTest, ATracebackShowsTheCellAsPythonDoes) {
  run("pass");
  const Outcome outcome = run("def f(n):\n    return 1 / n\nf(0)");
  EXPECT_EQ(outcome.status, Status::kError);
  // The oracle: CPython's own formatting of the same code under the same name.
  const std::string expected = output(
      "import linecache, traceback\n"
      "s = 'def f(n):\\n    return 1 / n\\nf(0)\\n'\n"
      "linecache.cache['<cell 2>'] = (len(s), None, s.splitlines(True), '<cell 2>')\n"
      "try:\n"
      "    exec(compile(s, '<cell 2>', 'exec'), {})\n"
      "except ZeroDivisionError as e:\n"
      "    e.__traceback__ = e.__traceback__.tb_next\n"
      "    print(''.join(traceback.format_exception(e)))"
  );
  EXPECT_EQ(outcome.output, expected);
  EXPECT_THAT(
      expected, AllOf(HasSubstr("File \"<cell 2>\", line 3, in <module>"), EndsWith("by zero"))
  );
}

TEST_F(SessionTest, ASyntaxErrorPointsAtTheLine) {
  const Outcome outcome = run("x = (");
  EXPECT_EQ(outcome.status, Status::kError);
  EXPECT_THAT(outcome.output, StartsWith("  File \"<cell 1>\", line 1\n    x = (\n"));
}

TEST_F(SessionTest, AnExceptionThatCannotBePrintedIsStillAnError) {
  const Outcome outcome =
      run("class Bad(Exception):\n"
          "    def __str__(self): raise self\n"
          "raise Bad");
  EXPECT_EQ(outcome.status, Status::kError);
  EXPECT_THAT(outcome.output, HasSubstr("Bad"));
  EXPECT_EQ(output("1"), "1");
}

TEST_F(SessionTest, LeavingTheInterpreterPolitelyKeepsIt) {
  run("x = 1");
  EXPECT_EQ(run("import sys; sys.exit()").status, Status::kOk);
  EXPECT_EQ(run("sys.exit('no more')").output, "SystemExit: no more");
  EXPECT_EQ(run("exit()").status, Status::kOk);
  EXPECT_EQ(output("x"), "1");
}

TEST_F(SessionTest, ThereIsNobodyToAsk) { EXPECT_THAT(output("input()"), HasSubstr("EOFError")); }

TEST_F(SessionTest, NamesLiveInTheRealMain) {
  EXPECT_EQ(
      output("import pickle\nclass A: pass\ntype(pickle.loads(pickle.dumps(A()))) is A"), "True"
  );
  EXPECT_EQ(
      output("import multiprocessing as m\ndef square(x): return x * x\nwith m.Pool(2) as p: "
             "print(p.map(square, [1, 2]))"),
      "[1, 4]"
  );
}

TEST_F(SessionTest, AForkThatFallsOffTheEndOfTheCellEnds) {
  EXPECT_EQ(
      output("import os\npid = os.fork()\nif pid: print('child', os.waitpid(pid, 0)[1])"), "child 0"
  );
  EXPECT_EQ(output("1"), "1");
}

TEST_F(SessionTest, ATimedOutLoopKeepsItsVariables) {
  run("x = 1");
  const Outcome outcome = run("x = 2\nwhile True: pass", 200ms);
  EXPECT_EQ(outcome.status, Status::kTimeout);
  EXPECT_FALSE(outcome.restarted || outcome.state_lost);
  EXPECT_THAT(
      outcome.output,
      AllOf(
          HasSubstr("KeyboardInterrupt"),
          HasSubstr("Variables are kept."),
          Not(HasSubstr("toccata"))
      )
  );
  EXPECT_EQ(output("x"), "2");
}

TEST_F(SessionTest, ATimedOutSubprocessIsInterruptedToo) {
  const Outcome outcome = run("import os\nos.system('sleep 60')", 200ms);
  EXPECT_EQ(outcome.status, Status::kTimeout);
  EXPECT_FALSE(outcome.restarted);
}

TEST_F(SessionTest, CodeThatIgnoresInterruptsIsKilledAndTheSessionGoesOn) {
  run("open('kept.txt', 'w').close()\nx = 1");
  const Outcome outcome = run(kStubborn, 200ms);
  EXPECT_EQ(outcome.status, Status::kTimeout);
  EXPECT_TRUE(outcome.restarted && outcome.state_lost);
  EXPECT_THAT(outcome.output, EndsWith(kRestartedSentence));
  EXPECT_THAT(output("x"), HasSubstr("NameError"));
  EXPECT_EQ(output("import os; os.listdir()"), "['kept.txt']")
      << "the workspace outlives the interpreter";
}

TEST_F(SessionTest, AStoppedProcessIsKilled) {
  const Outcome outcome = run("import os, signal\nos.kill(os.getpid(), signal.SIGSTOP)", 200ms);
  EXPECT_EQ(outcome.status, Status::kTimeout);
  EXPECT_TRUE(outcome.restarted);
}

TEST_F(SessionTest, EveryWayOfDyingIsNoticedAndSurvived) {
  for (const char* code : {
           "import os; os._exit(0)",
           "import os, signal; os.kill(os.getpid(), signal.SIGKILL)",
           "import ctypes; ctypes.string_at(0)",
           "import os; os.abort()",
           "import os; os.closerange(0, 100)",
       }) {
    const Outcome outcome = run(code);
    EXPECT_EQ(outcome.status, Status::kDied) << code;
    EXPECT_TRUE(outcome.restarted && outcome.state_lost) << code;
    EXPECT_THAT(outcome.output, EndsWith(kRestartedSentence)) << code;
    EXPECT_EQ(output("1 + 1"), "2") << "after " << code;
  }
}

TEST_F(SessionTest, WhatWasPrintedBeforeTheEndIsSeen) {
  EXPECT_THAT(output("import os\nprint('last words')\nos._exit(1)"), StartsWith("last words\n"));
}

TEST_F(SessionTest, DeathBetweenCellsIsReportedByTheNext) {
  run("import threading, os, time\n"
      "def end():\n"
      "    open('ready', 'w').close()\n"
      "    os._exit(1)\n"
      "threading.Timer(0.05, end).start()");
  for (int i = 0; i < 1000 && session_->list_files()->empty(); ++i)
    std::this_thread::sleep_for(5ms);
  std::this_thread::sleep_for(100ms);
  const Outcome outcome = run("1");
  EXPECT_TRUE(outcome.state_lost) << outcome.output;
  EXPECT_EQ(output("2"), "2");
}

TEST_F(SessionTest, ForgedRepliesAreNotBelieved) {
  const Outcome outcome =
      run("import os\n"
          "os.write(3, b'\\1\\0\\0\\0' + b'\\x77' * 8 + b'o')\n"
          "os.write(3, b'x' * 5000)\n"
          "1 / 0");
  EXPECT_EQ(outcome.status, Status::kError);
}

TEST_F(SessionTest, AChannelTurnedToAnotherFileCannotHangTheHost) {
  const Outcome outcome = run("import os\na, b = os.pipe()\nos.dup2(a, 3)", 300ms);
  EXPECT_NE(outcome.status, Status::kOk);
  EXPECT_TRUE(outcome.restarted);
  EXPECT_EQ(output("1"), "1");
}

TEST_F(SessionTest, ClosedStreamsAreHeardAgainInTheNextCell) {
  EXPECT_EQ(run("import os, sys\nos.close(1); os.close(2)").status, Status::kOk);
  EXPECT_EQ(output("print('back')"), "back");
  run("sys.stdout.close(); sys.stderr.close()");
  EXPECT_EQ(output("print('again')"), "again");
}

TEST_F(SessionTest, OrphansThatHoldThePipesDoNotDelayTheAnswer) {
  const Outcome outcome =
      run("import os, time\n"
          "if os.fork() == 0:\n"
          "    os.setsid()\n"
          "    if os.fork() == 0: time.sleep(600)\n"
          "    os._exit(0)\n"
          "os.wait()\n"
          "print('done')",
          30s);
  EXPECT_EQ(outcome.output, "done");
}

TEST_F(SessionTest, DaemonThreadsDoNotDelayTheAnswer) {
  EXPECT_EQ(
      output(
          "import threading, time\nthreading.Thread(target=time.sleep, args=(600,)).start()\n'on'"
      ),
      "'on'"
  );
}

TEST_F(SessionTest, AStopRequestInterruptsAtOnce) {
  std::stop_source source;
  std::jthread stopper([&] {
    std::this_thread::sleep_for(100ms);
    source.request_stop();
  });
  const Outcome outcome = session_->execute("x = 3\nwhile True: pass", 60s, source.get_token());
  EXPECT_EQ(outcome.status, Status::kError);
  EXPECT_THAT(outcome.output, HasSubstr("interrupted on request"));
  EXPECT_EQ(output("x"), "3");
}

TEST_F(SessionTest, InterruptRaisesInTheRunningCell) {
  std::jthread stopper([&] {
    std::this_thread::sleep_for(200ms);
    session_->interrupt();
  });
  EXPECT_THAT(output("while True: pass"), EndsWith("KeyboardInterrupt"));
  EXPECT_EQ(output("1"), "1");
}

TEST_F(SessionTest, InterruptBetweenCellsDoesNothing) {
  session_->interrupt();
  EXPECT_EQ(output("'calm'"), "'calm'");
}

TEST_F(SessionTest, CodeOfAMegabyteArrivesWhole) {
  std::string code = "x = 0\n";
  while (code.size() < 900'000) code += "# filler to make the program long\n";
  EXPECT_EQ(output(code + "'end'"), "'end'");
  const Outcome outcome = run(std::string(2'000'000, '#'));
  EXPECT_EQ(outcome.status, Status::kError);
  EXPECT_THAT(outcome.output, HasSubstr("at most 1048576"));
}

TEST_F(SessionTest, OddBytesInTheCodeAreNoCrash) {
  EXPECT_EQ(run(std::string("print(1)\0print(2)", 17)).status, Status::kError);
  EXPECT_EQ(run("'\xff\xfe'").status, Status::kOk);
  EXPECT_EQ(run("").output, kNoOutput);
}

TEST_F(SessionTest, LongOutputKeepsHeadAndTailAndSaysWhatWasCut) {
  const Outcome outcome = run("print('a' * 30000 + 'z' * 30000)");
  EXPECT_EQ(outcome.status, Status::kOk);
  EXPECT_LE(outcome.output.size(), 20'000U);
  EXPECT_GT(outcome.output.size(), 19'000U);
  EXPECT_THAT(
      outcome.output,
      HasSubstr("\n[... " + std::to_string(outcome.truncated) + " characters cut ...]\n")
  );
  EXPECT_THAT(outcome.output, AllOf(StartsWith("aaaa"), EndsWith("zzzz")));
}

TEST_F(SessionTest, ATracebackIsSeenBelowAFloodOfOutput) {
  const Outcome outcome = run("print('a' * 100000)\n1 / 0");
  EXPECT_THAT(outcome.output, EndsWith("ZeroDivisionError: division by zero"));
}

TEST_F(SessionTest, AFloodIsStopped) {
  const Outcome outcome = run("while True: print('flood' * 1000)");
  EXPECT_EQ(outcome.status, Status::kDied);
  EXPECT_THAT(outcome.output, HasSubstr("64 MiB"));
  EXPECT_LT(outcome.output.size(), 25'000U);
  EXPECT_EQ(output("1"), "1");
}

TEST_F(SessionTest, BytesThatAreNotUtf8BecomeReplacementCharacters) {
  EXPECT_EQ(
      output("import os\nos.write(1, b'a\\xff\\xe2\\x82b')\nNone"),
      "a\xEF\xBF\xBD\xEF\xBF\xBD"
      "b"
  );
}

TEST_F(SessionTest, AClosedSessionSaysSo) {
  session_->close();
  EXPECT_EQ(run("1").status, Status::kDied);
  EXPECT_FALSE(session_->list_files().ok());
  session_->interrupt();
}

TEST_F(SessionTest, SitePackagesAreImportable) {
  EXPECT_EQ(
      output("import sys, os\nany(os.path.isdir(p) for p in sys.path if 'packages' in p)"), "True"
  );
}

TEST_F(SessionTest, WhatIsPrintedIsHeardWhileTheCellRuns) {
  std::string heard;
  session_->listen([&](std::string_view text) {
    heard += text;
    // The cell waits for this file: it cannot be over.
    if (heard == "begun \xC3\xA9\n") {
      EXPECT_TRUE(session_->upload("go", "").ok());
    }
  });
  const Outcome outcome = run("import os, time\nprint('begun é')\nwhile not os.path.exists('go'): time.sleep(0.01)\nprint('over')");
  EXPECT_EQ(outcome.output, "begun é\nover");
  EXPECT_EQ(heard, "begun é\nover\n");
  session_->run_command(Command::shell("echo from bash"), 60s);
  EXPECT_THAT(heard, testing::EndsWith("over\nfrom bash\n"));
  heard.clear();
  run("import os\nfor _ in range(100): os.write(1, b'x' * 10000)");
  EXPECT_EQ(heard.size(), 20'000U) << "no more than the reader of the result could see";
  session_->listen(nullptr);
  run("print('alone')");
  EXPECT_THAT(heard, testing::Not(testing::HasSubstr("alone")));
}

}  // namespace
}  // namespace toccata::sandbox
