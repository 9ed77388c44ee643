// Pages of the web for a model: under the address policy, bounded in time, size and redirects.
#pragma once

#include <chrono>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/error.h"
#include "core/net/client.h"
#include "tools/web/address_policy.h"

namespace toccata::tools {

struct FetchLimits {
  std::chrono::milliseconds total{30'000};  // redirects included
  std::chrono::milliseconds connect{10'000};
  std::chrono::milliseconds idle{15'000};
  std::size_t body_bytes_max = std::size_t{16} << 20;
  int redirects_max = 10;
};

struct FetchedPage {
  std::string url;   // where it came from, after redirects
  bool html = false;  // otherwise plain text
  std::string body;  // as sent; UTF-8 unless the page says otherwise
};

// What may be read of a Content-Type: true = HTML, false = text. kUnsupported names the type and what is read.
Result<bool> is_html_type(std::string_view content_type, std::string_view url);

// One per session; one thread at a time.
class Fetcher {
 public:
  // `resolve` stands ahead of DNS: "name:port:address", for tests.
  explicit Fetcher(AddressPolicy policy, FetchLimits limits = {}, std::vector<std::string> resolve = {});

  // Errors: kPermissionDenied (the policy refused the URL, a redirect or the address connected to), kInvalidArgument (no URL),
  // kNotFound or kUnavailable (HTTP status, network), kUnsupported (not text), kResourceExhausted (a cap), kTimeout, kCancelled.
  Result<FetchedPage> fetch(const std::string& url, std::stop_token stop = {});

 private:
  AddressPolicy policy_;
  FetchLimits limits_;
  std::vector<std::string> resolve_;
  net::Client client_;
};

}  // namespace toccata::tools
