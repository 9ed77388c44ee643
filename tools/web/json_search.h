// Asks one search service over HTTP, with bounds on everything it answers and manners about how often it is asked.
#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "core/net/client.h"
#include "tools/web/proxy.h"
#include "tools/web/search_service.h"
#include "tools/web/search_shape.h"
#include "tools/web/web_time.h"

namespace toccata::tools {

struct SearchLimits {
  std::chrono::milliseconds total{20'000};
  std::chrono::milliseconds connect{8'000};
  std::chrono::milliseconds idle{12'000};
  std::size_t body_bytes_max = std::size_t{4} << 20;
  std::chrono::seconds retry_wait_max{10};  // a longer Retry-After is told to the model instead
};

// The service is asked where its shape says, without the address policy of pages: the user named it. Redirects are not followed, so that
// the key goes nowhere else; the key is in no error and no hit.
class JsonSearch final : public SearchService {
 public:
  // `key` may be empty: a service that needs one then answers so, without being asked.
  JsonSearch(SearchShape shape, std::string key, ProxyRules proxy = {}, SearchLimits limits = {}, WebClock clock = WebClock::real());

  // Waits until the service may be asked again, asks, and once more when it says 429 or 503 with a short Retry-After. Errors:
  // kPermissionDenied (no key, a wrong one), kResourceExhausted (quota, too many requests, a giant answer), kUnavailable, kCorrupt (not the
  // JSON it should be), kTimeout, kCancelled.
  Result<std::vector<SearchHit>> search(const std::string& query, int n_max, std::stop_token stop) override;

 private:
  Result<std::vector<SearchHit>> hits_of(const net::Response& response, int n_max) const;
  Error refusal(const net::Response& response, std::chrono::seconds wait);
  Error failure(ErrorCode code, const std::string& what) const;
  std::string without_key(std::string text) const;

  SearchShape shape_;
  std::string key_;
  ProxyRules proxy_;
  SearchLimits limits_;
  WebClock clock_;
  net::Client client_;
  std::optional<WebClock::Time> last_;    // when it was asked last
  std::optional<WebClock::Time> closed_;  // it asked to be left alone until then
};

}  // namespace toccata::tools
