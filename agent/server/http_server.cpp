#include "agent/server/http_server.h"

#include <arpa/inet.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <condition_variable>
#include <cstring>
#include <mutex>
#include <set>
#include <thread>

namespace toccata::server {
namespace {

using Clock = std::chrono::steady_clock;

std::string lower(std::string_view text) {
  std::string result(text);
  for (char& c : result) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return result;
}

MHD_Result collect_header(void* out, MHD_ValueKind, const char* name, const char* value) {
  auto& headers = *static_cast<std::map<std::string, std::string, std::less<>>*>(out);
  headers[lower(name)] = value != nullptr ? value : "";
  return MHD_YES;
}

MHD_Result collect_query(void* out, MHD_ValueKind, const char* name, const char* value) {
  auto& query = *static_cast<std::map<std::string, std::string, std::less<>>*>(out);
  query[name] = value != nullptr ? value : "";
  return MHD_YES;
}

// What may stand in a header that we send back.
bool printable(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c > 32 && c < 127; });
}

struct Sockaddr {
  sockaddr_storage storage{};
  bool ipv6 = false;
};

std::optional<Sockaddr> parse_address(const std::string& host, int port) {
  Sockaddr result;
  auto* v4 = reinterpret_cast<sockaddr_in*>(&result.storage);
  if (::inet_pton(AF_INET, host.c_str(), &v4->sin_addr) == 1) {
    v4->sin_family = AF_INET;
    v4->sin_port = htons(static_cast<std::uint16_t>(port));
    return result;
  }
  auto* v6 = reinterpret_cast<sockaddr_in6*>(&result.storage);
  if (::inet_pton(AF_INET6, host.c_str(), &v6->sin6_addr) == 1) {
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons(static_cast<std::uint16_t>(port));
    result.ipv6 = true;
    return result;
  }
  return std::nullopt;
}

}  // namespace

std::string_view HttpRequest::header(std::string_view name) const {
  const auto found = headers.find(name);
  return found == headers.end() ? std::string_view{} : std::string_view(found->second);
}

class HttpServer::Impl {
 public:
  class Connection;

  Impl(HttpOptions options, HttpHandlers handlers)
      : options_(std::move(options)), handlers_(std::move(handlers)) {}

  Result<void> start() {
    const auto address = parse_address(options_.host, options_.port);
    if (!address) {
      return Error{
          ErrorCode::kInvalidArgument,
          "cannot listen on '" + options_.host + "': expected an IPv4 or IPv6 address"};
    }
    unsigned flags = MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME;
    if (address->ipv6) flags |= MHD_USE_IPv6;
    errno = 0;
    daemon_ = MHD_start_daemon(
        flags, static_cast<std::uint16_t>(options_.port), nullptr, nullptr, &Impl::access, this,
        MHD_OPTION_SOCK_ADDR, reinterpret_cast<const sockaddr*>(&address->storage),
        MHD_OPTION_NOTIFY_COMPLETED, &Impl::completed, this,
        MHD_OPTION_THREAD_POOL_SIZE, static_cast<unsigned>(std::max(options_.n_io_threads, 2)),
        MHD_OPTION_CONNECTION_LIMIT, options_.connections_max,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, options_.header_bytes_max,
        MHD_OPTION_CONNECTION_TIMEOUT, static_cast<unsigned>(options_.idle_timeout.count()),
        MHD_OPTION_LISTENING_ADDRESS_REUSE, 1U,
        MHD_OPTION_END
    );
    if (daemon_ == nullptr) {
      return Error{
          ErrorCode::kUnavailable,
          "cannot listen on " + options_.host + ":" + std::to_string(options_.port) + ": " +
              (errno != 0 ? std::strerror(errno) : "the HTTP library refused") +
              ". Choose another --port (0 takes any free one)."};
    }
    watcher_ = std::jthread([this](std::stop_token stop) { watch(stop); });
    return {};
  }

  ~Impl() {
    stop_all();
    if (watcher_.joinable()) {
      watcher_.request_stop();
      changed_.notify_all();
      watcher_.join();
    }
    release_all();
    if (daemon_ != nullptr) MHD_stop_daemon(daemon_);
    if (quiesced_ >= 0) ::close(quiesced_);
  }

  int port() const {
    const MHD_DaemonInfo* info = MHD_get_daemon_info(daemon_, MHD_DAEMON_INFO_BIND_PORT);
    return info != nullptr ? info->port : options_.port;
  }
  int n_active() const { return n_active_; }

