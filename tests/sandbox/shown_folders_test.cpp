// Folders of the host that sessions may read, and only read: at every level that this machine reaches.
#include "sandbox/shown_folders.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>

#include "sandbox/linux/unique_fd.h"
#include "tests/sandbox/sandbox_fixture.h"

namespace toccata::sandbox {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

// A folder on the host with a file, beside a secret that it does not hold.
class HostTree {
 public:
  HostTree() {
    std::string path = "/tmp/toccata-shown-XXXXXX";
    root = mkdtemp(path.data());
    fs::permissions(root, fs::perms(0755));
    fs::create_directories(root / "project" / "sub");
    std::ofstream(root / "secret") << "canary-77";
    std::ofstream(root / "project" / "a.txt") << "hello";
    std::ofstream(root / "project" / "sub" / "b.txt") << "below";
    fs::create_symlink(root / "secret", root / "project" / "absolute");
    fs::create_symlink("../secret", root / "project" / "relative");
    fs::create_symlink("/etc/shadow", root / "project" / "shadow");
    fs::create_symlink("a.txt", root / "project" / "inner");
    mkfifo((root / "project" / "fifo").c_str(), 0666);
    if (geteuid() == 0) mknod((root / "project" / "zero").c_str(), S_IFCHR | 0666, makedev(1, 5));
    for (const auto& entry : fs::recursive_directory_iterator(root)) {
      if (!entry.is_symlink()) fs::permissions(entry, fs::perms(entry.is_directory() ? 0755 : 0644));
    }
    fs::permissions(root / "project" / "fifo", fs::perms(0666));
  }
  ~HostTree() { fs::remove_all(root); }
  fs::path project() const { return root / "project"; }

  fs::path root;
};

constexpr const char* kPrelude = R"(
import errno, os, socket
def stopped(f):
    try:
        f()
    except OSError as e:
        return errno.errorcode[e.errno]
    return 'not stopped'
)";

class ShownFolderTest : public SandboxTest, public testing::WithParamInterface<Level> {
 protected:
  void SetUp() override {
    Policy policy;
    policy.minimum = policy.maximum = GetParam();
    policy.mounts = {{tree_.project(), "project"}};
    open(policy);
    if (!sandbox_) return;
    ASSERT_EQ(sandbox_->folders().size(), 1U);
    inside_ = sandbox_->folders()[0].inside;
    run(kPrelude + std::string("D = '") + inside_ + "'\n");
  }
  bool own_root() const { return GetParam() <= Level::kNoProc; }

  HostTree tree_;
  std::string inside_;
};

TEST_P(ShownFolderTest, IsRead) {
  EXPECT_EQ(inside_, own_root() ? "/mnt/project" : tree_.project().string());
  EXPECT_EQ(sandbox_->folders()[0].host, tree_.project());
  EXPECT_EQ(output("open(D + '/a.txt').read() + open(D + '/sub/b.txt').read() + open(D + '/inner').read()"), "'hellobelowhello'");
  EXPECT_EQ(session_->run_command(Command::shell("cat " + inside_ + "/a.txt"), 60s).output, "hello");
}

TEST_P(ShownFolderTest, IsNotWritten) {
  EXPECT_EQ(
      output(
          "tries = [lambda: open(D + '/a.txt', 'w'), lambda: open(D + '/a.txt', 'a'), lambda: open(D + '/new', 'w'), lambda: os.mkdir(D + '/d'),\n"
          "  lambda: os.unlink(D + '/a.txt'), lambda: os.rmdir(D + '/sub'), lambda: os.rename(D + '/a.txt', D + '/c.txt'),\n"
          "  lambda: os.rename(D + '/a.txt', 'stolen.txt'), lambda: os.symlink('x', D + '/s'), lambda: os.link(D + '/a.txt', D + '/l'),\n"
          "  lambda: os.truncate(D + '/a.txt', 0), lambda: os.mkfifo(D + '/p'), lambda: os.link(D + '/a.txt', 'linked'), \n"
          "  lambda: os.rename('/proc/self/cwd', D)]\n"
          "open('mine', 'w').close()\n"
          "tries.append(lambda: os.rename('mine', D + '/mine'))\n"
          "[t for t in map(stopped, tries) if t not in ('EROFS', 'EACCES', 'EPERM', 'EXDEV', 'ENOENT', 'EBUSY')]"
      ),
      "[]"
  );
  if (own_root()) {
    EXPECT_EQ(output("[stopped(f) for f in (lambda: os.chmod(D + '/a.txt', 0o777), lambda: os.utime(D + '/a.txt'))]"), "['EROFS', 'EROFS']");
    // Not even by way of the mount itself.
    EXPECT_EQ(output("stopped(lambda: os.rmdir(D)), stopped(lambda: os.rename(D, '/tmp/x'))[0]"), "('EROFS', 'E')");
  }
  EXPECT_EQ(std::ifstream(tree_.project() / "a.txt").get(), 'h');
  EXPECT_FALSE(fs::exists(tree_.project() / "new") || fs::exists(tree_.project() / "mine"));
}

