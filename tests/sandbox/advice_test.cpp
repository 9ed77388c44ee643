#include "sandbox/advice.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <filesystem>

namespace toccata::sandbox {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

const FailedWall kNoClone = {"namespaces", EPERM};

TEST(Advice, UbuntuIsToldOfTheProfileAndOfTheSysctl) {
  HostFacts host;
  host.apparmor_restricts = 1;
  host.unprivileged_allowed = 1;
  host.user_namespaces_max = 95'000;
  host.program = "/opt/toccata/bin/toccata";
  // There the clone works, and the first use of what it gave does not.
  for (const FailedWall& failed : {kNoClone, FailedWall{"source trees", EPERM}, FailedWall{"private mounts", EACCES}}) {
    EXPECT_THAT(
        advice(host, failed),
        AllOf(HasSubstr("profile toccata /opt/toccata/bin/toccata flags=(unconfined) { userns, }"), HasSubstr("apparmor_parser -r"),
              HasSubstr("sysctl -w kernel.apparmor_restrict_unprivileged_userns=0"))
    ) << failed.layer;
  }
  host.root = true;  // whom the rule does not concern
  EXPECT_EQ(advice(host, kNoClone), "");
  host.root = false;
  host.apparmor_restricts = 0;
  EXPECT_EQ(advice(host, kNoClone), "");
}

TEST(Advice, SwitchesThatAreOffAreNamed) {
  HostFacts host;
  host.user_namespaces_max = 0;
  EXPECT_THAT(advice(host, {"namespaces", ENOSPC}), HasSubstr("user.max_user_namespaces=15000"));
  host.user_namespaces_max = 100;
  EXPECT_THAT(advice(host, {"namespaces", ENOSPC}), HasSubstr("in use"));
  host.unprivileged_allowed = 0;
  EXPECT_THAT(advice(host, kNoClone), HasSubstr("kernel.unprivileged_userns_clone=1"));
  host.root = true;
  EXPECT_THAT(advice(host, kNoClone), Not(HasSubstr("unprivileged_userns_clone")));
}

TEST(Advice, ContainersAreToldTheirOptions) {
  HostFacts host;
  host.root = host.container = host.filtered = true;
  EXPECT_THAT(
      advice(host, {"namespaces", ENOSYS}),
      AllOf(HasSubstr("docker run --security-opt seccomp=unconfined"), HasSubstr("apparmor=unconfined"), HasSubstr("podman run"))
  );
  EXPECT_THAT(advice(host, {"own /proc", EPERM}), AllOf(HasSubstr("systempaths=unconfined"), HasSubstr("unmask=ALL"), HasSubstr("noproc")));
  host.kubernetes = true;
  EXPECT_THAT(advice(host, kNoClone), AllOf(HasSubstr("seccompProfile"), HasSubstr("procMount"), Not(HasSubstr("docker run"))));
  // Ubuntu's rule may stand behind the container's: what holds inside comes first.
  host.root = false;
  host.apparmor_restricts = 1;
  EXPECT_THAT(advice(host, kNoClone), HasSubstr("Kubernetes"));
}

TEST(Advice, LandlockHasItsOwn) {
  HostFacts host;
  host.container = true;
  EXPECT_THAT(advice(host, {"Landlock", ENOSYS}), HasSubstr("5.13"));
  EXPECT_THAT(advice(host, {"Landlock", EOPNOTSUPP}), HasSubstr("lsm="));
  EXPECT_EQ(advice(host, {"Landlock", EINVAL}), "");
}

TEST(Advice, NothingIsSaidWhereNothingIsKnownToHelp) {
  EXPECT_EQ(advice({}, kNoClone), "");
  EXPECT_EQ(advice({}, {"rlimits", EPERM}), "");
  EXPECT_EQ(advice({}, {"own /proc", EPERM}), "");
}

TEST(Advice, TheFactsOfThisMachineAreRead) {
  const HostFacts host = read_host_facts();
  EXPECT_EQ(host.program, std::filesystem::read_symlink("/proc/self/exe").string());
  EXPECT_TRUE(host.user_namespaces_max.has_value());
}

}  // namespace
}  // namespace toccata::sandbox
