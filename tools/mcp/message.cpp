#include "tools/mcp/message.h"

#include <vector>

#include "core/base/json.h"

namespace toccata::tools::mcp {
namespace {

constexpr std::size_t kDepthMax = 128;
// Of one object: finding a key in an ordered one is linear, so a million keys would take hours.
constexpr std::size_t kMembersMax = 4096;

// What a parser that recurses or searches would not survive; text that is no JSON passes.
const char* too_much(std::string_view text) {
  std::vector<std::size_t> members(1);  // of each open bracket
  bool in_string = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_string) {
      if (c == '\\') ++i;
      if (c == '"') in_string = false;
    } else if (c == '"') {
      in_string = true;
    } else if (c == '{' || c == '[') {
      members.push_back(0);
      if (members.size() > kDepthMax) return "nested too deeply";
    } else if (c == '}' || c == ']') {
      if (members.size() > 1) members.pop_back();
    } else if (c == ':' && ++members.back() > kMembersMax) {
      return "an object with too many members";
    }
  }
  return nullptr;
}

Error corrupt(std::string_view line, const std::string& what) {
  return {ErrorCode::kCorrupt, what + ": " + excerpt(line)};
}

Result<RpcError> error_of(const Json& error) {
  if (!error.is_object()) return Error{ErrorCode::kCorrupt, "its error is no object"};
  RpcError made;
  const auto code = error.find("code");
  if (code != error.end() && code->is_number_integer()) made.code = code->get<std::int64_t>();
  const auto message = error.find("message");
  if (message != error.end() && message->is_string()) made.message = message->get<std::string>();
  if (const auto data = error.find("data"); data != error.end()) made.data = *data;
  return made;
}

}  // namespace

Result<Json> parse_object(std::string_view text) {
  if (const char* defect = too_much(text)) return corrupt(text, defect);
  Json json = json_from<Json>(text);
  if (json.is_discarded()) return corrupt(text, "not JSON");
  if (!json.is_object()) return corrupt(text, "not a JSON object");
  return json;
}

Result<Message> parse_message(std::string_view line) {
  Result<Json> parsed = parse_object(line);
  if (!parsed) return parsed.error();
  Json& json = *parsed;
  if (json.value("jsonrpc", Json()) != "2.0") return corrupt(line, "not JSON-RPC 2.0");
  Message message;
  const auto id = json.find("id");
  if (id != json.end() && !id->is_null()) {
    if (!id->is_number_integer() && !id->is_string()) return corrupt(line, "the id is neither a whole number nor a string");
    message.id = *id;
  }
  if (const auto method = json.find("method"); method != json.end()) {
    if (!method->is_string()) return corrupt(line, "the method is no string");
    message.kind = message.id.is_null() ? Message::Kind::kNotification : Message::Kind::kRequest;
    message.method = method->get<std::string>();
    if (const auto params = json.find("params"); params != json.end()) message.body = std::move(*params);
    return message;
  }
  message.kind = Message::Kind::kResponse;
  const auto result = json.find("result");
  const auto error = json.find("error");
  if (result == json.end() && error == json.end()) return corrupt(line, "neither method, result nor error");
  if (result != json.end()) {
    message.body = std::move(*result);
    return message;
  }
  Result<RpcError> told = error_of(*error);
  if (!told) return corrupt(line, told.error().message);
  message.error = std::move(*told);
  return message;
}

std::string request_text(std::int64_t id, const std::string& method, const Json& params) {
  return to_text(Json{{"jsonrpc", "2.0"}, {"id", id}, {"method", method}, {"params", params}});
}
std::string notification_text(const std::string& method, const Json& params) {
  return to_text(Json{{"jsonrpc", "2.0"}, {"method", method}, {"params", params}});
}
std::string result_text(const Json& id, const Json& result) {
  return to_text(Json{{"jsonrpc", "2.0"}, {"id", id}, {"result", result}});
}
std::string error_text(const Json& id, std::int64_t code, const std::string& message, const Json& data) {
  Json error{{"code", code}, {"message", message}};
  if (!data.is_null()) error["data"] = data;
  return to_text(Json{{"jsonrpc", "2.0"}, {"id", id}, {"error", std::move(error)}});
}

std::string to_text(const Json& json) { return json_text(json); }

std::string excerpt(std::string_view text, std::size_t bytes_max) {
  const bool cut = text.size() > bytes_max;
  std::string shown;
  for (const char c : text.substr(0, bytes_max)) shown += static_cast<unsigned char>(c) < 0x20 || c == 0x7f ? ' ' : c;
  while (cut && !shown.empty() && (static_cast<unsigned char>(shown.back()) & 0xC0) == 0x80) shown.pop_back();
  if (cut && !shown.empty() && static_cast<unsigned char>(shown.back()) >= 0xC0) shown.pop_back();
  return cut ? shown + "…" : shown;
}

void LineReader::push(std::string_view bytes) {
  while (!bytes.empty()) {
    const std::size_t end = bytes.find('\n');
    const std::string_view piece = bytes.substr(0, end);
    if (!skipping_) {
      open_ += piece.substr(0, bytes_max_ + 1 - open_.size());
      if (open_.size() > bytes_max_) {
        ready_.push_back({std::move(open_), true});
        open_.clear();
        skipping_ = true;
      }
    }
    if (end == std::string_view::npos) return;
    bytes.remove_prefix(end + 1);
    if (!skipping_) {
      if (open_.ends_with('\r')) open_.pop_back();
      if (!open_.empty()) ready_.push_back({std::move(open_), false});
    }
    open_.clear();
    skipping_ = false;
  }
}

std::optional<LineReader::Line> LineReader::next() {
  if (ready_.empty()) return std::nullopt;
  Line line = std::move(ready_.front());
  ready_.pop_front();
  return line;
}

std::string LineReader::take_rest() { return std::exchange(open_, {}); }

}  // namespace toccata::tools::mcp
