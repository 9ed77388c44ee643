#include "agent/store/process_identity.h"

#include <unistd.h>

#include <fstream>
#include <sstream>

namespace toccata::store {
namespace {

std::string read_line(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

// Field 22 of /proc/<pid>/stat, empty when there is no such process or it is dead but not yet reaped. The name
// (field 2) may hold spaces and parentheses, so counting starts behind its last ')'.
std::string start_time(const std::string& pid) {
  const std::string stat = read_line("/proc/" + pid + "/stat");
  const auto after_name = stat.rfind(')');
  if (after_name == std::string::npos) return {};
  std::istringstream fields(stat.substr(after_name + 1));
  std::string field;
  for (int number = 3; number <= 22; ++number) {
    fields >> field;
    if (number == 3 && (field == "Z" || field == "X")) return {};
  }
  return field;
}

std::string identity(const std::string& pid) {
  return pid + ":" + start_time(pid) + ":" + read_line("/proc/sys/kernel/random/boot_id");
}

}  // namespace

std::string this_process() { return identity(std::to_string(getpid())); }

bool is_alive(std::string_view process) {
  const std::string pid(process.substr(0, process.find(':')));
  if (pid.empty() || pid.find_first_not_of("0123456789") != std::string::npos) return false;
  return !start_time(pid).empty() && identity(pid) == process;
}

}  // namespace toccata::store
