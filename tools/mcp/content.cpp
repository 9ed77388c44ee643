#include "tools/mcp/content.h"

#include <algorithm>

namespace toccata::tools::mcp {
namespace {

constexpr std::size_t kNameBytesMax = 128, kDescriptionBytesMax = std::size_t{16} << 10;
constexpr std::size_t kInstructionsBytesMax = std::size_t{4} << 10;
constexpr std::size_t kSchemaBytesMax = std::size_t{256} << 10;

std::string text_of(const Json& object, const char* key) {
  const auto value = object.find(key);
  return value != object.end() && value->is_string() ? value->get<std::string>() : std::string();
}

bool flag_of(const Json& object, const char* key) {
  const auto value = object.find(key);
  return value != object.end() && value->is_boolean() && value->get<bool>();
}

std::string not_shown(const std::string& what, const Json& block, const std::string& data) {
  const std::string type = excerpt(text_of(block, "mimeType"), 80);
  return "[" + what + (type.empty() ? "" : " " + type) + ", " + std::to_string(data.size() / 4 * 3) + " bytes, not shown]";
}

std::string resource_text(const Json& block) {
  const auto resource = block.find("resource");
  if (resource == block.end() || !resource->is_object()) return "[a resource without content]";
  const std::string from = "[resource " + excerpt(text_of(*resource, "uri"), 300) + "]\n";
  if (resource->contains("text")) return from + text_of(*resource, "text");
  return from + not_shown("data", *resource, text_of(*resource, "blob"));
}

std::string block_text(const Json& block) {
  if (!block.is_object()) return "[content that is no object]";
  const std::string type = text_of(block, "type");
  if (type == "text") return text_of(block, "text");
  if (type == "image") return not_shown("picture", block, text_of(block, "data"));
  if (type == "audio") return not_shown("sound", block, text_of(block, "data"));
  if (type == "resource") return resource_text(block);
  if (type == "resource_link") {
    return "[link to " + excerpt(text_of(block, "uri"), 300) + " " + excerpt(text_of(block, "name"), 120) + "]";
  }
  return "[content of the unknown kind '" + excerpt(type, 40) + "', not shown]";
}

// At most so many bytes, at the border of a character.
void cut(std::string& text, std::size_t bytes_max) {
  if (text.size() <= bytes_max) return;
  const std::size_t all = text.size();
  while (bytes_max > 0 && (static_cast<unsigned char>(text[bytes_max]) & 0xC0) == 0x80) --bytes_max;
  text.resize(bytes_max);
  text += "\n[... " + std::to_string(all - bytes_max) + " of " + std::to_string(all) + " bytes left out: it is too long ...]";
}

}  // namespace

Result<CallResult> read_result(const Json& result, std::size_t bytes_max) {
  if (!result.is_object()) return Error{ErrorCode::kCorrupt, "the result is no object: " + excerpt(to_text(result))};
  if (text_of(result, "resultType") == "input_required") {
    return Error{
        ErrorCode::kUnsupported, "the server asks for input of the user before it goes on, which nobody can give here"};
  }
  CallResult made;
  made.is_error = flag_of(result, "isError");
  const auto content = result.find("content");
  const auto structured = result.find("structuredContent");
  if (content != result.end() && !content->is_array()) {
    return Error{ErrorCode::kCorrupt, "the content of the result is no list: " + excerpt(to_text(*content))};
  }
  if (content == result.end() && structured == result.end()) {
    return Error{ErrorCode::kCorrupt, "the result has no content: " + excerpt(to_text(result))};
  }
  if (content != result.end()) {
    bool first = true;
    for (const Json& block : *content) {
      if (!first) made.text += '\n';
      first = false;
      made.text += block_text(block);
    }
  }
  if (made.text.empty() && structured != result.end()) made.text = to_text(*structured);
  cut(made.text, bytes_max);
  return made;
}

Result<CallResult> read_contents(const Json& result, std::size_t bytes_max) {
  const auto contents = result.is_object() ? result.find("contents") : result.end();
  if (!result.is_object() || contents == result.end() || !contents->is_array()) {
    return Error{ErrorCode::kCorrupt, "the result has no list of contents: " + excerpt(to_text(result))};
  }
  CallResult made;
  for (const Json& content : *contents) {
    if (!made.text.empty()) made.text += '\n';
    if (!content.is_object()) {
      made.text += "[content that is no object]";
    } else if (content.contains("text")) {
      made.text += text_of(content, "text");
    } else {
      made.text += not_shown("data", content, text_of(content, "blob"));
    }
  }
  cut(made.text, bytes_max);
  return made;
}

Result<ToolInfo> read_tool(const Json& tool) {
  if (!tool.is_object()) return Error{ErrorCode::kCorrupt, "a tool that is no object: " + excerpt(to_text(tool))};
  ToolInfo info;
  info.name = text_of(tool, "name");
  const bool is_line = std::none_of(info.name.begin(), info.name.end(), [](unsigned char c) { return c < 0x20 || c == 0x7f; });
  if (info.name.empty() || info.name.size() > kNameBytesMax || !is_line) {
    return Error{
        ErrorCode::kCorrupt,
        "a tool without a name of 1 to " + std::to_string(kNameBytesMax) + " printable bytes: " + excerpt(to_text(tool))};
  }
  info.description = text_of(tool, "description");
  if (info.description.empty()) info.description = text_of(tool, "title");
  cut(info.description, kDescriptionBytesMax);
  const auto schema = tool.find("inputSchema");
  if (schema == tool.end() || !schema->is_object()) {
    return Error{ErrorCode::kCorrupt, info.name + ": inputSchema is no object"};
  }
  info.parameters = to_text(*schema);
  if (info.parameters.size() > kSchemaBytesMax) {
    return Error{
        ErrorCode::kResourceExhausted,
        info.name + ": its inputSchema has more than " + std::to_string(kSchemaBytesMax) + " bytes"};
  }
  if (const auto params = header_params(*schema); !params) return Error{params.error().code, info.name + ": " + params.error().message};
  if (const auto hints = tool.find("annotations"); hints != tool.end() && hints->is_object()) {
    info.read_only = flag_of(*hints, "readOnlyHint");
    info.idempotent = flag_of(*hints, "idempotentHint");
  }
  return info;
}

std::string resource_line(const Json& resource) {
  if (!resource.is_object()) return "[a resource that is no object]";
  std::string uri = text_of(resource, "uri");
  if (uri.empty()) uri = text_of(resource, "uriTemplate");
  std::string line = excerpt(uri, 1000) + "  " + excerpt(text_of(resource, "name"), 200);
  if (const std::string type = text_of(resource, "mimeType"); !type.empty()) line += ", " + excerpt(type, 80);
  if (const std::string what = text_of(resource, "description"); !what.empty()) line += ": " + excerpt(what, 500);
  return line;
}

// The modern era keeps the server's name in _meta (2026-07-28, server/discover); drafts had it where the legacy era has.
ServerFacts read_facts(const Json& greeting) {
  ServerFacts facts;
  if (!greeting.is_object()) return facts;
  const Json meta = greeting.value("_meta", Json());
  Json info = greeting.value("serverInfo", Json());
  if (!info.is_object() && meta.is_object()) info = meta.value("io.modelcontextprotocol/serverInfo", Json());
  if (info.is_object()) facts.name = excerpt(text_of(info, "name"), 100) + " " + excerpt(text_of(info, "version"), 40);
  facts.instructions = text_of(greeting, "instructions");
  cut(facts.instructions, kInstructionsBytesMax);
  const Json capabilities = greeting.value("capabilities", Json());
  facts.resources = capabilities.is_object() && capabilities.contains("resources");
  return facts;
}

}  // namespace toccata::tools::mcp
