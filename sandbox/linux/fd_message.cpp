#include "sandbox/linux/fd_message.h"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace toccata::sandbox {

ssize_t send_message(int socket, const void* bytes, std::size_t n, std::span<const int> fds, int flags) {
  iovec body = {const_cast<void*>(bytes), n};
  alignas(cmsghdr) char space[CMSG_SPACE(kMessageFdsMax * sizeof(int))] = {};
  msghdr message = {};
  message.msg_iov = &body;
  message.msg_iovlen = 1;
  if (!fds.empty()) {
    message.msg_control = space;
    message.msg_controllen = CMSG_SPACE(fds.size_bytes());
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(fds.size_bytes());
    std::memcpy(CMSG_DATA(header), fds.data(), fds.size_bytes());
  }
  return sendmsg(socket, &message, MSG_NOSIGNAL | flags);
}

ssize_t receive_message(int socket, void* bytes, std::size_t n, std::span<int> fds, int flags) {
  std::fill(fds.begin(), fds.end(), -1);
  iovec body = {bytes, n};
  alignas(cmsghdr) char space[CMSG_SPACE(kMessageFdsMax * sizeof(int))] = {};
  msghdr message = {};
  message.msg_iov = &body;
  message.msg_iovlen = 1;
  message.msg_control = space;
  message.msg_controllen = sizeof space;
  ssize_t got = recvmsg(socket, &message, MSG_CMSG_CLOEXEC | flags);
  // Told once, and before what the peer has sent, when it closed with something of ours unread.
  if (got < 0 && errno == ECONNRESET) got = recvmsg(socket, &message, MSG_CMSG_CLOEXEC | flags);
  const cmsghdr* header = got > 0 ? CMSG_FIRSTHDR(&message) : nullptr;
  if (header == nullptr || header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) return got;
  int came[kMessageFdsMax];
  const std::size_t n_bytes = std::min(header->cmsg_len - CMSG_LEN(0), sizeof came);
  std::memcpy(came, CMSG_DATA(header), n_bytes);
  if (n_bytes == fds.size_bytes()) {
    std::memcpy(fds.data(), came, n_bytes);
  } else {
    for (std::size_t i = 0; i < n_bytes / sizeof(int); ++i) close(came[i]);
  }
  return got;
}

}  // namespace toccata::sandbox
