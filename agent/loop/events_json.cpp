#include "agent/loop/events_json.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "core/base/json.h"
#include "core/base/overloaded.h"

namespace toccata::agent {
namespace {

using Json = nlohmann::ordered_json;

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

Json details_of(const AgentMessageItem& item) {
  Json json = {{"type", "agent_message"}, {"phase", to_string(item.phase)}, {"text", item.text}};
  if (!item.citations.empty()) json["annotations"] = to_json(item.citations);
  return json;
}
Json details_of(const ReasoningItem& item) { return {{"type", "reasoning"}, {"text", item.text}}; }
Json details_of(const CommandItem& item) {
  Json json = {
      {"type", "command_execution"},
      {"command", item.command},
      {"aggregated_output", item.aggregated_output},
      {"exit_code", or_null(item.exit_code)},
      {"status", to_string(item.status)}};
  for (const FileNote& file : item.files) json["files"].push_back({{"path", file.path}, {"size", file.size}});
  return json;
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

const char* type_of(ItemDelta::Kind kind) {
  if (kind == ItemDelta::Kind::kReasoning) return "reasoning";
  return kind == ItemDelta::Kind::kOutput ? "command_execution" : "agent_message";
}

Json delta_of(const ItemDelta& event) {
  Json json = {{"id", event.item_id}, {"type", type_of(event.kind)}, {"delta", event.delta}};
  if (!event.citations.empty()) json["annotations"] = to_json(event.citations);
  return json;
}

}  // namespace

// OpenAI's url_citation, which ends at "title", and what was found out about it.
nlohmann::ordered_json to_json(const std::vector<Citation>& citations) {
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

Json to_json(const TokenUsage& usage) {
  Json json = {
      {"input_tokens", usage.input_tokens},
      {"cached_input_tokens", usage.cached_input_tokens},
      {"output_tokens", usage.output_tokens},
      {"reasoning_output_tokens", usage.reasoning_output_tokens}};
  if (usage.guessed_tokens > 0 || usage.guessed_calls > 0) {
    json["guessed_tokens"] = usage.guessed_tokens;
    json["guessed_calls"] = usage.guessed_calls;
    json["used_guesses"] = usage.used_guesses;
  }
  return json;
}

Json to_json(const Item& item) {
  Json json = {{"id", item.id}};
  json.update(std::visit([](const auto& details) { return details_of(details); }, item.details));
  if (item.provenance.untrusted) json["provenance"] = {{"trust", "untrusted"}, {"origin", item.provenance.origin}};
  if (item.sandbox_cpu_us > 0) json["sandbox_cpu_us"] = item.sandbox_cpu_us;
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
          [](const ChildEvent& e) -> Json {
            return {
                {"type", "child.event"},
                {"thread_id", e.run_id},
                {"made_by", {{"thread_id", e.caller}, {"call", e.call}, {"part", e.part}}},
                {"event", to_json(e.event->event)}};
          },
      },
      event
  );
}

namespace {

// Appends JSON to a text.
class Line {
 public:
  explicit Line(std::size_t n_expected) { text_.reserve(n_expected); }
  Line& raw(std::string_view json) {
    text_ += json;
    return *this;
  }
  Line& text(std::string_view value) {
    const bool ascii = std::all_of(value.begin(), value.end(), [](char c) { return static_cast<signed char>(c) >= 0; });
    if (!ascii) return raw(json_text(Json(value)));  // which mends what is no UTF-8
    text_ += '"';
    for (const char c : value) add(c);
    text_ += '"';
    return *this;
  }
  Line& text_or_null(const std::optional<std::string>& value) { return value ? text(*value) : raw("null"); }
  std::string take() { return std::move(text_); }

