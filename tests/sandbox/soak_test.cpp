// Many sessions from a zygote and a pool, some of them killed at random points: nothing stays behind. 200 sessions;
// TOCCATA_SOAK_SESSIONS names another number, for instance 10000.
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <random>
#include <set>
#include <thread>

#include "sandbox/linux/unique_fd.h"
#include "tests/sandbox/footprint.h"
#include "tests/sandbox/sandbox_fixture.h"

namespace toccata::sandbox {
namespace {

std::map<pid_t, pid_t> parents() {
  std::map<pid_t, pid_t> found;
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    const pid_t pid = static_cast<pid_t>(std::atoi(entry.path().filename().c_str()));
    std::ifstream status(entry.path() / "status");
    for (std::string word; pid > 0 && status >> word;) {
      if (word == "PPid:") status >> found[pid];
    }
  }
  return found;
}

// All processes below `top`, zombies included.
std::set<pid_t> descendants(pid_t top) {
  const std::map<pid_t, pid_t> all = parents();
  std::set<pid_t> found;
  for (const auto& [pid, parent] : all) {
    auto at = all.find(pid);
    // Bounded: what was read one after the other need not be a tree.
    for (int i = 0; i < 100 && at != all.end() && at->second != top; ++i) at = all.find(at->second);
    if (at != all.end() && at->second == top) found.insert(pid);
  }
  return found;
}

// Kills one process of a session. Numbers come round again: it is held by its pidfd before it is looked at once more.
void kill_one(std::mt19937& random, pid_t zygote) {
  const std::set<pid_t> all = descendants(zygote);
  if (all.empty()) return;
  const pid_t pid = *std::next(all.begin(), static_cast<long>(random() % all.size()));
  const UniqueFd process(static_cast<int>(syscall(SYS_pidfd_open, pid, 0)));
  if (process && descendants(zygote).count(pid) != 0)
    syscall(SYS_pidfd_send_signal, process.get(), SIGKILL, nullptr, 0);
}

TEST(SoakTest, SessionsKilledAtRandomPointsLeaveNothing) {
  const char* asked = std::getenv("TOCCATA_SOAK_SESSIONS");
  const int n = asked != nullptr ? std::atoi(asked) : 200;
  const unsigned seed = 20261126;
  std::mt19937 random(seed);
  const Footprint before;
  {
    Policy policy;
    policy.warmth = {true, {}, 2};
    Result<Sandbox> box = Sandbox::create(policy);
    if (!box) GTEST_SKIP() << box.error().message;
    const Result<std::string> warm = box->await_warm();
    if (!warm) GTEST_SKIP() << warm.error().message;
    pid_t zygote = -1;  // the only child: sessions are forked from it
    for (const auto& [pid, parent] : parents()) {
      if (parent == getpid()) zygote = pid;
    }
    ASSERT_GT(zygote, 0);
    for (int i = 0; i < n; ++i) {
      const bool doomed = random() % 20 == 0;
      std::jthread killer;
      if (doomed) {
        killer = std::jthread([&, wait = random() % 30] {
          std::this_thread::sleep_for(std::chrono::milliseconds(wait));
          std::mt19937 own(seed + static_cast<unsigned>(i));
          kill_one(own, zygote);
        });
      }
      Result<std::unique_ptr<Session>> session = box->open();
      ASSERT_TRUE(session || doomed) << session.error().message;
      if (!session) continue;
      const Outcome outcome = (*session)->execute("print(1 + 1)", 60s);
      // The killer may hit a session that waits in the pool: then a later one tells of its restart.
      EXPECT_TRUE(outcome.output.ends_with("2") || outcome.restarted) << outcome.output;
      EXPECT_NE(outcome.status, Status::kTimeout);
    }
  }
  EXPECT_TRUE(descendants(getpid()).empty()) << "processes or zombies are left";
  EXPECT_EQ(before, Footprint()) << "descriptors, mounts, control groups or children remain";
}

}  // namespace
}  // namespace toccata::sandbox
