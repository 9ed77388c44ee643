#include "core/net/client.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cctype>

#include "core/net/curl_api.h"

namespace toccata::net {
namespace {

using SteadyClock = std::chrono::steady_clock;

// Bytes held for a reader that is slower than the server, before the server is made to wait.
constexpr std::size_t kBufferedMax = std::size_t{256} << 10;
constexpr std::chrono::milliseconds kPollMax{1000};
constexpr std::size_t kExpansionFree = std::size_t{1} << 20;

std::string lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(), [](unsigned char c) {
    return static_cast<char>(std::tolower(c));
  });
  return out;
}

std::string_view trim(std::string_view text) {
  const auto first = text.find_first_not_of(" \t\r\n");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t\r\n") - first + 1);
}

std::optional<PeerAddress> peer_of(const curl_sockaddr& address) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  if (address.family == AF_INET) {
    const auto* in = reinterpret_cast<const sockaddr_in*>(&address.addr);
    inet_ntop(AF_INET, &in->sin_addr, text.data(), text.size());
    return PeerAddress{text.data(), ntohs(in->sin_port)};
  }
  if (address.family == AF_INET6) {
    const auto* in = reinterpret_cast<const sockaddr_in6*>(&address.addr);
    inet_ntop(AF_INET6, &in->sin6_addr, text.data(), text.size());
    return PeerAddress{text.data(), ntohs(in->sin6_port)};
  }
  return std::nullopt;
}

std::optional<Error> defect_of(const Request& request) {
  const std::string scheme = lower(request.url.substr(0, 8));
  if (!scheme.starts_with("http://") && !scheme.starts_with("https://")) {
    return Error{
        ErrorCode::kInvalidArgument,
        "not an http or https URL: '" + request.url.substr(0, 200) + "'"};
  }
  for (const auto& [name, value] : request.headers) {
    if (name.find_first_of(":\r\n") != std::string::npos ||
        value.find_first_of("\r\n") != std::string::npos) {
      return Error{
          ErrorCode::kInvalidArgument, "line break or colon in the request header '" + name + "'"};
    }
  }
  return std::nullopt;
}

ErrorCode code_of(CURLcode code) {
  switch (code) {
    case CURLE_OPERATION_TIMEDOUT:
      return ErrorCode::kTimeout;
    case CURLE_URL_MALFORMAT:
      return ErrorCode::kInvalidArgument;
    case CURLE_UNSUPPORTED_PROTOCOL:  // HTTP/0.9, or a redirect to another scheme
    case CURLE_WEIRD_SERVER_REPLY:
    case CURLE_PARTIAL_FILE:
    case CURLE_HTTP2:
    case CURLE_HTTP2_STREAM:
    case CURLE_GOT_NOTHING:
    case CURLE_BAD_CONTENT_ENCODING:
      return ErrorCode::kCorrupt;
    case CURLE_TOO_MANY_REDIRECTS:
      return ErrorCode::kResourceExhausted;
    default:
      return ErrorCode::kUnavailable;
  }
}

}  // namespace

std::optional<std::string_view> Response::header(std::string_view name) const {
  for (auto it = headers.rbegin(); it != headers.rend(); ++it) {
    if (it->first == name) return it->second;
  }
  return std::nullopt;
}

class Client::Impl {
 public:
  // Loads libcurl on the first call.
  Result<void> prepare() {
    if (multi_ != nullptr) return {};
    Result<CurlApi> loaded = CurlApi::load();
    if (!loaded) return loaded.error();
    api = *loaded;
    multi_ = api.multi_init();
    if (multi_ == nullptr) return Error{ErrorCode::kResourceExhausted, "curl_multi_init failed"};
    return {};
  }
  ~Impl() {
    if (multi_ != nullptr) api.multi_cleanup(multi_);
  }
  CURLM* multi() const { return multi_; }

  CurlApi api;

 private:
  CURLM* multi_ = nullptr;
};

class Exchange::Impl {
 public:
  Impl(std::shared_ptr<Client::Impl> client, Request request)
      : client_(std::move(client)), api_(client_->api), request_(std::move(request)) {
    started_ = last_byte_ = SteadyClock::now();
  }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;
  ~Impl() {
    if (easy_ == nullptr) return;
    api_.multi_remove_handle(client_->multi(), easy_);
    api_.easy_cleanup(easy_);
    api_.slist_free_all(header_list_);
    api_.slist_free_all(resolve_list_);
    api_.slist_free_all(connect_to_list_);
  }