 private:
  void add(char c) {
    if (static_cast<unsigned char>(c) >= 0x20 && c != '"' && c != '\\') {
      text_ += c;
      return;
    }
    static constexpr std::string_view kNamed = "\"\\\b\f\n\r\t", kNames = "\"\\bfnrt";
    static constexpr std::string_view kHex = "0123456789abcdef";
    text_ += '\\';
    if (const std::size_t at = kNamed.find(c); at != std::string_view::npos) {
      text_ += kNames[at];
    } else {
      text_ += "u00";
      text_ += kHex[static_cast<unsigned char>(c) >> 4];
      text_ += kHex[static_cast<unsigned char>(c) & 15];
    }
  }
  std::string text_;
};

// The members of an item behind its id.
void add_details(Line& line, const AgentMessageItem& item) {
  line.raw(R"("type":"agent_message","phase":)").text(to_string(item.phase)).raw(R"(,"text":)").text(item.text);
}
void add_details(Line& line, const ReasoningItem& item) { line.raw(R"("type":"reasoning","text":)").text(item.text); }
void add_details(Line& line, const ToolCallItem& item) {
  line.raw(R"("type":"mcp_tool_call","server":)").text(item.server).raw(R"(,"tool":)").text(item.tool);
  line.raw(R"(,"arguments":)").raw(item.arguments == "{}" ? "{}" : json_text(json_or_text(item.arguments)));
  line.raw(R"(,"result":)");
  if (item.result) {
    line.raw(R"({"content":[{"type":"text","text":)").text(*item.result).raw("}]}");
  } else {
    line.raw("null");
  }
  line.raw(R"(,"error":)");
  if (item.error) {
    line.raw(R"({"message":)").text(*item.error).raw("}");
  } else {
    line.raw("null");
  }
  line.raw(R"(,"status":)").text(to_string(item.status));
}
void add_details(Line& line, const CommandItem& item) {
  line.raw(R"("type":"command_execution","command":)").text(item.command);
  line.raw(R"(,"aggregated_output":)").text(item.aggregated_output);
  line.raw(R"(,"exit_code":)").raw(item.exit_code ? std::to_string(*item.exit_code) : "null");
  line.raw(R"(,"status":)").text(to_string(item.status));
}
void add_details(Line& line, const WebSearchItem& item) {
  line.raw(R"("type":"web_search","query":)").text(item.query).raw(R"(,"result":)").text_or_null(item.result);
  line.raw(R"(,"status":)").text(to_string(item.status));
}
void add_details(Line& line, const NoticeItem& item) { line.raw(R"("type":"error","message":)").text(item.message); }

// Citations, files and provenance are rare, and left to to_json().
bool is_plain(const Item& item) {
  const auto* message = std::get_if<AgentMessageItem>(&item.details);
  const auto* command = std::get_if<CommandItem>(&item.details);
  return !item.provenance.untrusted && (message == nullptr || message->citations.empty()) &&
         (command == nullptr || command->files.empty());
}

std::string item_line(std::string_view type, const Item& item) {
  Line line(512);
  line.raw(R"({"type":")").raw(type).raw(R"(","item":{"id":)").text(item.id).raw(",");
  std::visit([&](const auto& details) { add_details(line, details); }, item.details);
  if (item.sandbox_cpu_us > 0) line.raw(R"(,"sandbox_cpu_us":)").raw(std::to_string(item.sandbox_cpu_us));
  return line.raw("}}").take();
}

}  // namespace

std::string json_line(const Event& event) {
  const auto* started = std::get_if<ItemStarted>(&event);
  if (started != nullptr && is_plain(started->item)) return item_line("item.started", started->item);
  const auto* done = std::get_if<ItemCompleted>(&event);
  if (done != nullptr && is_plain(done->item)) return item_line("item.completed", done->item);
  const auto* delta = std::get_if<ItemDelta>(&event);
  if (delta == nullptr || !delta->citations.empty()) return json_text(to_json(event));
  Line line(128 + delta->delta.size());
  line.raw(R"({"type":"item.updated","item":{"id":)").text(delta->item_id);
  line.raw(R"(,"type":)").text(type_of(delta->kind)).raw(R"(,"delta":)").text(delta->delta);
  return line.raw("}}").take();
}

}  // namespace toccata::agent
