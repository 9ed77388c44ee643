#include "tools/oauth/fetch.h"

#include "core/net/client.h"
#include "tools/oauth/metadata.h"
#include "tools/web/route.h"

namespace toccata::tools::oauth {

Result<Answer> fetch(const Ask& ask, const EndpointRules& rules, const ProxyRules& proxy, std::stop_token stop) {
  const Result<WebUrl> url = rules.check(ask.url, "an address of the login");
  if (!url) return url.error();
  const auto at = [&](const Error& error) { return Error{error.code, url->origin() + ": " + error.message}; };
  net::Request request{.method = ask.method, .url = url->text(), .headers = ask.headers, .body = ask.body};
  request.connect_timeout = kAskTime / 2;
  request.idle_timeout = request.total_timeout = kAskTime;
  request.body_bytes_max = kDocumentBytesMax;
  if (const Result<void> way = route(rules.policy_for(*url), proxy, *url, std::nullopt, kAskTime, stop, request); !way) return at(way.error());
  net::Client client;
  Result<net::Response> response = client.send(request, stop);
  if (!response) return at(response.error());
  Answer answer{response->status, std::move(response->body), std::string(response->header("location").value_or(""))};
  for (const auto& [name, value] : response->headers) {
    if (name == "www-authenticate") answer.challenges.push_back(value);
  }
  return answer;
}

}  // namespace toccata::tools::oauth
