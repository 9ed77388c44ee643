#include "agent/mcp/content.h"

#include <algorithm>

#include "core/base/base64.h"
#include "core/base/image_type.h"
#include "core/tokenizer/utf8.h"

namespace toccata::mcp {
namespace {

using tools::mcp::Json;

bool is_text(std::string_view bytes) {
  const auto is_control = [](char c) {
    const auto u = static_cast<unsigned char>(c);
    return (u < 0x20 && c != '\n' && c != '\t' && c != '\r') || u == 0x7f;
  };
  return std::none_of(bytes.begin(), bytes.end(), is_control) && tokenizer::is_valid_utf8(bytes);
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

}  // namespace

Json text_block(const std::string& text) { return Json{{"type", "text"}, {"text", text}}; }

Json image_block(std::string_view bytes, const std::string& mime_type) {
  return Json{{"type", "image"}, {"data", base64(bytes)}, {"mimeType", mime_type}};
}

Json resource_link(const std::string& uri, const std::string& name, std::uint64_t size) {
  return Json{{"type", "resource_link"}, {"uri", uri}, {"name", name}, {"size", size}};
}

Json resource_contents(const std::string& uri, const std::string& bytes) {
  Json contents{{"uri", uri}};
  if (const std::string type = image_type(bytes); !type.empty()) {
    contents["mimeType"] = type;
  } else if (is_text(bytes)) {
    contents["mimeType"] = "text/plain";
    contents["text"] = bytes;
    return contents;
  } else {
    contents["mimeType"] = "application/octet-stream";
  }
  contents["blob"] = base64(bytes);
  return contents;
}

std::string uri_path(std::string_view path) {
  constexpr char kHex[] = "0123456789ABCDEF";
  std::string text;
  for (const char c : path) {
    const auto u = static_cast<unsigned char>(c);
    const bool plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                       std::string_view("-._~/").find(c) != std::string_view::npos;
    if (plain) {
      text += c;
    } else {
      text += {'%', kHex[u >> 4], kHex[u & 15]};
    }
  }
  return text;
}

std::optional<std::string> from_uri_path(std::string_view text) {
  std::string path;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      path += text[i];
      continue;
    }
    const int high = i + 2 < text.size() ? hex_digit(text[i + 1]) : -1;
    const int low = i + 2 < text.size() ? hex_digit(text[i + 2]) : -1;
    if (high < 0 || low < 0) return std::nullopt;
    path += static_cast<char>(high * 16 + low);
    i += 2;
  }
  if (path.find('\0') != std::string::npos) return std::nullopt;
  return path;
}

}  // namespace toccata::mcp
