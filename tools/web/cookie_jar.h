// Cookies of one session, in memory only.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tools/web/web_url.h"

namespace toccata::tools {

// RFC 6265 with one rule more: a cookie goes back to the very host that set it and to no other, whatever its Domain attribute says, so no
// list of public suffixes is needed. Bounded: 50 cookies a host, 300 in all, 4096 bytes each; the oldest go first.
class CookieJar {
 public:
  using Time = std::chrono::system_clock::time_point;

  // One Set-Cookie header of an answer from `url`. What is malformed, for another host, or Secure over plain HTTP is ignored.
  void store(const WebUrl& url, std::string_view set_cookie, Time now);
  // The Cookie header of a request, longest path first; "" for none. At most 8192 bytes.
  std::string header(const WebUrl& url, Time now) const;
  std::size_t size() const { return cookies_.size(); }

 private:
  struct Cookie {
    std::string host, path, name, value;
    bool secure = false;
    std::optional<Time> expires;  // unset: with the session
  };
  void make_room(const std::string& host);

  std::vector<Cookie> cookies_;  // oldest first
};

}  // namespace toccata::tools
