// Sessions made ahead: forks of the zygote share nothing they should not, the pool hands out sessions as good as any, and
// where there can be no zygote there are sessions all the same.
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <set>

#include "sandbox/interpreter.h"
#include "tests/sandbox/sandbox_fixture.h"

namespace toccata::sandbox {
namespace {

using testing::HasSubstr;

// Their children, by /proc. The zygote is the only child of a host whose sessions are all forked.
std::set<pid_t> children_of(pid_t parent) {
  std::set<pid_t> found;
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    const pid_t pid = static_cast<pid_t>(std::atoi(entry.path().filename().c_str()));
    std::ifstream status(entry.path() / "status");
    pid_t at = 0;
    for (std::string word; pid > 0 && status >> word;) {
      if (word == "PPid:" && status >> at && at == parent) found.insert(pid);
    }
  }
  return found;
}

std::string line_of(pid_t pid, const std::string& key) {
  std::ifstream status("/proc/" + std::to_string(pid) + "/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with(key + ":")) return line.substr(key.size() + 1);
  }
  return "";
}

// A virtual environment with modules of the test's own, out of /tmp, which a session covers with its own.
class Venv {
 public:
  explicit Venv(const std::vector<std::pair<std::string, std::string>>& modules) {
    const std::string version = find_interpreter("").value_or_throw().version;
    const std::string minor = version.substr(0, version.rfind('.'));
    const auto site = folder_ / "lib" / ("python" + minor) / "site-packages";
    std::filesystem::create_directories(site);
    std::filesystem::create_directories(folder_ / "bin");
    std::filesystem::create_symlink(find_interpreter("").value_or_throw().executable, python());
    std::ofstream(folder_ / "pyvenv.cfg")
        << "home = /usr/bin\ninclude-system-site-packages = false\n";
    for (const auto& [name, text] : modules) std::ofstream(site / (name + ".py")) << text;
  }
  ~Venv() { std::filesystem::remove_all(folder_); }
  std::filesystem::path python() const { return folder_ / "bin" / "python3"; }

 private:
  std::filesystem::path folder_ = "/var/tmp/toccata-venv-" + std::to_string(getpid());
};

class ZygoteTest : public testing::Test {
 protected:
  // Standard library modules that hold random state, so that the test needs no package.
  void SetUp() override {
    make({"random", "uuid", "tempfile", "multiprocessing", "ssl", "nowhere_to_be_found"});
  }

  void make(std::vector<std::string> imports, unsigned ready = 0, const std::string& python = "") {
    Policy policy;
    policy.python = python;
    policy.warmth = {true, std::move(imports), ready};
    box_.reset();
    Result<Sandbox> made = Sandbox::create(policy);
    if (!made) GTEST_SKIP() << made.error().message;
    box_.emplace(*std::move(made));
    const Result<std::string> warm = box_->await_warm();
    if (!warm && warm.error().message.find("ctypes") != std::string::npos)
      GTEST_SKIP() << warm.error().message;
    ASSERT_TRUE(warm.ok()) << warm.error().message;
    imported_ = *warm;
  }
  std::unique_ptr<Session> open() { return box_->open().value_or_throw(); }
  pid_t zygote() const {
    const std::set<pid_t> all = children_of(getpid());
    EXPECT_EQ(all.size(), 1U);
    return all.empty() ? -1 : *all.begin();
  }
  static std::string output(Session& session, const std::string& code) {
    return session.execute(code, 60s).output;
  }

