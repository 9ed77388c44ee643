#include "tools/web/address_policy.h"

#include <algorithm>
#include <array>

#include "tools/web/host_name.h"

namespace toccata::tools {
namespace {

constexpr const char* kAllowed = "allowed by name of its origin";
constexpr const char* kPublic = "public";

// Names that lead to this machine or its network, by their last labels (RFC 6761, 6762, 8375, 7686 and custom).
constexpr std::string_view kLocalNames[] = {
    "localhost", "localdomain", "local", "internal", "intranet", "lan", "home", "corp", "private", "home.arpa", "onion"};

// Services above 1023 that take commands from whoever connects, and the ports browsers refuse (WHATWG fetch, "bad port").
constexpr std::array kServicePorts = {
    1719, 1720, 1723, 2049, 2375, 2376, 2379, 2380, 3306, 3389, 3659, 4045, 4190, 5060, 5061, 5432, 5900, 5984,
    6000, 6379, 6443, 6566, 6665, 6666, 6667, 6668, 6669, 6679, 6697, 9200, 9300, 10080, 10250, 10255, 11211, 27017};

bool is_local_name(std::string_view name) {
  if (name.find('.') == std::string_view::npos) return true;  // the resolver appends the domain of this network
  return std::any_of(std::begin(kLocalNames), std::end(kLocalNames), [&](std::string_view local) {
    return name == local || (name.ends_with(local) && name[name.size() - local.size() - 1] == '.');
  });
}

bool is_web_port(int port) {
  if (port == 80 || port == 443) return true;
  return port >= 1024 && std::find(kServicePorts.begin(), kServicePorts.end(), port) == kServicePorts.end();
}

bool is_in_domains(const AddressPolicy& policy, const WebUrl& url) {
  const auto& domains = policy.allowed_domains;
  return domains.empty() || std::any_of(domains.begin(), domains.end(), [&](const std::string& domain) {
    return url.host == domain || (!url.literal && url.host.ends_with("." + domain));
  });
}

// At most five of them.
std::string listed(const std::vector<std::string>& names) {
  std::string text;
  for (std::size_t i = 0; i < names.size() && i < 5; ++i) text += (i == 0 ? "" : ", ") + names[i];
  return names.size() > 5 ? text + " ..." : text;
}

Verdict refused(const std::string& reason) { return {false, reason}; }

}  // namespace

const WebUrl* exception_for(const AddressPolicy& policy, const WebUrl& url) {
  for (const WebUrl& allowed : policy.allowed_origins) {
    if (allowed.tls == url.tls && allowed.host == url.host && allowed.port == url.port) return &allowed;
  }
  return nullptr;
}

Result<AddressPolicy> AddressPolicy::with_origins(const std::vector<std::string>& urls) {
  AddressPolicy policy;
  for (const std::string& url : urls) {
    auto origin = parse_web_url(url);
    if (!origin) {
      return Error{
          ErrorCode::kInvalidArgument,
          "--allow-origin is '" + url.substr(0, 200) + "': " + origin.error().message + "; expected one such as http://127.0.0.1:8000"};
    }
    if (origin->target != "/") {
      return Error{
          ErrorCode::kInvalidArgument, "--allow-origin is '" + url.substr(0, 200) + "', but it opens a whole origin: write " + origin->origin()};
    }
    policy.allowed_origins.push_back(std::move(*origin));
  }
  return policy;
}

Result<AddressPolicy> AddressPolicy::make(const std::vector<std::string>& origins, const std::vector<std::string>& domains) {
  auto policy = with_origins(origins);
  if (!policy) return policy;
  for (const std::string& domain : domains) {
    auto name = host_name(domain);
    if (!name) {
      return Error{
          ErrorCode::kInvalidArgument,
          "--allow-domain is '" + domain.substr(0, 200) + "': " + name.error().message + "; expected a host such as example.org"};
    }
    policy->allowed_domains.push_back(std::move(*name));
  }
  return policy;
}

Verdict judge_url(const AddressPolicy& policy, const WebUrl& url) {
  if (exception_for(policy, url) != nullptr) return {true, kAllowed};
  if (!is_in_domains(policy, url)) return refused(url.host + " is not one of the hosts the user allows (" + listed(policy.allowed_domains) + ")");
  if (url.literal) {
    if (const std::string purpose = special_purpose(*url.literal); !purpose.empty()) return refused(url.host + " is " + purpose);
  } else if (is_local_name(url.host)) {
    return refused(url.host + " is a name of this machine or its network");
  }
  if (!is_web_port(url.port)) return refused("port " + std::to_string(url.port) + " is not one of the web");
  return {true, kPublic};
}

Verdict judge_address(const AddressPolicy& policy, const WebUrl& url, std::string_view text) {
  const auto address = parse_ip(text);
  if (!address) return refused("'" + std::string(text.substr(0, 64)) + "' is not an address");
  if (url.literal && *url.literal != *address) return refused(url.host + " does not lead to " + to_string(*address));
  const std::string purpose = special_purpose(*address);
  if (exception_for(policy, url) != nullptr) {
    if (purpose.empty() || url.literal || is_local(*address)) return {true, kAllowed};
    return refused(url.host + " leads to " + to_string(*address) + ", " + purpose + "; only naming that address itself opens it");
  }
  if (purpose.empty()) return {true, kPublic};
  return refused(url.host + " leads to " + to_string(*address) + ", " + purpose);
}

Verdict judge(const AddressPolicy& policy, std::string_view text, const std::optional<std::vector<std::string>>& resolved) {
  const auto url = parse_web_url(text);
  if (!url) return refused(url.error().message);
  Verdict verdict = judge_url(policy, *url);
  if (!verdict.allow || !resolved) return verdict;
  if (resolved->empty() && !url->literal) return refused(url->host + " has no address");
  for (const std::string& address : *resolved) {
    verdict = judge_address(policy, *url, address);
    if (!verdict.allow) return verdict;
  }
  return verdict;
}

}  // namespace toccata::tools