  void drain(std::chrono::milliseconds grace) {
    quiesced_ = MHD_quiesce_daemon(daemon_);
    draining_ = true;
    if (wait_until_idle(grace)) return;
    stop_all();
    wait_until_idle(std::chrono::milliseconds(2000));
  }

 private:
  friend class Connection;

  static MHD_Result access(
      void* self, MHD_Connection* connection, const char* url, const char* method, const char*,
      const char* upload, std::size_t* upload_size, void** state
  );
  static void completed(void* self, MHD_Connection*, void** state, MHD_RequestTerminationCode);
  void watch(const std::stop_token& stop);
  void stop_all();
  void release_all();
  bool wait_until_idle(std::chrono::milliseconds limit);

  const HttpOptions options_;
  const HttpHandlers handlers_;
  MHD_Daemon* daemon_ = nullptr;
  int quiesced_ = -1;
  std::atomic<int> n_active_ = 0;
  std::atomic<bool> draining_ = false;
  std::atomic<std::uint64_t> n_requests_ = 0;
  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::set<std::shared_ptr<Connection>> waiting_;  // handed to the handler, not yet completed
  std::jthread watcher_;
};

// The request, its buffer and the suspended connection. `mutex_` orders the worker that answers, the I/O thread that
// sends and the watcher.
class HttpServer::Impl::Connection : public Exchange,
                                     public std::enable_shared_from_this<Connection> {
 public:
  Connection(Impl& server, MHD_Connection* connection) : server_(server), connection_(connection) {
    const auto* info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    if (info != nullptr) fd_ = info->connect_fd;
  }

  const HttpRequest& request() const override { return request_; }
  std::stop_token stop() const override { return stop_.get_token(); }

  void reply(HttpReply reply) override {
    const std::lock_guard lock(mutex_);
    if (gone_ || ready_) return;
    reply_ = std::move(reply);
    ready_ = true;
    finished_ = true;
    resume();
  }
  void start_stream(std::string content_type) override {
    const std::lock_guard lock(mutex_);
    if (gone_ || ready_) return;
    reply_.content_type = std::move(content_type);
    streaming_ = true;
    ready_ = true;
    last_sent_ = Clock::now();
    resume();
  }
  void send(std::string_view bytes) override {
    const std::lock_guard lock(mutex_);
    if (gone_ || !streaming_ || finished_) return;
    if (unsent_.size() - sent_ + bytes.size() > server_.options_.unsent_bytes_max) {
      stop_.request_stop();
      return;
    }
    unsent_ += bytes;
    last_sent_ = Clock::now();
    resume();
  }
  void finish() override {
    const std::lock_guard lock(mutex_);
    if (gone_ || finished_) return;
    finished_ = true;
    resume();
  }

  // --- For the I/O threads -----------------------------------------------------------------------------------------

  HttpRequest& mutable_request() { return request_; }
  bool has_begun() const { return begun_; }
  void set_begun() { begun_ = true; }
  bool over_limit = false;

  // Queues the answer, or suspends the connection until there is one.
  MHD_Result answer_or_suspend() {
    {
      const std::lock_guard lock(mutex_);
      if (!ready_) {
        suspended_ = true;
        MHD_suspend_connection(connection_);
        return MHD_YES;
      }
    }
    // Without the lock, as read() is called under the library's own; reply_ does not change once it is ready.
    return queue_answer();
  }
  bool is_finished() {
    const std::lock_guard lock(mutex_);
    return finished_;
  }
  void set_gone() {
    const std::lock_guard lock(mutex_);
    gone_ = true;
    stop_.request_stop();
  }

  // --- For the watcher ---------------------------------------------------------------------------------------------

  int fd() const { return fd_; }
  void request_stop() { stop_.request_stop(); }
  bool stop_requested() const { return stop_.stop_requested(); }
  void ping(Clock::time_point now) {
    bool due = false;
    {
      const std::lock_guard lock(mutex_);
      due = streaming_ && !finished_ && !gone_ && now - last_sent_ > server_.options_.ping_after;
    }
    if (due) send(": ping\n\n");
  }
  // The server ends: whatever waits must be let go.
  void release() {
    const std::lock_guard lock(mutex_);
    finished_ = true;
    if (!ready_) reply_ = HttpReply{.status = 503};
    ready_ = true;
    resume();
  }

 private:
  void resume() {
    if (!suspended_) return;
    suspended_ = false;
    MHD_resume_connection(connection_);
  }

  MHD_Result queue_answer() {
    MHD_Response* response = nullptr;
    if (streaming_) {
      auto* self = new std::shared_ptr<Connection>(shared_from_this());
      response = MHD_create_response_from_callback(
          MHD_SIZE_UNKNOWN, 16 << 10, &Connection::read, self,
          [](void* held) { delete static_cast<std::shared_ptr<Connection>*>(held); }
      );
      MHD_add_response_header(response, "Cache-Control", "no-cache");
      MHD_add_response_header(response, "X-Accel-Buffering", "no");
    } else {
      response = MHD_create_response_from_buffer(
          reply_.body.size(), reply_.body.data(), MHD_RESPMEM_MUST_COPY
      );
    }
    if (!reply_.content_type.empty()) {
      MHD_add_response_header(response, "Content-Type", reply_.content_type.c_str());
    }
    MHD_add_response_header(response, "x-request-id", request_.id.c_str());
    if (server_.draining_) MHD_add_response_header(response, "Connection", "close");
    for (const auto& [name, value] : reply_.headers) {
      MHD_add_response_header(response, name.c_str(), value.c_str());
    }
    if (server_.handlers_.headers) {
      for (const auto& [name, value] : server_.handlers_.headers(request_)) {
        MHD_add_response_header(response, name.c_str(), value.c_str());
      }
    }
    const MHD_Result queued =
        MHD_queue_response(connection_, static_cast<unsigned>(reply_.status), response);
    MHD_destroy_response(response);
    return queued;
  }

  static ssize_t read(void* held, std::uint64_t, char* out, std::size_t size) {
    Connection& self = **static_cast<std::shared_ptr<Connection>*>(held);
    const std::lock_guard lock(self.mutex_);
    const std::size_t n = std::min(size, self.unsent_.size() - self.sent_);
    if (n == 0) {
      if (self.finished_) return MHD_CONTENT_READER_END_OF_STREAM;
      self.suspended_ = true;
      MHD_suspend_connection(self.connection_);
      return 0;
    }
    std::memcpy(out, self.unsent_.data() + self.sent_, n);
    self.sent_ += n;
    if (self.sent_ == self.unsent_.size()) {
      self.unsent_.clear();
      self.sent_ = 0;
    }
    return static_cast<ssize_t>(n);
  }

  Impl& server_;
  MHD_Connection* connection_;
  int fd_ = -1;
  HttpRequest request_;
  bool begun_ = false;
  std::stop_source stop_;

  std::mutex mutex_;
  HttpReply reply_;
  bool ready_ = false, streaming_ = false, finished_ = false;
  bool suspended_ = false, gone_ = false;
  std::string unsent_;
  std::size_t sent_ = 0;  // of unsent_
  Clock::time_point last_sent_;
};

