#include "agent/task/journal.h"

#include "agent/task/sha256.h"
#include "core/base/base64.h"

namespace toccata::task {
namespace {

// All that makes the answer what it is. Time and budget are what the task has left, another amount every time.
std::string key_of(const StepOrder& order) {
  Sha256 hash;
  const auto add = [&](const char* name, const auto& value) {
    hash.add(name);
    if constexpr (requires { value.has_value(); }) {
      hash.add(value ? to_json_text(Value(*value)) : "none");
    } else {
      hash.add(to_json_text(Value(value)));
    }
  };
  hash.add("toccata step run 1");
  add("task", order.task_key);
  add("step", order.step);
  add("number", order.number);
  add("prompt", order.prompt);
  add("instructions", order.instructions);
  add("model", order.model);
  add("schema", order.output_schema);
  add("functions", order.functions);
  add("tools", order.settings.tools);
  if (order.settings.tool_files) add("tool_files", order.settings.tool_files);
  add("reasoning", order.settings.reasoning);
  add("temperature", order.settings.temperature);
  add("seed", order.settings.seed);
  add("max_turns", order.settings.max_turns);
  add("max_step_tokens", order.settings.max_step_tokens);
  add("max_reasoning_tokens", order.settings.max_reasoning_tokens);
  if (order.settings.subagents) add("subagents", order.settings.subagents);  // as before where there are none
  if (order.settings.best_of) add("best_of", order.settings.best_of);
  if (order.settings.judge) add("judge", order.settings.judge);
  add("keep_files", order.keep_files);
  for (const auto& [path, bytes] : order.files) {
    hash.add(path);
    hash.add(bytes);
  }
  return hash.hex();
}

Value to_json(const StepEnd& end) {
  Value files = Value::object();
  for (const auto& [path, bytes] : end.files) files[path] = base64(bytes);  // files hold any bytes; JSON does not
  return {{"exit_code", end.exit_code}, {"message", end.message}, {"reason", end.reason}, {"final", end.final}, {"run", end.run_id}, {"tokens", end.tokens}, {"calls", end.calls}, {"files", files}};
}

bool from_json(const Value& json, StepEnd& end) {
  const auto is_text = [&](const char* name) { return json.contains(name) && json[name].is_string(); };
  if (!json.is_object() || !is_text("final") || !is_text("reason") || !is_text("run") || !is_text("message") || !json.contains("exit_code") ||
      !json["exit_code"].is_number_integer() || !json.contains("tokens") ||
      !json["tokens"].is_number_integer() || !json.contains("files") || !json["files"].is_object()) {
    return false;
  }
  end.exit_code = json["exit_code"].get<int>();
  end.message = json["message"].get<std::string>();
  end.reason = json["reason"].get<std::string>();
  end.final = json["final"].get<std::string>();
  end.run_id = json["run"].get<std::string>();
  end.tokens = json["tokens"].get<std::int64_t>();
  end.calls = json.value("calls", Value::array());
  for (const auto& [path, bytes] : json["files"].items()) {
    auto decoded = bytes.is_string() ? from_base64(bytes.get<std::string>()) : std::nullopt;
    if (!decoded) return false;
    end.files[path] = std::move(*decoded);
  }
  return true;
}

}  // namespace

Result<std::unique_ptr<JournalHost>> JournalHost::open(const std::filesystem::path& path, Host& host) {
  std::unique_ptr<JournalHost> journal(new JournalHost(host));
  auto lines = LineFile::open(path, "run of a step", [&](const Value& line) { return journal->take(line); });
  if (!lines) return lines.error();
  journal->lines_ = std::move(*lines);
  return journal;
}

bool JournalHost::take(const Value& line) {
  const auto text = [&](const char* name) {
    return line.is_object() && line.contains(name) && line[name].is_string() ? line[name].get<std::string>() : std::string();
  };
  if (const std::string task = text("forget"); !task.empty()) {
    drop(task, text("step"));
    return true;
  }
  Entry entry{text("task"), text("step"), {}};
  if (text("key").empty() || !line.contains("end") || !from_json(line["end"], entry.end)) return false;
  entries_[text("key")] = std::move(entry);
  return true;
}

void JournalHost::drop(const std::string& task_key, const std::string& step) {
  std::erase_if(entries_, [&](const auto& item) {
    const Entry& entry = item.second;
    return entry.task_key == task_key && (step.empty() || entry.step == step || entry.step == step + "/judge");
  });
}

StepEnd JournalHost::run_step(const StepOrder& order, std::stop_token stop) {
  const std::string key = key_of(order);
  {
    const std::scoped_lock lock(mutex_);
    const auto known = entries_.find(key);
    if (known != entries_.end()) {
      ++n_known_;
      return known->second.end;
    }
  }
  StepEnd end = host_.run_step(order, std::move(stop));
  constexpr int kExitStopped = 130;
  if (end.exit_code < kExitStopped) lines_->append({{"key", key}, {"task", order.task_key}, {"step", order.step}, {"end", to_json(end)}});
  return end;
}

void JournalHost::forget(const std::string& task_key) { forget(task_key, ""); }

void JournalHost::forget(const std::string& task_key, const std::string& step) {
  const std::scoped_lock lock(mutex_);
  drop(task_key, step);
  Value line = {{"forget", task_key}};
  if (!step.empty()) line["step"] = step;
  lines_->append(line);
}

}  // namespace toccata::task
