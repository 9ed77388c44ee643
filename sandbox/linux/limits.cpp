#include <sys/resource.h>

#include <cerrno>

#include "sandbox/linux/layers.h"

namespace toccata::sandbox {

// Hard limits never rise: without CAP_SYS_RESOURCE a limit that is already lower stays.
int set_limits(Containment& child) {
  for (const Limit& limit : child.plan.rlimits) {
    rlimit now = {};
    const auto resource = static_cast<__rlimit_resource_t>(limit.resource);
    if (getrlimit(resource, &now) != 0) return errno;
    const rlim_t value = limit.value < now.rlim_max ? limit.value : now.rlim_max;
    const rlimit wanted = {value, value};
    if (setrlimit(resource, &wanted) != 0) return errno;
  }
  return 0;
}

}  // namespace toccata::sandbox
