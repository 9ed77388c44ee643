// The session's own loopback, with the one socket that leads out of it: sandbox/egress.h.
#include <arpa/inet.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstring>

#include "sandbox/linux/layers.h"

namespace toccata::sandbox {
namespace {

constexpr int kBacklog = 64;

// The kernel gives the interface its 127.0.0.1 as it comes up.
int raise_loopback(int socket) {
  ifreq request = {};
  std::memcpy(request.ifr_name, "lo", 3);
  if (ioctl(socket, SIOCGIFFLAGS, &request) != 0) return errno;
  request.ifr_flags = static_cast<short>(request.ifr_flags | IFF_UP);
  return ioctl(socket, SIOCSIFFLAGS, &request) == 0 ? 0 : errno;
}

int listen_at(int socket, int port) {
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (bind(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) return errno;
  return listen(socket, kBacklog) == 0 ? 0 : errno;
}

}  // namespace

// Only the host keeps the socket.
int open_way_out(Containment& child) {
  if (child.plan.proxy_port == 0) return 0;
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return errno;
  int error = raise_loopback(fd);
  if (error == 0) error = listen_at(fd, child.plan.proxy_port);
  if (error == 0) error = send_report(child.fds[kSyncFd], {ChildReport::kWayOutReady, 0}, fd);
  close(fd);
  return error;
}

}  // namespace toccata::sandbox
