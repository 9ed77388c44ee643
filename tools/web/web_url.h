// Web addresses taken apart strictly: what two programs could read in two ways is refused, never repaired.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "core/base/error.h"
#include "tools/web/ip_address.h"

namespace toccata::tools {

struct WebUrl {
  bool tls = false;
  std::string host;                  // lower case ASCII (xn-- for other scripts); an IPv6 literal without brackets
  std::optional<IpAddress> literal;  // when the host is an address
  int port = 0;                      // never 0: 80 or 443 when none is written
  std::string target = "/";          // path and query; blanks and non-ASCII bytes are percent-encoded; no fragment

  // "https://example.org:8443": the port is left out when it is the scheme's own.
  std::string origin() const;
  std::string text() const { return origin() + target; }
  friend bool operator==(const WebUrl&, const WebUrl&) = default;
};

// kInvalidArgument with the reason for anything but an absolute http or https URL whose host is a DNS name or an address in its usual
// spelling. Refused are: user names, backslashes, blanks and percent signs in the host, octal, hexadecimal, short and whole-number
// IPv4, zone ids, trailing dots, empty labels, letters that only look like ASCII ones, port 0 and ports that are no number.
// `valid UTF-8` is not required of what follows the host.
Result<WebUrl> parse_web_url(std::string_view url);

// 127.0.0.0/8, ::1, localhost and names below it: nothing leaves the machine.
bool is_this_machine(const WebUrl& url);

}  // namespace toccata::tools
