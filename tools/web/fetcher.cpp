#include "tools/web/fetcher.h"

#include <algorithm>

namespace toccata::tools {
namespace {

using SteadyClock = std::chrono::steady_clock;

bool is_redirect(int status) { return status == 301 || status == 302 || status == 303 || status == 307 || status == 308; }

std::string lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  return out;
}

// A Location against the URL it came from; the result is parsed and judged as any other.
std::string located(const WebUrl& from, const std::string& location) {
  if (location.starts_with("//")) return (from.tls ? "https:" : "http:") + location;
  if (location.starts_with('/')) return from.origin() + location;
  const std::size_t colon = location.find(':');
  if (colon != std::string::npos && colon < location.find_first_of("/?#")) return location;
  const std::string path = from.target.substr(0, from.target.find('?'));
  if (location.starts_with('?')) return from.origin() + path + location;
  return from.origin() + path.substr(0, path.rfind('/') + 1) + location;
}

}  // namespace

Result<bool> is_html_type(std::string_view content_type, std::string_view url) {
  std::string type = lower(content_type.substr(0, content_type.find(';')));
  type.erase(0, std::min(type.find_first_not_of(" \t"), type.size()));
  type.erase(type.find_last_not_of(" \t") + 1);
  if (type == "text/html" || type == "application/xhtml+xml") return true;
  const bool text = type.empty() || type.starts_with("text/") || type == "application/json" || type == "application/xml" ||
                    type == "application/javascript" || type.ends_with("+json") || type.ends_with("+xml");
  if (text) return false;
  return Error{
      ErrorCode::kUnsupported,
      std::string(url.substr(0, 200)) + " is " + type.substr(0, 100) + "; only HTML, text, JSON and XML can be read"};
}

Fetcher::Fetcher(AddressPolicy policy, FetchLimits limits, std::vector<std::string> resolve)
    : policy_(std::move(policy)), limits_(limits), resolve_(std::move(resolve)) {}

Result<FetchedPage> Fetcher::fetch(const std::string& text, std::stop_token stop) {
  const auto deadline = SteadyClock::now() + limits_.total;
  std::string next = text;
  for (int n_redirects = 0; n_redirects <= limits_.redirects_max; ++n_redirects) {
    const auto url = parse_web_url(next);
    if (!url) return url.error();
    if (const Verdict verdict = judge_url(policy_, *url); !verdict.allow) {
      return Error{ErrorCode::kPermissionDenied, "not allowed: " + verdict.reason};
    }
    net::Request request;
    request.url = url->text();
    request.headers = {{"User-Agent", "Mozilla/5.0 (compatible; Toccata)"},
                       {"Accept", "text/html,application/xhtml+xml,text/*;q=0.9,application/json;q=0.9,application/xml;q=0.8"}};
    request.resolve = resolve_;
    request.connect_timeout = limits_.connect;
    request.idle_timeout = limits_.idle;
    request.total_timeout = std::max(
        std::chrono::milliseconds(1), std::chrono::ceil<std::chrono::milliseconds>(deadline - SteadyClock::now()));
    request.body_bytes_max = limits_.body_bytes_max;
    // What is connected to is what is judged: the answer of a name server cannot change in between.
    request.connect_policy = [&](const net::PeerAddress& peer) -> std::optional<std::string> {
      const Verdict verdict = judge_address(policy_, *url, peer.ip);
      return verdict.allow ? std::nullopt : std::optional(verdict.reason);
    };
    auto exchange = client_.start(request, stop);
    if (!exchange) return exchange.error();
    const net::Response& response = exchange->response();
    const auto location = response.header("location");
    if (is_redirect(response.status) && location) {
      next = located(*url, std::string(*location));
      continue;
    }
    if (response.status / 100 != 2) {
      const bool gone = response.status == 404 || response.status == 410;
      return Error{gone ? ErrorCode::kNotFound : ErrorCode::kUnavailable, "the server answered HTTP " + std::to_string(response.status)};
    }
    // None was asked for, so nothing is unpacked: a small answer cannot become a large one.
    const std::string encoding = lower(response.header("content-encoding").value_or("identity"));
    if (encoding != "identity") return Error{ErrorCode::kUnsupported, "the server compressed the page, which was not asked for"};
    const auto html = is_html_type(response.header("content-type").value_or(""), request.url);
    if (!html) return html.error();
    auto body = exchange->read_all(limits_.body_bytes_max + 1, stop);
    if (!body) return body.error();
    return FetchedPage{request.url, *html, std::move(*body)};
  }
  return Error{ErrorCode::kResourceExhausted, "more than " + std::to_string(limits_.redirects_max) + " redirects"};
}

}  // namespace toccata::tools
