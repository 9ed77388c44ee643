// Which web addresses may be asked: the public Internet, and what the user names. Values and pure functions; the fetcher asks them of
// each URL and again of each address it is about to connect to.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/error.h"
#include "tools/web/web_url.h"

namespace toccata::tools {

// An exception is an origin: scheme, host and port as written. It lifts the rules about ports and local names, and
//   - when its host is an address: those about this one address, whatever it is;
//   - when its host is a name: those about private, shared and loopback addresses. Metadata services, link-local, multicast and tunnelled
//     addresses stay closed, because who answers for the name chooses them.
struct AddressPolicy {
  std::vector<WebUrl> allowed_origins;  // their targets do not count
  // When there are any, nothing else is asked but these hosts, those below them ("example.org": www.example.org too) and the origins above.
  std::vector<std::string> allowed_domains;

  // kInvalidArgument names the URL that is no origin.
  static Result<AddressPolicy> with_origins(const std::vector<std::string>& urls);
  // kInvalidArgument names the text that is no host.
  static Result<AddressPolicy> make(const std::vector<std::string>& origins, const std::vector<std::string>& domains);
};

struct Verdict {
  bool allow = false;
  std::string reason;
  friend bool operator==(const Verdict&, const Verdict&) = default;
};

// The origin that makes an exception for this URL; null: none does.
const WebUrl* exception_for(const AddressPolicy& policy, const WebUrl& url);

// Before its name is resolved: host, port and, for an address as host, the address.
Verdict judge_url(const AddressPolicy& policy, const WebUrl& url);

// A connection for `url` to an address in the spelling of parse_ip.
Verdict judge_address(const AddressPolicy& policy, const WebUrl& url, std::string_view address);

// URL text and the addresses its name resolved to: one that is refused refuses all. nullopt: the URL is judged by itself; an empty list is
// a name without an address, which is refused.
Verdict judge(
    const AddressPolicy& policy, std::string_view url, const std::optional<std::vector<std::string>>& resolved
);

}  // namespace toccata::tools
