#include "tools/files/files_tool.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "tests/support/temp_folder.h"
#include "tools/registry.h"

namespace toccata::tools {
namespace {

namespace fs = std::filesystem;
using Half = FilesTool::Half;
using ::testing::HasSubstr;
using ::testing::Not;

class FilesToolTest : public ::testing::Test {
 protected:
  FilesToolTest() {
    const auto places = FilePlaces::open(work_.path(), nullptr).value_or_throw();
    for (const Half half : {Half::kReading, Half::kWriting}) registry_.add(std::make_unique<FilesTool>(half, places));
  }
  void put(const std::string& name, const std::string& text) {
    fs::create_directories((work_ / name).parent_path());
    std::ofstream(work_ / name) << text;
  }
  std::string get(const std::string& name) {
    std::ifstream in(work_ / name);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  ToolResult result(const std::string& function, const std::string& arguments) {
    const std::string recipient = "files." + function;
    return registry_.find(recipient)->call({recipient, arguments, ""}, {});
  }
  std::string call(const std::string& function, const std::string& arguments) { return result(function, arguments).content; }

  toccata::testing::TempFolder work_;
  Registry registry_;
};

TEST_F(FilesToolTest, ReadingIsPureWritingIsNot) {
  for (const char* name : {"read", "list", "glob", "grep"}) {
    const ToolSpec& spec = registry_.find(std::string("files.") + name)->spec();
    EXPECT_EQ(spec.effect, Effect::kPure) << name;
    EXPECT_FALSE(spec.needs_approval) << name;
  }
  for (const char* name : {"write", "edit"}) {
    const ToolSpec& spec = registry_.find(std::string("files.") + name)->spec();
    EXPECT_EQ(spec.effect, Effect::kEffectful) << name;
    EXPECT_TRUE(spec.needs_approval) << name;
  }
}

TEST_F(FilesToolTest, ReadsLinesAndSaysWhereToGoOn) {
  put("a", "one\r\ntwo\n\nfour");
  EXPECT_EQ(call("read", R"({"path": "a"})"), "L1: one\nL2: two\nL3: \nL4: four\n[end of the file: 4 lines]");
  EXPECT_EQ(call("read", R"({"path": "./a", "first_line": 2, "lines": 1})"), "L2: two\n[the file goes on; next line: 3; 14 bytes in all]");
  EXPECT_THAT(call("read", R"({"path": "a", "first_line": 9})"), HasSubstr("has 4 lines; line 9"));
  put("empty", "");
  EXPECT_EQ(call("read", R"({"path": "empty"})"), "[empty is empty]");
}

TEST_F(FilesToolTest, LongFilesAndLinesAreCut) {
  put("long", std::string(5000, 'x') + "\nend\n");
  EXPECT_THAT(call("read", R"({"path": "long"})"), HasSubstr("x [... 3000 bytes cut]\nL2: end"));
  std::string lines;
  for (int i = 0; i < 100'000; ++i) lines += "line number " + std::to_string(i) + "\n";
  put("many", lines);
  const std::string text = call("read", R"({"path": "many", "lines": 100000})");
  EXPECT_LT(text.size(), 63'000U);
  const std::size_t at = text.find("next line: ");
  ASSERT_NE(at, std::string::npos);
  const std::string next = std::to_string(std::stoi(text.substr(at + 11)));
  EXPECT_THAT(call("read", R"({"path": "many", "lines": 1, "first_line": )" + next + "}"), ::testing::StartsWith("L" + next + ": line"));
}

TEST_F(FilesToolTest, BinaryFilesAreOnlyNamedAndOddBytesReplaced) {
  put("image", std::string("\x89PNG\0\0", 6));
  EXPECT_EQ(call("read", R"({"path": "image"})"), "[image is a binary file of 6 bytes]");
  put("latin", "caf\xe9\n");
  EXPECT_THAT(call("read", R"({"path": "latin"})"), HasSubstr("caf\xEF\xBF\xBD"));
}

TEST_F(FilesToolTest, WritesNewAndOldFiles) {
  EXPECT_EQ(call("write", R"({"path": "d/e/f", "content": "hi\n"})"), "Made d/e/f, 3 bytes.");
  EXPECT_EQ(call("write", R"({"path": "d/e/f", "content": ""})"), "Replaced d/e/f, 0 bytes.");
  EXPECT_EQ(get("d/e/f"), "");
}

TEST_F(FilesToolTest, EditsOnePlaceOrAllOnRequest) {
  put("a", "x = 1\ny = 1\nx = 2\n");
  EXPECT_EQ(call("edit", R"({"path": "a", "old": "y = 1\nx", "new": "z"})"), "Changed a in line 2.");
  EXPECT_EQ(get("a"), "x = 1\nz = 2\n");
  put("a", "n n\nn\n");
  const ToolResult many = result("edit", R"({"path": "a", "old": "n", "new": "m"})");
  EXPECT_EQ(many.status, ToolStatus::kFailed);
  EXPECT_THAT(many.content, HasSubstr("3 times, in lines 1, 1, 2"));
  EXPECT_EQ(get("a"), "n n\nn\n");
  EXPECT_EQ(call("edit", R"({"path": "a", "old": "n", "new": "nn", "all": true})"), "Changed a in lines 1, 1, 2.");
  EXPECT_EQ(get("a"), "nn nn\nnn\n");
}

TEST_F(FilesToolTest, AnEditThatDoesNotFitSaysWhy) {
  put("a", "  indented\r\nnext\r\n");
  EXPECT_THAT(call("edit", R"({"path": "a", "old": "absent", "new": ""})"), HasSubstr("is not in the file. Nothing"));
  EXPECT_THAT(call("edit", R"({"path": "a", "old": "indented\nnext", "new": ""})"), HasSubstr("end in \\r\\n"));
  EXPECT_THAT(call("edit", R"({"path": "a", "old": "    indented", "new": ""})"), HasSubstr("without its blanks"));
  EXPECT_THAT(call("edit", R"({"path": "a", "old": "", "new": "x"})"), HasSubstr("files.write"));
  EXPECT_THAT(call("edit", R"({"path": "a", "old": "x", "new": "x"})"), HasSubstr("the same"));
}

TEST_F(FilesToolTest, ListsFindsAndSearches) {
  put("src/a.cpp", "int main() {\n  return needle;\n}\n");
  put("src/deep/b.h", "Needle n;\n");
  put(".git/config", "needle\n");
  put("bin", std::string("needle\0", 7));
  fs::create_symlink("/etc", work_ / "etc");
  EXPECT_EQ(call("list", "{}"), ".git/\nbin  7 bytes\netc  (a link; not followed)\nsrc/\n");
  EXPECT_EQ(call("list", R"({"path": "src/deep/"})"), "b.h  10 bytes\n");
  EXPECT_EQ(call("glob", R"({"pattern": "*.{h,cpp}"})"), "src/a.cpp\nsrc/deep/b.h\n");
  EXPECT_EQ(call("glob", R"({"pattern": "*.h", "path": "src/deep"})"), "src/deep/b.h\n");
  EXPECT_EQ(call("glob", R"({"pattern": "passwd"})"), "[no file matches]\n");
  EXPECT_EQ(call("grep", R"({"pattern": "n..dle"})"), "src/a.cpp:2:   return needle;\n[1 line in 1 file]");
  EXPECT_EQ(call("grep", R"({"pattern": "NEEDLE", "ignore_case": true, "glob": "*.h"})"), "src/deep/b.h:1: Needle n;\n[1 line in 1 file]");
  EXPECT_EQ(call("grep", R"j({"pattern": "main()", "literal": true, "path": "src/a.cpp"})j"), "src/a.cpp:1: int main() {\n[1 line in 1 file]");
  EXPECT_EQ(call("grep", R"({"pattern": "nowhere"})"), "[nothing found]\n");
}

TEST_F(FilesToolTest, SearchesAreBounded) {
  std::string lines;
  for (int i = 0; i < 1000; ++i) lines += "hit\n";
  put("many", lines);
  const std::string found = call("grep", R"({"pattern": "hit"})");
  EXPECT_THAT(found, HasSubstr("many:200: hit\n[the first 200 lines"));
  EXPECT_THAT(found, Not(HasSubstr("many:201:")));
  put("evil", std::string(50, 'a') + "b\n");
  EXPECT_THAT(call("grep", R"({"pattern": "^(a+)+$", "path": "evil"})"), HasSubstr("takes too long on some lines"));
}

TEST_F(FilesToolTest, PathsStayInside) {
  for (const char* path : {"../x", "/etc/passwd", "a/../../x", "/mnt/data/x", "~/x/../../.."}) {
    const std::string arguments = std::string(R"({"path": ")") + path + R"(", "content": "x"})";
    EXPECT_EQ(result("read", arguments).status, ToolStatus::kFailed) << path;
    EXPECT_EQ(result("write", arguments).status, ToolStatus::kFailed) << path;
  }
  put("a", "in\n");
  EXPECT_THAT(call("read", R"({"path": ")" + fs::canonical(work_.path()).string() + R"(/a"})"), HasSubstr("L1: in"));
}

TEST_F(FilesToolTest, BadArgumentsAreNamed) {
  EXPECT_THAT(call("read", "not json"), HasSubstr("not a JSON object"));
  EXPECT_THAT(call("read", "{}"), HasSubstr("expected a text \"path\""));
  EXPECT_THAT(call("read", R"({"path": "a", "first_line": 0})"), HasSubstr("\"first_line\""));
  EXPECT_THAT(call("read", R"({"path": "a", "lines": "9"})"), HasSubstr("\"lines\""));
  EXPECT_THAT(call("read", R"({"path": "a\u0000b"})"), HasSubstr("NUL"));
  EXPECT_THAT(call("grep", R"({"pattern": "("})"), HasSubstr("at byte 1"));
  EXPECT_THAT(call("read", R"({"path": "absent"})"), HasSubstr("absent: there is no such file"));
}

// The session's files through the same functions.
TEST(FilesOfTheSessionTest, AreBelowMntData) {
  sandbox::Policy policy;
  policy.warmth = sandbox::Warmth::none();
  Result<sandbox::Sandbox> made = sandbox::Sandbox::create(policy);
  if (!made) GTEST_SKIP() << made.error().message;
  sandbox::Sandbox box = *std::move(made);
  const auto slot = std::make_shared<sandbox::SessionSlot>(box);
  toccata::testing::TempFolder work;
  const auto places = FilePlaces::open(work.path(), slot).value_or_throw();
  FilesTool reading(Half::kReading, places), writing(Half::kWriting, places);
  const auto call = [](FilesTool& tool, const std::string& recipient, const std::string& arguments) {
    return tool.call({recipient, arguments, ""}, {}).content;
  };
  EXPECT_EQ(call(writing, "files.write", R"({"path": "/mnt/data/d/f", "content": "from the host\n"})"), "Made d/f, 14 bytes.");
  sandbox::Session* session = slot->open().value_or_throw();
  using namespace std::chrono_literals;
  EXPECT_EQ(session->execute("open('d/f', 'a').write('and inside'); import os; os.symlink('/etc/passwd', 'link')", 60s).status, sandbox::Status::kOk);
  EXPECT_EQ(call(reading, "files.read", R"({"path": "/mnt/data/d/f"})"), "L1: from the host\nL2: and inside\n[end of the file: 2 lines]");
  EXPECT_THAT(call(reading, "files.read", R"({"path": "/mnt/data/link"})"), HasSubstr("not followed"));
  EXPECT_EQ(call(reading, "files.glob", R"({"pattern": "**", "path": "/mnt/data"})"), "d/f\n");
  EXPECT_TRUE(fs::is_empty(work.path()));
}

}  // namespace
}  // namespace toccata::tools
