#include "agent/loop/recall_tool.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "core/base/json.h"

namespace toccata::agent {
namespace {

using nlohmann::json;

constexpr std::int64_t kBytesDefault = 16'000, kBytesMax = 48'000;

constexpr const char* kParameters = R"({"type":"object","properties":{
"call":{"type":"integer","description":"Number of the call, as the note in place of its output says."},
"offset":{"type":"integer","description":"First byte to show.","default":0},
"bytes":{"type":"integer","description":"How many bytes, at most 48000.","default":16000}},
"required":["call"]})";

std::int64_t number(const json& arguments, const char* key, std::int64_t fallback) {
  const auto value = arguments.find(key);
  return value != arguments.end() && value->is_number_integer() ? value->get<std::int64_t>() : fallback;
}

bool is_continuation(char c) { return (static_cast<unsigned char>(c) & 0xc0) == 0x80; }

// [begin, end) of `text`, moved outwards to whole characters.
std::string whole_characters(const std::string& text, std::size_t begin, std::size_t end) {
  while (begin > 0 && begin < text.size() && is_continuation(text[begin])) --begin;
  while (end < text.size() && is_continuation(text[end])) ++end;
  return text.substr(begin, end - begin);
}

}  // namespace

RecallTool::RecallTool(const store::Ledger& ledger) : ledger_(ledger) {
  spec_.name_space = "context";
  spec_.description = "Outputs of earlier calls that were cut or left out to save room.";
  spec_.functions = {{"recall", "Shows a part of the output of an earlier call.", kParameters}};
  spec_.effect = tools::Effect::kPure;
}

tools::ToolResult RecallTool::call(const tools::ToolCall& call, std::stop_token) {
  const auto failed = [](const std::string& why) {
    return tools::ToolResult{tools::ToolStatus::kFailed, kRecallRecipient, why, "{}"};
  };
  const json arguments = json_from<json>(call.arguments);
  if (!arguments.is_object() || number(arguments, "call", 0) < 1) {
    return failed("Say which call: {\"call\": 3}.");
  }
  const std::string run = call.idempotency_key.substr(0, call.idempotency_key.find('/'));
  const Result<std::string> output =
      ledger_.call_output(run, static_cast<int>(number(arguments, "call", 0)));
  if (!output) return failed(output.error().message);
  const auto size = std::ssize(*output);
  const std::int64_t begin = std::clamp<std::int64_t>(number(arguments, "offset", 0), 0, size);
  const std::int64_t bytes =
      std::clamp<std::int64_t>(number(arguments, "bytes", kBytesDefault), 1, kBytesMax);
  const std::int64_t end = std::min(size, begin + bytes);
  std::string text = kRecalledHead + std::to_string(begin) + " to " + std::to_string(end) + " of " +
                     std::to_string(size) + ".]\n";
  text += whole_characters(*output, static_cast<std::size_t>(begin), static_cast<std::size_t>(end));
  return {tools::ToolStatus::kOk, kRecallRecipient, text, "{}"};
}

}  // namespace toccata::agent
