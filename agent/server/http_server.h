// HTTP/1.1 over libmicrohttpd: a few I/O threads under epoll; a request that waits for the model costs a suspended
// connection, not a thread.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/base/error.h"

namespace toccata::server {

struct HttpRequest {
  std::string id;      // x-request-id of the caller, or one of ours; sent back
  std::string method;  // "GET"
  std::string path;    // decoded, without the query
  std::map<std::string, std::string, std::less<>> query;
  std::map<std::string, std::string, std::less<>> headers;  // names in lower case
  std::string body;

  // Empty when absent.
  std::string_view header(std::string_view name) const;
};

struct HttpReply {
  int status = 200;
  std::string body = {};
  std::string content_type = "application/json";
  std::vector<std::pair<std::string, std::string>> headers = {};
};

// One request and the way back to its client. Any thread may answer, one at a time; either reply() once, or
// start_stream(), send() any number of times, finish(). Everything is a no-op once the client has gone.
class Exchange {
 public:
  virtual ~Exchange() = default;
  virtual const HttpRequest& request() const = 0;
  virtual void reply(HttpReply reply) = 0;
  // Status 200. While nothing is sent for `ping_after` (HttpOptions), the server sends the comment line ": ping".
  virtual void start_stream(std::string content_type) = 0;
  virtual void send(std::string_view bytes) = 0;
  virtual void finish() = 0;
  // Requested when the client has gone, reads too slowly, or the server stops without waiting any longer.
  virtual std::stop_token stop() const = 0;
};

struct HttpOptions {
  std::string host = "127.0.0.1";  // an IPv4 or IPv6 address
  int port = 8080;                 // 0: any free one
  int n_io_threads = 2;
  unsigned connections_max = 4096;
  std::size_t body_bytes_max = std::size_t{32} << 20;
  std::size_t header_bytes_max = std::size_t{64} << 10;
  std::size_t unsent_bytes_max = std::size_t{16} << 20;  // of one stream; a reader slower than that is cut off
  std::chrono::seconds idle_timeout{120};                // of a connection that waits for no answer
  std::chrono::seconds ping_after{15};
};

struct HttpHandlers {
  // Called when the headers are there and the body is not yet; an answer refuses the request.
  std::function<std::optional<HttpReply>(const HttpRequest&)> admit;
  // Called on an I/O thread: must not block. Answers, or keeps the exchange and answers later.
  std::function<void(std::shared_ptr<Exchange>)> handle;
  // The body of an error that the HTTP layer finds itself (413).
  std::function<HttpReply(const HttpRequest&, int status, const std::string& message)> error;
  // Added to every answer (CORS).
  std::function<std::vector<std::pair<std::string, std::string>>(const HttpRequest&)> headers;
};

class HttpServer {
 public:
  // kUnavailable when the address cannot be bound, with the reason.
  static Result<std::unique_ptr<HttpServer>> start(HttpOptions options, HttpHandlers handlers);
  // Cuts off whatever is left; call drain() first.
  ~HttpServer();

  int port() const;
  // Requests that have begun and are not answered in full.
  int n_active() const;
  // Accepts no new connection, and waits up to `grace` for the open requests; then requests their stop and waits for
  // them a little more.
  void drain(std::chrono::milliseconds grace);

 private:
  class Impl;
  explicit HttpServer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace toccata::server
