// Many sessions from a zygote and a pool, some of them killed at random points: nothing stays behind. 200 sessions;
// TOCCATA_SOAK_SESSIONS names another number, for instance 10000.
#include <signal.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <random>
#include <set>
#include <thread>

#include "tests/sandbox/footprint.h"
#include "tests/sandbox/sandbox_fixture.h"

namespace toccata::sandbox {
namespace {

// All processes below this one, zombies included.
std::set<pid_t> descendants() {
  std::map<pid_t, pid_t> parents;
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    const pid_t pid = static_cast<pid_t>(std::atoi(entry.path().filename().c_str()));
    std::ifstream status(entry.path() / "status");
    for (std::string word; pid > 0 && status >> word;) {
      if (word == "PPid:") status >> parents[pid];
    }
  }
  std::set<pid_t> found;
  for (const auto& [pid, parent] : parents) {
    pid_t at = pid;
    while (at != getpid() && parents.count(at) != 0) at = parents[at];
    if (at == getpid() && pid != getpid()) found.insert(pid);
  }
  return found;
}

// Kills one process below this one, never the zygote: its first child and the parent of all others.
void kill_one(std::mt19937& random, pid_t zygote) {
  std::set<pid_t> all = descendants();
  all.erase(zygote);
  if (all.empty()) return;
  kill(*std::next(all.begin(), static_cast<long>(random() % all.size())), SIGKILL);
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
    const pid_t zygote = *descendants().begin();
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
  EXPECT_TRUE(descendants().empty()) << "processes or zombies are left";
  EXPECT_TRUE(before == Footprint()) << "descriptors, mounts, control groups or children remain";
}

}  // namespace
}  // namespace toccata::sandbox
