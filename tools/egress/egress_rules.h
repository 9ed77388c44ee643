// Where the code of a session may be connected to, and at which address.
#pragma once

#include <chrono>
#include <functional>
#include <stop_token>
#include <string>
#include <vector>

#include "core/base/error.h"
#include "tools/egress/allow_list.h"
#include "tools/egress/request_head.h"
#include "tools/web/address_policy.h"
#include "tools/web/proxy.h"

namespace toccata::tools {

// Addresses of a name, as tools/web/name_lookup.h has it.
using Resolve = std::function<Result<std::vector<std::string>>(const std::string& host, std::chrono::milliseconds timeout, std::stop_token stop)>;

// Where to connect to. One of the two is given.
struct Route {
  std::vector<std::string> addresses;  // judged; any of them may be taken
  std::string proxy = {};              // URL of the user's own proxy, which is asked for `addresses`, or for the name when there are none
};

class EgressRules {
 public:
  // Of the hosts on the list those that the browser might open too (AddressPolicy: no local names, no private addresses, ports of
  // the web). An address on the list is an exception for itself, and `origins` (--allow-origin) are what they are for the browser.
  // kInvalidArgument names the entry that could never be reached, kUnsupported a proxy that is spoken to by TLS.
  static Result<EgressRules> make(
      const std::vector<std::string>& hosts, const std::vector<std::string>& origins, ProxyRules proxy, Resolve resolve = {}
  );

  // Looks the name up once and judges every address it has; who connects takes one of these, so that no second answer of a name
  // server counts. kPermissionDenied says why not, in words for the model; other codes when the name has no address.
  Result<Route> route(const ProxyRequest& request, std::chrono::milliseconds timeout, std::stop_token stop) const;

  // Of the user's own proxy, which nobody judges.
  Result<std::vector<std::string>> addresses_of_proxy(const WebUrl& proxy, std::chrono::milliseconds timeout, std::stop_token stop) const;

  std::string hosts() const { return hosts_.text(); }

 private:
  AllowList hosts_;
  AddressPolicy addresses_;
  ProxyRules proxy_;
  Resolve resolve_;
};

}  // namespace toccata::tools
