#include "agent/telemetry/run_spans.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "core/base/json.h"

namespace toccata::telemetry {
namespace {

constexpr const char* kProvider = "toccata";

template <class... Cases>
struct Overloaded : Cases... {
  using Cases::operator()...;
};

std::int64_t milliseconds_between(std::chrono::system_clock::time_point a, std::chrono::system_clock::time_point b) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(b - a).count();
}

// The conventions' words for how a model call ended; others are ours.
std::string finish_reason(const std::string& ended) {
  if (ended == "call") return "tool_calls";
  if (ended == "step_tokens" || ended == "context_full" || ended == "budget") return "length";
  return ended;
}

bool is_failure(const std::string& ended) { return ended != "call" && ended != "stop" && ended != "stopped"; }

// One message in the conventions' shape.
std::string message_json(const char* role, const std::string& text) {
  const nlohmann::ordered_json part = {{"type", "text"}, {"content", text}};
  const nlohmann::ordered_json message = {{"role", role}, {"parts", nlohmann::ordered_json::array({part})}};
  return json_text(nlohmann::ordered_json::array({message}));
}

// What of an item is a tool call; name empty: it is none.
struct ToolView {
  std::string name, arguments, result;
  bool failed = false;
};
ToolView tool_view(const agent::Item& item) {
  using agent::ItemStatus;
  return std::visit(
      Overloaded{
          [](const agent::CommandItem& i) -> ToolView {
            return {"python", i.command, i.aggregated_output, i.status == ItemStatus::kFailed};
          },
          [](const agent::ToolCallItem& i) -> ToolView {
            const std::string name = i.server == i.tool || i.server == "functions" ? i.tool : i.server + "." + i.tool;
            return {name, i.arguments, i.result.value_or(i.error.value_or("")), i.status == ItemStatus::kFailed};
          },
          [](const agent::WebSearchItem& i) -> ToolView {
            return {"browser.search", i.query, i.result.value_or(""), i.status == ItemStatus::kFailed};
          },
          [](const auto&) -> ToolView { return {}; },
      },
      item.details
  );
}

}  // namespace

RunSpans::RunSpans(OtlpExporter& exporter, RunSpansOptions options, Clock clock)
    : exporter_(exporter), options_(std::move(options)), clock_(std::move(clock)) {}

Span RunSpans::begin(std::string name, const char* operation, Span::Kind kind) const {
  Span span;
  span.trace_id = turn_.trace_id;
  span.span_id = new_span_id();
  span.parent_id = turn_.span_id;
  span.name = std::move(name);
  span.kind = kind;
  span.begin = clock_();
  span.attributes = {{"gen_ai.operation.name", operation}, {"gen_ai.provider.name", kProvider}, {"gen_ai.conversation.id", run_id_}};
  return span;
}

void RunSpans::begin_turn(const agent::TurnStarted& turn) {
  turn_ = {};
  tools_.clear();
  final_.clear();
  turn_ = begin("invoke_agent " + options_.agent, "invoke_agent", Span::Kind::kInternal);
  turn_.trace_id = new_trace_id();
  turn_.attributes.emplace_back("gen_ai.agent.name", options_.agent);
  turn_.attributes.emplace_back("gen_ai.request.model", options_.model);
  if (options_.capture_content && !turn.input.empty()) {
    turn_.attributes.emplace_back("gen_ai.input.messages", message_json("user", turn.input));
  }
}

void RunSpans::model_call(const agent::ModelCall& call) {
  if (turn_.name.empty()) return;
  Span span = begin("chat " + options_.model, "chat", Span::Kind::kClient);
  span.begin = call.begin;
  span.end = call.end;
  auto& to = span.attributes;
  to.emplace_back("gen_ai.request.model", options_.model);
  to.emplace_back("gen_ai.response.model", options_.model);
  to.emplace_back("gen_ai.response.finish_reasons", Texts{finish_reason(call.ended)});
  to.emplace_back("gen_ai.usage.input_tokens", call.n_prompt);
  to.emplace_back("gen_ai.usage.cache_read.input_tokens", std::max<std::int64_t>(0, call.n_prompt - call.prefilled));
  to.emplace_back("gen_ai.usage.output_tokens", call.decoded);
  to.emplace_back("toccata.step", std::int64_t{call.step});
  to.emplace_back("toccata.prefilled_tokens", call.prefilled);
  to.emplace_back("toccata.decoded_tokens", call.decoded);
  if (call.first_token) to.emplace_back("toccata.first_token_ms", milliseconds_between(call.begin, *call.first_token));
  if (is_failure(call.ended)) {
    to.emplace_back("error.type", call.ended);
    span.error = call.ended;
  }
  exporter_.add(std::move(span));
}

