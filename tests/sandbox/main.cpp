// With TOCCATA_TEST_UID set, root runs the tests as that user: what an ordinary user can have is another set of walls.
#include <gtest/gtest.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

int main(int argc, char** argv) {
  if (const char* uid = std::getenv("TOCCATA_TEST_UID")) {
    const auto id = static_cast<unsigned>(std::atoi(uid));
    if (geteuid() != 0) {
      std::fprintf(stderr, "skipped: only root can become another user\n");
      return 77;
    }
    if (setresgid(id, id, id) != 0 || setresuid(id, id, id) != 0) return 1;
    // An exec as that user would do this; without it /proc/PID belongs to root.
    prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
  }
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
