#include "sandbox/advice.h"

#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <fstream>

namespace toccata::sandbox {
namespace {

namespace fs = std::filesystem;

std::optional<long> number_in(const char* file) {
  std::ifstream in(file);
  long number = 0;
  if (in >> number) return number;
  return std::nullopt;
}

bool is_filtered() {
  std::ifstream status("/proc/self/status");
  for (std::string word; status >> word;) {
    if (word == "Seccomp:") return status >> word && word == "2";
  }
  return false;
}

// The walls that stand before this are made by the clone into namespaces or with rights that only they give.
bool needs_namespaces(const std::string& layer) {
  for (const char* other : {"Landlock", "seccomp", "rlimits", "workspace", "descriptors", "no descriptor of the host's", "dies with host", "still dies with host", "own session"}) {
    if (layer == other) return false;
  }
  return true;
}

std::string apparmor_advice(const std::string& program) {
  return "AppArmor keeps ordinary programs of this system from using user namespaces (as Ubuntu does since 23.10). Allow them to this one, "
         "as root: write\n"
         "  abi <abi/4.0>,\n"
         "  include <tunables/global>\n"
         "  profile toccata " + program + " flags=(unconfined) { userns, }\n"
         "into /etc/apparmor.d/toccata and run `apparmor_parser -r /etc/apparmor.d/toccata`; or to all programs, until the next start: "
         "`sysctl -w kernel.apparmor_restrict_unprivileged_userns=0`";
}

std::string container_advice(const HostFacts& host) {
  if (host.kubernetes) {
    return "This is a container of Kubernetes, whose system call filter refuses namespaces: set the pod's "
           "securityContext.seccompProfile.type to Unconfined and, where AppArmor is in use, appArmorProfile.type too; for /proc in the "
           "sandbox also procMount: Unmasked with hostUsers: false";
  }
  return "This is a container, whose system call filter or AppArmor profile refuses namespaces: start it with `docker run --security-opt "
         "seccomp=unconfined --security-opt apparmor=unconfined --security-opt systempaths=unconfined`, or `podman run --security-opt "
         "seccomp=unconfined --security-opt unmask=ALL`. The sandbox puts up a narrower filter of its own around what the model writes";
}

}  // namespace

HostFacts read_host_facts() {
  HostFacts facts;
  facts.root = geteuid() == 0;
  facts.filtered = is_filtered();
  std::error_code none;
  facts.kubernetes = fs::exists("/var/run/secrets/kubernetes.io", none);
  facts.container = facts.kubernetes || fs::exists("/.dockerenv", none) || fs::exists("/run/.containerenv", none);
  facts.apparmor_restricts = number_in("/proc/sys/kernel/apparmor_restrict_unprivileged_userns");
  facts.unprivileged_allowed = number_in("/proc/sys/kernel/unprivileged_userns_clone");
  facts.user_namespaces_max = number_in("/proc/sys/user/max_user_namespaces");
  const fs::path self = fs::read_symlink("/proc/self/exe", none);
  if (!none) facts.program = self.string();
  return facts;
}

std::string advice(const HostFacts& host, const FailedWall& failed) {
  if (failed.layer == "Landlock") {
    if (failed.error == ENOSYS) return "The kernel was built without Landlock, which it has since Linux 5.13";
    if (failed.error == EOPNOTSUPP) {
      return "Landlock is off, or older than Linux 6.12: start the kernel with landlock among lsm=..., as `cat /sys/kernel/security/lsm` shows";
    }
    return {};
  }
  if (!needs_namespaces(failed.layer)) return {};
  if (failed.layer == "own /proc") {
    if (host.container || host.filtered) {
      return "The container's /proc is masked, and the kernel lets nobody below it mount a whole one: `docker run --security-opt "
             "systempaths=unconfined`, `podman run --security-opt unmask=ALL`, or procMount: Unmasked in Kubernetes. Level noproc needs none";
    }
    return {};
  }
  if (host.user_namespaces_max == 0) {
    return "User namespaces are switched off: `sysctl -w user.max_user_namespaces=15000` as root; a line in /etc/sysctl.d/ keeps it";
  }
  if (failed.error == ENOSPC) {
    return "All user namespaces that the system allows are in use, or they are nested too deep: see `sysctl user.max_user_namespaces`";
  }
  if (!host.root && host.unprivileged_allowed == 0) {
    return "User namespaces are kept for root: `sysctl -w kernel.unprivileged_userns_clone=1` as root; a line in /etc/sysctl.d/ keeps it";
  }
  if (failed.error == ENOSYS && failed.layer == "namespaces" && !host.filtered) return "The kernel is older than Linux 5.3, or has no clone3";
  if (host.container || host.filtered) return container_advice(host);
  if (!host.root && host.apparmor_restricts == 1) return apparmor_advice(host.program);
  return {};
}

}  // namespace toccata::sandbox
