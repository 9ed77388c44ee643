// Each wall: something ordinary that must work, and something forbidden that must be stopped.
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "tests/sandbox/sandbox_fixture.h"

namespace toccata::sandbox {
namespace {

using testing::HasSubstr;

// Helpers the programs below use. `stopped(f)`: did the kernel refuse? `call(name, ...)`: the C function's errno.
constexpr const char* kPrelude = R"(
import ctypes, errno, os, platform, socket, subprocess, sys
libc = ctypes.CDLL(None, use_errno=True)
ARM = platform.machine() == 'aarch64'
def stopped(f):
    try:
        f()
    except OSError as e:
        return errno.errorcode[e.errno] in ('EPERM', 'EACCES', 'ENOENT', 'EROFS', 'ENOSYS', 'EDQUOT', 'ENOSPC', 'EINVAL')
    return False
def refused(name, *args):
    if isinstance(name, tuple):
        result = libc.syscall(name[ARM], *args)
    else:
        result = getattr(libc, name)(*args)
    return result == -1 and errno.errorcode[ctypes.get_errno()] in ('EPERM', 'ENOSYS')
)";

struct Wall {
  const char* name;
  const char* works;       // an expression that must be True
  const char* is_stopped;  // another
};

constexpr Wall kWalls[] = {
    {"HostFiles",
     "len(os.listdir('/usr/lib')) > 0",
     "all(stopped(lambda: open(p)) for p in ('/etc/shadow', '/root/.profile', '/home', '/var/log', "
     "'/etc/machine-id'))"},
    {"Writes",
     "open('/mnt/data/a', 'w').write('x') + open('/tmp/a', 'w').write('x') == 2",
     "all(stopped(lambda: open(p, 'w')) for p in ('/usr/a', '/etc/passwd', '/a', '/bin/sh', "
     "'/dev/a', '/proc/a', '/mnt/a'))"},
    {"RootIsReadOnly",
     "os.path.isdir('/mnt/data')",
     "stopped(lambda: os.mkdir('/new')) and stopped(lambda: os.rename('/tmp', '/x'))"},
    {"Network",
     "all(socket.socketpair())",
     "all(stopped(lambda: socket.socket(f, t)) for f in (socket.AF_INET, socket.AF_INET6) for t in "
     "(socket.SOCK_STREAM, socket.SOCK_DGRAM))"},
    {"OddSockets",
     "bool(socket.socket(socket.AF_UNIX))",
     "all(stopped(lambda: socket.socket(f, t)) for f, t in ((40, 1), (16, 3), (38, 5), (17, 3), "
     "(33, 2), (31, 3), (16, 2)))"},
    {"Processes",
     "subprocess.run(['true']).returncode == 0",
     "set(p for p in os.listdir('/proc') if p.isdigit()) == {'1', '2'}"},
    {"Identity",
     "os.getuid() == 1000",
     "stopped(lambda: os.setuid(0)) and stopped(lambda: os.setgroups([0]))"},
    {"Capabilities",
     "'NoNewPrivs:\\t1' in open('/proc/self/status').read()",
     "all(int(l.split()[1], 16) == 0 for l in open('/proc/self/status') if l.startswith('Cap'))"},
    {"NewNamespaces",
     "os.waitpid(os.posix_spawn('/bin/true', ['true'], {}), 0)[1] == 0",
     "all(refused('unshare', f) for f in (0x10000000, 0x20000000, 0x20000, 0x40000000, 0x80)) and "
     "refused((56, 220), 0x10000011, 0, 0, 0, 0)"},
    {"Mounts",
     "os.statvfs('/mnt/data').f_blocks > 0",
     "refused('mount', b'x', b'/tmp', b'tmpfs', 0, None) and refused('umount2', b'/proc', 2) and "
     "refused((155, 41), b'.', b'.') and refused((428, 428), -100, b'/', 0) and refused((430, "
     "430), b'tmpfs', 0)"},
    {"Chroot", "os.getcwd() == '/mnt/data'", "stopped(lambda: os.chroot('/tmp'))"},
    {"Ptrace",
     "os.getppid() == 1",
     "refused('ptrace', 0, 0, 0, 0) and refused((310, 270), 1, 0, 0, 0, 0, 0) and refused((438, "
     "438), 0, 0, 0)"},
    {"Keyrings",
     "os.getpid() > 1",
     "refused((250, 219), 0, -4, 0) and refused((248, 217), b'user', b'a', b'b', 1, -4)"},
    {"KernelDoors",
     "hasattr(os, 'memfd_create') and os.memfd_create('x') > 0",
     "refused((321, 280), 0, 0, 0) and refused((298, 241), 0, 0, -1, -1, 0) and refused((323, "
     "282), 0) and refused((425, 425), 8, 0) and refused((246, 104), 0, 0, 0, 0)"},
    {"PageCacheWrites",
     "os.sendfile(os.memfd_create('x'), os.open('/etc/passwd', 0), 0, 10) == 10",
     "refused('splice', 0, None, 1, None, 1, 0) and refused('vmsplice', 1, None, 0, 0) and "
     "refused('tee', 0, 1, 1, 0)"},
    {"Terminals",
     "not os.isatty(0)",
     "refused('ioctl', 0, 0x5412, b'x') and refused('ioctl', 0, 0x541C, b'x')"},
    {"HighBitsOfIoctl",
     "__import__('fcntl').ioctl(os.pipe()[0], 0x541B, b'\\0\\0\\0\\0') == b'\\0\\0\\0\\0'",
     "refused((16, 29), 0, ctypes.c_ulong(0x100005412), b'x')"},
    {"DeviceNodes",
     "os.read(os.open('/dev/urandom', 0), 4) != b''",
     "stopped(lambda: os.mknod('/tmp/d', 0o60600, 0x800)) and stopped(lambda: os.mknod('/tmp/c', "
     "0o20600, 0x103)) and stopped(lambda: open('/dev/kmsg'))"},
    {"Fifos", "os.mkfifo('/tmp/fifo') is None", "stopped(lambda: os.mknod('/tmp/d2', 0o60600, 1))"},
    {"KernelFiles",
     "os.path.exists('/proc/self/status')",
     "not any(os.path.exists(p) for p in ('/sys/kernel', '/proc/sys', '/proc/keys', "
     "'/proc/kallsyms', '/proc/sysrq-trigger', '/sys/fs/cgroup'))"},
    {"SetuidPrograms",
     "os.path.exists('/usr/bin/env')",
     "bool(os.statvfs('/usr').f_flag & os.ST_NOSUID and os.statvfs('/mnt/data').f_flag & "
     "os.ST_NOSUID)"},
    {"SystemVIpc",
     "__import__('multiprocessing').Lock() is not None",
     "refused('shmget', 0, 4096, 0o1600) and refused('msgget', 0, 0o1600)"},
    {"Personality", "libc.personality(0xffffffff) >= 0", "refused('personality', 0x0400000)"},
    {"HostName", "socket.gethostname() == 'sandbox'", "refused('sethostname', b'x', 1)"},
    {"Signals",
     "os.kill(os.getpid(), 0) is None",
     "os.kill(1, 9) is None and os.path.exists('/proc/1')"},
    {"Priority", "os.nice(0) < os.nice(1)", "stopped(lambda: os.nice(-10))"},
    {"Clock",
     "__import__('time').time() > 0",
     "refused('settimeofday', b'\\0' * 16, None) and stopped(lambda: "
     "__import__('time').clock_settime(0, 1))"},
};

void PrintTo(const Wall& wall, std::ostream* out) { *out << wall.name; }

class WallTest : public SandboxTest, public testing::WithParamInterface<Wall> {};

TEST_P(WallTest, LetsTheOrdinaryThroughAndStopsTheForbidden) {
  ASSERT_EQ(output(kPrelude), kNoOutput);
  EXPECT_EQ(output(GetParam().works), "True");
  EXPECT_EQ(output(GetParam().is_stopped), "True");
}

INSTANTIATE_TEST_SUITE_P(Walls, WallTest, testing::ValuesIn(kWalls), [](const auto& wall) {
  return std::string(wall.param.name);
});

using ContainmentTest = SandboxTest;

TEST_F(ContainmentTest, NothingOfTheHostsEnvironmentIsInside) {
  setenv("TOCCATA_TEST_SECRET", "hunter2", 1);
  open(Policy{});
  EXPECT_EQ(
      output("import os, subprocess\n'SECRET' in str(os.environ) + subprocess.run('env; cat "
             "/proc/*/environ', "
             "shell=True, capture_output=True, text=True).stdout"),
      "False"
  );
  unsetenv("TOCCATA_TEST_SECRET");
}

TEST_F(ContainmentTest, NoDescriptorOfTheHostIsInside) {
  // 0-2, the channel, copies of 1 and 2, and the listing itself.
  EXPECT_EQ(
      output("import os\nsorted({os.readlink(f'/proc/self/fd/{f}').split(':')[0] for f in "
             "os.listdir('/proc/self/fd') "
             "if os.path.exists(f'/proc/self/fd/{f}') or os.path.islink(f'/proc/self/fd/{f}')})"),
      "['/dev/null', 'pipe', 'socket']"
  );
  EXPECT_EQ(output("len([f for f in os.listdir('/proc/self/fd')]) <= 7"), "True");
  EXPECT_EQ(
      output("[f for f in (os.readlink(f'/proc/1/fd/{f}') for f in os.listdir('/proc/1/fd')) if "
             "f.startswith('/') and f != '/dev/null']"),
      "[]"
  );
}

TEST_F(ContainmentTest, ForeignInstructionSetsKill) {
#if defined(__x86_64__)
  const Outcome outcome = run(
      "import ctypes, mmap\n"
      "m = mmap.mmap(-1, 4096, prot=7)\n"
      "m.write(b'\\xb8\\x14\\0\\0\\0\\xcd\\x80\\xc3')  # mov eax, getpid of i386; int 0x80; ret\n"
      "ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(m)))()"
  );
  EXPECT_EQ(outcome.status, Status::kDied) << outcome.output;
#else
  GTEST_SKIP() << "x86 only";
#endif
}

TEST_F(ContainmentTest, AForkBombIsBoundedAndTheSessionGoesOn) {
  const Outcome outcome =
      run("import os, time\n"
          "n = 0\n"
          "try:\n"
          "    while n < 5000:\n"
          "        if os.fork() == 0: time.sleep(600)\n"
          "        n += 1\n"
          "except OSError as e:\n"
          "    print(e.errno, n < 130)");
  EXPECT_EQ(outcome.output, "11 True");
  EXPECT_NE(
      run("import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nos.killpg(0, "
          "signal.SIGTERM)\n'ok'")
          .status,
      Status::kTimeout
  );
  EXPECT_EQ(output("1"), "1");
}

TEST_F(ContainmentTest, AMemoryHogIsBounded) {
  Policy policy;
  policy.limits.memory_bytes = 256 << 20;
  open(policy);
  EXPECT_EQ(output("len(bytearray(64 << 20))"), "67108864");
  const Outcome outcome = run("kept = []\nwhile True: kept.append(bytearray(1 << 20))");
  EXPECT_TRUE(outcome.status == Status::kError || outcome.status == Status::kDied)
      << outcome.output;
  EXPECT_THAT(outcome.output, testing::AnyOf(HasSubstr("MemoryError"), HasSubstr("out of memory")));
  EXPECT_EQ(output("kept = None\n1"), "1");
}

TEST_F(ContainmentTest, ManyHogsTogetherAreBoundedWhereThereIsACgroup) {
  if (session_->level() != Level::kFull)
    GTEST_SKIP() << "no writable cgroup: the level is " << to_string(session_->level());
  Policy policy;
  policy.limits.memory_bytes = 192 << 20;
  open(policy);
  const Outcome outcome =
      run("import os\n"
          "for _ in range(6):\n"
          "    if os.fork() == 0:\n"
          "        b = bytearray(100 << 20)\n"
          "        os._exit(0 if len(b) else 1)\n"
          "killed = 0\n"
          "for _ in range(6): killed += os.wait()[1] == 9\n"
          "killed > 0");
  EXPECT_TRUE(outcome.output == "True" || outcome.status == Status::kDied) << outcome.output;
}

TEST_F(ContainmentTest, TheWorkspaceHasAQuotaOfBytesAndFiles) {
  Policy policy;
  policy.limits.workspace_bytes = 4 << 20;
  policy.limits.workspace_inodes = 50;
  open(policy);
  EXPECT_EQ(output("open('small', 'wb').write(bytes(1 << 20))"), "1048576");
  EXPECT_THAT(output("open('big', 'wb').write(bytes(8 << 20))"), HasSubstr("No space left"));
  EXPECT_THAT(
      output("for i in range(100): open(f'f{i}', 'w').close()"), HasSubstr("No space left")
  );
}

TEST_F(ContainmentTest, AFileHasALargestSize) {
  Policy policy;
  policy.limits.file_bytes = 1 << 20;
  open(policy);
  EXPECT_EQ(
      output("import os\nos.truncate(os.open('a', os.O_CREAT | os.O_RDWR), 1 << 20)"), kNoOutput
  );
  EXPECT_THAT(output("open('b', 'wb').write(bytes(2 << 20))"), HasSubstr("File too large"));
}

TEST_F(ContainmentTest, TheLevelIsAnnounced) {
  EXPECT_LE(session_->level(), Level::kFullNoCgroup);
  EXPECT_EQ(run("1").level, session_->level());
}

TEST_F(ContainmentTest, TheHostsRootIsNotOneUidAway) {
  if (geteuid() != 0) GTEST_SKIP() << "not root";
  // The outer id of a fork is the zygote's, whose own outer id is 65534: see ZygoteTest.
  EXPECT_EQ(
      output("print(*open('/proc/self/uid_map').read().split())"),
      test_warmth().zygote ? "1000 1000 1" : "1000 65534 1"
  );
}

TEST_F(ContainmentTest, AWeakerLevelIsUsedOnlyWhenAllowed) {
  Policy policy;
  policy.minimum = policy.maximum = Level::kNone;
  open(policy);
  EXPECT_EQ(session_->level(), Level::kNone);
  EXPECT_EQ(output("print(1 + 1)"), "2");
  EXPECT_EQ(run("import os; os._exit(1)").status, Status::kDied);
  EXPECT_EQ(output("open('a', 'w').write('x')"), "1");
  EXPECT_EQ(session_->download("/mnt/data/a").value_or_throw(), "x");
}

TEST_F(ContainmentTest, WithoutProcCodeStillRuns) {
  Policy policy;
  policy.minimum = policy.maximum = Level::kNoProc;
  open(policy);
  EXPECT_EQ(session_->level(), Level::kNoProc);
  EXPECT_EQ(output("import os\nos.listdir('/proc')"), "[]");
  EXPECT_EQ(run("while True: pass", 200ms).status, Status::kTimeout);
}

class LandlockTest : public SandboxTest {
 protected:
  void SetUp() override {
    Policy policy;
    policy.minimum = policy.maximum = Level::kLandlock;
    open(policy);
  }
};

TEST_F(LandlockTest, CodeRunsAndKeepsItsFiles) {
  EXPECT_EQ(session_->level(), Level::kLandlock);
  EXPECT_EQ(output("x = 6 * 7\nopen('a', 'w').write(str(x))\nx"), "42");
  EXPECT_EQ(session_->download("a").value_or_throw(), "42");
  ASSERT_TRUE(session_->upload("sub/b", "from the host").ok());
  EXPECT_EQ(output("print(open('sub/b').read())"), "from the host");
  EXPECT_EQ(output("import subprocess, tempfile\nprint(subprocess.check_output(['cat', 'a'], text=True), tempfile.TemporaryFile().write(b'1'))"), "42 1");
  EXPECT_EQ(session_->run_command(Command::shell("cat a | tr 4 5; echo; id -u"), 60s).output.substr(0, 3), "52\n");
  EXPECT_EQ(run("while True: pass", 200ms).status, Status::kTimeout);
  EXPECT_EQ(output("x"), "42");
}

TEST_F(LandlockTest, RootIsLeft) {
  if (geteuid() != 0) GTEST_SKIP() << "not root";
  EXPECT_EQ(output("import os\nprint(os.getresuid(), os.getresgid(), os.getgroups())"), "(65534, 65534, 65534) (65534, 65534, 65534) []");
}

TEST_F(LandlockTest, NoSignalReachesTheKeeper) {
  EXPECT_EQ(output("x = 1"), kNoOutput);
  EXPECT_EQ(output("import os\ntry: os.kill(os.getppid(), 9)\nexcept PermissionError as e: print('refused')"), "refused");
  EXPECT_THAT(session_->run_command(Command::shell("kill -9 $PPID"), 60s).output, HasSubstr("not permitted"));
  EXPECT_EQ(output("x"), "1");
}

TEST_F(LandlockTest, DaemonsEndWithTheSession) {
  const std::string pid = output("import os\nr, w = os.pipe()\nif os.fork() == 0:\n    os.setsid()\n    if os.fork() == 0:\n        os.write(w, str(os.getpid()).encode())\n        import time; time.sleep(600)\n    os._exit(0)\nprint(os.read(r, 20).decode())");
  ASSERT_TRUE(std::filesystem::exists("/proc/" + pid)) << pid;
  session_.reset();
  EXPECT_FALSE(std::filesystem::exists("/proc/" + pid));
}

TEST_F(LandlockTest, TheFilesOfTheHostAreShut) {
  const std::string file = std::filesystem::temp_directory_path() / ("toccata-bait-" + std::to_string(getpid()));
  std::ofstream(file) << "bait";
  std::filesystem::permissions(file, std::filesystem::perms(0666));
  EXPECT_EQ(output("tries = 0\nfor mode in ('r', 'w', 'a'):\n    try: open('" + file + "', mode)\n    except PermissionError: tries += 1\ntries"), "3");
  EXPECT_EQ(output("import os\ntry: os.truncate('" + file + "', 0)\nexcept PermissionError: print('refused')"), "refused");
  std::filesystem::remove(file);
}

TEST_F(ContainmentTest, SeccompAloneRunsToo) {
  Policy policy;
  policy.minimum = policy.maximum = Level::kSeccomp;
  open(policy);
  EXPECT_EQ(session_->level(), Level::kSeccomp);
  EXPECT_EQ(output("print(1 + 1)"), "2");
  EXPECT_EQ(output("import socket\ntry: socket.socket()\nexcept PermissionError: print('refused')"), "refused");
  EXPECT_EQ(run("import os; os._exit(1)").status, Status::kDied);
}

TEST_F(ContainmentTest, AnUnreachableLevelIsRefusedWithWhatIsMissing) {
  Policy policy;
  policy.minimum = policy.maximum = Level::kFull;
  const Result<Sandbox> refused = make_sandbox(policy);
  if (refused) GTEST_SKIP() << "every level can be reached here";
  EXPECT_EQ(refused.error().code, ErrorCode::kUnavailable);
  EXPECT_THAT(refused.error().message, HasSubstr("level full"));
  EXPECT_THAT(refused.error().message, HasSubstr("--sandbox full-nocg"));
}

TEST_F(ContainmentTest, AMissingInterpreterIsNamed) {
  Policy policy;
  policy.python = "/nowhere/python3";
  const Result<Sandbox> refused = make_sandbox(policy);
  ASSERT_FALSE(refused.ok());
  EXPECT_THAT(refused.error().message, HasSubstr("/nowhere/python3"));
  policy.python = "/bin/true";
  EXPECT_FALSE(make_sandbox(policy).ok());
}

TEST_F(ContainmentTest, ProbeTellsEachPrimitive) {
  Policy policy;
  policy.warmth.imports = {"json"};
  const ProbeReport report = probe(policy);
  EXPECT_LE(report.level, Level::kFullNoCgroup);
  EXPECT_GT(report.primitives.size(), 15U);
  EXPECT_EQ(report.primitives.back().name, "zygote");
  EXPECT_TRUE(report.primitives.back().ok) << report.primitives.back().detail;
  EXPECT_THAT(report.primitives.back().detail, HasSubstr("json"));
  policy.warmth = Warmth::none();
  EXPECT_EQ(probe(policy).primitives.back().name, "level landlock");
  EXPECT_THAT(report.python_version, HasSubstr("3."));
}

}  // namespace
}  // namespace toccata::sandbox
