#include "tools/web/web_time.h"

#include <ctime>

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <string>

namespace toccata::tools {
namespace {

constexpr std::chrono::seconds kLongest = std::chrono::hours(24);

bool sleep_until_stopped(std::chrono::milliseconds time, std::stop_token stop) {
  std::mutex mutex;
  std::condition_variable_any woken;
  std::unique_lock lock(mutex);
  woken.wait_for(lock, stop, time, [] { return false; });
  return !stop.stop_requested();
}

}  // namespace

WebClock WebClock::real() { return {[] { return std::chrono::steady_clock::now(); }, sleep_until_stopped}; }

std::optional<std::chrono::seconds> retry_after(std::string_view header, std::chrono::system_clock::time_point now) {
  using std::chrono::seconds;
  while (!header.empty() && header.front() == ' ') header.remove_prefix(1);
  while (!header.empty() && header.back() == ' ') header.remove_suffix(1);
  if (header.empty() || header.size() > 64) return std::nullopt;
  if (header.find_first_not_of("0123456789") == std::string_view::npos) {
    return header.size() > 9 ? kLongest : std::min(kLongest, seconds(std::stoll(std::string(header))));
  }
  std::tm date{};
  const std::string text(header);  // the C locale's names of days and months: the program never sets another
  const char* end = strptime(text.c_str(), "%a, %d %b %Y %H:%M:%S GMT", &date);
  if (end == nullptr || *end != '\0') return std::nullopt;
  return std::clamp(seconds(timegm(&date) - std::chrono::system_clock::to_time_t(now)), seconds(0), kLongest);
}

}  // namespace toccata::tools
