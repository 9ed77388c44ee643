// Which requests go through a proxy.
//
// The address policy holds all the same. A proxy would resolve names itself, and nobody could say what it connects to; so a name is resolved
// here, its addresses are judged, and the proxy is told (CONNECT) to open a connection to the one that was judged. A name that cannot be
// resolved here is refused, unless `trust_names`: then the proxy gets the name, and keeping it off the proxy's own network is the
// proxy's business. The proxy's own address is the user's choice and not judged.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/base/error.h"
#include "tools/web/web_url.h"

namespace toccata::tools {

struct ProxyRules {
  std::string for_http;   // "http://proxy.example:3128"; "" = connected to directly
  std::string for_https;
  std::vector<std::string> direct;  // hosts without proxy, in lower case: "example.org" means those below it too; "*" all; "host:port"
  bool trust_names = false;

  // `no_proxy` as the variable of that name: separated by commas or blanks. kInvalidArgument for a proxy that is no http or https URL; one
  // without a scheme is http. A user name and password may stand before the host, and are in no error.
  static Result<ProxyRules> make(const std::string& for_http, const std::string& for_https, std::string_view no_proxy);

  // "" = directly. This machine itself is never asked through a proxy.
  std::string proxy_for(const WebUrl& url) const;
};

}  // namespace toccata::tools
