#include "agent/harmony/arguments.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "core/base/json.h"
#include "core/base/json_depth.h"

namespace toccata::harmony {
namespace {

using nlohmann::ordered_json;

constexpr std::string_view kSpaces = " \t\r\n";

std::string_view trimmed(std::string_view text) {
  const std::size_t begin = text.find_first_not_of(kSpaces);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kSpaces) - begin + 1);
}

// Deeper values are refused: writing them back is recursive.
constexpr int kDepthMax = 256;

// Bytes of the bracketed value at the front of `text`, by counting brackets outside of strings; 0: it does not end.
std::size_t value_length(std::string_view text) {
  int depth = 0;
  bool in_string = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_string) {
      if (c == '\\') ++i;
      if (c == '"') in_string = false;
    } else if (c == '"') {
      in_string = true;
    } else if (c == '{' || c == '[') {
      ++depth;
    } else if (c == '}' || c == ']') {
      if (--depth <= 0) return i + 1;
    }
  }
  return 0;
}

ordered_json parsed(std::string_view text) {
  return json_from<ordered_json>(text);
}

// The object inside a wrapper naming the function that is called anyway, or nullptr.
const ordered_json* wrapped(std::string_view recipient, const ordered_json& object) {
  const auto name = object.find("name");
  if (object.size() != 2 || name == object.end() || !name->is_string()) return nullptr;
  const auto& written = name->get_ref<const std::string&>();
  if (written != recipient && !recipient.ends_with("." + written)) return nullptr;
  for (const char* key : {"parameters", "arguments"}) {
    const auto inner = object.find(key);
    if (inner != object.end() && inner->is_object()) return &*inner;
  }
  return nullptr;
}

std::string defect(std::string_view text) {
  try {
    const auto json = json_from_valid<nlohmann::json>(text);
    return std::string("it is a JSON ") + json.type_name();
  } catch (const nlohmann::json::parse_error& failure) {
    const std::size_t at = std::min(failure.byte, text.size());
    std::size_t begin = at > 20 ? at - 20 : 0;
    while (begin < at && (static_cast<unsigned char>(text[begin]) & 0xC0) == 0x80) ++begin;
    return "it breaks at byte " + std::to_string(at) + " of " + std::to_string(text.size()) + ", after `" +
           std::string(text.substr(begin, at - begin)) + "`";
  }
}

}  // namespace

bool is_json_object(std::string_view text) {
  const std::string_view body = trimmed(text);
  return body.starts_with('{') && is_json(body);
}

Result<std::string> json_arguments(std::string_view recipient, std::string_view text) {
  const std::string_view body = trimmed(text);
  if (body.empty()) return std::string("{}");
  if (json_depth(body) > kDepthMax) {
    return Error{ErrorCode::kInvalidArgument, "it is nested deeper than " + std::to_string(kDepthMax)};
  }
  ordered_json json = parsed(body);
  std::string mended(text);
  if (json.is_discarded() && (body[0] == '{' || body[0] == '[')) {
    const std::size_t length = value_length(body);
    if (length > 0 && body.find_first_not_of(" \t\r\n]}", length) == std::string_view::npos) {
      json = parsed(body.substr(0, length));
      mended = body.substr(0, length);
    }
  }
  if (json.is_array() && json.size() == 1 && json[0].is_object()) {
    json = ordered_json(json[0]);
    mended = json_text(json);
  }
  if (!json.is_object()) return Error{ErrorCode::kInvalidArgument, defect(body)};
  if (const ordered_json* inner = wrapped(recipient, json)) return inner->dump();
  return mended;
}

}  // namespace toccata::harmony
