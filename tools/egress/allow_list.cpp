#include "tools/egress/allow_list.h"

#include <algorithm>
#include <charconv>
#include <optional>

namespace toccata::tools {
namespace {

constexpr std::size_t kShownMax = 12;

// "host" and, when there is one, "port"; an IPv6 address keeps its brackets.
struct Halves {
  std::string_view host;
  std::optional<std::string_view> port;
};

Halves halves_of(std::string_view text) {
  const std::size_t bracket = text.find(']');
  const std::size_t colon = text.find(':', text.starts_with('[') && bracket != std::string_view::npos ? bracket : 0);
  if (colon == std::string_view::npos) return {text, std::nullopt};
  return {text.substr(0, colon), text.substr(colon + 1)};
}

std::optional<int> port_of(std::string_view text) {
  int port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  const bool sound = error == std::errc() && end == text.data() + text.size() && text[0] != '0' && port > 0 && port < 65536;
  return sound ? std::optional(port) : std::nullopt;
}

Result<AllowList::Entry> entry_of(const std::string& text) {
  const auto wrong = [&](const std::string& why) {
    return Error{
        ErrorCode::kInvalidArgument,
        "--sandbox-net is '" + text.substr(0, 200) + "': " + why + "; expected a host such as pypi.org, *.example.org or example.org:8443"};
  };
  if (text.find("://") != std::string::npos) return wrong("it is a URL, and a host is wanted");
  AllowList::Entry entry{text, text.starts_with("*."), {}, {80, 443}};
  const Halves halves = halves_of(std::string_view(text).substr(entry.below ? 2 : 0));
  if (halves.port) {
    const auto port = port_of(*halves.port);
    if (!port) return wrong("'" + std::string(halves.port->substr(0, 20)) + "' is no port");
    entry.ports = {*port};
  }
  auto url = parse_web_url("http://" + std::string(halves.host));
  if (!url) return wrong(url.error().message);
  if (url->target != "/" || halves.host.find_first_of("/?#") != std::string_view::npos) return wrong("more than a host");
  if (entry.below && url->literal) return wrong("there is nothing below an address");
  if (entry.below && url->host.find('.') == std::string::npos) return wrong("a wildcard would open all of ." + url->host);
  entry.host = std::move(*url);
  return entry;
}

}  // namespace

Result<AllowList> AllowList::make(const std::vector<std::string>& texts) {
  AllowList list;
  for (const std::string& text : texts) {
    auto entry = entry_of(text);
    if (!entry) return entry.error();
    list.entries_.push_back(std::move(*entry));
  }
  return list;
}

bool AllowList::allows(const WebUrl& url) const {
  return std::any_of(entries_.begin(), entries_.end(), [&](const Entry& entry) {
    if (std::find(entry.ports.begin(), entry.ports.end(), url.port) == entry.ports.end()) return false;
    return entry.below ? !url.literal && url.host.ends_with("." + entry.host.host) : url.host == entry.host.host;
  });
}

std::string AllowList::text() const {
  std::string text;
  for (std::size_t i = 0; i < std::min(entries_.size(), kShownMax); ++i) text += (i == 0 ? "" : ", ") + entries_[i].text;
  return entries_.size() > kShownMax ? text + " ..." : text;
}

}  // namespace toccata::tools
