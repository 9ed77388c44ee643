// The containment of a session, in order. Each line is one kernel facility with its own file in linux/.
//
// What holds what: namespaces take away the host's processes, network, files and IPC; the read-only root shows only what
// Python needs; the uid, the empty capability sets and no_new_privs leave nothing to misuse; Landlock and seccomp repeat
// the file and network walls with other mechanisms and shut the kernel's rarely used doors; limits and the cgroup bound
// what one session can eat. The namespaces themselves are made by the clone (linux/spawn.cpp).
#include "sandbox/contain.h"

#include <array>
#include <cerrno>

#include "sandbox/linux/layers.h"

namespace toccata::sandbox {
namespace {

constexpr std::array kLayers = {
    Layer{"no descriptor of the host's", Level::kNone, close_what_is_the_hosts},
    Layer{"dies with host", Level::kNone, die_with_host},
    // The host writes the id maps, or says where, then lets the child go on.
    Layer{"identity maps", Level::kNone, await_host},
    // Trees are opened while the child may still pass private parents such as /root.
    Layer{"source trees", Level::kNoProc, open_trees},
    Layer{"unprivileged uid", Level::kNoProc, leave_host_identity},
    Layer{"private mounts", Level::kNoProc, make_mounts_private},
    Layer{"own root", Level::kNoProc, build_root},
    Layer{"read-only binds", Level::kNoProc, attach_trees},
    Layer{"tmpfs quotas", Level::kNoProc, mount_tmpfs},
    Layer{"own /proc", Level::kFullNoCgroup, mount_proc},
    Layer{"pivot_root", Level::kNoProc, enter_root},
    Layer{"workspace", Level::kNone, hand_over_workspace},
    Layer{"host name", Level::kNoProc, set_host_name},
    Layer{"way out by proxy", Level::kNoProc, open_way_out, /*around_zygote=*/false},
    Layer{"own session", Level::kNone, leave_terminal},
    Layer{"another uid than root", Level::kSeccomp, leave_root},
    Layer{"rlimits", Level::kSeccomp, set_limits},
    Layer{"no capabilities", Level::kSeccomp, drop_privileges},
    Layer{"still dies with host", Level::kNone, still_die_with_host},
    // Landlock forbids mounting, for ever and in every descendant.
    Layer{"Landlock", Level::kLandlock, restrict_files, /*around_zygote=*/false},
    Layer{"limits stand", Level::kNone, await_limits},
    Layer{"descriptors", Level::kNone, move_descriptors},
    Layer{"seccomp", Level::kSeccomp, install_filter},
};

constexpr int kMaxTrees = 64;

}  // namespace

std::span<const Layer> layers() { return kLayers; }

void put_up_walls(const Plan& plan, ChildFds fds) {
  std::array<int, kMaxTrees> trees;
  trees.fill(-1);
  Containment child{plan, fds, trees};
  for (int i = 0; i < static_cast<int>(kLayers.size()); ++i) {
    if (plan.level > kLayers[i].weakest_with) continue;
    if (plan.role == Role::kZygote && !kLayers[i].around_zygote) continue;
    if (const int error = kLayers[i].apply(child)) give_up(child, {i, error});
  }
  if (plan.probe_only) give_up(child, {ChildReport::kAllUp, 0});
}

void contain(const Plan& plan, ChildFds fds) {
  put_up_walls(plan, fds);
  become_interpreter(plan);
}

}  // namespace toccata::sandbox
