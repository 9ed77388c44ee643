#include "sandbox/linux/fd_message.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

namespace toccata::sandbox {
namespace {

// A child that gives up has not read all that the host told it. Its last word is heard all the same, and then its end.
TEST(FdMessageTest, TheLastWordOfAPeerThatLeftSomethingUnread) {
  int ends[2];
  ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends));
  ASSERT_EQ(1, send_message(ends[0], "j", 1));
  ASSERT_EQ(3, send_message(ends[1], "why", 3));
  close(ends[1]);
  char word[8] = {};
  EXPECT_EQ(3, receive_message(ends[0], word, sizeof word, {}));
  EXPECT_STREQ("why", word);
  EXPECT_EQ(0, receive_message(ends[0], word, sizeof word, {}));
  close(ends[0]);
}

}  // namespace
}  // namespace toccata::sandbox
