#include "tools/mcp/header_params.h"

#include <algorithm>
#include <set>

#include "tools/mcp/http_transport.h"

namespace toccata::tools::mcp {
namespace {

constexpr const char* kKeyword = "x-mcp-header";
constexpr std::size_t kNameBytesMax = 64;

// A token of RFC 9110.
bool is_header_name(const std::string& name) {
  constexpr std::string_view kMarks = "!#$%&'*+-.^_`|~";
  return !name.empty() && name.size() <= kNameBytesMax && std::all_of(name.begin(), name.end(), [&](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || kMarks.find(c) != std::string_view::npos;
  });
}

std::string lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  return text;
}

}  // namespace

Result<std::vector<HeaderParam>> header_params(const Json& schema) {
  std::vector<HeaderParam> params;
  std::set<std::string> taken;
  const auto properties = schema.is_object() ? schema.find("properties") : schema.end();
  if (!schema.is_object() || properties == schema.end() || !properties->is_object()) return params;
  for (const auto& [parameter, property] : properties->items()) {
    if (!property.is_object() || !property.contains(kKeyword)) continue;
    const auto wrong = [&, &name = parameter](const std::string& why) {
      return Error{ErrorCode::kCorrupt, std::string(kKeyword) + " of " + excerpt(name, 60) + " " + why};
    };
    const Json& header = property[kKeyword];
    if (!header.is_string() || !is_header_name(header.get<std::string>())) {
      return wrong("must be the name of a header, not " + excerpt(to_text(header), 60));
    }
    const Json type = property.value("type", Json());
    if (type != "string" && type != "integer" && type != "boolean") {
      return wrong("may only stand on a string, an integer or a boolean, not on " + excerpt(to_text(type), 60));
    }
    const std::string name = header.get<std::string>();
    if (!taken.insert(lower(name)).second) return wrong("is the header of another parameter too");
    params.push_back({parameter, "Mcp-Param-" + name});
  }
  return params;
}

std::vector<std::pair<std::string, std::string>> headers_for(const std::vector<HeaderParam>& params, const Json& arguments) {
  std::vector<std::pair<std::string, std::string>> headers;
  for (const HeaderParam& param : params) {
    const auto value = arguments.find(param.parameter);
    if (value == arguments.end() || value->is_null()) continue;
    headers.emplace_back(param.header, header_value(value->is_string() ? value->get<std::string>() : to_text(*value)));
  }
  return headers;
}

}  // namespace toccata::tools::mcp
