#include "agent/mcp/http_endpoint.h"

#include <array>
#include <atomic>
#include <functional>
#include <list>
#include <random>

#include "agent/mcp/http_headers.h"
#include "agent/mcp/peer.h"

namespace toccata::mcp {
namespace {

using namespace tools::mcp;
using server::Exchange;
using server::HttpReply;
using server::HttpRequest;

constexpr const char* kMcpHeaders = ", mcp-session-id, mcp-protocol-version, mcp-method, mcp-name, last-event-id";

HttpReply error_reply(int status, std::int64_t code, const std::string& message, const Json& id = nullptr, const Json& data = nullptr) {
  return {.status = status, .body = error_text(id, code, message, data)};
}

// 128 random bits: who knows it may use the session.
std::string new_session_id() {
  constexpr char kHex[] = "0123456789abcdef";
  std::random_device device;
  std::string id;
  for (int word = 0; word < 4; ++word) {
    auto bits = static_cast<std::uint32_t>(device());
    for (int digit = 0; digit < 8; ++digit, bits >>= 4) id += kHex[bits & 15];
  }
  return id;
}

// Clients of the modern era share their state with those that show the same key.
std::string credential(const HttpRequest& request) {
  const std::string_view key = request.header("authorization");
  return "http:" + std::string(key.empty() ? request.header("x-api-key") : key);
}

// The answer as one JSON object, or as a stream once there is something to tell before it.
class HttpOutlet final : public Outlet {
 public:
  HttpOutlet(std::shared_ptr<Exchange> exchange, std::string session)
      : exchange_(std::move(exchange)), session_(std::move(session)), may_stream_(accepts(exchange_->request(), "text/event-stream")) {}

  // Once the request is under way: `cancel` is called when the client hangs up, from any thread.
  void watch(std::function<void()> cancel) { watch_.emplace(exchange_->stop(), std::move(cancel)); }

  void expect_long() override {
    if (!may_stream_ || streams_) return;
    streams_ = true;
    exchange_->start_stream("text/event-stream");
  }
  void notify(const std::string& message) override {
    if (!may_stream_) return;
    expect_long();
    exchange_->send("event: message\ndata: " + message + "\n\n");
  }
  void answer(const std::string& message, int status) override {
    if (streams_) {
      exchange_->send("event: message\ndata: " + message + "\n\n");
      return exchange_->finish();
    }
    HttpReply reply{.status = status, .body = message};
    if (!session_.empty()) reply.headers.emplace_back("Mcp-Session-Id", session_);
    exchange_->reply(std::move(reply));
  }
  void drop() override {
    if (!streams_) exchange_->start_stream("text/event-stream");
    exchange_->finish();
  }

 private:
  const std::shared_ptr<Exchange> exchange_;
  const std::string session_;  // told with the answer that opens it
  const bool may_stream_;
  bool streams_ = false;
  std::optional<std::stop_callback<std::function<void()>>> watch_;
};

}  // namespace

class HttpEndpoint::Impl {
 public:
  Impl(Service& service, WorkQueue& queue, const ServerIdentity& identity, EndpointOptions options)
      : service_(service), queue_(queue), identity_(identity), options_(std::move(options)), access_(options_.access) {}

  ~Impl() {
    http_.reset();
    const std::lock_guard lock(mutex_);
    for (const auto& session : sessions_) session.peer->cancel_all();
  }

  Result<void> start() {
    server::HttpHandlers handlers;
    handlers.admit = [this](const HttpRequest& request) { return admit(request); };
    handlers.handle = [this](const std::shared_ptr<Exchange>& exchange) { handle(exchange); };
    handlers.error = [](const HttpRequest&, int status, const std::string& message) {
      return error_reply(status, status == 500 ? kInternalError : kInvalidRequest, message);
    };
    handlers.headers = [this](const HttpRequest& request) {
      auto headers = access_.cors_headers(request);
      for (auto& [name, value] : headers) {
        if (name == "Access-Control-Allow-Headers") value += kMcpHeaders;
        if (name == "Access-Control-Expose-Headers") value += ", mcp-session-id";
      }
      return headers;
    };
    auto http = server::HttpServer::start(options_.http, std::move(handlers));
    if (!http) return http.error();
    http_ = std::move(*http);
    return {};
  }

