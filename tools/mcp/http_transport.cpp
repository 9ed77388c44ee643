#include "tools/mcp/http_transport.h"

#include <algorithm>
#include <condition_variable>
#include <mutex>

#include "core/base/base64.h"

namespace toccata::tools::mcp {
namespace {

constexpr std::size_t kRefusalBytesMax = std::size_t{64} << 10;
constexpr std::chrono::milliseconds kGoodbyeTime{1000};
constexpr int kResumesMax = 64;  // of one stream, without an event between them
constexpr std::chrono::milliseconds kRetryMin{10}, kListenAgainMin{250};
constexpr std::chrono::milliseconds kListenFirst{3000};
constexpr std::chrono::hours kListenTime{24};  // of one connection, longer than any session

// False when stopped, or out of time, meanwhile.
bool pause(std::chrono::milliseconds time, const Wait& wait) {
  std::mutex mutex;
  std::condition_variable_any never;
  std::unique_lock lock(mutex);
  const auto end = std::chrono::steady_clock::now() + time;
  never.wait_until(lock, wait.stop, std::min(end, wait.deadline), [] { return false; });
  return !wait.stop.stop_requested() && end < wait.deadline;
}

bool is_kind(const net::Response& response, std::string_view kind) {
  const std::string_view type = response.header("content-type").value_or("");
  return type.substr(0, kind.size()) == kind;
}

Error status_error(int status, const std::string& body) {
  const std::string text = "HTTP status " + std::to_string(status) + (body.empty() ? "" : ": " + excerpt(body, 300));
  if (status == 401 || status == 403) {
    return {ErrorCode::kPermissionDenied, text + " (its entry in mcp.json may need \"headers\": {\"Authorization\": ...})"};
  }
  if (status >= 300 && status < 400) return {ErrorCode::kUnsupported, text + ": it has moved; name its new url"};
  return {status == 429 || status >= 500 ? ErrorCode::kUnavailable : ErrorCode::kUnsupported, text};
}

}  // namespace

std::string header_value(std::string_view text) {
  const bool plain = std::all_of(text.begin(), text.end(), [](unsigned char c) { return c >= 0x20 && c < 0x7f; });
  const bool trimmed = text.empty() || (text.front() != ' ' && text.back() != ' ');
  if (plain && trimmed && !text.starts_with("=?base64?")) return std::string(text);
  return "=?base64?" + base64(text) + "?=";
}

Result<void> HttpTransport::open() {
  close();
  open_ = true;
  return {};
}

void HttpTransport::close() {
  open_ = false;
  ear_ = {};
  if (session_.empty()) return;
  net::Request goodbye{.method = "DELETE", .url = order_.url, .headers = order_.headers};
  goodbye.headers.emplace_back("Mcp-Session-Id", std::exchange(session_, {}));
  goodbye.connect_timeout = goodbye.total_timeout = kGoodbyeTime;
  goodbye.proxy = order_.proxy;
  goodbye.body_bytes_max = kRefusalBytesMax;
  authorize(goodbye);
  (void)client_.send(goodbye).ok();  // nothing depends on it
}

net::Request HttpTransport::post(const Outgoing& message, const std::string& text, const Wait& wait) const {
  net::Request request{.method = "POST", .url = order_.url, .headers = order_.headers, .body = text};
  const auto add = [&](const char* name, const std::string& value) { request.headers.emplace_back(name, value); };
  add("Content-Type", "application/json");
  add("Accept", "application/json, text/event-stream");
  if (!message.version.empty() && message.method != "initialize") add("MCP-Protocol-Version", message.version);
  if (!session_.empty()) add("Mcp-Session-Id", session_);
  if (message.modern) {
    add("Mcp-Method", message.method);
    if (!message.name.empty()) add("Mcp-Name", header_value(message.name));
    for (const auto& [name, value] : message.headers) request.headers.emplace_back(name, value);
  }
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(wait.deadline - std::chrono::steady_clock::now());
  request.total_timeout = request.idle_timeout = std::max(left, std::chrono::milliseconds(1));
  request.body_bytes_max = limits_.request_bytes_max;
  request.proxy = order_.proxy;
  return request;
}

void HttpTransport::authorize(net::Request& request) const {
  if (!order_.authorization) return;
  if (std::string value = order_.authorization->current(); !value.empty()) request.headers.emplace_back("Authorization", std::move(value));
}

Result<net::Exchange> HttpTransport::start(const Outgoing& message, const std::string& text, Wait& wait) {
  if (order_.authorization) order_.authorization->prepare(wait);
  for (int n_refused = 0;; ++n_refused) {
    net::Request request = post(message, text, wait);
    authorize(request);
    Result<net::Exchange> exchange = client_.start(request, wait.stop);
    if (!exchange || !order_.authorization) return exchange;
    const net::Response& response = exchange->response();
    if (response.status != 401 && response.status != 403) return exchange;
    Refusal refusal{.status = response.status, .n_before = n_refused};
    for (const auto& [name, value] : response.headers) {
      if (name == "www-authenticate") refusal.challenges.push_back(value);
    }
    for (const auto& [name, value] : request.headers) {
      if (name == "Authorization") refusal.carried = value;
    }
    const auto begin = std::chrono::steady_clock::now();
    const Result<bool> renewed = order_.authorization->renew(refusal, wait);
    wait.deadline += std::chrono::steady_clock::now() - begin;
    // Not a matter of the connection, and not of the era that the server speaks.
    if (!renewed) return Error{wait.stop.stop_requested() ? ErrorCode::kCancelled : ErrorCode::kPermissionDenied, renewed.error().message};
    if (!*renewed) return exchange;
  }
}

Error HttpTransport::lost(Error error) {
  if (error.code == ErrorCode::kUnavailable || error.code == ErrorCode::kCorrupt) {
    open_ = false;
    session_.clear();
    error.code = ErrorCode::kUnavailable;
  }
  return error;
}

std::optional<std::string> HttpTransport::hear(const Message& message) {
  const std::scoped_lock lock(listener_mutex_);
  if (listener_ != nullptr) return (*listener_)(message);
  if (message.kind != Message::Kind::kRequest) return std::nullopt;
  if (message.method == "ping") return result_text(message.id, Json::object());
  return error_text(message.id, kInvalidRequest, "no request is under way that this could belong to");
}

void HttpTransport::listen(net::Request order, std::promise<void> tried, std::stop_token stop) {
  net::Client client, answers;
  EventReader events(limits_.message_bytes_max);
  std::int64_t n_starts = 0;
  for (int n_silent = 0; n_silent < kResumesMax; ++n_silent) {
    net::Request rest = order;
    rest.method = "GET";
    authorize(rest);
    if (!events.last_id().empty()) rest.headers.emplace_back("Last-Event-ID", events.last_id());
    Result<net::Exchange> stream = client.start(rest, stop);
    if (n_starts++ == 0) tried.set_value();
    if (!stream || stream->response().status != 200 || !is_kind(stream->response(), "text/event-stream")) return;  // it has none
    for (;;) {
      const Result<std::string_view> bytes = stream->read(stop);
      if (!bytes && bytes.error().code == ErrorCode::kResourceExhausted) return;  // a flood
      if (!bytes || bytes->empty()) break;
      if (!events.push(*bytes)) return;
      while (const std::optional<std::string> event = events.next()) {
        n_silent = 0;
        const Result<Message> read = parse_message(*event);
        if (!read || read->kind != Message::Kind::kRequest) continue;
        net::Request answer = order;
        answer.body = hear(*read).value_or("");
        answer.total_timeout = answer.idle_timeout = kGoodbyeTime * 30;
        authorize(answer);
        if (!answer.body.empty()) (void)answers.send(answer, stop).ok();  // the server waits, or asks again
      }
    }
    if (!pause(std::max(events.retry(), kListenAgainMin), {std::chrono::steady_clock::now() + kListenTime, stop})) return;
    events.reconnected();
  }
}

Result<Message> HttpTransport::request(const Outgoing& message, const Wait& wait, const Listener& listener) {
  const auto set = [&](const Listener* now) {
    const std::scoped_lock lock(listener_mutex_);
    listener_ = now;
  };
  set(&listener);
  Result<Message> answer = send_request(message, wait);
  set(nullptr);
  return answer;
}

Result<Message> HttpTransport::send_request(const Outgoing& message, Wait wait) {
  Result<net::Exchange> exchange = start(message, message.text, wait);
  if (!exchange) return lost(exchange.error());
  const int status = exchange->response().status;
  if (status != 200) return read_refusal(*exchange, message, wait);
  if (message.method == "initialize") {
    const std::string session(exchange->response().header("mcp-session-id").value_or(""));
    if (!is_short_token(session)) return Error{ErrorCode::kCorrupt, "the server's session id is no short line of printable characters"};
    session_ = session;
  }
  if (is_kind(exchange->response(), "text/event-stream")) return read_events(*exchange, message, wait);
  return read_answer(*exchange, message, wait);
}

Result<Message> HttpTransport::read_answer(net::Exchange& exchange, const Outgoing& message, const Wait& wait) {
  if (!is_kind(exchange.response(), "application/json")) {
    return Error{
        ErrorCode::kUnsupported,
        "the answer is of the type '" + excerpt(exchange.response().header("content-type").value_or("")) +
            "', expected application/json or text/event-stream; is this the address of an MCP server?"};
  }
  const Result<std::string> body = exchange.read_all(limits_.message_bytes_max + 1, wait.stop);
  if (!body) return lost(body.error());
  if (body->size() > limits_.message_bytes_max) {
    return Error{
        ErrorCode::kResourceExhausted, "the server sent a message of more than " + std::to_string(limits_.message_bytes_max) + " bytes"};
  }
  Result<Message> answer = parse_message(*body);
  if (!answer) return answer.error();
  if (answer->kind != Message::Kind::kResponse || answer->id != message.id) {
    return Error{ErrorCode::kCorrupt, "the server answered something else: " + excerpt(*body)};
  }
  return answer;
}

Result<Message> HttpTransport::read_events(net::Exchange& exchange, const Outgoing& message, const Wait& wait) {
  EventReader events(limits_.message_bytes_max);
  std::optional<net::Exchange> resumed;
  std::string id;
  for (int n_resumes = 0;; ++n_resumes) {
    Result<std::optional<Message>> answer = read_stream(resumed ? *resumed : exchange, events, message, wait);
    if (answer && *answer) return std::move(**answer);
    const Error ended = answer ? Error{ErrorCode::kUnavailable, "the server ended its stream without an answer"} : answer.error();
    if (std::exchange(id, events.last_id()) != events.last_id()) n_resumes = 0;
    // Specification 2025-11-25, transports: a server may end a stream that it has given ids, and wants to be asked for the rest.
    const bool cut_off = ended.code == ErrorCode::kUnavailable || ended.code == ErrorCode::kCorrupt;
    if (!cut_off || message.modern || id.empty() || n_resumes >= kResumesMax) return lost(ended);
    if (!pause(std::max(events.retry(), kRetryMin), wait)) {
      return wait.stop.stop_requested() ? Error{ErrorCode::kCancelled, "stopped while the server was at work"}
                                        : Error{ErrorCode::kTimeout, "no answer in time"};
    }
    net::Request rest = post(message, {}, wait);
    rest.method = "GET";
    rest.headers.emplace_back("Last-Event-ID", id);
    authorize(rest);
    Result<net::Exchange> again = client_.start(rest, wait.stop);
    if (!again) return lost(again.error());
    if (again->response().status != 200 || !is_kind(again->response(), "text/event-stream")) return lost(ended);
    resumed.emplace(std::move(*again));
    events.reconnected();
  }
}

// Until the answer, or until the stream ends without one.
Result<std::optional<Message>> HttpTransport::read_stream(
    net::Exchange& exchange, EventReader& events, const Outgoing& message, const Wait& wait
) {
  for (;;) {
    const Result<std::string_view> bytes = exchange.read(wait.stop);
    if (!bytes) return bytes.error();
    if (bytes->empty()) return std::optional<Message>();
    if (Result<void> pushed = events.push(*bytes); !pushed) return pushed.error();
    while (const std::optional<std::string> event = events.next()) {
      Result<Message> read = parse_message(*event);
      if (!read) continue;  // what cannot be used is no answer
      if (read->kind == Message::Kind::kResponse) {
        if (read->id == message.id) return std::optional<Message>(std::move(*read));
        continue;
      }
      const std::optional<std::string> reply = hear(*read);
      if (!reply) continue;
      Outgoing about = message;
      about.method.clear();
      about.modern = false;  // only the legacy era has requests of servers
      net::Request answer = post(about, *reply, wait);
      authorize(answer);
      Result<net::Response> sent = client_.send(answer, wait.stop);
      if (!sent) return sent.error();
    }
  }
}

// The modern era tells errors with a status and a message; a legacy server that does not know the method may answer
// anything.
Result<Message> HttpTransport::read_refusal(net::Exchange& exchange, const Outgoing& message, const Wait& wait) {
  const int status = exchange.response().status;
  const Result<std::string> body = exchange.read_all(kRefusalBytesMax, wait.stop);
  if (status == 404 && !session_.empty() && message.method != "initialize") {
    session_.clear();
    open_ = false;
    return Error{ErrorCode::kNotFound, "the server has forgotten the session"};
  }
  if (body) {
    Result<Message> answer = parse_message(*body);
    if (answer && answer->error && (answer->id.is_null() || answer->id == message.id)) return answer;
  }
  return lost(status_error(status, body ? *body : ""));
}

Result<void> HttpTransport::notify(const Outgoing& message, const Wait& wait) {
  // The modern era has no notifications of clients: a request ends with its connection.
  if (message.modern) return {};
  Wait left = wait;
  Result<net::Exchange> sent = start(message, message.text, left);
  if (!sent) return sent.error();
  const Result<std::string> body = sent->read_all(kRefusalBytesMax, wait.stop);
  if (const int status = sent->response().status; status < 200 || status > 299) return status_error(status, body ? *body : "");
  if (message.method == "notifications/initialized" && !session_.empty()) {
    net::Request order = post(message, {}, {std::chrono::steady_clock::now() + kListenTime, {}});
    // What a server asks before it has this stream is lost. One that gives it no headers is not waited for.
    std::promise<void> tried;
    const std::future<void> ready = tried.get_future();
    ear_ = std::jthread([this, order = std::move(order), tried = std::move(tried)](std::stop_token stop) mutable {
      listen(order, std::move(tried), std::move(stop));
    });
    (void)ready.wait_until(std::min(wait.deadline, std::chrono::steady_clock::now() + kListenFirst));
  }
  return {};
}

}  // namespace toccata::tools::mcp