namespace {

// Runs `call`, and turns what it throws into an answer: an exception must not cross the C library.
template <class Call>
void guarded(Exchange& exchange, const HttpHandlers& handlers, Call call) {
  try {
    call();
  } catch (const std::exception& failure) {
    exchange.reply(handlers.error(exchange.request(), 500, failure.what()));
  }
}

}  // namespace

MHD_Result HttpServer::Impl::access(
    void* self, MHD_Connection* connection, const char* url, const char* method, const char*,
    const char* upload, std::size_t* upload_size, void** state
) {
  Impl& server = *static_cast<Impl*>(self);
  if (*state == nullptr) {
    auto made = std::make_shared<Connection>(server, connection);
    HttpRequest& request = made->mutable_request();
    request.method = method;
    request.path = url;
    MHD_get_connection_values(connection, MHD_HEADER_KIND, &collect_header, &request.headers);
    MHD_get_connection_values(connection, MHD_GET_ARGUMENT_KIND, &collect_query, &request.query);
    const std::string_view id = request.header("x-request-id");
    request.id = !id.empty() && id.size() <= 128 && printable(id)
                     ? std::string(id)
                     : "req_" + std::to_string(++server.n_requests_);
    *state = new std::shared_ptr<Connection>(made);
    ++server.n_active_;
    guarded(*made, server.handlers_, [&] {
      std::uint64_t length = 0;
      const std::string_view text = request.header("content-length");
      for (const char c : text.substr(0, 18)) length = length * 10 + static_cast<unsigned>(c - '0');
      made->over_limit = length > server.options_.body_bytes_max;
      if (made->over_limit) {
        made->set_begun();
        made->reply(server.handlers_.error(
            request, 413,
            "the body is larger than " + std::to_string(server.options_.body_bytes_max) + " bytes"
        ));
      } else if (auto refused = server.handlers_.admit(request)) {
        made->set_begun();
        made->reply(std::move(*refused));
      }
    });
    if (made->has_begun()) return made->answer_or_suspend();
    return MHD_YES;
  }
  Connection& exchange = **static_cast<std::shared_ptr<Connection>*>(*state);
  HttpRequest& request = exchange.mutable_request();
  if (*upload_size > 0) {
    exchange.over_limit |= request.body.size() + *upload_size > server.options_.body_bytes_max;
    if (!exchange.over_limit) request.body.append(upload, *upload_size);
    *upload_size = 0;
    return MHD_YES;
  }
  if (!exchange.has_begun()) {
    exchange.set_begun();
    auto shared = exchange.shared_from_this();
    guarded(exchange, server.handlers_, [&] {
      if (exchange.over_limit) {
        exchange.reply(server.handlers_.error(
            request, 413,
            "the body is larger than " + std::to_string(server.options_.body_bytes_max) + " bytes"
        ));
      } else {
        server.handlers_.handle(shared);
      }
    });
    if (!exchange.is_finished()) {
      const std::lock_guard lock(server.mutex_);
      server.waiting_.insert(shared);
      server.changed_.notify_all();
    }
  }
  return exchange.answer_or_suspend();
}

