#include "tools/browser/url.h"

#include <algorithm>
#include <vector>

#include "tools/browser/text.h"

namespace toccata::tools {
namespace {

// "https" of "https:x"; "" of a relative reference.
std::string scheme_of(std::string_view reference) {
  const std::size_t colon = reference.find(':');
  if (colon == std::string_view::npos) return "";
  std::string scheme = lower_ascii(reference.substr(0, colon));
  const auto letter = [](char c) { return c >= 'a' && c <= 'z'; };
  const auto allowed = [&](char c) { return letter(c) || (c >= '0' && c <= '9') || c == '+' || c == '-' || c == '.'; };
  const bool valid = !scheme.empty() && letter(scheme[0]) && std::all_of(scheme.begin(), scheme.end(), allowed);
  return valid ? scheme : "";
}

// RFC 3986 section 5.2.4; `path` begins with '/'. Empty segments are segments.
std::string without_dots(std::string_view path) {
  std::vector<std::string_view> segments;
  bool folder = false;
  while (!path.empty()) {
    path.remove_prefix(1);
    const std::string_view segment = path.substr(0, path.find('/'));
    path.remove_prefix(segment.size());
    folder = segment == "." || segment == "..";
    if (segment == ".." && !segments.empty()) segments.pop_back();
    if (!folder) segments.push_back(segment);
  }
  std::string out;
  for (const std::string_view segment : segments) (out += '/') += segment;
  return folder || segments.empty() ? out + "/" : out;
}

}  // namespace

std::string resolve_url(std::string_view base, std::string_view raw) {
  std::string reference;
  for (const char c : raw) {
    if (c != '\n' && c != '\r' && c != '\t') reference += c;
  }
  while (!reference.empty() && is_blank(reference.back())) reference.pop_back();
  reference.erase(0, reference.find_first_not_of(" \v\f"));
  if (reference.empty()) return "";
  if (const std::string scheme = scheme_of(reference); !scheme.empty()) {
    const bool web = scheme == "http" || scheme == "https";
    const bool local = scheme == "file" && base.starts_with("file:");  // no page of the web leads to files of this machine
    return (web && !host_of(reference).empty()) || local ? reference : "";
  }
  const std::size_t authority = base.find("://");
  if (authority == std::string_view::npos) return "";
  if (reference.starts_with("//")) {
    const std::string target = std::string(base.substr(0, authority + 1)) + reference;
    return host_of(target).empty() ? "" : target;
  }
  const std::size_t path = std::min(base.find_first_of("/?#", authority + 3), base.size());
  const std::string origin(base.substr(0, path));
  const std::string_view old_whole = without_fragment(base.substr(path));
  const std::string_view old = old_whole.substr(0, old_whole.find('?'));
  if (reference[0] == '#') return origin + std::string(old_whole) + reference;
  if (reference[0] == '?') return origin + (old.empty() ? "/" : std::string(old)) + reference;
  std::string target;
  if (reference[0] != '/') target = old.empty() ? "/" : std::string(old.substr(0, old.rfind('/') + 1));
  target += reference;
  const std::size_t end = std::min(target.find_first_of("?#"), target.size());
  return origin + without_dots(std::string_view(target).substr(0, end)) + target.substr(end);
}

std::string host_of(std::string_view url) {
  const std::size_t scheme = url.find("://");
  if (scheme == std::string_view::npos) return "";
  const std::string_view rest = url.substr(scheme + 3);
  std::string_view host = rest.substr(0, rest.find_first_of("/?#"));
  if (const std::size_t user = host.rfind('@'); user != std::string_view::npos) host.remove_prefix(user + 1);
  return lower_ascii(host);
}

std::string_view without_fragment(std::string_view url) { return url.substr(0, url.find('#')); }

}  // namespace toccata::tools
