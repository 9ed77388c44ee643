#include "agent/loop/events_json.h"

#include <nlohmann/json.hpp>

#include "core/base/json.h"

namespace toccata::agent {
namespace {

using Json = nlohmann::ordered_json;

template <class... Cases>
struct Overloaded : Cases... {
  using Cases::operator()...;
};

const char* to_string(ItemStatus status) {
  switch (status) {
    case ItemStatus::kInProgress:
      return "in_progress";
    case ItemStatus::kCompleted:
      return "completed";
    case ItemStatus::kFailed:
      return "failed";
  }
  return "failed";
}

const char* to_string(AgentMessageItem::Phase phase) {
  return phase == AgentMessageItem::Phase::kFinal ? "final" : "preamble";
}

// JSON when the text is JSON, else the text itself.
Json json_or_text(const std::string& text) {
  Json parsed = json_from<Json>(text);
  return parsed.is_discarded() ? Json(text) : parsed;
}

template <class T>
Json or_null(const std::optional<T>& value) {
  return value ? Json(*value) : Json(nullptr);
}

// OpenAI's url_citation, which ends at "title", and what was found out about it.
Json annotations_of(const std::vector<Citation>& citations) {
  Json all = Json::array();
  for (const Citation& c : citations) {
    Json lines = Json::array();
    for (const LineSpan& span : c.lines) lines.push_back({span.first, span.last});
    all.push_back(
        {{"type", "url_citation"},
         {"start_index", c.start},
         {"end_index", c.end},
         {"url", c.url},
         {"title", c.title},
         {"cursor", c.cursor},
         {"lines", std::move(lines)},
         {"quote", c.quote},
         {"checked", to_string(c.check)}}
    );
  }
  return all;
}

Json details_of(const AgentMessageItem& item) {
  Json json = {{"type", "agent_message"}, {"phase", to_string(item.phase)}, {"text", item.text}};
  if (!item.citations.empty()) json["annotations"] = annotations_of(item.citations);
  return json;
}
Json details_of(const ReasoningItem& item) { return {{"type", "reasoning"}, {"text", item.text}}; }
Json details_of(const CommandItem& item) {
  return {
      {"type", "command_execution"},
      {"command", item.command},
      {"aggregated_output", item.aggregated_output},
      {"exit_code", or_null(item.exit_code)},
      {"status", to_string(item.status)}};
}
Json details_of(const ToolCallItem& item) {
  Json result = nullptr;
  if (item.result) {
    result = {{"content", Json::array({{{"type", "text"}, {"text", *item.result}}})}};
  }
  Json error = nullptr;
  if (item.error) error = {{"message", *item.error}};
  return {
      {"type", "mcp_tool_call"},
      {"server", item.server},
      {"tool", item.tool},
      {"arguments", json_or_text(item.arguments)},
      {"result", result},
      {"error", error},
      {"status", to_string(item.status)}};
}
Json details_of(const WebSearchItem& item) {
  return {
      {"type", "web_search"},
      {"query", item.query},
      {"result", or_null(item.result)},
      {"status", to_string(item.status)}};
}
Json details_of(const NoticeItem& item) { return {{"type", "error"}, {"message", item.message}}; }

Json delta_of(const ItemDelta& event) {
  const char* type = "agent_message";
  if (event.kind == ItemDelta::Kind::kReasoning) type = "reasoning";
  if (event.kind == ItemDelta::Kind::kOutput) type = "command_execution";
  Json json = {{"id", event.item_id}, {"type", type}, {"delta", event.delta}};
  if (!event.citations.empty()) json["annotations"] = annotations_of(event.citations);
  return json;
}

}  // namespace

Json to_json(const TokenUsage& usage) {
  return {
      {"input_tokens", usage.input_tokens},
      {"cached_input_tokens", usage.cached_input_tokens},
      {"output_tokens", usage.output_tokens},
      {"reasoning_output_tokens", usage.reasoning_output_tokens}};
}

Json to_json(const Item& item) {
  Json json = {{"id", item.id}};
  json.update(std::visit([](const auto& details) { return details_of(details); }, item.details));
  if (item.provenance.untrusted) json["provenance"] = {{"trust", "untrusted"}, {"origin", item.provenance.origin}};
  return json;
}

Json to_json(const Event& event) {
  return std::visit(
      Overloaded{
          [](const ThreadStarted& e) -> Json {
            return {{"type", "thread.started"}, {"thread_id", e.thread_id}};
          },
          [](const TurnStarted&) -> Json {
            return {{"type", "turn.started"}};
          },
          [](const ItemStarted& e) -> Json {
            return {{"type", "item.started"}, {"item", to_json(e.item)}};
          },
          [](const ItemDelta& e) -> Json {
            return {{"type", "item.updated"}, {"item", delta_of(e)}};
          },
          [](const ItemCompleted& e) -> Json {
            return {{"type", "item.completed"}, {"item", to_json(e.item)}};
          },
          [](const TurnCompleted& e) -> Json {
            return {{"type", "turn.completed"}, {"usage", to_json(e.usage)}};
          },
          [](const TurnFailed& e) -> Json {
            return {
                {"type", "turn.failed"},
                {"error", {{"message", e.message}}},
                {"terminal_reason", e.terminal_reason},
                {"exit_code", e.exit_code},
                {"usage", to_json(e.usage)}};
          },
          [](const StreamError& e) -> Json {
            return {{"type", "error"}, {"message", e.message}};
          },
      },
      event
  );
}

}  // namespace toccata::agent
