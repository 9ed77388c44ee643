#include "tools/egress/request_head.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <set>
#include <vector>

namespace toccata::tools {
namespace {

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool is_digit(char c) { return c >= '0' && c <= '9'; }
// RFC 9110, 5.6.2
bool is_token(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return is_letter(c) || is_digit(c) || std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
  });
}

std::string lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  return out;
}

std::string_view trimmed(std::string_view text) {
  const std::size_t begin = text.find_first_not_of(" \t");
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t") + 1 - begin);
}

Error malformed(const std::string& why) { return {ErrorCode::kInvalidArgument, "the request is malformed: " + why}; }

// Lines without their ends. nullopt: a control character, or the end of a line in two halves.
std::optional<std::vector<std::string_view>> lines_of(std::string_view head) {
  std::vector<std::string_view> lines;
  while (!head.empty()) {
    const std::size_t end = head.find("\r\n");
    if (end == std::string_view::npos) return std::nullopt;
    const std::string_view line = head.substr(0, end);
    const bool clean = std::all_of(line.begin(), line.end(), [](char c) {
      return (static_cast<unsigned char>(c) >= 0x20 && c != 0x7F) || c == '\t';
    });
    if (!clean) return std::nullopt;
    lines.push_back(line);
    head.remove_prefix(end + 2);
  }
  return lines;
}

struct Field {
  std::string_view name;
  std::string key;  // the name in lower case
  std::string_view value;
};

Result<std::vector<Field>> fields_of(const std::vector<std::string_view>& lines) {
  std::vector<Field> fields;
  for (std::size_t i = 1; i + 1 < lines.size(); ++i) {
    const std::size_t colon = std::min(lines[i].find(':'), lines[i].size());
    const std::string_view name = lines[i].substr(0, colon);
    // Also a line that begins with a blank, which once went on with the line before.
    if (colon == lines[i].size() || !is_token(name)) return malformed("line " + std::to_string(i + 1) + " is no header field");
    fields.push_back({name, lower(name), trimmed(lines[i].substr(colon + 1))});
  }
  return fields;
}

struct Body {
  std::optional<std::uint64_t> length;
};

Result<Body> body_of(const std::vector<Field>& fields) {
  Body body;
  for (const Field& field : fields) {
    if (field.key == "transfer-encoding") {
      return Error{ErrorCode::kUnsupported, "a body in chunks is not taken: send it with a Content-Length, or by https"};
    }
    if (field.key != "content-length") continue;
    constexpr std::size_t kDigitsMax = 15;
    const bool sound = !field.value.empty() && field.value.size() <= kDigitsMax && std::all_of(field.value.begin(), field.value.end(), is_digit);
    if (!sound || body.length) return malformed("its Content-Length is not one number");
    std::uint64_t length = 0;
    std::from_chars(field.value.data(), field.value.data() + field.value.size(), length);
    body.length = length;
  }
  return body;
}

// Meant for this proxy, or written anew.
std::set<std::string> dropped_fields(const std::vector<Field>& fields) {
  std::set<std::string> dropped = {
      "host", "connection", "content-length", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection",
      "te", "trailer", "upgrade"};
  for (const Field& field : fields) {
    if (field.key != "connection") continue;
    for (std::string_view rest = field.value; !rest.empty();) {
      const std::size_t comma = std::min(rest.find(','), rest.size());
      dropped.insert(lower(trimmed(rest.substr(0, comma))));
      rest.remove_prefix(std::min(comma + 1, rest.size()));
    }
  }
  return dropped;
}

// "host:port", nothing else.
Result<WebUrl> parse_authority(std::string_view text) {
  const bool plain = std::all_of(text.begin(), text.end(), [](char c) {
    return is_letter(c) || is_digit(c) || std::string_view("-._:[]").find(c) != std::string_view::npos;
  });
  const std::size_t colon = text.rfind(':');
  const std::string_view port = colon == std::string_view::npos ? std::string_view() : text.substr(colon + 1);
  if (!plain || port.empty() || !std::all_of(port.begin(), port.end(), is_digit)) return malformed("CONNECT wants HOST:PORT");
  auto url = parse_web_url("https://" + std::string(text));
  if (!url) return malformed(url.error().message);
  return url;
}

Result<WebUrl> parse_target(std::string_view text) {
  if (text.starts_with('/') || text == "*") {
    return malformed("this is a proxy, which is asked for whole URLs or by CONNECT, not for '" + std::string(text.substr(0, 100)) + "'");
  }
  auto url = parse_web_url(text);
  if (!url) return malformed(url.error().message);
  if (url->tls) return malformed("https is asked for by CONNECT");
  return url;
}

std::string new_head(std::string_view method, const WebUrl& url, const std::vector<Field>& fields, const Body& body) {
  const std::set<std::string> dropped = dropped_fields(fields);
  const std::string origin = url.origin();
  std::string head = std::string(method) + " " + url.target + " HTTP/1.1\r\nHost: " + origin.substr(origin.find("://") + 3) + "\r\n";
  for (const Field& field : fields) {
    if (!dropped.contains(field.key)) (head += field.name) += ": " + std::string(field.value) + "\r\n";
  }
  if (body.length) head += "Content-Length: " + std::to_string(*body.length) + "\r\n";
  return head + "Connection: close\r\n\r\n";
}

}  // namespace

Result<ProxyRequest> parse_proxy_request(std::string_view head) {
  if (head.size() > kHeadBytesMax) return Error{ErrorCode::kResourceExhausted, "the request's head has more than " + std::to_string(kHeadBytesMax) + " bytes"};
  const auto lines = lines_of(head);
  if (!lines || lines->size() < 2 || !lines->back().empty()) return malformed("a control character, or a line that does not end in CR LF");
  if (lines->size() > kHeadLinesMax) return Error{ErrorCode::kResourceExhausted, "the request's head has more than " + std::to_string(kHeadLinesMax) + " lines"};
  const std::string_view first = lines->front();
  const std::size_t space = first.find(' '), second = first.find(' ', space + 1);
  if (space == std::string_view::npos || second == std::string_view::npos || first.find(' ', second + 1) != std::string_view::npos) {
    return malformed("its first line is not METHOD TARGET HTTP/1.1");
  }
  const std::string_view method = first.substr(0, space), target = first.substr(space + 1, second - space - 1), version = first.substr(second + 1);
  if (!is_token(method)) return malformed("its method is no token");
  if (version != "HTTP/1.1" && version != "HTTP/1.0") return Error{ErrorCode::kNotFound, "only HTTP/1.1 and HTTP/1.0 are spoken here"};
  const auto fields = fields_of(*lines);
  if (!fields) return fields.error();
  const auto body = body_of(*fields);
  if (!body) return body.error();
  ProxyRequest request;
  request.tunnel = method == "CONNECT";
  auto url = request.tunnel ? parse_authority(target) : parse_target(target);
  if (!url) return url.error();
  request.url = std::move(*url);
  if (request.tunnel) {
    if (body->length.value_or(0) > 0) return malformed("CONNECT has no body");
    return request;
  }
  request.body_bytes = body->length.value_or(0);
  request.head = new_head(method, request.url, *fields, *body);
  return request;
}

int status_of(const Error& error) {
  switch (error.code) {
    case ErrorCode::kUnsupported:
      return 411;
    case ErrorCode::kResourceExhausted:
      return 431;
    case ErrorCode::kNotFound:
      return 505;
    default:
      return 400;
  }
}

}  // namespace toccata::tools
