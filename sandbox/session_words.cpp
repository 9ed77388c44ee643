#include "sandbox/session_words.h"

#include <string.h>
#include <sys/wait.h>

#include <sstream>

namespace toccata::sandbox {

using std::chrono::milliseconds;

std::string how_it_ended(std::optional<int> wait_status) {
  if (!wait_status) return "killed";
  if (WIFSIGNALED(*wait_status)) {
    const int signal = WTERMSIG(*wait_status);
    return "signal " + std::to_string(signal) + ": " + strsignal(signal);
  }
  return "exit code " + std::to_string(WEXITSTATUS(*wait_status));
}

std::string seconds_text(milliseconds time) {
  std::ostringstream out;
  out << static_cast<double>(time.count()) / 1000;
  return out.str() + (time == milliseconds(1000) ? " second" : " seconds");
}

std::string mebibytes(std::uint64_t bytes) { return std::to_string(bytes >> 20) + " MiB"; }

void append_line(std::string& text, const std::string& line) {
  while (text.ends_with('\n')) text.pop_back();
  if (!text.empty()) text += '\n';
  text += line;
}

std::string exit_words(int wait_status) {
  const auto name = [](int signal) {
    const char* abbreviation = sigabbrev_np(signal);
    return abbreviation == nullptr ? std::to_string(signal) : "SIG" + std::string(abbreviation);
  };
  if (WIFSIGNALED(wait_status)) return "[killed by " + name(WTERMSIG(wait_status)) + "]";
  const int code = WEXITSTATUS(wait_status);
  // What shells make of the end of their last program.
  if (code > 128 && sigabbrev_np(code - 128) != nullptr) {
    return "[exit status " + std::to_string(code) + ": 128 + " + name(code - 128) + "]";
  }
  return "[exit status " + std::to_string(code) + "]";
}

std::string refused_words(const std::vector<HostUse>& hosts) {
  constexpr std::size_t kShownMax = 5;
  std::string words;
  std::size_t n = 0;
  for (const HostUse& use : hosts) {
    if (use.allowed || use.host.empty() || ++n > kShownMax) continue;
    words += (words.empty() ? "" : "\n") + ("[network: the connection to " + use.host + ":" + std::to_string(use.port) + " was refused: " + use.reason + "]");
  }
  if (n > kShownMax) words += "\n[network: " + std::to_string(n - kShownMax) + " more were refused]";
  return words;
}

}  // namespace toccata::sandbox
