// JSON-RPC 2.0 as MCP uses it: one message a line, from a server that is not trusted.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "core/base/error.h"

namespace toccata::tools::mcp {

// Keeps the order of keys: a schema is shown to the model as its author wrote it.
using Json = nlohmann::ordered_json;

// Codes of JSON-RPC, and those the modern protocol defines (2026-07-28, basic: error codes).
constexpr int kParseError = -32700, kInvalidRequest = -32600, kMethodNotFound = -32601, kInvalidParams = -32602;
constexpr int kInternalError = -32603, kUnsupportedVersion = -32022;

struct RpcError {
  std::int64_t code = 0;
  std::string message;
  Json data = nullptr;
};

struct Message {
  enum class Kind { kResponse, kRequest, kNotification } kind = Kind::kNotification;
  Json id = nullptr;   // number or string; null of a notification
  std::string method;  // of a request or notification
  Json body = nullptr;  // result, or params
  std::optional<RpcError> error;
};

// One JSON object; kCorrupt when it is none, nested too deeply, or has more members than are searched in good time.
Result<Json> parse_object(std::string_view text);
// kCorrupt saying what is wrong with it; never throws, whatever the bytes.
Result<Message> parse_message(std::string_view line);

std::string request_text(std::int64_t id, const std::string& method, const Json& params);
std::string notification_text(const std::string& method, const Json& params);
std::string result_text(const Json& id, const Json& result);
std::string error_text(const Json& id, std::int64_t code, const std::string& message, const Json& data = nullptr);

// dump() that replaces what is no UTF-8.
std::string to_text(const Json& json);
// The beginning of what a server sent, on one line, for people and models: no control characters.
std::string excerpt(std::string_view text, std::size_t bytes_max = 120);

// Cuts a byte stream into lines, none longer than `bytes_max`.
class LineReader {
 public:
  struct Line {
    std::string text;
    bool too_long = false;  // `text` is the beginning; the rest was dropped
  };
  explicit LineReader(std::size_t bytes_max) : bytes_max_(bytes_max) {}
  void push(std::string_view bytes);
  std::optional<Line> next();
  // What was left behind the last line feed, once no more bytes come.
  std::string take_rest();

 private:
  std::size_t bytes_max_;
  std::string open_;
  bool skipping_ = false;  // the line has been reported as too long
  std::deque<Line> ready_;
};

}  // namespace toccata::tools::mcp