TEST_P(ShownFolderTest, NoLinkLeadsOut) {
  EXPECT_EQ(
      output("[stopped(lambda: open(D + n).read()) in ('ENOENT', 'EACCES') for n in ('/absolute', '/relative', '/shadow', '/../secret', '/sub/../../secret')]"),
      "[True, True, True, True, True]"
  );
  if (own_root()) {
    EXPECT_EQ(output("sorted(os.listdir('/mnt'))"), "['data', 'project']");
    EXPECT_EQ(output("sorted(os.listdir(os.open(D + '/..', os.O_RDONLY)))"), "['data', 'project']");
  }
}

TEST_P(ShownFolderTest, NeitherDevicesNorSetUidProgramsWork) {
  if (!own_root()) GTEST_SKIP() << "without mounts of its own the folder is as the user left it";
  EXPECT_EQ(
      output("f = os.statvfs(D).f_flag\nbool(f & os.ST_RDONLY), bool(f & os.ST_NOSUID), bool(f & 4)"), "(True, True, True)"
  );
  if (geteuid() != 0) return;
  fs::permissions(tree_.project() / "zero", fs::perms(0666));
  EXPECT_EQ(output("stopped(lambda: open(D + '/zero', 'rb'))"), "'EACCES'");
}

TEST_P(ShownFolderTest, ProgramsOfTheHostCannotBeSpokenTo) {
  const UniqueFd server(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  const std::string path = (tree_.project() / "server").string();
  std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
  ASSERT_EQ(bind(server.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  ASSERT_EQ(listen(server.get(), 1), 0);
  fs::permissions(path, fs::perms(0777));
  const UniqueFd reader(::open((tree_.project() / "fifo").c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  EXPECT_EQ(output("stopped(lambda: socket.socket(socket.AF_UNIX).connect(D + '/server'))"), "'EPERM'");
  EXPECT_EQ(
      output("a, b = socket.socketpair()\nb.close()\nstopped(lambda: a.connect(D + '/server')), stopped(lambda: a.sendto(b'x', D + '/server')) != 'not stopped'"),
      "('EPERM', True)"
  );
  EXPECT_THAT(output("stopped(lambda: socket.socketpair(type=socket.SOCK_DGRAM))"), HasSubstr("EPERM"));
  EXPECT_THAT(output("stopped(lambda: os.open(D + '/fifo', os.O_WRONLY | os.O_NONBLOCK))"), HasSubstr("EACCES"));
  if (!own_root()) return;  // where semaphores have no folder
  EXPECT_EQ(
      output("import asyncio, multiprocessing as m\nasync def f(): return 7\nwith m.Pool(2) as p: print(p.map(abs, [-1, -2]), asyncio.run(f()))"),
      "[1, 2] 7"
  );
}

TEST_P(ShownFolderTest, ARestartedSessionSeesItToo) {
  run("os._exit(1)");
  EXPECT_EQ(output("open('" + inside_ + "/a.txt').read()"), "'hello'");
  session_->run_command(Command::shell("kill -9 1; sleep 1"), 60s);  // the whole session, where it can
  EXPECT_EQ(run("print(open('" + inside_ + "/a.txt').read())").status, Status::kOk);
}

INSTANTIATE_TEST_SUITE_P(
    Levels, ShownFolderTest, testing::Values(Level::kFull, Level::kFullNoCgroup, Level::kNoProc, Level::kLandlock),
    [](const auto& test) {
      std::string name = to_string(test.param);
      std::erase(name, '-');
      return name;
    }
);

Error refusal(Policy policy) {
  const auto found = find_shown_folders(policy);
  EXPECT_FALSE(found.ok());
  return found ? Error{} : found.error();
}

TEST(ShownFolders, WhatMayNotBeShownIsRefused) {
  const HostTree tree;
  Policy policy;
  policy.private_paths = {tree.root / "state" / "runs.db"};
  const auto one = [&](const fs::path& folder, const std::string& name = "x") {
    policy.mounts = {{folder, name}};
    return refusal(policy).message;
  };
  EXPECT_THAT(one("/"), HasSubstr("whole file system"));
  EXPECT_THAT(one("/usr/.."), HasSubstr("whole file system"));
  EXPECT_THAT(one("/proc"), HasSubstr("kernel's own"));
  EXPECT_THAT(one("/proc/self/task"), HasSubstr("kernel's own"));
  EXPECT_THAT(one("/sys/kernel"), HasSubstr("kernel's own"));
  EXPECT_THAT(one("/dev/shm"), HasSubstr("/dev"));
  EXPECT_THAT(one(tree.root), HasSubstr("state/runs.db"));
  EXPECT_THAT(one("/tmp"), HasSubstr("state/runs.db"));
  fs::create_directories(tree.root / "state" / "runs.db" / "deep");
  EXPECT_THAT(one(tree.root / "state" / "runs.db" / "deep"), HasSubstr("state/runs.db"));
  fs::create_directory_symlink(tree.root / "state", tree.project() / "state");
  EXPECT_THAT(one(tree.project() / "state"), HasSubstr("state/runs.db")) << "by way of a link";
  EXPECT_THAT(one(tree.root / "nowhere"), HasSubstr("No such file"));
  EXPECT_THAT(one(tree.project() / "fifo"), HasSubstr("neither a folder nor a regular file"));
  EXPECT_THAT(one(tree.project(), "data"), HasSubstr("workspace"));
  for (const char* name : {"..", ".", ".x", "a/b", "a b", "a\nb", "a:b"})
    EXPECT_THAT(one(tree.project(), name), HasSubstr("below /mnt")) << name;
  EXPECT_THAT(one(tree.project(), std::string(65, 'a')), HasSubstr("below /mnt"));
  policy.mounts = {{tree.project(), "x"}, {tree.project() / "sub", "x"}};
  EXPECT_THAT(refusal(policy).message, HasSubstr("/mnt/x is"));
  policy.mounts.assign(kMountsMax + 1, {tree.project(), ""});
  EXPECT_THAT(refusal(policy).message, HasSubstr("at most 16"));
  fs::permissions(tree.project(), fs::perms::none);
  policy.mounts = {{tree.project(), ""}};
  EXPECT_EQ(refusal(policy).code, ErrorCode::kPermissionDenied);
  fs::permissions(tree.project(), fs::perms(0755));
  const auto found = find_shown_folders(policy);
  ASSERT_TRUE(found.ok()) << found.error().message;
  EXPECT_EQ(found->at(0).inside, "/mnt/project");
}

TEST(ShownFolders, AnotherFolderInItsPlaceIsNotShown) {
  const HostTree tree;
  Policy policy;
  policy.minimum = Level::kLandlock;
  policy.warmth = Warmth::none();
  policy.mounts = {{tree.project(), ""}};
  Result<Sandbox> box = Sandbox::create(policy);
  if (!box) GTEST_SKIP() << box.error().message;
  fs::rename(tree.project(), tree.root / "moved");
  fs::create_directory_symlink("/etc", tree.project());
  const auto session = box->open();
  ASSERT_FALSE(session.ok());
  EXPECT_THAT(session.error().message, HasSubstr("ESTALE"));
}

TEST(ShownFolders, ASingleFileIsShownAlone) {
  const HostTree tree;
  for (const Level level : {Level::kFull, Level::kFullNoCgroup, Level::kNoProc, Level::kLandlock}) {
    Policy policy;
    policy.minimum = policy.maximum = level;
    policy.warmth.ready = 0;
    policy.mounts = {{tree.project() / "a.txt", "one"}};
    Result<Sandbox> box = Sandbox::create(policy);
    if (!box) continue;
    const auto session = box->open().value_or_throw();
    const std::string inside = box->folders()[0].inside;
    EXPECT_EQ(inside, level <= Level::kNoProc ? "/mnt/one" : (tree.project() / "a.txt").string());
    const auto said = [&](const std::string& code) { return session->execute(kPrelude + code, 60s).output; };
    EXPECT_THAT(said("open('" + inside + "').read()"), HasSubstr("'hello'")) << to_string(level);
    EXPECT_THAT(said("stopped(lambda: open('" + inside + "', 'a')) in ('EROFS', 'EACCES')"), HasSubstr("True")) << to_string(level);
    EXPECT_THAT(said("stopped(lambda: open('" + (tree.project() / "sub" / "b.txt").string() + "')) in ('ENOENT', 'EACCES')"), HasSubstr("True")) << to_string(level);
  }
  fs::permissions(tree.project() / "a.txt", fs::perms::none);
  Policy policy;
  policy.mounts = {{tree.project() / "a.txt", ""}};
  EXPECT_EQ(refusal(policy).code, ErrorCode::kPermissionDenied);
}

TEST(ShownFolders, TheLastColonGivesTheName) {
  EXPECT_EQ(parse_mount("/a/b"), (Mount{"/a/b", ""}));
  EXPECT_EQ(parse_mount("/a/b:c"), (Mount{"/a/b", "c"}));
  EXPECT_EQ(parse_mount("/a:b/c"), (Mount{"/a:b/c", ""}));
  EXPECT_EQ(parse_mount("a:b:c"), (Mount{"a:b", "c"}));
  EXPECT_EQ(parse_mount(""), (Mount{"", ""}));
}

}  // namespace
}  // namespace toccata::sandbox
