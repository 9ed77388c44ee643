#include <signal.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "sandbox/session_slot.h"
#include "tests/sandbox/footprint.h"
#include "tests/sandbox/sandbox_fixture.h"

namespace toccata::sandbox {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

using FilesTest = SandboxTest;

TEST_F(FilesTest, FilesWrittenByACellAreItsArtifacts) {
  EXPECT_THAT(
      run("open('b.txt', 'w').write('bb')\nimport os\nos.mkdir('d')\nopen('d/a.txt', "
          "'w').write('a')")
          .artifacts,
      ElementsAre(WorkspaceFile{"b.txt", 2}, WorkspaceFile{"d/a.txt", 1})
  );
  EXPECT_THAT(run("1").artifacts, IsEmpty());
  EXPECT_THAT(
      run("open('b.txt', 'a').write('b')").artifacts, ElementsAre(WorkspaceFile{"b.txt", 3})
  );
  EXPECT_THAT(
      *session_->list_files(), ElementsAre(WorkspaceFile{"b.txt", 3}, WorkspaceFile{"d/a.txt", 1})
  );
}

TEST_F(FilesTest, BytesCrossTheWallUnchangedBothWays) {
  std::string bytes;
  for (int i = 0; i < 100'000; ++i) bytes += static_cast<char>(i * 7);
  ASSERT_TRUE(session_->upload("in/data.bin", bytes).ok());
  EXPECT_EQ(
      output("d = open('/mnt/data/in/data.bin', 'rb').read()\nopen('out.bin', "
             "'wb').write(d[::-1])\nlen(d)"),
      "100000"
  );
  EXPECT_EQ(
      session_->download("/mnt/data/out.bin").value_or_throw(),
      std::string(bytes.rbegin(), bytes.rend())
  );
  EXPECT_EQ(output("open('in/data.bin', 'a').write('x')"), "1")
      << "the session owns what was given to it";
}

TEST_F(FilesTest, UploadsAreNotArtifacts) {
  ASSERT_TRUE(session_->upload("given.txt", "x").ok());
  EXPECT_THAT(run("1").artifacts, IsEmpty());
}

TEST_F(FilesTest, WhatBecameOfEachFileIsTold) {
  ASSERT_TRUE(session_->upload("given.txt", "x").ok());
  EXPECT_THAT(session_->take_changes(), ElementsAre(FileChange{"given.txt", 1, false}));
  run("open('a', 'w').write('aa'); open('b', 'w').write('b')");
  run("open('b', 'a').write('b'); import os; os.remove('given.txt')");
  EXPECT_THAT(
      session_->take_changes(),
      ElementsAre(FileChange{"a", 2, false}, FileChange{"b", 2, false}, FileChange{"given.txt", 0, true})
  );
  EXPECT_THAT(session_->take_changes(), IsEmpty());
  run("for i in range(1500): open(f'many{i}', 'w')");
  for (const FileChange& change : session_->take_changes()) EXPECT_FALSE(change.removed) << change.path;
}

TEST_F(FilesTest, FilesThatARestartLostAreGone) {
  if (test_warmth().zygote) GTEST_SKIP() << "the zygote would be killed, not the session";
  run("open('a', 'w').write('aa')");
  (void)session_->take_changes();
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    const pid_t pid = static_cast<pid_t>(std::atoi(entry.path().filename().c_str()));
    std::ifstream status(entry.path() / "status");
    pid_t parent = 0;
    for (std::string word; pid > 0 && status >> word;) {
      if (word == "PPid:") status >> parent;
    }
    if (parent != getpid()) continue;
    kill(pid, SIGKILL);
    // The first process of a namespace is gone once all in it are: until then the interpreter may still answer.
    const auto lives = [&] {
      const std::string state = text_of(entry.path() / "stat");
      return !state.empty() && state.find(") Z ") == std::string::npos;
    };
    for (int i = 0; i < 500 && lives(); ++i) usleep(10'000);
  }
  EXPECT_TRUE(run("1").restarted);
  EXPECT_THAT(session_->take_changes(), ElementsAre(FileChange{"a", 0, true}));
}

TEST_F(FilesTest, ASlotKeepsWhatCallsLeftWithinBounds) {
  SessionSlot slot(*sandbox_);
  EXPECT_THAT(slot.take_changes(), IsEmpty());
  slot.add_files({{"given", "old"}, {"d/in", "i"}});
  slot.add_files({{"given", "new"}});
  Session& session = *slot.open().value_or_throw();
  EXPECT_EQ(session.execute("open('given').read() + open('d/in').read()", 60s).output, "'newi'");
  EXPECT_THAT(slot.take_changes(), IsEmpty()) << "they were put there";
  session.execute("open('out', 'w').write('o')\nopen('large', 'w').truncate(17 << 20)", 60s);
  EXPECT_THAT(slot.take_changes(), ElementsAre(KeptFile{"large", std::nullopt}, KeptFile{"out", "o"}));
}

TEST_F(FilesTest, LinksAreNeverFollowed) {
  run("import os\n"
      "os.symlink('/etc/shadow', 'link')\n"
      "os.symlink('/etc', 'folder')\n"
      "os.symlink('/proc/1/root', 'magic')\n"
      "os.symlink('inside.txt', 'local')\n"
      "open('inside.txt', 'w').write('x')");
  for (const char* path : {"link", "folder/passwd", "magic/etc/passwd", "local"}) {
    EXPECT_FALSE(session_->download(path).ok()) << path;
    EXPECT_FALSE(session_->upload(path, "x").ok()) << path;
  }
  EXPECT_THAT(*session_->list_files(), ElementsAre(WorkspaceFile{"inside.txt", 1}));
}

TEST_F(FilesTest, PathsOutsideAreRefused) {
  for (const char* path : {"../tmp/a", "/etc/passwd", "", "/", "/mnt/data", "a/../../x"}) {
    EXPECT_FALSE(session_->download(path).ok()) << path;
    EXPECT_FALSE(session_->upload(path, "x").ok()) << path;
  }
  EXPECT_FALSE(session_->download(std::string("a\0b", 3)).ok());
}

TEST_F(FilesTest, WhatIsNotAFileIsNeitherReadNorListed) {
  run("import os\nos.mkfifo('fifo')\nos.mkdir('folder')\nimport "
      "socket\nsocket.socket(socket.AF_UNIX).bind('socket')");
  for (const char* path : {"fifo", "folder", "socket"})
    EXPECT_FALSE(session_->download(path).ok()) << path;
  EXPECT_THAT(*session_->list_files(), IsEmpty());
}

TEST_F(FilesTest, AHugeSparseFileIsRefused) {
  Policy policy;
  policy.limits.transfer_bytes = 1 << 20;
  open(policy);
  run("import os\nos.truncate(os.open('sparse', os.O_CREAT | os.O_RDWR), 400 << 20)");
  EXPECT_THAT(session_->download("sparse").error().message, HasSubstr("at most"));
}

TEST_F(FilesTest, ListsAreBounded) {
  run("for i in range(3000): open(f'f{i}', 'w').close()");
  EXPECT_EQ(session_->list_files()->size(), 1000U);
}

TEST_F(FilesTest, DeepAndLoopingTreesAreSurvived) {
  EXPECT_EQ(
      run("import os\nfor _ in range(2000):\n    os.mkdir('d')\n    os.chdir('d')").status,
      Status::kOk
  );
  EXPECT_THAT(*session_->list_files(), IsEmpty());
}

TEST_F(FilesTest, OddNamesAreShownAsText) {
  run("open(b'\\xff\\n', 'w').close()");
  EXPECT_THAT(*session_->list_files(), ElementsAre(WorkspaceFile{"\xEF\xBF\xBD\n", 0}));
}

TEST_F(FilesTest, UploadsShareFoldersThatExistAlready) {
  session_->upload("deep/er/a", "1").value_or_throw();
  session_->upload("deep/er/b", "2").value_or_throw();
  session_->upload("deep/c", "3").value_or_throw();
  EXPECT_EQ(output("open('deep/er/a').read() + open('deep/er/b').read() + open('deep/c').read()"), "'123'");
}

}  // namespace
}  // namespace toccata::sandbox
