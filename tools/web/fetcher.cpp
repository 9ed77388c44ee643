#include "tools/web/fetcher.h"

#include <algorithm>
#include <charconv>

#include "tools/web/charset.h"
#include "tools/web/page_obstacle.h"
#include "tools/web/route.h"

namespace toccata::tools {
namespace {

using std::chrono::ceil;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr std::size_t kHostsMax = 500;
constexpr std::size_t kSentOnMax = 200;  // a page with more to read than this is read, though it would send its readers on
constexpr std::size_t kErrorPageBytes = std::size_t{64} << 10;
constexpr seconds kWaitUnnamed{30};  // after 429 without a Retry-After
constexpr seconds kWaitShort{1};     // after a gateway's hiccup
constexpr seconds kFreshMax{7 * 24 * 3600};
constexpr std::size_t kValidatorBytesMax = 512;

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

bool is_hiccup(int status) { return status == 502 || status == 503 || status == 504; }

std::chrono::system_clock::time_point today() { return std::chrono::system_clock::now(); }

// Text has no NULs in it, but for UTF-16.
bool is_binary(std::string_view body, std::string_view encoding) {
  return !encoding.starts_with("UTF-16") && body.substr(0, 1024).find('\0') != std::string_view::npos;
}

// For a body that came without a type.
bool looks_like_html(std::string_view body) {
  const std::string start = lower(body.substr(0, 512));
  return start.find("<!doctype html") != std::string::npos || start.find("<html") != std::string::npos || start.find("<head") != std::string::npos ||
         start.find("<body") != std::string::npos;
}

// What PDFs are called, and what servers call everything they do not know.
bool is_pdf_type(std::string_view content_type) {
  const std::string type = lower(content_type.substr(0, content_type.find_first_of("; \t")));
  return type.empty() || type == "application/pdf" || type == "application/x-pdf" || type == "application/octet-stream" ||
         type == "binary/octet-stream" || type == "application/download" || type == "application/force-download";
}

// A number of seconds behind "name="; bounded, so that no server keeps a page here for ever.
std::optional<seconds> directive(std::string_view header, std::string_view name) {
  const std::size_t at = header.find(name);
  if (at == std::string_view::npos) return std::nullopt;
  std::int64_t value = 0;
  const char* begin = header.data() + at + name.size();
  const auto [end, error] = std::from_chars(begin, header.data() + header.size(), value);
  if (error == std::errc::result_out_of_range) return kFreshMax;
  if (error != std::errc() || value < 0) return std::nullopt;
  return std::min(seconds(value), kFreshMax);
}

// A header that goes back to the server as it came: one line, not endless.
std::string validator(const net::Response& response, const char* name) {
  const std::string value(response.header(name).value_or(""));
  const bool sound = value.size() <= kValidatorBytesMax &&
                     std::all_of(value.begin(), value.end(), [](char c) { return static_cast<unsigned char>(c) >= 0x20 && c != 0x7F; });
  return sound ? value : "";
}

// RFC 9111, the part that matters to one reader. A page that names no lifetime is asked for again each time.
void note_keeping(const net::Response& response, bool has_cookies, FetchedPage& page) {
  const std::string rules = lower(response.header("cache-control").value_or(""));
  page.may_keep = !has_cookies && rules.find("no-store") == std::string::npos && response.header("vary") != "*";
  page.etag = validator(response, "etag");
  page.last_modified = validator(response, "last-modified");
  page.robots = lower(response.header("x-robots-tag").value_or(""));
  if (rules.find("no-cache") != std::string::npos) return;
  const auto age = directive("age=" + lower(response.header("age").value_or("0")), "age=").value_or(seconds(0));
  page.fresh = std::max(seconds(0), directive(rules, "max-age=").value_or(seconds(0)) - age);
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
      std::string(url.substr(0, 200)) + " is " + type.substr(0, 100) + "; only HTML, text, JSON, XML and, with pdftotext, PDF can be read"};
}

Fetcher::Fetcher(AddressPolicy policy, FetchLimits limits, std::vector<std::string> resolve, ProxyRules proxy, WebClock clock)
    : policy_(std::move(policy)), limits_(limits), resolve_(std::move(resolve)), proxy_(std::move(proxy)), clock_(std::move(clock)) {}

Result<void> Fetcher::judge(const std::string& text) const {
  const auto url = parse_web_url(text);
  if (!url) return url.error();
  const Verdict verdict = judge_url(policy_, *url);
  if (!verdict.allow) return Error{ErrorCode::kPermissionDenied, "not allowed: " + verdict.reason};
  return {};
}

bool Fetcher::is_exception(const std::string& text) const {
  const auto url = parse_web_url(text);
  return url && !url->literal && exception_for(policy_, *url) != nullptr;
}

// One page, however many addresses it takes.
struct Fetcher::Visit {
  Time deadline;
  const FetchRules& rules;
  std::stop_token stop;
  int n_hops = 0;  // addresses asked
};

struct Fetcher::Arrival {
  WebUrl url;
  net::Exchange exchange;
};

// The first answer that is no redirect.
Result<Fetcher::Arrival> Fetcher::arrive(std::string next, Visit& visit) {
  for (; visit.n_hops <= limits_.redirects_max; ++visit.n_hops) {
    const auto url = parse_web_url(next);
    if (!url) return url.error();
    if (const Verdict verdict = judge_url(policy_, *url); !verdict.allow) {
      return Error{ErrorCode::kPermissionDenied, "not allowed: " + verdict.reason};
    }
    const bool is_first = visit.n_hops == 0;
    if (is_first) {
      if (const auto waited = keep_distance(*url, visit.deadline, visit.stop); !waited) return waited.error();
    } else if (visit.rules.refuse_redirect) {
      if (const auto reason = visit.rules.refuse_redirect(*url)) {
        return Error{ErrorCode::kPermissionDenied, "leads to " + url->text().substr(0, 200) + ": " + *reason};
      }
    }
    auto exchange = ask(*url, visit.deadline, is_first ? visit.rules.known : Validators{}, visit.stop);
    if (!exchange) return exchange.error();
    const auto location = exchange->response().header("location");
    if (!is_redirect(exchange->response().status) || !location) {
      ++visit.n_hops;
      return Arrival{*url, std::move(*exchange)};
    }
    next = located(*url, std::string(*location));
  }
  return Error{ErrorCode::kResourceExhausted, "more than " + std::to_string(limits_.redirects_max) + " redirects"};
}

Result<FetchedPage> Fetcher::fetch(const std::string& text, std::stop_token stop, const FetchRules& rules) {
  Visit visit{clock_.now() + limits_.total, rules, stop};
  std::string next = text;
  has_cookies_ = false;
  for (;;) {
    auto arrival = arrive(next, visit);
    if (!arrival) return arrival.error();
    const net::Response& response = arrival->exchange.response();
    const bool asked_for_change = visit.n_hops == 1 && !(rules.known.etag.empty() && rules.known.last_modified.empty());
    if (response.status == 304 && asked_for_change) {
      FetchedPage same{arrival->url.text(), false, ""};
      same.not_modified = true;
      note_keeping(response, has_cookies_, same);
      return same;
    }
    if (response.status / 100 != 2) return refusal(arrival->url, arrival->exchange, stop);
    auto page = page_of(*arrival, stop);
    if (!page) return page.error();
    note_keeping(response, has_cookies_, *page);
    if (!page->html) return page;
    const PageLook look = look_at_page(page->body);
    const Obstacle obstacle = obstacle_of(look);
    next = look.refresh ? located(arrival->url, *look.refresh) : page->url;
    const bool sends_on = next != page->url && (obstacle != Obstacle::kNone || look.n_visible < kSentOnMax);
    if (sends_on) continue;
    if (obstacle == Obstacle::kNone) return page;
    return Error{ErrorCode::kUnsupported, words_for(obstacle)};
  }
}

Result<FetchedBytes> Fetcher::fetch_bytes(const std::string& text, std::stop_token stop, const FetchRules& rules) {
  Visit visit{clock_.now() + limits_.total, rules, stop};
  auto arrival = arrive(text, visit);
  if (!arrival) return arrival.error();
  auto body = read_body(*arrival, limits_.body_bytes_max, stop);
  if (!body) return body.error();
  const net::Response& response = arrival->exchange.response();
  return FetchedBytes{arrival->url.text(), response.status, std::string(response.header("content-type").value_or("")), std::move(*body)};
}

Result<std::string> Fetcher::read_body(Arrival& arrival, std::size_t limit, std::stop_token stop) {
  auto body = arrival.exchange.read_all(limit + 1, stop);
  if (!body || body->size() <= limit) return body;
  return Error{ErrorCode::kResourceExhausted, arrival.url.text().substr(0, 200) + " has more than " + std::to_string(limit) + " bytes"};
}

Result<FetchedPage> Fetcher::page_of(Arrival& arrival, std::stop_token stop) {
  const WebUrl& url = arrival.url;
  const std::string type(arrival.exchange.response().header("content-type").value_or(""));
  const bool may_be_pdf = pdf_to_text_ && is_pdf_type(type);
  const auto is_html = is_html_type(type, url.text());
  if (!is_html && !may_be_pdf) return is_html.error();
  auto body = read_body(arrival, may_be_pdf ? limits_.pdf_bytes_max : limits_.body_bytes_max, stop);
  if (!body) return body.error();
  if (body->empty()) return Error{ErrorCode::kUnsupported, words_for(Obstacle::kEmpty)};
  if (may_be_pdf && (looks_like_pdf(*body) || type.starts_with("application/pdf"))) return text_of_pdf(url, *body, stop);
  if (!is_html) return is_html.error();
  const bool html = *is_html || (type.empty() && looks_like_html(*body));
  const Charset charset = find_charset(*body, type, html || type.find("xml") != std::string::npos);
  if (is_binary(*body, charset.encoding)) {
    return Error{ErrorCode::kUnsupported, url.text().substr(0, 200) + " is no text, whatever its type says"};
  }
  return FetchedPage{url.text(), html, decode(*body, charset.encoding)};
}

Result<FetchedPage> Fetcher::text_of_pdf(const WebUrl& url, const std::string& body, std::stop_token stop) {
  auto text = pdf_to_text_(body, stop);
  if (!text) return text.error();
  return FetchedPage{url.text(), false, std::move(*text)};
}

// One address, asked again when the server wants a short pause. The caller has judged the URL.
Result<net::Exchange> Fetcher::ask(const WebUrl& url, Time deadline, const Validators& known, std::stop_token stop) {
  for (int n_retries = 0;; ++n_retries) {
    net::Request request;
    request.url = url.text();
    request.headers = {{"User-Agent", "Mozilla/5.0 (compatible; Toccata)"},
                       {"Accept", std::string("text/html,application/xhtml+xml,text/*;q=0.9,application/json;q=0.9,application/xml;q=0.8") +
                                      (pdf_to_text_ ? ",application/pdf;q=0.8" : "")},
                       {"Accept-Language", "en;q=0.9,*;q=0.5"}};
    if (const std::string cookies = cookies_.header(url, today()); !cookies.empty()) {
      request.headers.emplace_back("Cookie", cookies);
      has_cookies_ = true;
    }
    if (!known.etag.empty()) request.headers.emplace_back("If-None-Match", known.etag);
    if (!known.last_modified.empty()) request.headers.emplace_back("If-Modified-Since", known.last_modified);
    request.resolve = resolve_;
    request.decompress = true;
    request.expansion_max = limits_.expansion_max;
    request.connect_timeout = limits_.connect;
    request.idle_timeout = limits_.idle;
    request.total_timeout = std::max(milliseconds(1), ceil<milliseconds>(deadline - clock_.now()));
    request.body_bytes_max = pdf_to_text_ ? std::max(limits_.body_bytes_max, limits_.pdf_bytes_max) : limits_.body_bytes_max;
    if (const auto routed = route(url, request, stop); !routed) return routed.error();
    auto exchange = client_.start(request, stop);
    if (!exchange) return exchange;
    const net::Response& response = exchange->response();
    for (const auto& [name, value] : response.headers) {
      if (name != "set-cookie") continue;
      cookies_.store(url, value, today());
      has_cookies_ = true;
    }
    const bool is_busy = response.status == 429 || is_hiccup(response.status);
    if (!is_busy) return exchange;
    const seconds unnamed = response.status == 429 ? kWaitUnnamed : kWaitShort;
    const seconds wait = retry_after(response.header("retry-after").value_or(""), today()).value_or(unnamed);
    const bool in_time = wait <= limits_.retry_wait_max && clock_.now() + wait < deadline;
    if (n_retries >= limits_.retries_max || !in_time) {
      if (wait > kWaitShort) hosts_[url.origin()].closed = clock_.now() + wait;
      return exchange;
    }
    if (!clock_.sleep(wait, stop)) return Error{ErrorCode::kCancelled, "stopped while the server asked for a pause"};
  }
}

Result<void> Fetcher::route(const WebUrl& url, net::Request& request, std::stop_token stop) {
  return tools::route(policy_, proxy_, url, fixed_address(url), limits_.connect, stop, request);
}

Result<void> Fetcher::keep_distance(const WebUrl& url, Time deadline, std::stop_token stop) {
  if (hosts_.size() >= kHostsMax) hosts_.clear();
  Host& host = hosts_[url.origin()];
  const Time now = clock_.now();
  if (host.closed && now < *host.closed) {
    return Error{
        ErrorCode::kResourceExhausted, url.host + " asks for fewer requests: try again after " +
                                           std::to_string(ceil<seconds>(*host.closed - now).count()) + " seconds, or another source"};
  }
  const Time due = host.last ? *host.last + limits_.host_interval : now;
  if (now < due && due < deadline && !clock_.sleep(ceil<milliseconds>(due - now), stop)) {
    return Error{ErrorCode::kCancelled, "stopped"};
  }
  host.last = clock_.now();
  return {};
}

// Words for an answer that is no page.
Error Fetcher::refusal(const WebUrl& url, net::Exchange& exchange, std::stop_token stop) {
  const net::Response& response = exchange.response();
  const std::string status = "the server answered HTTP " + std::to_string(response.status);
  const auto body = exchange.read_all(kErrorPageBytes, stop);
  const bool challenged = response.header("cf-mitigated") == "challenge" || (body && look_at_page(*body).has_challenge);
  if (challenged) return Error{ErrorCode::kUnsupported, status + "; " + words_for(Obstacle::kChallenge)};
  if (response.status == 404 || response.status == 410) return Error{ErrorCode::kNotFound, status};
  if (response.status == 401) return Error{ErrorCode::kUnavailable, status + ": the page is for those who log in; look for another source"};
  const auto host = hosts_.find(url.origin());
  if (host != hosts_.end() && host->second.closed && *host->second.closed > clock_.now()) {
    const auto wait = ceil<seconds>(*host->second.closed - clock_.now()).count();
    return Error{ErrorCode::kUnavailable, status + ": try again after " + std::to_string(wait) + " seconds, or another source"};
  }
  return Error{ErrorCode::kUnavailable, status};
}

std::optional<std::string> Fetcher::fixed_address(const WebUrl& url) const {
  const std::string start = url.host + ":" + std::to_string(url.port) + ":";
  for (const std::string& entry : resolve_) {
    if (entry.starts_with(start)) return entry.substr(start.size());
  }
  return std::nullopt;
}

}  // namespace toccata::tools