void RunSpans::begin_tool(const agent::Item& item) {
  const ToolView tool = tool_view(item);
  if (tool.name.empty() || turn_.name.empty()) return;
  Span span = begin("execute_tool " + tool.name, "execute_tool", Span::Kind::kInternal);
  span.attributes.emplace_back("gen_ai.tool.name", tool.name);
  span.attributes.emplace_back("gen_ai.tool.type", "function");
  span.attributes.emplace_back("gen_ai.tool.call.id", item.id);
  if (options_.capture_content) span.attributes.emplace_back("gen_ai.tool.call.arguments", tool.arguments);
  tools_.insert_or_assign(item.id, std::move(span));
}

void RunSpans::end_item(const agent::Item& item) {
  if (const auto* said = std::get_if<agent::AgentMessageItem>(&item.details)) {
    if (said->phase == agent::AgentMessageItem::Phase::kFinal) final_ = said->text;
    return;
  }
  auto open = tools_.extract(item.id);
  if (open.empty()) return;
  Span& span = open.mapped();
  const ToolView tool = tool_view(item);
  span.end = clock_();
  if (options_.capture_content) span.attributes.emplace_back("gen_ai.tool.call.result", tool.result);
  if (tool.failed) {
    span.attributes.emplace_back("error.type", "tool_error");
    span.error = options_.capture_content ? tool.result.substr(0, 500) : "the tool failed";
  }
  exporter_.add(std::move(span));
}

void RunSpans::end_turn(const agent::TokenUsage& usage, const agent::TurnFailed* failed) {
  if (turn_.name.empty()) return;
  for (auto& [id, span] : tools_) {  // cut off by whatever ended the turn
    span.end = clock_();
    span.attributes.emplace_back("error.type", "cancelled");
    span.error = "cut off";
    exporter_.add(std::move(span));
  }
  tools_.clear();
  turn_.end = clock_();
  auto& to = turn_.attributes;
  to.emplace_back("gen_ai.usage.input_tokens", usage.input_tokens);
  to.emplace_back("gen_ai.usage.cache_read.input_tokens", usage.cached_input_tokens);
  to.emplace_back("gen_ai.usage.output_tokens", usage.output_tokens);
  to.emplace_back("toccata.terminal_reason", failed != nullptr ? failed->terminal_reason : "final");
  to.emplace_back("toccata.exit_code", std::int64_t{failed != nullptr ? failed->exit_code : 0});
  if (failed != nullptr) {
    to.emplace_back("error.type", failed->terminal_reason);
    // The reason in words may quote what a tool or the model said.
    turn_.error = options_.capture_content ? failed->message : failed->terminal_reason;
  } else if (options_.capture_content) {
    to.emplace_back("gen_ai.output.messages", message_json("assistant", final_));
  }
  exporter_.add(std::exchange(turn_, {}));
}

void RunSpans::event(const agent::Event& event) {
  std::visit(
      Overloaded{
          [&](const agent::ThreadStarted& e) { run_id_ = e.thread_id; },
          [&](const agent::TurnStarted& e) { begin_turn(e); },
          [&](const agent::ItemStarted& e) { begin_tool(e.item); },
          [&](const agent::ItemCompleted& e) { end_item(e.item); },
          [&](const agent::TurnCompleted& e) { end_turn(e.usage, nullptr); },
          [&](const agent::TurnFailed& e) { end_turn(e.usage, &e); },
          [](const auto&) {},
      },
      event
  );
}

}  // namespace toccata::telemetry
