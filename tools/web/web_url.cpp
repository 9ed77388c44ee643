#include "tools/web/web_url.h"

#include <algorithm>
#include <cstdio>

#include "tools/web/host_name.h"

namespace toccata::tools {
namespace {

constexpr std::size_t kUrlBytesMax = 8192;

Error bad(const std::string& what) { return Error{ErrorCode::kInvalidArgument, what}; }

int default_port(bool tls) { return tls ? 443 : 80; }

// "http" or "https" in any case, cut off with its "://".
Result<bool> take_scheme(std::string_view& url) {
  std::string scheme(url.substr(0, std::min<std::size_t>(url.find(':'), 32)));
  std::transform(scheme.begin(), scheme.end(), scheme.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  if (url.find(':') == std::string_view::npos) return bad("there is no scheme; write https:// in front");
  if (scheme != "http" && scheme != "https") return bad("the scheme is not http or https");
  url.remove_prefix(scheme.size());
  if (!url.starts_with("://")) return bad("'" + scheme + ":' is not followed by two slashes and a host");
  url.remove_prefix(3);
  return scheme == "https";
}

Result<int> port_of(std::string_view text, bool tls) {
  if (text.empty()) return default_port(tls);
  if (text.size() > 5 || text.find_first_not_of("0123456789") != std::string_view::npos || text.front() == '0') {
    return bad("the port is not a number from 1 to 65535");
  }
  const int port = std::stoi(std::string(text));
  if (port > 65535) return bad("the port is not a number from 1 to 65535");
  return port;
}

// `authority` = "[address]rest"; the rest is left.
Result<IpAddress> take_bracketed(std::string_view& authority) {
  const std::size_t end = authority.find(']');
  if (end == std::string_view::npos) return bad("the host opens a bracket that it does not close");
  const std::string_view inner = authority.substr(1, end - 1);
  if (inner.find('%') != std::string_view::npos) return bad("the IPv6 address has a zone");
  const auto address = parse_ip(inner);
  if (!address || !address->v6) return bad("there is no IPv6 address in the brackets");
  authority.remove_prefix(end + 1);
  return *address;
}

Result<void> read_authority(std::string_view authority, WebUrl& url) {
  if (authority.find('@') != std::string_view::npos) return bad("there is a user name before the host");
  for (const char c : authority) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte <= 0x20 || byte == 0x7F || c == '\\') return bad("there is a blank, control character or backslash in the host");
  }
  std::string_view port;
  if (authority.starts_with('[')) {
    const auto address = take_bracketed(authority);
    if (!address) return address.error();
    if (!authority.empty() && authority[0] != ':') return bad("there is something between the IPv6 address and the port");
    url.literal = *address;
    url.host = to_string(*address);
    port = authority.substr(std::min<std::size_t>(1, authority.size()));
  } else {
    const std::size_t colon = std::min(authority.find(':'), authority.size());
    port = authority.substr(std::min(colon + 1, authority.size()));
    const auto name = host_name(authority.substr(0, colon));
    if (!name) return name.error();
    url.host = *name;
    if (ends_in_number(url.host)) {
      url.literal = parse_ip(url.host);
      if (!url.literal) return bad("the IPv4 address is not written as four decimal numbers");
    }
  }
  const auto number = port_of(port, url.tls);
  if (!number) return number.error();
  url.port = *number;
  return {};
}

Result<std::string> target_of(std::string_view rest) {
  rest = rest.substr(0, rest.find('#'));
  std::string target = rest.starts_with('/') ? "" : "/";
  for (const char c : rest) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7F) return bad("there is a control character in the path");
    if (byte > 0x20 && byte < 0x7F && c != '"' && c != '<' && c != '>' && c != '\\') {
      target += c;
    } else {
      char escaped[4];
      std::snprintf(escaped, sizeof escaped, "%%%02X", byte);
      target += escaped;
    }
  }
  return target;
}

}  // namespace

std::string WebUrl::origin() const {
  std::string text = tls ? "https://" : "http://";
  text += literal && literal->v6 ? "[" + host + "]" : host;
  if (port != default_port(tls)) text += ":" + std::to_string(port);
  return text;
}

Result<WebUrl> parse_web_url(std::string_view text) {
  if (text.size() > kUrlBytesMax) return bad("the URL is longer than " + std::to_string(kUrlBytesMax) + " bytes");
  const auto tls = take_scheme(text);
  if (!tls) return tls.error();
  WebUrl url;
  url.tls = *tls;
  const std::size_t end = std::min(text.find_first_of("/?#"), text.size());
  if (const auto read = read_authority(text.substr(0, end), url); !read) return read.error();
  auto target = target_of(text.substr(end));
  if (!target) return target.error();
  url.target = std::move(*target);
  return url;
}

bool is_this_machine(const WebUrl& url) {
  if (!url.literal) return url.host == "localhost" || url.host.ends_with(".localhost");
  const auto& bytes = url.literal->bytes;
  if (!url.literal->v6) return bytes[0] == 127;
  return std::all_of(bytes.begin(), bytes.end() - 1, [](std::uint8_t b) { return b == 0; }) && bytes.back() == 1;
}

}  // namespace toccata::tools