  int port() const { return http_->port(); }
  void drain(std::chrono::milliseconds grace) {
    draining_ = true;
    http_->drain(grace);
  }

 private:
  struct Session {
    std::string id;
    std::shared_ptr<Peer> peer;
  };

  std::optional<HttpReply> admit(const HttpRequest& request) const {
    if (const auto refused = access_.refusal(request)) return error_reply(refused->status, kInvalidRequest, refused->what());
    if (draining_) return error_reply(503, kOverloaded, "the server is shutting down");
    return std::nullopt;
  }

  void handle(const std::shared_ptr<Exchange>& exchange) {
    const HttpRequest& request = exchange->request();
    if (request.method == "OPTIONS") return exchange->reply({.status = 204, .content_type = ""});
    if (request.path == "/health") return exchange->reply({.body = R"({"status":"ok"})"});
    if (request.path != options_.path) {
      return exchange->reply(error_reply(404, kInvalidRequest, "there is nothing here; the MCP endpoint is " + options_.path));
    }
    if (request.method == "DELETE") return exchange->reply(end_session(request));
    if (request.method == "POST") return post(exchange);
    HttpReply reply = error_reply(405, kInvalidRequest, "this endpoint takes POST and DELETE; it sends nothing on its own");
    reply.headers.emplace_back("Allow", "POST, DELETE");
    exchange->reply(std::move(reply));
  }

  void post(const std::shared_ptr<Exchange>& exchange) {
    const HttpRequest& http = exchange->request();
    if (!http.header("content-type").starts_with("application/json")) {
      return exchange->reply(error_reply(415, kInvalidRequest, "Content-Type must be application/json"));
    }
    if (!accepts(http, "application/json") && !accepts(http, "text/event-stream")) {
      return exchange->reply(error_reply(406, kInvalidRequest, "Accept must list application/json and text/event-stream"));
    }
    Result<Message> message = parse_message(http.body);
    if (!message) {
      const Result<Json> object = parse_object(http.body);
      return exchange->reply(error_reply(400, object ? kInvalidRequest : kParseError, message.error().message));
    }
    const bool modern = is_modern(http, *message);
    if (message->kind == Message::Kind::kRequest) return modern ? modern_request(exchange, *message) : legacy_request(exchange, *message);
    if (modern) {
      // Nothing is told this way in this era: who cancels hangs up. Another's request must not be named by its id.
      const bool known = header_value(http.header("mcp-protocol-version")).value_or("") == kModernVersion;
      if (known && message->kind == Message::Kind::kNotification) return exchange->reply({.status = 202, .content_type = ""});
      return exchange->reply(error_reply(400, kInvalidRequest, "expected a request or a notification of " + std::string(kModernVersion)));
    }
    const auto peer = session_of(http);
    if (!peer) return exchange->reply(no_session(http));
    if (message->kind == Message::Kind::kNotification) peer->notification(*message);
    exchange->reply({.status = 202, .content_type = ""});
  }

  static bool is_modern(const HttpRequest& http, const Message& message) {
    if (version_in(message)) return true;
    const auto header = http.headers.find("mcp-protocol-version");
    return header != http.headers.end() && !is_legacy_version(header_value(header->second).value_or(""));
  }

  void modern_request(const std::shared_ptr<Exchange>& exchange, const Message& message) {
    auto refusal = check_envelope(message);
    if (!refusal) refusal = check_headers(exchange->request(), message);
    if (refusal) return exchange->reply(error_reply(refusal->status, refusal->code, refusal->message, message.id, refusal->data));
    const auto peer = std::make_shared<Peer>(service_, queue_, identity_, credential(exchange->request()));
    pass(exchange, peer, message, Era::kModern, "");
  }

