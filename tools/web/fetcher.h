// Pages of the web for a model: under the address policy, bounded in time, size, expansion and redirects, and with manners.
#pragma once

#include <algorithm>
#include <chrono>
#include <functional>
#include <map>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/error.h"
#include "core/net/client.h"
#include "tools/web/address_policy.h"
#include "tools/web/cookie_jar.h"
#include "tools/web/pdf_text.h"
#include "tools/web/proxy.h"
#include "tools/web/web_time.h"

namespace toccata::tools {

struct FetchLimits {
  std::chrono::milliseconds total{30'000};  // redirects and waits included
  std::chrono::milliseconds connect{10'000};
  std::chrono::milliseconds idle{15'000};
  std::size_t body_bytes_max = std::size_t{16} << 20;  // unpacked
  std::size_t pdf_bytes_max = std::size_t{64} << 20;   // of a PDF, where PDFs are read
  int expansion_max = 200;                             // unpacked to packed, above a MiB
  int redirects_max = 10;
  int retries_max = 2;                          // of one address, when the server asks for a pause
  std::chrono::seconds retry_wait_max{10};      // a longer Retry-After is told to the model instead
  std::chrono::milliseconds host_interval{250};  // least time from one page of a host to the next
};

struct FetchedPage {
  std::string url;    // where it came from, after redirects
  bool html = false;  // otherwise plain text
  std::string body;   // UTF-8
  // What the server says of keeping it (RFC 9111). Not kept is also what a cookie may have made personal.
  bool may_keep = false;
  std::chrono::seconds fresh{0};             // how long it need not be asked for again
  std::string etag = {}, last_modified = {};  // to ask with whether it has changed
  bool not_modified = false;                 // the answer to that: no; the body is empty
  std::string robots = {};                   // X-Robots-Tag: what indexes may do with it
};

// A page that was read before, to be read again only if it has changed.
struct Validators {
  std::string etag, last_modified;
};

// Bytes as they came, of any type and status but those that ask for a pause.
struct FetchedBytes {
  std::string url;
  int status = 0;
  std::string content_type;
  std::string body;
};

struct FetchRules {
  Validators known = {};
  // Why a redirect may not be followed to this URL, or nullopt; null: wherever the address policy allows.
  std::function<std::optional<std::string>(const WebUrl&)> refuse_redirect = {};
};

// What may be read of a Content-Type: true = HTML, false = text. kUnsupported names the type and what is read.
Result<bool> is_html_type(std::string_view content_type, std::string_view url);

// One per session, whose cookies it keeps; one thread at a time.
class Fetcher {
 public:
  // `resolve` stands ahead of DNS: "name:port:address", for tests.
  explicit Fetcher(
      AddressPolicy policy, FetchLimits limits = {}, std::vector<std::string> resolve = {}, ProxyRules proxy = {}, WebClock clock = WebClock::real());

  // Errors: kPermissionDenied (the policy refused the URL, a redirect or the address connected to), kInvalidArgument (no URL),
  // kNotFound or kUnavailable (HTTP status, network), kUnsupported (not text; nothing readable), kResourceExhausted (a cap; the host asks for
  // a pause), kTimeout, kCancelled.
  Result<FetchedPage> fetch(const std::string& url, std::stop_token stop = {}, const Validators& known = {}) {
    return fetch(url, stop, FetchRules{known});
  }
  Result<FetchedPage> fetch(const std::string& url, std::stop_token stop, const FetchRules& rules);
  // For robots.txt and sitemaps: nothing is decoded, a status is no error, and neither is an empty body. Else as fetch().
  Result<FetchedBytes> fetch_bytes(const std::string& url, std::stop_token stop, const FetchRules& rules = {});
  // From now on PDFs are pages too, by their text.
  void read_pdfs(PdfToText pdf_to_text) { pdf_to_text_ = std::move(pdf_to_text); }
  // At least this long from one page of a host to the next, if that is longer than FetchLimits::host_interval.
  void slow_down(std::chrono::milliseconds interval) { limits_.host_interval = std::max(limits_.host_interval, interval); }
  // Whether the policy lets this URL be read: for pages that come from elsewhere than the network.
  Result<void> judge(const std::string& url) const;
  // Whether it is of a host that --allow-origin names: who may read its pages depends on what the name resolves to, which
  // judge() does not ask.
  bool is_exception(const std::string& url) const;

 private:
  using Time = WebClock::Time;
  struct Visit;
  struct Arrival;
  Result<Arrival> arrive(std::string next, Visit& visit);
  Result<FetchedPage> page_of(Arrival& arrival, std::stop_token stop);
  Result<FetchedPage> text_of_pdf(const WebUrl& url, const std::string& body, std::stop_token stop);
  Result<std::string> read_body(Arrival& arrival, std::size_t limit, std::stop_token stop);
  Result<net::Exchange> ask(const WebUrl& url, Time deadline, const Validators& known, std::stop_token stop);
  Result<void> route(const WebUrl& url, net::Request& request, std::stop_token stop);
  Result<void> keep_distance(const WebUrl& url, Time deadline, std::stop_token stop);
  Error refusal(const WebUrl& url, net::Exchange& exchange, std::stop_token stop);
  std::optional<std::string> fixed_address(const WebUrl& url) const;

  struct Host {
    std::optional<Time> last;    // when a page was asked for
    std::optional<Time> closed;  // it asked to be left alone until then
  };

  AddressPolicy policy_;
  FetchLimits limits_;
  std::vector<std::string> resolve_;
  ProxyRules proxy_;
  WebClock clock_;
  PdfToText pdf_to_text_;
  net::Client client_;
  CookieJar cookies_;
  std::map<std::string, Host> hosts_;  // by origin
  bool has_cookies_ = false;           // of the page that is being fetched
};

}  // namespace toccata::tools
