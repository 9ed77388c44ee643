#include "tools/mcp/http_transport.h"

#include <algorithm>

#include "core/base/base64.h"

namespace toccata::tools::mcp {
namespace {

constexpr std::size_t kRefusalBytesMax = std::size_t{64} << 10;
constexpr std::size_t kSessionBytesMax = 1024;
constexpr std::chrono::milliseconds kGoodbyeTime{1000};

// Server-sent events whose lines are cut anywhere; only `data` says something here. Source: WHATWG HTML.
class EventReader {
 public:
  explicit EventReader(std::size_t bytes_max) : bytes_max_(bytes_max) {}

  Result<void> push(std::string_view bytes) {
    while (!bytes.empty()) {
      const std::size_t end = bytes.find('\n');
      line_ += bytes.substr(0, end);
      if (line_.size() + data_.size() > bytes_max_) {
        return Error{ErrorCode::kResourceExhausted, "the server sent a message of more than " + std::to_string(bytes_max_) + " bytes"};
      }
      if (end == std::string_view::npos) return {};
      bytes.remove_prefix(end + 1);
      if (line_.ends_with('\r')) line_.pop_back();
      take_line();
      line_.clear();
    }
    return {};
  }
  std::optional<std::string> next() {
    if (ready_.empty()) return std::nullopt;
    std::string event = std::move(ready_.front());
    ready_.pop_front();
    return event;
  }

 private:
  void take_line() {
    if (line_.empty()) {
      if (!data_.empty()) ready_.push_back(std::exchange(data_, {}));
    } else if (line_.starts_with("data:")) {
      if (!data_.empty()) data_ += '\n';
      data_ += std::string_view(line_).substr(line_.starts_with("data: ") ? 6 : 5);
    }
  }

  std::size_t bytes_max_;
  std::string line_, data_;
  std::deque<std::string> ready_;
};

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
  if (session_.empty()) return;
  net::Request goodbye{.method = "DELETE", .url = order_.url, .headers = order_.headers};
  goodbye.headers.emplace_back("Mcp-Session-Id", std::exchange(session_, {}));
  goodbye.connect_timeout = goodbye.total_timeout = kGoodbyeTime;
  goodbye.proxy = order_.proxy;
  goodbye.body_bytes_max = kRefusalBytesMax;
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
  }
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(wait.deadline - std::chrono::steady_clock::now());
  request.total_timeout = request.idle_timeout = std::max(left, std::chrono::milliseconds(1));
  request.body_bytes_max = limits_.request_bytes_max;
  request.proxy = order_.proxy;
  return request;
}

Error HttpTransport::lost(Error error) {
  if (error.code == ErrorCode::kUnavailable || error.code == ErrorCode::kCorrupt) {
    open_ = false;
    session_.clear();
    error.code = ErrorCode::kUnavailable;
  }
  return error;
}

Result<Message> HttpTransport::request(const Outgoing& message, const Wait& wait, const Listener& listener) {
  Result<net::Exchange> exchange = client_.start(post(message, message.text, wait), wait.stop);
  if (!exchange) return lost(exchange.error());
  const int status = exchange->response().status;
  if (status != 200) return read_refusal(*exchange, message, wait);
  if (message.method == "initialize") {
    const std::string session(exchange->response().header("mcp-session-id").value_or(""));
    const bool sound = session.size() <= kSessionBytesMax && std::all_of(session.begin(), session.end(), [](unsigned char c) {
      return c > 0x20 && c < 0x7f;
    });
    if (!sound) return Error{ErrorCode::kCorrupt, "the server's session id is no short line of printable characters"};
    session_ = session;
  }
  if (is_kind(exchange->response(), "text/event-stream")) return read_events(*exchange, message, wait, listener);
  return read_answer(*exchange, message, wait, listener);
}

Result<Message> HttpTransport::read_answer(
    net::Exchange& exchange, const Outgoing& message, const Wait& wait, const Listener&
) {
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

Result<Message> HttpTransport::read_events(
    net::Exchange& exchange, const Outgoing& message, const Wait& wait, const Listener& listener
) {
  EventReader events(limits_.message_bytes_max);
  for (;;) {
    const Result<std::string_view> bytes = exchange.read(wait.stop);
    if (!bytes) return lost(bytes.error());
    if (bytes->empty()) return lost({ErrorCode::kUnavailable, "the server ended its stream without an answer"});
    if (Result<void> pushed = events.push(*bytes); !pushed) return pushed.error();
    while (const std::optional<std::string> event = events.next()) {
      Result<Message> read = parse_message(*event);
      if (!read) continue;  // what cannot be used is no answer
      if (read->kind == Message::Kind::kResponse) {
        if (read->id == message.id) return read;
        continue;
      }
      const std::optional<std::string> reply = listener(*read);
      if (!reply) continue;
      Outgoing about = message;
      about.method.clear();
      about.modern = false;  // only the legacy era has requests of servers
      Result<net::Response> sent = client_.send(post(about, *reply, wait), wait.stop);
      if (!sent) return lost(sent.error());
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
  Result<net::Response> sent = client_.send(post(message, message.text, wait), wait.stop);
  if (!sent) return sent.error();
  if (sent->status < 200 || sent->status > 299) return status_error(sent->status, sent->body);
  return {};
}

}  // namespace toccata::tools::mcp
