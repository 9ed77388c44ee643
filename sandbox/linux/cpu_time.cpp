#include "sandbox/linux/cpu_time.h"

#include <time.h>
#include <unistd.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

namespace toccata::sandbox {
namespace {

using std::chrono::microseconds;

// Its own, and that of the children it waited for.
microseconds cpu_time_of(pid_t process) {
  microseconds own{0};
  clockid_t clock = 0;
  timespec now = {};
  if (clock_getcpuclockid(process, &clock) == 0 && clock_gettime(clock, &now) == 0) {
    own = std::chrono::duration_cast<microseconds>(std::chrono::seconds(now.tv_sec) + std::chrono::nanoseconds(now.tv_nsec));
  }
  std::ifstream in("/proc/" + std::to_string(process) + "/stat");
  std::string line;
  std::getline(in, line);
  // The name may hold anything; the fields behind it are counted from 3.
  const std::size_t behind_name = line.rfind(')');
  if (behind_name == std::string::npos) return own;
  std::istringstream fields(line.substr(behind_name + 1));
  std::string field;
  constexpr int kCutime = 16;
  for (int i = 3; i < kCutime; ++i) fields >> field;
  std::int64_t user = 0, system = 0;
  if (!(fields >> user >> system)) return own;
  return own + microseconds((user + system) * (1'000'000 / sysconf(_SC_CLK_TCK)));
}

void add_children(pid_t process, std::vector<pid_t>& found) {
  std::error_code gone;
  for (std::filesystem::directory_iterator task("/proc/" + std::to_string(process) + "/task", gone), end; !gone && task != end; task.increment(gone)) {
    std::ifstream children(task->path() / "children");
    for (pid_t child = 0; children >> child;) found.push_back(child);
  }
}

}  // namespace

microseconds cpu_time_of_tree(pid_t root) {
  microseconds sum{0};
  std::vector<pid_t> processes = {root};
  for (std::size_t i = 0; i < processes.size(); ++i) {
    add_children(processes[i], processes);  // before its own: who ends meanwhile is then in the time of its parent
    sum += cpu_time_of(processes[i]);
  }
  return sum;
}

}  // namespace toccata::sandbox
