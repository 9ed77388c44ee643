#pragma once

#include <future>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "core/net/client.h"
#include "tools/mcp/authorization.h"
#include "tools/mcp/event_reader.h"
#include "tools/mcp/transport.h"

namespace toccata::tools::mcp {

struct HttpOrder {
  std::string url;
  std::vector<std::pair<std::string, std::string>> headers = {};  // of the user: Authorization and such
  std::string proxy = {};
  std::shared_ptr<Authorization> authorization = {};  // null: none but what `headers` have
};

// A server at an address ("streamable HTTP"): each message is a POST, answered by one JSON message or by a stream of
// events that ends with the answer. In the modern era headers repeat what the message says; in the legacy era the server
// may give a session, which is ended with the transport, and a stream that broke is gone on with where it gave its events ids.
// In a session the server may also ask outside of any answer: a thread reads what it says there. Listeners are called by that
// thread too, one at a time and only while a request is under way, and there hear of nothing but requests.
// Every request carries what the authorization has; nothing is redirected, so that it goes to the url and nowhere else.
class HttpTransport final : public Transport {
 public:
  HttpTransport(HttpOrder order, TransportLimits limits) : order_(std::move(order)), limits_(limits) {}
  ~HttpTransport() override { close(); }

  Result<void> open() override;
  bool is_open() const override { return open_; }
  void close() override;
  Result<Message> request(const Outgoing& message, const Wait& wait, const Listener& listener) override;
  Result<void> notify(const Outgoing& message, const Wait& wait) override;
  std::string target() const override { return order_.url; }

 private:
  net::Request post(const Outgoing& message, const std::string& text, const Wait& wait) const;
  // With what the authorization has now.
  void authorize(net::Request& request) const;
  // Sends a message until the server does not refuse it for want of authorization; moves `wait` on by the time that took.
  Result<net::Exchange> start(const Outgoing& message, const std::string& text, Wait& wait);
  Result<Message> send_request(const Outgoing& message, Wait wait);
  Result<Message> read_answer(net::Exchange& exchange, const Outgoing& message, const Wait& wait);
  Result<Message> read_events(net::Exchange& exchange, const Outgoing& message, const Wait& wait);
  Result<std::optional<Message>> read_stream(net::Exchange& exchange, EventReader& events, const Outgoing& message, const Wait& wait);
  Result<Message> read_refusal(net::Exchange& exchange, const Outgoing& message, const Wait& wait);
  // The connection is of no more use.
  Error lost(Error error);
  // What the server asks, answered by the request that is under way.
  std::optional<std::string> hear(const Message& message);
  // The thread's work: `order` asks for the stream of the session; `tried`: the first attempt is over.
  void listen(net::Request order, std::promise<void> tried, std::stop_token stop);

  HttpOrder order_;
  TransportLimits limits_;
  net::Client client_;
  std::string session_;
  bool open_ = false;
  std::mutex listener_mutex_;
  const Listener* listener_ = nullptr;  // of the request under way
  std::jthread ear_;
};

// A header's value, or its encoded form when headers cannot carry it (2026-07-28, transports: header encoding).
std::string header_value(std::string_view text);

}  // namespace toccata::tools::mcp