  void legacy_request(const std::shared_ptr<Exchange>& exchange, const Message& message) {
    const HttpRequest& http = exchange->request();
    if (message.method == "initialize") {
      const Session session = open_session();
      return pass(exchange, session.peer, message, Era::kLegacy, session.id);
    }
    const auto peer = session_of(http);
    if (!peer) {
      HttpReply reply = no_session(http);
      return exchange->reply(std::move(reply));
    }
    pass(exchange, peer, message, Era::kLegacy, "");
  }

  static void pass(
      const std::shared_ptr<Exchange>& exchange, const std::shared_ptr<Peer>& peer, const Message& message, Era era, const std::string& session
  ) {
    const auto outlet = std::make_shared<HttpOutlet>(exchange, session);
    // Not by its id: by the time a client that has its answer hangs up, it may have used the id again.
    std::stop_source request = peer->request(message, era, outlet);
    if (request.stop_possible()) outlet->watch([request]() mutable { request.request_stop(); });
  }

  static HttpReply no_session(const HttpRequest& http) {
    if (http.header("mcp-session-id").empty()) {
      return error_reply(
          400, kInvalidRequest,
          "expected Mcp-Session-Id, as `initialize` has answered it, or a request of " + std::string(kModernVersion) +
              " with MCP-Protocol-Version and params._meta"
      );
    }
    return error_reply(404, kInvalidRequest, "there is no such session (any more); initialize again");
  }

  std::shared_ptr<Peer> session_of(const HttpRequest& http) {
    const std::string_view id = http.header("mcp-session-id");
    const std::lock_guard lock(mutex_);
    for (auto it = sessions_.begin(); it != sessions_.end(); ++it) {
      if (it->id != id) continue;
      sessions_.splice(sessions_.begin(), sessions_, it);
      return it->peer;
    }
    return nullptr;
  }

  Session open_session() {
    const std::string id = new_session_id();
    Session session{id, std::make_shared<Peer>(service_, queue_, identity_, "session:" + id)};
    std::optional<Session> evicted;
    {
      const std::lock_guard lock(mutex_);
      sessions_.push_front(session);
      if (sessions_.size() > options_.sessions_max) {
        auto last = std::prev(sessions_.end());
        for (auto it = last; it != sessions_.begin(); --it) {
          if (!it->peer->idle()) continue;
          last = it;
          break;
        }
        evicted = std::move(*last);
        sessions_.erase(last);
      }
    }
    if (evicted) end(*evicted);
    return session;
  }

  HttpReply end_session(const HttpRequest& http) {
    std::optional<Session> ended;
    {
      const std::lock_guard lock(mutex_);
      for (auto it = sessions_.begin(); it != sessions_.end() && !ended; ++it) {
        if (it->id != http.header("mcp-session-id")) continue;
        ended = std::move(*it);
        sessions_.erase(it);
        break;
      }
    }
    if (!ended) return no_session(http);
    end(*ended);
    return {.status = 204, .content_type = ""};
  }

  // Its calls take a moment to end: not on this thread.
  void end(const Session& session) {
    session.peer->cancel_all();
    queue_.add("", [&service = service_, peer = session.peer] {
      peer->wait();
      service.forget(peer->client());
    });
  }

  Service& service_;
  WorkQueue& queue_;
  const ServerIdentity& identity_;
  const EndpointOptions options_;
  const server::AccessPolicy access_;
  std::atomic<bool> draining_ = false;
  std::mutex mutex_;
  std::list<Session> sessions_;  // the last one used first
  std::unique_ptr<server::HttpServer> http_;  // last: it stops before what its handlers use
};

HttpEndpoint::HttpEndpoint(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
HttpEndpoint::~HttpEndpoint() = default;
int HttpEndpoint::port() const { return impl_->port(); }
void HttpEndpoint::drain(std::chrono::milliseconds grace) { impl_->drain(grace); }

Result<std::unique_ptr<HttpEndpoint>> HttpEndpoint::start(
    Service& service, WorkQueue& queue, const ServerIdentity& identity, EndpointOptions options
) {
  auto impl = std::make_unique<Impl>(service, queue, identity, std::move(options));
  if (Result<void> started = impl->start(); !started) return started.error();
  return std::unique_ptr<HttpEndpoint>(new HttpEndpoint(std::move(impl)));
}

}  // namespace toccata::mcp
