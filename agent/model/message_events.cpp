#include "agent/model/message_events.h"

#include <nlohmann/json.hpp>

#include "agent/model/completion_chunk.h"
#include "core/base/json.h"

namespace toccata::agent {
namespace {

using Json = nlohmann::json;

constexpr std::size_t kCallsMax = 64;

const Json& member(const Json& object, const char* key) {
  static const Json kNull;
  if (!object.is_object()) return kNull;
  const auto found = object.find(key);
  return found == object.end() ? kNull : *found;
}

std::string text_of(const Json& value) { return value.is_string() ? value.get<std::string>() : std::string(); }
std::string text_at(const Json& object, const char* key) { return text_of(member(object, key)); }

Error reported(const Json& event) {
  return Error{ErrorCode::kUnavailable, "the server reports: " + error_excerpt(json_text(event))};
}

// The texts of an item's parts of this type.
std::string joined_parts(const Json& item, const char* list, const char* type) {
  std::string joined;
  const Json& parts = member(item, list);
  if (!parts.is_array()) return joined;
  for (const Json& part : parts) {
    if (text_at(part, "type") == type) joined += text_at(part, "text");
  }
  return joined;
}

std::optional<bool> phase_of(const Json& item) {
  const std::string phase = text_at(item, "phase");
  if (phase.empty()) return std::nullopt;
  return phase != "commentary";
}

}  // namespace

Result<std::vector<Spoken>> MessageEvents::take(std::string_view data) {
  if (data == "[DONE]") return Error{ErrorCode::kCorrupt, "[DONE] before the answer's end"};
  const Json event = json_from<Json>(data);
  if (!event.is_object()) return Error{ErrorCode::kCorrupt, "an event that is no JSON object: " + std::string(data.substr(0, 200))};
  return api_ == MessageApi::kChat ? take_chat(event) : take_response(event);
}

// --- Chat Completions --------------------------------------------------------------------------------------------------

Result<std::vector<Spoken>> MessageEvents::take_chat(const Json& event) {
  if (!member(event, "error").is_null()) return reported(event);
  std::vector<Spoken> spoken;
  const Json& choices = member(event, "choices");
  if (!choices.is_array() || choices.empty()) return spoken;  // usage
  const Json& delta = member(choices[0], "delta");
  for (const char* field : {"reasoning", "reasoning_content"}) {
    std::string text = text_at(delta, field);
    if (text.empty()) continue;
    reasoning_field_ = field;
    spoken.emplace_back(SpokenReasoning{std::move(text)});
    break;
  }
  if (std::string text = text_at(delta, "content"); !text.empty()) spoken.emplace_back(SpokenText{std::move(text)});
  take_chat_calls(member(delta, "tool_calls"));
  const std::string reason = text_at(choices[0], "finish_reason");
  if (reason.empty()) return spoken;
  for (SpokenCall& call : calls_) spoken.emplace_back(std::move(call));
  calls_.clear();
  spoken.emplace_back(SpokenEnd{reason == "length"});
  return spoken;
}

void MessageEvents::take_chat_calls(const Json& deltas) {
  if (!deltas.is_array()) return;
  for (const Json& delta : deltas) {
    const Json& index = member(delta, "index");
    const std::size_t at = index.is_number_unsigned() ? index.get<std::size_t>() : calls_.size();
    if (at >= kCallsMax) continue;
    if (at >= calls_.size()) calls_.resize(at + 1);
    const Json& function = member(delta, "function");
    calls_[at].name += text_at(function, "name");
    calls_[at].arguments += text_at(function, "arguments");
  }
}

// --- Responses ---------------------------------------------------------------------------------------------------------

Result<std::vector<Spoken>> MessageEvents::take_response(const Json& event) {
  std::vector<Spoken> spoken;
  const std::string type = text_at(event, "type");
  if (type == "response.output_item.added") {
    had_delta_ = false;
    phase_ = phase_of(member(event, "item"));
  } else if (type == "response.reasoning_text.delta" || type == "response.reasoning_summary_text.delta") {
    const bool summary = type == "response.reasoning_summary_text.delta";
    if (summary && had_delta_ && !had_summary_) return spoken;  // says again what came in full
    had_summary_ = summary;
    had_delta_ = true;
    spoken.emplace_back(SpokenReasoning{text_at(event, "delta")});
  } else if (type == "response.output_text.delta" || type == "response.refusal.delta") {
    had_delta_ = true;
    spoken.emplace_back(SpokenText{text_at(event, "delta"), phase_});
  } else if (type == "response.output_item.done") {
    take_item(member(event, "item"), spoken);
  } else if (type == "response.completed") {
    spoken.emplace_back(SpokenEnd{});
  } else if (type == "response.incomplete") {
    spoken.emplace_back(SpokenEnd{true});
  } else if (type == "response.failed") {
    return reported(member(event, "response"));
  } else if (type == "error" || (type.empty() && !member(event, "error").is_null())) {
    return reported(event);
  }
  return spoken;
}

void MessageEvents::take_item(const Json& item, std::vector<Spoken>& spoken) {
  const std::string type = text_at(item, "type");
  if (type == "function_call") {
    spoken.emplace_back(SpokenCall{text_at(item, "name"), text_at(item, "arguments")});
  } else if (type == "reasoning" && !had_delta_) {
    std::string text = joined_parts(item, "content", "reasoning_text");
    if (text.empty()) text = joined_parts(item, "summary", "summary_text");
    spoken.emplace_back(SpokenReasoning{std::move(text)});
  } else if (type == "message" && !had_delta_) {
    spoken.emplace_back(SpokenText{joined_parts(item, "content", "output_text"), phase_of(item)});
  }
  had_delta_ = had_summary_ = false;
  phase_.reset();
}

}  // namespace toccata::agent
