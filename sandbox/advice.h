// What a person can do on a machine where the sandbox's walls cannot be put up.
#pragma once

#include <optional>
#include <string>

#include "sandbox/policy.h"

namespace toccata::sandbox {

// What of the machine decides whether a program may make namespaces. Numbers are those of /proc/sys; empty: no such file.
struct HostFacts {
  bool root = false;
  bool container = false;  // of docker, podman, containerd or Kubernetes, as far as that can be seen
  bool kubernetes = false;
  bool filtered = false;  // a system call filter was put on us
  std::optional<long> apparmor_restricts;   // kernel/apparmor_restrict_unprivileged_userns: Ubuntu since 23.10
  std::optional<long> unprivileged_allowed;  // kernel/unprivileged_userns_clone: Debian and Arch
  std::optional<long> user_namespaces_max;   // user/max_user_namespaces
  std::string program = "/usr/bin/toccata";  // whose file an AppArmor profile would name
};

HostFacts read_host_facts();

// The wall that could not be put up: the name of its layer (sandbox/contain.cpp), or "namespaces" for the clone itself.
struct FailedWall {
  std::string layer;
  int error = 0;  // errno
};

// One or more sentences with the commands to type. Empty when nothing is known that would help.
std::string advice(const HostFacts& host, const FailedWall& failed);

}  // namespace toccata::sandbox
