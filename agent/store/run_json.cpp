#include "agent/store/run_json.h"

#include <cstdio>

#include "core/base/json.h"

namespace toccata::store {
namespace {

using nlohmann::ordered_json;

// JSON text of a column; null when it is none.
ordered_json parsed(const std::string& text) {
  ordered_json value = json_from<ordered_json>(text);
  return value.is_discarded() ? ordered_json() : value;
}

template <class Row>
ordered_json list_of(const std::vector<Row>& rows) {
  ordered_json list = ordered_json::array();
  for (const Row& row : rows) list.push_back(to_json(row));
  return list;
}

}  // namespace

ordered_json to_json(const RunSummary& run) {
  ordered_json json = {
      {"id", run.id},
      {"created_ms", run.created_ms},
      {"task", run.task},
      {"model", run.model},
      {"status", to_string(run.status)},
      {"terminal_reason", run.terminal_reason},
      {"steps", run.n_steps},
      {"calls", run.n_calls}};
  if (run.sandbox_cpu_us > 0) json["sandbox_cpu_us"] = run.sandbox_cpu_us;
  if (run.finished_ms) json["finished_ms"] = *run.finished_ms;
  if (run.exit_code) json["exit_code"] = *run.exit_code;
  const Caller& caller = run.caller;
  if (!caller.run.empty()) json["made_by"] = {{"run", caller.run}, {"call", caller.call}, {"part", caller.part}};
  if (!run.parent.empty()) json["forked_from"] = {{"run", run.parent}, {"step", run.parent_step}};
  return json;
}

ordered_json to_json(const MessageRow& m) {
  return {
      {"step", m.step},
      {"role", m.role},
      {"name", m.name},
      {"channel", m.channel},
      {"recipient", m.recipient},
      {"content", m.content},
      {"complete", m.complete}};
}

ordered_json to_json(const CallRow& call) {
  ordered_json json = {
      {"call", call.call},
      {"step", call.step},
      {"recipient", call.intent.recipient},
      {"arguments", call.intent.arguments},
      {"effect", call.intent.effect},
      {"idempotency_key", call.intent.idempotency_key},
      {"result", nullptr}};
  if (call.result) {
    json["result"] = {
        {"status", call.result->status},
        {"author", call.result->author},
        {"content", call.result->content},
        {"metadata", parsed(call.result->metadata)}};
    if (call.result->sandbox_cpu_us > 0) json["result"]["sandbox_cpu_us"] = call.result->sandbox_cpu_us;
    for (const SessionFile& file : call.result->files) {
      ordered_json& shown = json["files"].emplace_back(ordered_json{{"path", file.path}, {"size", nullptr}});
      if (file.size) shown["size"] = *file.size;
    }
  }
  return json;
}

ordered_json to_json(const StepRow& step) {
  ordered_json json = {
      {"step", step.step},
      {"started_ms", step.started_ms},
      {"finished_ms", step.finished_ms},
      {"prefilled", step.prefilled},
      {"decoded", step.decoded},
      {"end", step.end}};
  if (step.first_token_ms) json["first_token_ms"] = *step.first_token_ms;
  return json;
}

ordered_json to_json(const Segment& s) {
  return {{"step", s.step}, {"kind", to_string(s.kind)}, {"tokens", s.tokens}};
}

ordered_json to_json(const NoteRow& n) {
  return {{"step", n.step}, {"kind", n.kind}, {"detail", n.detail}};
}

ordered_json head_json(const RunRecord& run) {
  ordered_json json = to_json(run.summary);
  json["message"] = run.message;
  json["final"] = run.final;
  json["sandbox"] = run.sandbox;
  json["params"] = parsed(run.params);
  json["usage"] = parsed(run.usage);
  return json;
}

ordered_json to_json(const RunRecord& run) {
  ordered_json json = head_json(run);
  json["messages"] = list_of(run.messages);
  json["calls"] = list_of(run.calls);
  json["segments"] = list_of(run.segments);
  json["notes"] = list_of(run.notes);
  if (!run.children.empty()) json["children"] = list_of(run.children);
  return json;
}

std::string seconds_text(std::int64_t microseconds) {
  char text[32];
  std::snprintf(text, sizeof text, "%.2f s", static_cast<double>(microseconds) / 1e6);
  return text;
}

std::string dump_line(const ordered_json& value) {
  return json_text(value);
}

}  // namespace toccata::store