void HttpServer::Impl::completed(
    void* self, MHD_Connection*, void** state, MHD_RequestTerminationCode
) {
  if (*state == nullptr) return;
  Impl& server = *static_cast<Impl*>(self);
  auto* held = static_cast<std::shared_ptr<Connection>*>(*state);
  (*held)->set_gone();
  {
    const std::lock_guard lock(server.mutex_);
    server.waiting_.erase(*held);
  }
  delete held;
  *state = nullptr;
  --server.n_active_;
}

// A suspended connection is not looked at by the HTTP library, so this thread sees when its client hangs up. A client
// that shuts down only its sending side counts as gone too.
void HttpServer::Impl::watch(const std::stop_token& stop) {
  constexpr int kRoundMs = 20;
  std::vector<std::shared_ptr<Connection>> connections;
  std::vector<pollfd> fds;
  while (!stop.stop_requested()) {
    connections.clear();
    fds.clear();
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, stop, [&] { return !waiting_.empty(); });
      for (const auto& connection : waiting_) {
        if (!connection->stop_requested()) connections.push_back(connection);
      }
    }
    for (const auto& connection : connections) fds.push_back({connection->fd(), POLLRDHUP, 0});
    ::poll(fds.data(), fds.size(), kRoundMs);
    const auto now = Clock::now();
    for (std::size_t i = 0; i < fds.size(); ++i) {
      if ((fds[i].revents & (POLLRDHUP | POLLHUP | POLLERR | POLLNVAL)) != 0) {
        connections[i]->request_stop();
      } else {
        connections[i]->ping(now);
      }
    }
  }
}

void HttpServer::Impl::stop_all() {
  const std::lock_guard lock(mutex_);
  for (const auto& connection : waiting_) connection->request_stop();
}

void HttpServer::Impl::release_all() {
  std::set<std::shared_ptr<Connection>> left;
  {
    const std::lock_guard lock(mutex_);
    left = waiting_;
  }
  for (const auto& connection : left) connection->release();
}

bool HttpServer::Impl::wait_until_idle(std::chrono::milliseconds limit) {
  const auto deadline = Clock::now() + limit;
  while (n_active_ > 0) {
    if (Clock::now() >= deadline) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return true;
}

HttpServer::HttpServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
HttpServer::~HttpServer() = default;
int HttpServer::port() const { return impl_->port(); }
int HttpServer::n_active() const { return impl_->n_active(); }
void HttpServer::drain(std::chrono::milliseconds grace) { impl_->drain(grace); }

Result<std::unique_ptr<HttpServer>> HttpServer::start(HttpOptions options, HttpHandlers handlers) {
  auto impl = std::make_unique<Impl>(std::move(options), std::move(handlers));
  if (Result<void> started = impl->start(); !started) return started.error();
  return std::unique_ptr<HttpServer>(new HttpServer(std::move(impl)));
}

}  // namespace toccata::server