  Result<void> start(std::stop_token stop) {
    easy_ = api_.easy_init();
    if (easy_ == nullptr) return Error{ErrorCode::kResourceExhausted, "curl_easy_init failed"};
    configure();
    api_.multi_add_handle(client_->multi(), easy_);
    while (!head_complete_ && !done_) {
      if (Result<void> pumped = pump(stop); !pumped) return pumped.error();
    }
    // A body that broke off in the same moment: what came of it can be read, then the error.
    if (error_ && buffer_.empty()) return *error_;
    note_final_url();
    return {};
  }

  Result<std::string_view> read(std::stop_token stop) {
    delivered_.clear();
    if (paused_) {
      paused_ = false;
      api_.easy_pause(easy_, CURLPAUSE_CONT);
    }
    while (buffer_.empty() && !done_) {
      if (Result<void> pumped = pump(stop); !pumped) return pumped.error();
    }
    if (buffer_.empty() && error_) return *error_;
    std::swap(delivered_, buffer_);
    return std::string_view(delivered_);
  }

  Response response;

 private:
  template <class T>
  void set(CURLoption option, T value) {
    api_.easy_setopt(easy_, option, value);
  }

  void configure() {
    set(CURLOPT_URL, request_.url.c_str());
    set(CURLOPT_PROTOCOLS_STR, "http,https");
    set(CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
    set(CURLOPT_NOSIGNAL, 1L);
    // libcurl would read http_proxy and no_proxy from the environment.
    set(CURLOPT_PROXY, request_.proxy.c_str());
    set(CURLOPT_NOPROXY, request_.proxy.empty() ? "*" : "");
    set(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);  // the head of a proxy's own answer is not the server's
    if (request_.decompress) set(CURLOPT_ACCEPT_ENCODING, "");
    if (!request_.connect_to.empty()) {
      const bool v6 = request_.connect_to.find(':') != std::string::npos;
      connect_to_list_ = api_.slist_append(nullptr, ("::" + (v6 ? "[" + request_.connect_to + "]" : request_.connect_to) + ":").c_str());
      set(CURLOPT_CONNECT_TO, connect_to_list_);
    }
    set(CURLOPT_FOLLOWLOCATION, request_.redirects_max > 0 ? 1L : 0L);
    set(CURLOPT_MAXREDIRS, static_cast<long>(request_.redirects_max));
    set(CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(request_.connect_timeout.count()));
    set(CURLOPT_ERRORBUFFER, error_text_.data());
    set(CURLOPT_PRIVATE, this);
    set(CURLOPT_WRITEFUNCTION, &Impl::on_body);
    set(CURLOPT_WRITEDATA, this);
    set(CURLOPT_HEADERFUNCTION, &Impl::on_header);
    set(CURLOPT_HEADERDATA, this);
    set(CURLOPT_OPENSOCKETFUNCTION, &Impl::on_open_socket);
    set(CURLOPT_OPENSOCKETDATA, this);
    for (const std::string& entry : request_.resolve) {
      resolve_list_ = api_.slist_append(resolve_list_, entry.c_str());
    }
    if (resolve_list_ != nullptr) set(CURLOPT_RESOLVE, resolve_list_);
    set(CURLOPT_QUICK_EXIT, 1L);  // a stopped request does not wait for a slow name server
    set_method();
    set_headers();
  }

  void set_method() {
    if (request_.method == "HEAD") {
      set(CURLOPT_NOBODY, 1L);
    } else if (request_.method == "POST" || !request_.body.empty()) {
      set(CURLOPT_POST, 1L);
      set(CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request_.body.size()));
      set(CURLOPT_POSTFIELDS, request_.body.c_str());
      if (request_.method != "POST") set(CURLOPT_CUSTOMREQUEST, request_.method.c_str());
    } else if (request_.method != "GET") {
      set(CURLOPT_CUSTOMREQUEST, request_.method.c_str());
    }
  }

  void set_headers() {
    // Without a body worth waiting for, "Expect: 100-continue" only costs a round trip.
    header_list_ = api_.slist_append(header_list_, "Expect:");
    for (const auto& [name, value] : request_.headers) {
      // libcurl takes "name:" for a header to leave out, and "name;" for an empty one.
      header_list_ = api_.slist_append(header_list_, (name + (value.empty() ? ";" : ": " + value)).c_str());
    }
    set(CURLOPT_HTTPHEADER, header_list_);
  }

