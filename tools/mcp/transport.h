// The way to one server: a program on pipes (stdio_transport.h) or an address (http_transport.h).
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include "core/base/error.h"
#include "tools/mcp/message.h"

namespace toccata::tools::mcp {

// What a server may send, whatever it wants to send.
struct TransportLimits {
  std::size_t message_bytes_max = std::size_t{16} << 20;
  std::size_t request_bytes_max = std::size_t{64} << 20;  // all that comes while one request waits
  std::size_t log_bytes_max = std::size_t{8} << 10;       // of its stderr, the end is kept
  std::chrono::milliseconds grace{1000};                  // to leave, see Process::end
};

struct Wait {
  std::chrono::steady_clock::time_point deadline;
  std::stop_token stop;
};

// A request or notification of ours, and what HTTP says of it in headers.
struct Outgoing {
  std::int64_t id = 0;  // 0 = a notification: no answer
  std::string method;
  std::string text;     // the JSON-RPC message
  std::string name = {};  // params.name of tools/call, params.uri of resources/read
  std::string version = {};  // of the protocol, once known
  std::vector<std::pair<std::string, std::string>> headers = {};  // more of them, in the modern era
  bool modern = false;
};

// Hears what comes besides the answer; may return the text of a message to send back.
using Listener = std::function<std::optional<std::string>(const Message&)>;

// One thread at a time.
class Transport {
 public:
  virtual ~Transport() = default;
  virtual Result<void> open() = 0;
  virtual bool is_open() const = 0;
  // Ends the connection; open() may follow.
  virtual void close() = 0;
  // The response of that id. kUnavailable: the server is gone. kTimeout, kCancelled: it may still be at work.
  // kResourceExhausted: it sent too much; kCorrupt: nothing that can be used. kUnsupported: it does not take such
  // messages (an HTTP status without a JSON-RPC error). kNotFound: it did not take this one, for it has forgotten the
  // session; the transport is closed.
  virtual Result<Message> request(const Outgoing& message, const Wait& wait, const Listener& listener) = 0;
  virtual Result<void> notify(const Outgoing& message, const Wait& wait) = 0;
  // The end of what it logged; "" without a log.
  virtual std::string log() const { return {}; }
  // "node server.js", "http://127.0.0.1:3000/mcp"
  virtual std::string target() const = 0;
};

}  // namespace toccata::tools::mcp