  std::optional<Sandbox> box_;
  std::string imported_;
};

TEST_F(ZygoteTest, WhatIsNotInstalledIsLeftOut) {
  EXPECT_THAT(imported_, HasSubstr("multiprocessing"));
  EXPECT_EQ(imported_.find("nowhere"), std::string::npos);
}

TEST_F(ZygoteTest, ImportsAreThereButNoNames) {
  auto session = open();
  EXPECT_EQ(
      output(*session, "import sys\n'tempfile' in sys.modules, 'tempfile' in globals()"),
      "(True, False)"
  );
}

TEST_F(ZygoteTest, NoTwoForksDrawTheSameNumbers) {
  const std::string draw =
      "import random, uuid, tempfile, multiprocessing, ssl, os\n"
      "[random.random(), random.getrandbits(64), str(uuid.uuid1()), str(uuid.uuid4()), "
      "tempfile.mktemp(), "
      "bytes(multiprocessing.current_process().authkey).hex(), ssl.RAND_bytes(8).hex(), "
      "random.SystemRandom().random()]";
  const std::string split = "\n__import__('json').dumps(_)";
  std::set<std::string> seen;
  std::size_t n = 0;
  std::vector<std::unique_ptr<Session>> sessions;
  for (int i = 0; i < 3; ++i) sessions.push_back(open());
  // The third draws again after a restart, which forks from the same prepared interpreter.
  for (int i = 0; i < 4; ++i) {
    Session& session = *sessions[static_cast<std::size_t>(std::min(i, 2))];
    if (i == 3) {
      EXPECT_TRUE(session.execute("import os; os._exit(1)", 60s).restarted);
    }
    output(
        session, draw.substr(0, draw.find('\n')) + "\nvalues = " + draw.substr(draw.find('\n') + 1)
    );
    for (int value = 0; value < 8; ++value, ++n)
      seen.insert(output(session, "values[" + std::to_string(value) + "]"));
  }
  EXPECT_EQ(seen.size(), n);
}

TEST_F(ZygoteTest, ALibrarysOwnGeneratorIsSeededAgainToo) {
  const Venv venv({std::pair<std::string, std::string>{
      "keeper_of_one", "import random\nrng = random.Random()"}});
  make({"keeper_of_one"}, 0, venv.python());
  const std::string draw = "import keeper_of_one\nkeeper_of_one.rng.random()";
  const std::string one = output(*open(), draw), other = output(*open(), draw);
  EXPECT_THAT(one, HasSubstr("0."));
  EXPECT_NE(one, other);
}

TEST_F(ZygoteTest, AForkHoldsItsOwnDescriptorsOnly) {
  auto first = open(), second = open();
  const std::string look =
      "import os\nsorted(os.readlink('/proc/self/fd/%s' % f).split(':')[0] for f in "
      "os.listdir('/proc/self/fd') "
      "if os.path.lexists('/proc/self/fd/%s' % f))";
  EXPECT_EQ(output(*second, look), "['/dev/null', 'pipe', 'pipe', 'pipe', 'pipe', 'socket']");
  EXPECT_EQ(
      output(
          *second,
          "open('/proc/1/environ').read() == '' or 'LANG=C.UTF-8' in open('/proc/1/environ').read()"
      ),
      "True"
  );
}

TEST_F(ZygoteTest, TheZygoteItselfIsShutIn) {
  const pid_t pid = zygote();
  EXPECT_THAT(line_of(pid, "NoNewPrivs"), HasSubstr("1"));
  EXPECT_THAT(line_of(pid, "Seccomp"), HasSubstr("2"));
  for (const char* set : {"CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"})
    EXPECT_THAT(line_of(pid, set), HasSubstr("0000000000000000")) << set;
  if (geteuid() == 0) {
    EXPECT_THAT(line_of(pid, "Uid"), HasSubstr("65534\t65534\t65534\t65534"));
  }
  const std::string mine = "/proc/self/ns/", its = "/proc/" + std::to_string(pid) + "/ns/";
  for (const char* kind : {"user", "pid", "net", "mnt", "ipc", "uts", "cgroup"}) {
    std::error_code failure;
    const auto other = std::filesystem::read_symlink(its + kind, failure);
    if (!failure) {
      EXPECT_NE(std::filesystem::read_symlink(mine + kind), other) << kind;
    }
  }
}

TEST_F(ZygoteTest, AForkIsInNamespacesOfItsOwn) {
  const std::string look =
      "import os\n[os.readlink('/proc/self/ns/' + k) for k in "
      "('user', 'pid', 'net', 'mnt', 'ipc', 'uts', 'cgroup')]";
  auto first = open(), second = open();
  const std::string one = output(*first, look), other = output(*second, look);
  std::set<std::string> all;
  for (const std::string& text : {one, other}) {
    for (std::size_t at = 0; (at = text.find(":[", at)) != std::string::npos; ++at)
      all.insert(text.substr(at, text.find(']', at) - at));
  }
  EXPECT_EQ(all.size(), 14U) << one << "\n" << other;
  EXPECT_EQ(output(*first, "open('/proc/self/status').read().count('Seccomp_filters:\\t2')"), "1")
      << "the zygote's filter and the session's own";
}

TEST_F(ZygoteTest, AStateOutlivesAnInterrupt) {
  auto session = open();
  output(*session, "x = 41");
  EXPECT_EQ(session->execute("while True: pass", 100ms).status, Status::kTimeout);
  EXPECT_EQ(output(*session, "x + 1"), "42");
}

TEST_F(ZygoteTest, WithoutItsZygoteASandboxStartsSessionsAfresh) {
  auto orphan = open();
  output(*orphan, "x = 1");
  const pid_t pid = zygote();
  ASSERT_GT(pid, 0);
  kill(pid, SIGKILL);
  while (line_of(pid, "State").find('Z') == std::string::npos && !line_of(pid, "State").empty())
    usleep(1000);
  auto session = open();
  EXPECT_EQ(output(*session, "1 + 1"), "2");
  EXPECT_FALSE(box_->await_warm().ok());
  // The zygote's pid namespace took its forks with it: the session is made anew, and says so.
  const Outcome outcome = orphan->execute("print('here')", 60s);
  EXPECT_TRUE(outcome.restarted);
  EXPECT_THAT(outcome.output, HasSubstr("here"));
  EXPECT_THAT(outcome.output, HasSubstr(kRestartedSentence));
}

TEST_F(ZygoteTest, WhatIsNotSoundToForkIsNotForked) {
  const Venv venv(
      {{"threaded",
        "import threading, time\nthreading.Thread(target=time.sleep, args=(600,), "
        "daemon=True).start()"},
       {"shared", "import mmap\nshared = mmap.mmap(-1, 4096)"}}
  );
  for (const auto& [module, words] :
       {std::pair("threaded", "2 threads"), std::pair("shared", "shared memory")}) {
    Policy policy;
    policy.python = venv.python();
    policy.warmth = {true, {module}, 0};
    Sandbox box = Sandbox::create(policy).value_or_throw();
    const Result<std::string> warm = box.await_warm();
    ASSERT_FALSE(warm.ok()) << module;
    EXPECT_THAT(warm.error().message, HasSubstr(words));
    EXPECT_EQ(output(*box.open().value_or_throw(), "1 + 1"), "2");
  }
}

TEST_F(ZygoteTest, ThePoolHandsOutFreshSessions) {
  make({"random"}, 2);
  std::set<std::string> drawn;
  for (int i = 0; i < 6; ++i) {
    if (i % 2 == 0) {
      ASSERT_TRUE(box_->await_warm().ok());
    }
    auto session = open();
    EXPECT_EQ(output(*session, "'x' in globals()"), "False");
    EXPECT_TRUE(drawn.insert(output(*session, "x = 1; import random; random.random()")).second);
    EXPECT_EQ(output(*session, "import os\nos.listdir('.')"), "[]");
  }
}

TEST_F(ZygoteTest, APoolWithoutZygoteIsFilledToo) {
  Policy policy;
  policy.warmth = {false, {}, 1};
  Sandbox box = Sandbox::create(policy).value_or_throw();
  EXPECT_FALSE(box.await_warm().ok());
  EXPECT_EQ(output(*box.open().value_or_throw(), "1 + 1"), "2");
}

TEST_F(ZygoteTest, ASandboxMayEndWhileItWarmsUp) {
  for (int i = 0; i < 5; ++i) {
    Policy policy;
    policy.warmth.ready = 3;
    Sandbox box = Sandbox::create(policy).value_or_throw();
    usleep(static_cast<useconds_t>(i * 20'000));
  }
  box_.reset();
  EXPECT_TRUE(children_of(getpid()).empty());
}

}  // namespace
}  // namespace toccata::sandbox