  // Moves the transfer forward, waiting for the network at most until a deadline.
  Result<void> pump(const std::stop_token& stop) {
    if (stop.stop_requested()) return cancelled();
    int running = 0;
    CURLMcode code = api_.multi_perform(client_->multi(), &running);
    if (code != CURLM_OK) return Error{ErrorCode::kUnavailable, api_.multi_strerror(code)};
    collect_finished();
    if (done_ || !buffer_.empty()) return {};
    const auto now = SteadyClock::now();
    const auto idle_end = last_byte_ + request_.idle_timeout;
    const auto total_end = started_ + request_.total_timeout;
    if (now >= total_end) return timed_out("no complete answer after", request_.total_timeout);
    if (now >= idle_end) return timed_out("silent for", request_.idle_timeout);
    const auto wait =
        std::min<SteadyClock::duration>(std::min(idle_end, total_end) - now, kPollMax);
    const auto wait_ms = std::chrono::ceil<std::chrono::milliseconds>(wait).count();
    std::stop_callback wake(stop, [this] { api_.multi_wakeup(client_->multi()); });
    api_.multi_poll(client_->multi(), nullptr, 0, static_cast<int>(wait_ms), nullptr);
    return {};
  }

  // Several exchanges may share the client; each finished one learns of it here.
  void collect_finished() {
    int left = 0;
    while (CURLMsg* message = api_.multi_info_read(client_->multi(), &left)) {
      if (message->msg != CURLMSG_DONE) continue;
      Impl* owner = nullptr;
      api_.easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &owner);
      owner->finish(message->data.result);
    }
  }

  void finish(CURLcode code) {
    done_ = true;
    head_complete_ = true;
    if (code == CURLE_OK || error_) return;
    std::string what = error_text_[0] != '\0' ? error_text_.data() : api_.easy_strerror(code);
    error_ = Error{code_of(code), request_.url + ": " + what};
  }

  Error cancelled() const {
    return Error{ErrorCode::kCancelled, "request to " + request_.url + " was stopped"};
  }
  Error timed_out(const char* what, std::chrono::milliseconds limit) const {
    return Error{
        ErrorCode::kTimeout,
        request_.url + ": " + what + " " + std::to_string(limit.count()) + " ms (the limit)"};
  }
  // Makes libcurl give up the transfer; `error_` then wins over its own message.
  std::size_t refuse(ErrorCode code, const std::string& what) {
    error_ = Error{code, request_.url + ": " + what};
    return 0;
  }

  void note_final_url() {
    const char* url = nullptr;
    api_.easy_getinfo(easy_, CURLINFO_EFFECTIVE_URL, &url);
    response.url = url != nullptr ? url : request_.url;
  }

  std::size_t take_header(std::string_view line) {
    last_byte_ = SteadyClock::now();
    header_bytes_ += line.size();
    if (header_bytes_ > request_.header_bytes_max) {
      return refuse(
          ErrorCode::kResourceExhausted,
          "more than " + std::to_string(request_.header_bytes_max) + " bytes of headers"
      );
    }
    if (line.starts_with("HTTP/")) {  // a new answer: after a 1xx or a redirect
      response.headers.clear();
      long status = 0;
      api_.easy_getinfo(easy_, CURLINFO_RESPONSE_CODE, &status);
      response.status = static_cast<int>(status);
    } else if (trim(line).empty()) {
      const bool followed = request_.redirects_max > 0 && response.status / 100 == 3;
      head_complete_ = response.status >= 200 && !followed;
    } else if (const auto colon = line.find(':'); colon != std::string_view::npos) {
      response.headers.emplace_back(
          lower(trim(line.substr(0, colon))), std::string(trim(line.substr(colon + 1)))
      );
    }
    return line.size();
  }

  // Whether what came out of a compressed body is out of proportion to what was sent.
  bool is_bomb(std::size_t decoded) {
    if (!request_.decompress || decoded <= kExpansionFree) return false;
    curl_off_t sent = 0;
    api_.easy_getinfo(easy_, CURLINFO_SIZE_DOWNLOAD_T, &sent);
    return decoded / static_cast<std::size_t>(request_.expansion_max) > static_cast<std::size_t>(std::max<curl_off_t>(sent, 1));
  }

  std::size_t take_body(std::string_view bytes) {
    last_byte_ = SteadyClock::now();
    head_complete_ = true;
    if (buffer_.size() >= kBufferedMax) {
      paused_ = true;
      return CURL_WRITEFUNC_PAUSE;
    }
    body_bytes_ += bytes.size();
    if (is_bomb(body_bytes_)) {
      return refuse(
          ErrorCode::kResourceExhausted,
          "the compressed body grows more than " + std::to_string(request_.expansion_max) + " times"
      );
    }
    if (body_bytes_ > request_.body_bytes_max) {
      return refuse(
          ErrorCode::kResourceExhausted,
          "more than " + std::to_string(request_.body_bytes_max) + " bytes of body"
      );
    }
    buffer_ += bytes;
    return bytes.size();
  }

  static std::size_t on_header(char* data, std::size_t size, std::size_t n, void* self) {
    return static_cast<Impl*>(self)->take_header({data, size * n});
  }
  static std::size_t on_body(char* data, std::size_t size, std::size_t n, void* self) {
    return static_cast<Impl*>(self)->take_body({data, size * n});
  }
  static curl_socket_t on_open_socket(void* self, curlsocktype, curl_sockaddr* address) {
    auto& exchange = *static_cast<Impl*>(self);
    if (exchange.error_) return CURL_SOCKET_BAD;  // one refused address refuses the host
    if (exchange.request_.connect_policy) {
      const std::optional<PeerAddress> peer = peer_of(*address);
      const std::optional<std::string> reason =
          peer ? exchange.request_.connect_policy(*peer) : "unknown kind of address";
      if (reason) {
        exchange.refuse(
            ErrorCode::kPermissionDenied,
            "address " + (peer ? peer->ip : std::string("?")) + " is not allowed: " + *reason
        );
        return CURL_SOCKET_BAD;
      }
    }
    return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
  }

  std::shared_ptr<Client::Impl> client_;
  const CurlApi& api_;
  Request request_;
  CURL* easy_ = nullptr;
  curl_slist* header_list_ = nullptr;
  curl_slist* resolve_list_ = nullptr;
  curl_slist* connect_to_list_ = nullptr;
  std::array<char, CURL_ERROR_SIZE> error_text_{};
  std::string buffer_, delivered_;
  std::size_t header_bytes_ = 0, body_bytes_ = 0;
  bool head_complete_ = false, done_ = false, paused_ = false;
  std::optional<Error> error_;
  SteadyClock::time_point started_, last_byte_;
};

