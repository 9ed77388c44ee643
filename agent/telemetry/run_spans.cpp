#include "agent/telemetry/run_spans.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "core/base/json.h"
#include "core/base/overloaded.h"

namespace toccata::telemetry {
namespace {

constexpr const char* kProvider = "toccata";

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

// The conventions want a class of errors, not their words.
std::string error_type(const agent::CallNote& note) {
  if (note.out_of_time) return "timeout";
  if (note.status == "failed") return "tool_error";
  if (note.status == "stops_run") return "tool_unavailable";
  return note.status;  // refused, denied, unknown_tool, malformed, unknown, unfinished
}

}  // namespace

RunSpans::RunSpans(OtlpExporter& exporter, RunSpansOptions options, Clock clock)
    : exporter_(exporter), options_(std::move(options)), clock_(std::move(clock)) {}

Span RunSpans::begin(std::string name, const char* operation, Span::Kind kind, const std::string& run, Time at) const {
  Span span;
  span.trace_id = trace_->id();
  span.span_id = new_span_id();
  if (const auto turn = turns_.find(run); turn != turns_.end()) span.parent_id = turn->second.span.span_id;
  span.name = std::move(name);
  span.kind = kind;
  span.begin = at;
  span.attributes = {{"gen_ai.operation.name", operation}, {"gen_ai.provider.name", kProvider}, {"gen_ai.conversation.id", run}};
  return span;
}

void RunSpans::begin_turn(const agent::TurnStarted& turn, const std::string& run, Time at, const agent::ChildEvent* made_by) {
  turns_.erase(run);
  Span span = begin("invoke_agent " + options_.agent, "invoke_agent", Span::Kind::kInternal, run, at);
  span.parent_id = trace_->parent();
  auto& to = span.attributes;
  to.emplace_back("gen_ai.agent.name", options_.agent);
  to.emplace_back("gen_ai.request.model", options_.model);
  if (made_by != nullptr) {
    const auto maker = turns_.find(made_by->caller);
    span.parent_id = made_by->call > 0          ? trace_->span_of_call(made_by->caller, made_by->call)
                     : maker != turns_.end() ? maker->second.span.span_id
                                             : std::string();
    to.emplace_back("toccata.made_by.run", made_by->caller);
    if (made_by->call > 0) to.emplace_back("toccata.made_by.call", std::int64_t{made_by->call});
    to.emplace_back("toccata.made_by.part", std::int64_t{made_by->part});
  }
  if (options_.capture_content && !turn.input.empty()) to.emplace_back("gen_ai.input.messages", message_json("user", turn.input));
  turns_[run] = Turn{std::move(span)};
}

void RunSpans::model_call(const agent::ModelCall& call) {
  if (!turns_.contains(call.run)) return;
  Span span = begin("chat " + options_.model, "chat", Span::Kind::kClient, call.run, call.begin);
  span.span_id = trace_->span_of_step(call.run, call.step);
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

void RunSpans::begin_tool(const agent::ItemStarted& started, const std::string& run, Time at) {
  const ToolView tool = tool_view(started.item);
  const auto turn = turns_.find(run);
  if (tool.name.empty() || turn == turns_.end()) return;
  Span span = begin("execute_tool " + tool.name, "execute_tool", Span::Kind::kInternal, run, at);
  if (started.call > 0) span.span_id = trace_->span_of_call(run, started.call);
  span.attributes.emplace_back("gen_ai.tool.name", tool.name);
  span.attributes.emplace_back("gen_ai.tool.type", "function");
  span.attributes.emplace_back("gen_ai.tool.call.id", started.item.id);
  if (options_.capture_content) span.attributes.emplace_back("gen_ai.tool.call.arguments", tool.arguments);
  turn->second.tools.insert_or_assign(started.item.id, std::move(span));
}

void RunSpans::end_item(const agent::ItemCompleted& completed, const std::string& run, Time at) {
  const agent::Item& item = completed.item;
  const auto turn = turns_.find(run);
  if (turn == turns_.end()) return;
  if (const auto* said = std::get_if<agent::AgentMessageItem>(&item.details)) {
    if (said->phase == agent::AgentMessageItem::Phase::kFinal) turn->second.final = said->text;
    return;
  }
  auto open = turn->second.tools.extract(item.id);
  if (open.empty()) return;
  Span& span = open.mapped();
  const ToolView tool = tool_view(item);
  const agent::CallNote note = completed.call.value_or(agent::CallNote{.status = "failed", .begin = span.begin, .end = at});
  // Calls that went on side by side are told together: the tool's own times count.
  span.begin = note.begin;
  span.end = note.end;
  if (options_.capture_content) span.attributes.emplace_back("gen_ai.tool.call.result", tool.result);
  if (item.sandbox_cpu_us > 0) span.attributes.emplace_back("toccata.sandbox_cpu_us", item.sandbox_cpu_us);
  if (tool.failed) {
    span.attributes.emplace_back("error.type", error_type(note));
    span.error = options_.capture_content ? tool.result.substr(0, 500) : error_type(note);
  }
  exporter_.add(std::move(span));
}

void RunSpans::end_turn(const std::string& run, Time at, const agent::TokenUsage& usage, const agent::TurnFailed* failed) {
  auto open = turns_.extract(run);
  if (open.empty()) return;
  Turn& turn = open.mapped();
  for (auto& [id, span] : turn.tools) {  // cut off by whatever ended the turn
    span.end = at;
    span.attributes.emplace_back("error.type", "cancelled");
    span.error = "cut off";
    exporter_.add(std::move(span));
  }
  turn.span.end = at;
  auto& to = turn.span.attributes;
  to.emplace_back("gen_ai.usage.input_tokens", usage.input_tokens);
  to.emplace_back("gen_ai.usage.cache_read.input_tokens", usage.cached_input_tokens);
  to.emplace_back("gen_ai.usage.output_tokens", usage.output_tokens);
  to.emplace_back("toccata.terminal_reason", failed != nullptr ? failed->terminal_reason : "final");
  to.emplace_back("toccata.exit_code", std::int64_t{failed != nullptr ? failed->exit_code : 0});
  if (failed != nullptr) {
    to.emplace_back("error.type", failed->terminal_reason);
    // The reason in words may quote what a tool or the model said.
    turn.span.error = options_.capture_content ? failed->message : failed->terminal_reason;
  } else if (options_.capture_content) {
    to.emplace_back("gen_ai.output.messages", message_json("assistant", turn.final));
  }
  exporter_.add(std::move(turn.span));
}

void RunSpans::event(const agent::Event& event) {
  if (const auto* started = std::get_if<agent::ThreadStarted>(&event)) run_id_ = started->thread_id;
  const auto* child = std::get_if<agent::ChildEvent>(&event);
  if (child == nullptr) return take(event, run_id_, clock_(), nullptr);
  take(child->event->event, child->run_id, child->at, child);
}

void RunSpans::take(const agent::Event& event, const std::string& run, Time at, const agent::ChildEvent* made_by) {
  std::visit(
      Overloaded{
          [&](const agent::TurnStarted& e) { begin_turn(e, run, at, made_by); },
          [&](const agent::ItemStarted& e) { begin_tool(e, run, at); },
          [&](const agent::ItemCompleted& e) { end_item(e, run, at); },
          [&](const agent::TurnCompleted& e) { end_turn(run, at, e.usage, nullptr); },
          [&](const agent::TurnFailed& e) { end_turn(run, at, e.usage, &e); },
          [](const auto&) {},
      },
      event
  );
}

}  // namespace toccata::telemetry
