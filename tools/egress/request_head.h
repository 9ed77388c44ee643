// What a program asks of the proxy, read once and strictly: what two readers could take in two ways is refused, never repaired.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "core/base/error.h"
#include "tools/web/web_url.h"

namespace toccata::tools {

inline constexpr std::size_t kHeadBytesMax = 16 * 1024;  // RFC 9110 asks for 8,000 of the first line at least
inline constexpr std::size_t kHeadLinesMax = 100;

struct ProxyRequest {
  bool tunnel = false;  // CONNECT; its target is in no scheme, `url.tls` is set
  WebUrl url;
  // Of an http request: the head as it goes on, made anew: the target without host, Host from the target, Content-Length when there is
  // one, "Connection: close"; without what is meant for the proxy alone (RFC 9110, 7.6.1).
  std::string head;
  std::uint64_t body_bytes = 0;  // that follow; never more goes on
};

// `head`: everything up to the blank line, which is part of it. The error's code says what to answer: see status_of().
Result<ProxyRequest> parse_proxy_request(std::string_view head);

// 400, 411, 431 or 505, by the code of an error of the above.
int status_of(const Error& error);

}  // namespace toccata::tools
