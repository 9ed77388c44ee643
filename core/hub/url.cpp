#include "core/hub/url.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <ctime>

namespace toccata::hub {

std::string origin_of(std::string_view url) {
  const auto scheme_end = url.find("://");
  if (scheme_end == std::string_view::npos) return {};
  // A backslash or '@' stays in: such an authority equals none that we trust.
  const std::string_view whole = url.substr(0, url.find_first_of("/?#", scheme_end + 3));
  std::string origin(whole);
  std::transform(origin.begin(), origin.end(), origin.begin(), [](unsigned char c) {
    return static_cast<char>(std::tolower(c));
  });
  if (!origin.starts_with("http://") && !origin.starts_with("https://")) return {};
  return origin;
}

std::optional<std::string> redirected(std::string_view base, std::string_view location) {
  for (const char c : location) {
    if (static_cast<unsigned char>(c) <= ' ' || c == '\\' || c == 0x7f) return std::nullopt;
  }
  const std::string origin = origin_of(base);
  if (origin.empty() || location.empty()) return std::nullopt;
  std::string target;
  if (location.starts_with("//")) {
    target = origin.substr(0, origin.find(':') + 1) + std::string(location);
  } else if (location.front() == '/') {
    target = origin + std::string(location);
  } else if (location.find("://") < location.find_first_of("/?#")) {
    target = location;
  } else {
    const std::string_view path = base.substr(0, base.find_first_of("?#"));
    const auto slash = path.rfind('/');
    target = slash < origin.size() ? origin + "/" : std::string(path.substr(0, slash + 1));
    target += location;
  }
  const std::string to = origin_of(target);
  if (to.empty() || (origin.starts_with("https:") && !to.starts_with("https:"))) return std::nullopt;
  return target;
}

std::optional<long> retry_after_seconds(std::string_view value, long now) {
  long seconds = 0;
  const auto [end, failure] = std::from_chars(value.data(), value.data() + value.size(), seconds);
  if (failure == std::errc() && end == value.data() + value.size()) return std::max(seconds, 0L);
  std::tm date{};
  const std::string text(value);
  const char* rest = ::strptime(text.c_str(), "%a, %d %b %Y %H:%M:%S GMT", &date);
  if (rest == nullptr || *rest != '\0') return std::nullopt;
  return std::max(static_cast<long>(::timegm(&date)) - now, 0L);
}

}  // namespace toccata::hub
