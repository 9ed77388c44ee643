// A message over a Unix socket with descriptors attached (unix(7), SCM_RIGHTS). Nothing is allocated: a forked child may
// call these.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <span>

namespace toccata::sandbox {

inline constexpr std::size_t kMessageFdsMax = 8;

// As sendmsg(2), without SIGPIPE. Requires at most kMessageFdsMax descriptors; with none it is a plain message.
ssize_t send_message(int socket, const void* bytes, std::size_t n, std::span<const int> fds = {}, int flags = 0);

// As recvmsg(2), and what a peer said before it closed comes first. `fds` are the descriptors that came, close-on-exec; all
// -1 when that was not exactly so many.
ssize_t receive_message(int socket, void* bytes, std::size_t n, std::span<int> fds, int flags = 0);

}  // namespace toccata::sandbox
