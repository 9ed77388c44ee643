#include "tools/web/cookie_jar.h"

#include <ctime>

#include <algorithm>

namespace toccata::tools {
namespace {

constexpr std::size_t kCookieBytesMax = 4096;
constexpr std::size_t kHeaderBytesMax = 8192;
constexpr std::size_t kPerHostMax = 50;
constexpr std::size_t kCookiesMax = 300;

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  return out;
}

bool has_control(std::string_view text) {
  return std::any_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; });
}

// The form servers write; the looser ones of RFC 6265 are taken as "with the session".
std::optional<CookieJar::Time> date_of(std::string_view text) {
  const std::string date(text.substr(0, 64));
  for (const char* form : {"%a, %d %b %Y %H:%M:%S GMT", "%a, %d-%b-%Y %H:%M:%S GMT", "%A, %d-%b-%y %H:%M:%S GMT"}) {
    std::tm parts{};
    const char* end = strptime(date.c_str(), form, &parts);
    if (end == nullptr || *end != '\0') continue;
    // system_clock cannot count further than the year 2262.
    return std::chrono::system_clock::from_time_t(std::clamp<std::time_t>(timegm(&parts), 0, 9'000'000'000));
  }
  return std::nullopt;
}

std::optional<CookieJar::Time> after_seconds(std::string_view text, CookieJar::Time now) {
  const bool negative = text.starts_with('-');
  const std::string_view digits = text.substr(negative ? 1 : 0);
  if (digits.empty() || digits.find_first_not_of("0123456789") != std::string_view::npos) return std::nullopt;
  if (negative) return CookieJar::Time{};
  return now + std::chrono::seconds(digits.size() > 9 ? 999'999'999 : std::stol(std::string(digits)));
}

std::string path_of(const WebUrl& url) { return url.target.substr(0, url.target.find('?')); }

// RFC 6265 section 5.1.4.
std::string default_path(const WebUrl& url) {
  const std::string path = path_of(url);
  const std::size_t slash = path.rfind('/');
  return slash == 0 || slash == std::string::npos ? "/" : path.substr(0, slash);
}

bool path_matches(std::string_view request, std::string_view cookie) {
  if (!request.starts_with(cookie)) return false;
  return request.size() == cookie.size() || cookie.ends_with('/') || request[cookie.size()] == '/';
}

}  // namespace

void CookieJar::store(const WebUrl& url, std::string_view set_cookie, Time now) {
  if (set_cookie.size() > kCookieBytesMax) return;
  std::size_t end = std::min(set_cookie.find(';'), set_cookie.size());
  const std::string_view pair = set_cookie.substr(0, end);
  const std::size_t equals = pair.find('=');
  if (equals == std::string_view::npos) return;
  Cookie cookie{url.host, default_path(url), std::string(trimmed(pair.substr(0, equals))), std::string(trimmed(pair.substr(equals + 1))), false, {}};
  if (cookie.name.empty() || has_control(cookie.name) || has_control(cookie.value)) return;
  std::optional<Time> max_age;
  bool path_is_root = false;
  bool has_domain = false;
  while (end < set_cookie.size()) {
    const std::size_t begin = end + 1;
    end = std::min(set_cookie.find(';', begin), set_cookie.size());
    const std::string_view attribute = set_cookie.substr(begin, end - begin);
    const std::size_t mark = std::min(attribute.find('='), attribute.size());
    const std::string key = lower(trimmed(attribute.substr(0, mark)));
    const std::string_view value = trimmed(attribute.substr(std::min(mark + 1, attribute.size())));
    if (key == "secure") cookie.secure = true;
    if (key == "path" && value.starts_with('/')) cookie.path = value, path_is_root = value == "/";
    if (key == "max-age") max_age = after_seconds(value, now);
    if (key == "expires") cookie.expires = date_of(value);
    if (key == "domain" && !value.empty()) {
      const std::string domain = lower(value.substr(value.starts_with('.') ? 1 : 0));
      has_domain = true;
      if (url.host != domain && (url.literal || !url.host.ends_with("." + domain))) return;
    }
  }
  if (max_age) cookie.expires = max_age;
  if (cookie.secure && !url.tls) return;
  if (cookie.name.starts_with("__Secure-") && !cookie.secure) return;
  if (cookie.name.starts_with("__Host-") && (!cookie.secure || !path_is_root || has_domain)) return;
  std::erase_if(cookies_, [&](const Cookie& known) {
    const bool same = known.host == cookie.host && known.path == cookie.path && known.name == cookie.name;
    return same || (known.expires && *known.expires <= now);
  });
  if (cookie.expires && *cookie.expires <= now) return;
  make_room(cookie.host);
  cookies_.push_back(std::move(cookie));
}

void CookieJar::make_room(const std::string& host) {
  const auto is_hosts = [&](const Cookie& cookie) { return cookie.host == host; };
  if (static_cast<std::size_t>(std::count_if(cookies_.begin(), cookies_.end(), is_hosts)) >= kPerHostMax) {
    cookies_.erase(std::find_if(cookies_.begin(), cookies_.end(), is_hosts));
  }
  if (cookies_.size() >= kCookiesMax) cookies_.erase(cookies_.begin());
}

std::string CookieJar::header(const WebUrl& url, Time now) const {
  std::vector<const Cookie*> sent;
  for (const Cookie& cookie : cookies_) {
    const bool alive = !cookie.expires || *cookie.expires > now;
    if (alive && cookie.host == url.host && (url.tls || !cookie.secure) && path_matches(path_of(url), cookie.path)) sent.push_back(&cookie);
  }
  std::stable_sort(sent.begin(), sent.end(), [](const Cookie* a, const Cookie* b) { return a->path.size() > b->path.size(); });
  std::string header;
  for (const Cookie* cookie : sent) {
    if (header.size() + cookie->name.size() + cookie->value.size() + 3 > kHeaderBytesMax) break;
    header += (header.empty() ? "" : "; ") + cookie->name + "=" + cookie->value;
  }
  return header;
}

}  // namespace toccata::tools
