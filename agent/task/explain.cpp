#include "agent/task/explain.h"

#include "agent/task/plan.h"

namespace toccata::task {
namespace {

template <class T>
void put(Value& json, const char* key, const std::optional<T>& value) {
  if (value) json[key] = *value;
}

Value settings_json(const Settings& settings, const Scope& scope) {
  Value json = Value::object();
  if (settings.model) json["model"] = settings.model->render_known(scope);
  put(json, "tools", settings.tools);
  put(json, "tool_files", settings.tool_files);
  put(json, "reasoning", settings.reasoning);
  put(json, "temperature", settings.temperature);
  put(json, "seed", settings.seed);
  put(json, "timeout_s", settings.timeout_s);
  put(json, "max_sandbox_cpu_s", settings.max_sandbox_cpu_s);
  put(json, "max_turns", settings.max_turns);
  put(json, "budget_tokens", settings.budget_tokens);
  put(json, "max_step_tokens", settings.max_step_tokens);
  put(json, "max_reasoning_tokens", settings.max_reasoning_tokens);
  put(json, "subagents", settings.subagents);
  put(json, "best_of", settings.best_of);
  put(json, "judge", settings.judge);
  return json;
}

Value assertions_json(const std::vector<Assertion>& assertions) {
  Value list = Value::array();
  for (const Assertion& assertion : assertions) {
    std::string what = to_string(assertion.kind);
    switch (assertion.kind) {
      case Assertion::Kind::kRegex: what += " " + assertion.pattern; break;
      case Assertion::Kind::kJudge: what += " " + assertion.judge->wording.source(); break;
      case Assertion::Kind::kGrade: break;
      case Assertion::Kind::kThat: what += " " + assertion.that->source(); break;
      case Assertion::Kind::kFile: what += " " + assertion.path->source() + (assertion.exists ? "" : " is not there"); break;
      case Assertion::Kind::kSchema: what += " " + to_json_text(assertion.schema.source); break;
      case Assertion::Kind::kPython:
      case Assertion::Kind::kCommand: what += " " + assertion.code; break;
      default: what += " " + to_json_text(assertion.expected.source());
    }
    if (assertion.subject) what += " (of " + to_json_text(assertion.subject->source()) + ")";
    list.push_back(what);
  }
  return list;
}

std::string indented(const std::string& text, const std::string& indent) {
  std::string out = indent;
  for (const char c : text) {
    out += c;
    if (c == '\n') out += indent;
  }
  return out;
}

}  // namespace

Value explain(const Task& task, const Value& params, const Value& row, const Settings& fallback) {
  Scope scope = {{"params", params}};
  if (row.is_object()) scope["row"] = row;
  Value steps = Value::array();
  for (const std::size_t i : order_steps(task).value_or_throw()) {
    const Step& step = task.steps[i];
    Settings settings = step.settings;
    settings.fill_from(fallback);
    Value json = {{"step", step.id}, {"after", comes_after(task, step)}};
    json.update(settings_json(settings, scope));
    if (step.condition) json["if"] = step.condition->source();
    if (step.foreach) json[step.is_matrix ? "matrix" : "foreach"] = step.foreach->source();
    if (step.until) json["until"] = step.until->that.source();
    if (step.retry.times > 0) json["retry"] = step.retry.times;
    if (step.allow_failure) json["allow_failure"] = true;
    std::optional<std::string> instructions;
    if (step.instructions) instructions = step.instructions->render_known(scope);
    put(json, "instructions", instructions);
    json["prompt"] = step.prompt.render_known(scope);
    if (step.output_schema) json["output_schema"] = step.output_schema->source;
    if (step.before) json["hook_before"] = step.before->code;
    if (step.after) json["hook_after"] = step.after->code;
    if (!step.artifacts.empty()) json["artifacts"] = step.artifacts;
    if (!step.assertions.empty()) json["assert"] = assertions_json(step.assertions);
    steps.push_back(std::move(json));
  }
  Value plan = {{"task", task.name}, {"params", params}, {"steps", std::move(steps)}};
  if (task.output) plan["output"] = task.output->source();
  if (!task.assertions.empty()) plan["assert"] = assertions_json(task.assertions);
  if (task.timeout_s > 0) plan["timeout_s"] = task.timeout_s;
  if (task.budget_tokens > 0) plan["budget_tokens"] = task.budget_tokens;
  return plan;
}

std::string explain_text(const Value& plan) {
  std::string out = "task " + to_text(plan["task"]) + "\n";
  for (const auto& [name, value] : plan["params"].items()) out += "  " + name + " = " + to_json_text(value) + "\n";
  int number = 0;
  for (const Value& step : plan["steps"]) {
    out += "\n" + std::to_string(++number) + ". " + to_text(step["step"]);
    if (!step["after"].empty()) out += "  after " + to_json_text(step["after"]);
    out += "\n";
    for (const auto& [key, value] : step.items()) {
      if (key == "step" || key == "after") continue;
      if (key == "prompt" || key == "instructions") {
        out += "   " + key + ":\n" + indented(to_text(value), "     | ") + "\n";
      } else if (key == "assert") {
        out += "   assert:\n";
        for (const Value& one : value) out += indented(to_text(one), "     ") + "\n";
      } else {
        out += "   " + key + ": " + to_text(value) + "\n";
      }
    }
  }
  for (const char* key : {"output", "assert", "timeout_s", "budget_tokens"}) {
    if (!plan.contains(key)) continue;
    out += std::string("\n") + key + ":\n";
    const Value list = plan[key].is_array() && key == std::string_view("assert") ? plan[key] : Value::array({plan[key]});
    for (const Value& one : list) out += indented(to_text(one), "  ") + "\n";
  }
  return out;
}

}  // namespace toccata::task
