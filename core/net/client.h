// HTTP and HTTPS requests with bounds on everything a hostile server can choose: time, header and
// body size, redirects, and the address it lives at. libcurl underneath, loaded at first use
// (curl_api.h).
//
//   net::Client client;
//   Result<net::Response> page = client.send({.url = "http://127.0.0.1:8000/v1/models"}, stop);
//
//   Result<net::Exchange> stream = client.start({.method = "POST", .url = url, .body = json},
//   stop); if (!stream || stream->response().status != 200) ... for (;;) { Result<std::string_view>
//   bytes = stream->read(stop); if (!bytes || bytes->empty()) break; ... }
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/base/error.h"

namespace toccata::net {

// The address a connection is about to be opened to, after name resolution.
struct PeerAddress {
  std::string ip;  // "127.0.0.1", "::1"
  int port = 0;
};

// Why the address may not be reached, or nullopt. Asked for each address tried, redirects included.
using ConnectPolicy = std::function<std::optional<std::string>(const PeerAddress&)>;

struct Request {
  std::string method = "GET";
  std::string url = {};  // http or https; anything else is kInvalidArgument
  std::vector<std::pair<std::string, std::string>> headers = {};
  std::string body = {};
  std::chrono::milliseconds connect_timeout{10'000};
  std::chrono::milliseconds idle_timeout{60'000};    // longest silence
  std::chrono::milliseconds total_timeout{300'000};  // from start() to the last byte
  std::size_t header_bytes_max = std::size_t{64} << 10;
  std::size_t body_bytes_max = std::size_t{64} << 20;
  int redirects_max = 0;
  ConnectPolicy connect_policy = {};
  std::vector<std::string> resolve = {};  // "name:port:address", ahead of DNS
  // Compressions that this libcurl knows are asked for and undone; body_bytes_max then counts the bytes that come out, and an answer
  // that grows beyond expansion_max times what was sent is refused once it is larger than a MiB. Otherwise the body is as sent.
  bool decompress = false;
  int expansion_max = 200;
  // "http://proxy.example:3128"; "" = none. connect_policy is then asked of the proxy's address: whoever sets one judges the target
  // otherwise and pins it with connect_to.
  std::string proxy = {};
  std::string connect_to = {};  // address to connect to (or to have the proxy connect to) in place of the URL's host
};

struct Response {
  int status = 0;
  std::string url;  // where the answer came from, after redirects
  std::vector<std::pair<std::string, std::string>> headers;  // names in lower case
  std::string body;                                          // filled by Client::send only

  // The last header of that (lower-case) name.
  std::optional<std::string_view> header(std::string_view name) const;
};

// A request under way. Move-only; one thread at a time.
class Exchange {
 public:
  Exchange(Exchange&&) noexcept;
  Exchange& operator=(Exchange&&) noexcept;
  ~Exchange();  // closes the connection if the answer was not read to its end

  // Status and headers: complete from the start.
  const Response& response() const;
  // The next bytes of the body, valid until the next call; empty at the end. Errors as
  // Client::send.
  Result<std::string_view> read(std::stop_token stop);
  // The rest of the body, at most `limit` bytes of it.
  Result<std::string> read_all(std::size_t limit, std::stop_token stop);

 private:
  friend class Client;
  class Impl;
  explicit Exchange(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// Errors: kUnavailable (no libcurl, unknown host, refused, reset, TLS), kTimeout, kCancelled,
// kPermissionDenied (the policy said no), kResourceExhausted (a cap), kCorrupt (not HTTP, or cut
// short), kInvalidArgument (the request). An HTTP status is never an error here. Keeps connections
// for reuse; one thread at a time, and it must outlive its exchanges.
class Client {
 public:
  Client();
  ~Client();
  Client(Client&&) noexcept;
  Client& operator=(Client&&) noexcept;

  // The whole answer.
  Result<Response> send(const Request& request, std::stop_token stop = {});
  // Returns when the headers are complete.
  Result<Exchange> start(const Request& request, std::stop_token stop = {});

 private:
  friend class Exchange;
  class Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace toccata::net