Exchange::Exchange(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Exchange::Exchange(Exchange&&) noexcept = default;
Exchange& Exchange::operator=(Exchange&&) noexcept = default;
Exchange::~Exchange() = default;

const Response& Exchange::response() const { return impl_->response; }

Result<std::string_view> Exchange::read(std::stop_token stop) { return impl_->read(stop); }

Result<std::string> Exchange::read_all(std::size_t limit, std::stop_token stop) {
  std::string all;
  while (all.size() < limit) {
    Result<std::string_view> bytes = read(stop);
    if (!bytes) return bytes.error();
    if (bytes->empty()) break;
    all += bytes->substr(0, limit - all.size());
  }
  return all;
}

Client::Client() : impl_(std::make_shared<Impl>()) {}
Client::~Client() = default;
Client::Client(Client&&) noexcept = default;
Client& Client::operator=(Client&&) noexcept = default;

Result<Exchange> Client::start(const Request& request, std::stop_token stop) {
  if (std::optional<Error> defect = defect_of(request)) return *defect;
  if (Result<void> ready = impl_->prepare(); !ready) return ready.error();
  auto exchange = std::make_unique<Exchange::Impl>(impl_, request);
  if (Result<void> started = exchange->start(stop); !started) return started.error();
  return Exchange(std::move(exchange));
}

Result<Response> Client::send(const Request& request, std::stop_token stop) {
  Result<Exchange> exchange = start(request, stop);
  if (!exchange) return exchange.error();
  Result<std::string> body = exchange->read_all(request.body_bytes_max + 1, stop);
  if (!body) return body.error();
  Response response = exchange->response();
  response.body = std::move(*body);
  return response;
}

}  // namespace toccata::net
