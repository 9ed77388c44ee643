#include "tools/python/cell_code.h"

#include <nlohmann/json.hpp>
#include <optional>

#include "core/base/json.h"

namespace toccata::tools {
namespace {

using nlohmann::json;

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kBlank = " \t\r\n";
  const std::size_t first = text.find_first_not_of(kBlank);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kBlank) - first + 1);
}

// A one-member object of a string is a useless Python program (a dict that is thrown away), so nothing is lost.
std::optional<std::string> from_json(std::string_view text) {
  if (!text.starts_with('{') || !text.ends_with('}')) return std::nullopt;
  const json body = json_from<json>(text);
  if (!body.is_object() || body.size() != 1 || !body.begin()->is_string()) return std::nullopt;
  return body.begin()->get<std::string>();
}

std::optional<std::string> from_fence(std::string_view text) {
  constexpr std::string_view kFence = "```";
  if (!text.starts_with(kFence) || !text.ends_with(kFence)) return std::nullopt;
  const std::size_t line_end = text.find('\n');
  if (line_end == std::string_view::npos || text.size() < line_end + 1 + kFence.size())
    return std::nullopt;
  const std::string_view language = trimmed(text.substr(kFence.size(), line_end - kFence.size()));
  if (!language.empty() && language != "python" && language != "py" && language != "python3")
    return std::nullopt;
  std::string_view inner = text.substr(line_end + 1);
  inner.remove_suffix(kFence.size());
  if (inner.find(kFence) != std::string_view::npos)
    return std::nullopt;  // several blocks: not ours to join
  return std::string(inner);
}

}  // namespace

std::string cell_code(std::string_view body) {
  const std::string_view text = trimmed(body);
  const std::optional<std::string> unwrapped = from_json(text);
  if (const auto fenced = from_fence(unwrapped ? trimmed(*unwrapped) : text)) return *fenced;
  return unwrapped ? *unwrapped : std::string(body);
}

}  // namespace toccata::tools
