#include "tools/web/proxy.h"

#include <algorithm>

namespace toccata::tools {
namespace {

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  return out;
}

Result<std::string> checked(const std::string& proxy) {
  if (proxy.empty()) return std::string();
  const std::string url = proxy.find("://") == std::string::npos ? "http://" + proxy : proxy;
  const std::size_t host = url.find("://") + 3;
  const std::size_t at = url.rfind('@', url.find('/', host));
  const std::string bare = at == std::string::npos || at < host ? url : url.substr(0, host) + url.substr(at + 1);
  const auto parsed = parse_web_url(bare);
  if (!parsed) {
    return Error{
        ErrorCode::kInvalidArgument, "the proxy is no URL such as http://proxy.example:3128: " + parsed.error().message};
  }
  return url;
}

bool names(std::string_view entry, const WebUrl& url) {
  if (entry == "*") return true;
  std::string host = url.host;
  const std::size_t colon = entry.rfind(':');
  if (colon != std::string_view::npos && entry.find(':') == colon) {  // not an IPv6 address
    if (entry.substr(colon + 1) != std::to_string(url.port)) return false;
    entry = entry.substr(0, colon);
  }
  if (entry.starts_with("*.")) entry.remove_prefix(1);
  if (entry.starts_with('.')) entry.remove_prefix(1);
  if (entry.empty()) return false;
  return host == entry || (!url.literal && host.ends_with("." + std::string(entry)));
}

}  // namespace

Result<ProxyRules> ProxyRules::make(const std::string& for_http, const std::string& for_https, std::string_view no_proxy) {
  ProxyRules rules;
  auto http = checked(for_http);
  if (!http) return http.error();
  auto https = checked(for_https);
  if (!https) return https.error();
  rules.for_http = *http;
  rules.for_https = *https;
  while (!no_proxy.empty()) {
    const std::size_t end = std::min(no_proxy.find_first_of(", \t"), no_proxy.size());
    if (end > 0) rules.direct.push_back(lower(no_proxy.substr(0, end)));
    no_proxy.remove_prefix(std::min(end + 1, no_proxy.size()));
  }
  return rules;
}

std::string ProxyRules::proxy_for(const WebUrl& url) const {
  if (is_this_machine(url)) return {};
  const bool is_direct = std::any_of(direct.begin(), direct.end(), [&](const std::string& entry) { return names(entry, url); });
  return is_direct ? std::string() : url.tls ? for_https : for_http;
}

}  // namespace toccata::tools
