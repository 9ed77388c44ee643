// The HTTP request of a declared function.
#pragma once

#include <chrono>
#include <cstddef>
#include <stop_token>
#include <string>

#include "core/net/client.h"
#include "tools/declared/arguments.h"
#include "tools/declared/definition.h"
#include "tools/web/proxy.h"

namespace toccata::tools::declared {

// The request that these arguments make; `key`: the idempotency key, "" = none. kInvalidArgument in words for the model: an
// argument that cannot stand in its place. Everything else is about secrets.
Result<net::Request> make_request(const HttpCall& call, const Arguments& arguments, const std::string& key);

struct HttpAnswer {
  int status = 0;
  bool ok = false;   // 2xx, and what is to be shown is there
  std::string text;  // for the model; not cut
};

// Sends it, under the address policy of a public web address, or of its own origin where the call allows private hosts. Redirects are
// not followed: what they lead to was not declared. An answer larger than kAnswerBytesMax is kResourceExhausted.
Result<HttpAnswer> ask(
    const HttpCall& call, net::Request request, const ProxyRules& proxy, std::chrono::milliseconds timeout, std::stop_token stop
);
inline constexpr std::size_t kAnswerBytesMax = std::size_t{8} << 20;

// What the model reads of an answer.
HttpAnswer read_answer(const HttpCall& call, int status, std::string_view content_type, std::string body);

}  // namespace toccata::tools::declared
