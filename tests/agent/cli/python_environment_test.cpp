#include "agent/cli/python_environment.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

namespace toccata::cli {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::HasSubstr;

class PythonEnvironmentTest : public testing::Test {
 protected:
  PythonEnvironmentTest() {
    std::string path = "/tmp/toccata-python-XXXXXX";
    folder_ = mkdtemp(path.data());
    env_.home = folder_ / "home";
    env_.data_home = folder_ / "data";
  }
  ~PythonEnvironmentTest() override { fs::remove_all(folder_); }

  // An interpreter that is a shell script.
  fs::path script(const fs::path& name, const std::string& text) {
    const fs::path file = folder_ / name;
    fs::create_directories(file.parent_path());
    std::ofstream(file) << "#!/bin/sh\n" << text << "\n";
    fs::permissions(file, fs::perms(0755));
    return file;
  }

  fs::path folder_;
  Environment env_;
};

TEST(PipFailure, IsNamedByWhatPipSays) {
  const auto code = [](const char* text) { return pip_failure(text, "ended with exit code 1").code; };
  EXPECT_EQ(code("ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device\n"), ErrorCode::kResourceExhausted);
  EXPECT_EQ(code("OSError: [Errno 122] Disk quota exceeded"), ErrorCode::kResourceExhausted);
  EXPECT_EQ(
      code("WARNING: Retrying after connection broken by 'NewConnectionError(... [Errno -3] Temporary failure in name resolution')"),
      ErrorCode::kUnavailable
  );
  EXPECT_EQ(code("ProxyError('Cannot connect to proxy.')"), ErrorCode::kUnavailable);
  EXPECT_EQ(code("ERROR: No matching distribution found for nump"), ErrorCode::kIo);
  EXPECT_EQ(code(""), ErrorCode::kIo);
  EXPECT_THAT(pip_failure("", "was ended by Killed").message, HasSubstr("pip was ended by Killed"));
  EXPECT_THAT(pip_failure("Network is unreachable", "").message, AllOf(HasSubstr("pip config list"), HasSubstr("--find-links")));
}

TEST_F(PythonEnvironmentTest, AMissingVenvModuleNamesThePackage) {
  const PythonEnvironment python(env_, script("base", "echo \"ModuleNotFoundError: No module named 'ensurepip'\" >&2; exit 1"));
  const Result<void> made = python.make(false);
  ASSERT_FALSE(made.ok());
  EXPECT_EQ(made.error().code, ErrorCode::kUnavailable);
  EXPECT_THAT(made.error().message, AllOf(HasSubstr("'ensurepip'"), HasSubstr("apt install python3-venv")));
  EXPECT_FALSE(python.exists());
  const PythonEnvironment none(env_, folder_ / "nowhere");
  EXPECT_THAT(none.make(false).error().message, HasSubstr("apt install python3 python3-venv"));
}

TEST_F(PythonEnvironmentTest, AFailureLeavesNothingBehind) {
  // "import venv" works; making one writes half of it.
  const PythonEnvironment python(
      env_, script("base", "case \"$*\" in *ensurepip*) exit 0;; esac\nfor last; do :; done\nmkdir -p \"$last/bin\"; echo 'OSError: [Errno 28] No space left on device' >&2; exit 1")
  );
  const Result<void> made = python.make(true);
  ASSERT_FALSE(made.ok());
  EXPECT_EQ(made.error().code, ErrorCode::kResourceExhausted);
  EXPECT_FALSE(python.exists());
}

TEST_F(PythonEnvironmentTest, ADamagedOneSaysWhatHelps) {
  const PythonEnvironment python(env_);
  EXPECT_EQ(python.check().error().code, ErrorCode::kNotFound);
  fs::create_directories(python.folder());
  EXPECT_THAT(python.check().error().message, HasSubstr("toccata tools python remove"));
  EXPECT_THROW(choose_python("", env_), Exception);
  script("data/python/bin/python3", "echo \"No module named pip\" >&2; exit 1");
  EXPECT_THAT(python.check().error().message, AllOf(HasSubstr("No module named pip"), HasSubstr("toccata tools python remove")));
  EXPECT_EQ(choose_python("", env_).by, PythonChoice::By::kEnvironment);
  script("data/python/bin/python3", "exit 0");
  EXPECT_TRUE(python.check().ok());
  EXPECT_TRUE(python.remove().ok());
  EXPECT_FALSE(python.exists());
}

TEST_F(PythonEnvironmentTest, TheUsersChoiceWins) {
  EXPECT_EQ(choose_python("", env_).by, PythonChoice::By::kSystem);
  EXPECT_TRUE(choose_python("", env_).python.empty());
  const fs::path other = script("home/venv/bin/python3", "exit 0");
  script("data/python/bin/python3", "exit 0");
  EXPECT_EQ(choose_python(other, env_).python, other);
  EXPECT_EQ(choose_python("~/venv", env_).python, other);
  EXPECT_EQ(choose_python(other.parent_path().parent_path(), env_).by, PythonChoice::By::kUser);
  try {
    choose_python(folder_ / "nothing", env_);
    FAIL();
  } catch (const Exception& error) {
    EXPECT_EQ(error.code(), ErrorCode::kNotFound);
    EXPECT_THAT(error.what(), HasSubstr("--python is"));
  }
}

TEST_F(PythonEnvironmentTest, OneAtATime) {
  const PythonEnvironment python(env_);
  {
    const auto lock = PythonEnvironmentLock::take(python);
    ASSERT_TRUE(lock.ok());
    EXPECT_THAT(PythonEnvironmentLock::take(python).error().message, HasSubstr("another"));
  }
  EXPECT_TRUE(PythonEnvironmentLock::take(python).ok());
}

}  // namespace
}  // namespace toccata::cli
