#include "agent/task/runner.h"

#include <fnmatch.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <map>
#include <mutex>
#include <set>
#include <thread>

#include "agent/task/assertions.h"
#include "agent/task/judge.h"
#include "agent/task/plan.h"
#include "agent/task/schema_check.h"
#include "agent/task/sha256.h"

namespace toccata::task {
namespace {

using Clock = std::chrono::steady_clock;
using Status = StepReport::Status;

constexpr std::size_t kItemsMax = 10'000;  // of a foreach, whose list may be a model's
constexpr std::size_t kHookShown = 2000;      // bytes of what a hook that failed printed
constexpr int kExitFailed = 1, kExitLimit = 4, kExitTimeout = 124, kExitStopped = 130;

double seconds_since(Clock::time_point begin) { return std::chrono::duration<double>(Clock::now() - begin).count(); }

// The name under which `retry: {on: ...}` knows an exit code; "" = never tried again.
std::string retry_name(int exit_code) {
  switch (exit_code) {
    case 1: return "run";
    case kExitAssertion: return "assertion";
    case kExitLimit: return "budget";
    case 6: return "tool";
    case 7: return "model";
    case kExitSchema: return "schema";
    case kExitTimeout: return "timeout";
    default: return "";
  }
}

bool wait(double seconds, const std::stop_token& stop) {  // false: stopped
  std::mutex mutex;
  std::condition_variable_any changed;
  std::unique_lock lock(mutex);
  changed.wait_for(lock, stop, std::chrono::duration<double>(seconds), [] { return false; });
  return !stop.stop_requested();
}

// {a: [1, 2], b: [x, y]} -> {a: 1, b: x}, {a: 1, b: y}, {a: 2, b: x}, {a: 2, b: y}; no list when a member is none, or when
// there are more than kItemsMax.
Value combinations(const Value& lists) {
  Value all = Value::array({Value::object()});
  for (const auto& [name, list] : lists.items()) {
    if (!list.is_array() || all.size() * list.size() > kItemsMax) return nullptr;
    Value longer = Value::array();
    for (const Value& one : all) {
      for (const Value& value : list) {
        longer.push_back(one);
        longer.back()[name] = value;
      }
    }
    all = std::move(longer);
  }
  return all;
}

class TaskRun {
 public:
  TaskRun(const Task& task, const TaskInput& input, Host& host, std::stop_token stop, const StepSink& sink)
      : task_(task), host_(host), stop_(std::move(stop)), sink_(sink), folder_(input.folder), key_(input.key), seed_offset_(input.seed_offset) {
    scope_ = {{"params", input.params}, {"steps", Value::object()}};
    if (input.row.is_object()) scope_["row"] = input.row;
  }

  TaskReport run() {
    const auto order = order_steps(task_).value_or_throw();
    for (const std::size_t i : order) {
      const Step& step = task_.steps[i];
      StepReport report;
      report.id = step.id;
      if (report_.exit_code == 0) run_step(step, report);
      report_.steps.push_back(std::move(report));
    }
    if (report_.exit_code == 0) finish();
    report_.seconds = seconds_since(begin_);
    return std::move(report_);
  }

 private:
  void run_step(const Step& step, StepReport& report) {
    const auto begin = Clock::now();
    const std::int64_t tokens = report_.tokens;
    if (sink_) sink_(report);
    try {
      if (!wanted(step)) {
        report.status = Status::kSkipped;
      } else if (step.foreach) {
        run_items(step, report);
      } else {
        run_rounds(step, step.id, scope_, report);
      }
    } catch (const JudgeError& e) {
      fail(report, e.exit_code(), "judge", e.what());
    } catch (const Exception& e) {
      fail(report, kExitFailed, e.code() == ErrorCode::kInvalidArgument ? "template" : "error", e.what());
      if (e.code() == ErrorCode::kUnavailable) report.exit_code = 6;
    }
    report.seconds = seconds_since(begin);
    report.tokens = report_.tokens - tokens;
    scope_["steps"][step.id] = {{"output", report.output},
                                {"text", report.text},
                                {"status", to_string(report.status)},
                                {"run", report.runs.empty() ? Value() : Value(report.runs.back())},
                                {"error", report.message}};
    if (sink_) sink_(report);
    if (report.status != Status::kFailed || (step.allow_failure && report.exit_code != kExitStopped)) return;
    report_.exit_code = report.exit_code;
    report_.message = "step '" + step.id + "' failed: " + report.message;
  }

  bool wanted(const Step& step) const {
    const auto done = [&](const std::string& id) { return scope_["steps"][id]["status"] == "done"; };
    if (!std::all_of(step.needs.begin(), step.needs.end(), done)) return false;
    return !step.condition || truthy(step.condition->evaluate(scope_));
  }

  void run_items(const Step& step, StepReport& report) {
    Value items = step.foreach->value(scope_);
    if (step.is_matrix) items = combinations(items);
    if (!items.is_array()) {
      return fail(report, kExitFailed, "template",
                  step.is_matrix ? "'matrix' gave no lists, or more than " + std::to_string(kItemsMax) + " combinations, expected lists"
                                 : std::string("'foreach' gave ") + kind_of(items) + ", expected a list");
    }
    if (items.size() > kItemsMax) {
      return fail(report, kExitFailed, "template", "'foreach' gave " + std::to_string(items.size()) +
                                                       " items, expected at most " + std::to_string(kItemsMax));
    }
    Value outputs = Value::array();
    report.status = Status::kDone;
    for (std::size_t i = 0; i < items.size() && report.status == Status::kDone; ++i) {
      Scope scope = scope_;
      scope["item"] = items[i];
      scope["index"] = i;
      run_rounds(step, step.id + "[" + std::to_string(i) + "]", scope, report);
      if (report.status == Status::kFailed) report.message = "item " + std::to_string(i) + ": " + report.message;
      outputs.push_back(report.output);
    }
    report.output = std::move(outputs);
    report.text = to_text(report.output);
  }

  // Until the step's own condition holds; without one, once.
  void run_rounds(const Step& step, const std::string& name, Scope scope, StepReport& report) {
    if (!step.until) return run_attempts(step, name, scope, report);
    scope["previous"] = nullptr;
    for (int round = 1;; ++round) {
      run_attempts(step, name, scope, report);
      if (report.status != Status::kDone) return;
      Scope seen = scope;
      seen["output"] = report.output;
      seen["text"] = report.text;
      if (truthy(step.until->that.evaluate(seen))) return;
      if (round >= step.until->times) {
        return fail(report, kExitAssertion, "until", "after " + std::to_string(round) + " runs it is not so that " +
                                                         step.until->that.source());
      }
      scope["previous"] = report.output;
    }
  }

  void run_attempts(const Step& step, const std::string& name, const Scope& scope, StepReport& report) {
    for (int attempt = 0;; ++attempt) {
      report.attempts += 1;
      report.failures.clear();
      attempt_once(step, name, scope, attempt, report);
      if (report.status == Status::kDone || attempt >= step.retry.times) return;
      const std::string reason = retry_name(report.exit_code);
      if (reason.empty() || (!step.retry.on.empty() && !step.retry.on.contains(reason))) return;
      if (!wait(step.retry.delay_s, stop_)) return fail(report, kExitStopped, "stopped", "stopped");
    }
  }

  void attempt_once(const Step& step, const std::string& name, const Scope& scope, int attempt, StepReport& report) {
    if (stop_.stop_requested()) return fail(report, kExitStopped, "stopped", "stopped");
    Scope seen = scope;
    Files given;
    if (step.before && !run_before(step, seen, given, report)) return;
    StepOrder order = make_order(step, name, seen, attempt);
    order.files = std::move(given);
    const StepEnd end = run_within_limits(std::move(order));
    if (!end.run_id.empty()) report.runs.push_back(end.run_id);
    report.text = end.final;
    report.output = end.final;
    if (end.exit_code != 0) return fail(report, end.exit_code, end.reason, end.message);
    judge(step, name, std::move(seen), end, report);
  }

  // One run, with what the task has left.
  StepEnd run_within_limits(StepOrder order) {
    const auto over = [](int exit_code, std::string reason, std::string message) {
      StepEnd end;
      end.exit_code = exit_code;
      end.reason = std::move(reason);
      end.message = std::move(message);
      return end;
    };
    if (task_.timeout_s > 0) {
      const double left = task_.timeout_s - seconds_since(begin_);
      if (left <= 0) return over(kExitTimeout, "timeout", "the time of the task is over");
      if (order.settings.timeout_s.value_or(0) <= 0 || *order.settings.timeout_s > left) order.settings.timeout_s = left;
    }
    if (task_.budget_tokens > 0) {
      const std::int64_t left = task_.budget_tokens - report_.tokens;
      if (left <= 0) return over(kExitLimit, "budget", "the tokens of the task are spent");
      order.settings.budget_tokens = std::min(order.settings.budget_tokens.value_or(left), left);
    }
    order.task_key = key_;
    order.number = ++n_runs_[order.step];
    StepEnd end = host_.run_step(order, stop_);
    report_.tokens += end.tokens;
    return end;
  }

  // How the judges of a step, or of the task, ask.
  AskModel asks(const std::string& name, std::optional<std::string> model) {
    return [this, name, model = std::move(model)](StepOrder order) {
      order.task = task_.name;
      order.step = name;
      if (!order.model) order.model = model;
      return run_within_limits(std::move(order));
    };
  }

  StepOrder make_order(const Step& step, const std::string& name, const Scope& scope, int attempt) const {
    StepOrder order;
    order.task = task_.name;
    order.step = name;
    order.prompt = step.prompt.render(scope);
    if (step.instructions) order.instructions = step.instructions->render(scope);
    if (step.output_schema) order.output_schema = to_json_text(step.output_schema->source);
    order.settings = step.settings;
    if (step.settings.model) order.model = step.settings.model->render(scope);
    if (order.settings.seed) *order.settings.seed += seed_offset_ + attempt;  // the same seed would fail the same way
    if (step.functions) order.functions = step.functions->value(scope);
    order.keep_files = looks_at_files(step.assertions) || step.after || !step.artifacts.empty();
    return order;
  }

  void judge(const Step& step, const std::string& name, Scope scope, const StepEnd& end, StepReport& report) {
    if (step.output_schema) {
      Result<Value> value = json_answer(end.final);
      if (!value) return fail(report, kExitSchema, "schema", "the answer is not JSON: " + value.error().message);
      report.output = *value;
      const std::string breach = schema_breach(*step.output_schema, *value);
      if (!breach.empty()) return fail(report, kExitSchema, "schema", "the answer " + breach);
    }
    scope["output"] = report.output;
    scope["text"] = report.text;
    if (step.functions) scope["calls"] = end.calls;
    std::optional<std::string> model;
    if (step.settings.model) model = step.settings.model->render(scope);
    report.failures =
        failed_assertions(step.assertions, {scope, end.files, host_, stop_, asks(name + "/judge", model), &report.verdicts});
    if (stop_.stop_requested() && !report.failures.empty()) {  // the check was cut off: it says nothing
      report.failures.clear();
      return fail(report, kExitStopped, "stopped", "stopped");
    }
    if (!report.failures.empty()) return fail(report, kExitAssertion, "assertion", report.failures.front());
    Files files = end.files;
    if (step.after && !run_after(step, scope, files, report)) return;
    if (!keep_artifacts(step, name, files, report)) return;
    report.status = Status::kDone;
    report.exit_code = 0;
    report.reason = end.reason;
    report.message.clear();
  }

  // False, with the step failed: the model is not asked.
  bool run_before(const Step& step, Scope& scope, Files& files, StepReport& report) {
    const Files none;
    CheckEnd end = run_hook(*step.before, {scope, none, host_, stop_}, true);
    if (!hook_held(*step.before, "before", end, report)) return false;
    files = std::move(end.files);
    scope["before"] = end.output;
    return true;
  }

  // `files` are then those the hook leaves.
  bool run_after(const Step& step, const Scope& scope, Files& files, StepReport& report) {
    CheckEnd end = run_hook(*step.after, {scope, files, host_, stop_}, true);
    if (!hook_held(*step.after, "after", end, report)) return false;
    files = std::move(end.files);
    return true;
  }

  bool hook_held(const Hook& hook, const char* key, const CheckEnd& end, StepReport& report) {
    if (stop_.stop_requested()) {
      fail(report, kExitStopped, "stopped", "stopped");
    } else if (!end.ok) {
      fail(report, kExitFailed, "hook", hook.place.text() + ": '" + key + "' failed: " + end.output.substr(0, kHookShown));
    }
    return end.ok && !stop_.stop_requested();
  }

  bool keep_artifacts(const Step& step, const std::string& name, const Files& files, StepReport& report) {
    const std::string folder = folder_.empty() ? name : folder_ + "/" + name;
    std::set<std::string> kept;
    for (const std::string& pattern : step.artifacts) {
      bool found = false;
      for (const auto& [path, bytes] : files) {
        if (::fnmatch(pattern.c_str(), path.c_str(), FNM_PATHNAME) != 0) continue;
        found = true;
        if (!kept.insert(path).second) continue;
        const Result<std::string> where = host_.keep_artifact(folder, path, bytes);
        if (!where) {
          fail(report, kExitFailed, "artifact", "cannot keep " + path + ": " + where.error().message);
          return false;
        }
        Sha256 hash;
        hash.add_bytes(bytes);
        report.artifacts.push_back({{"name", path}, {"bytes", bytes.size()}, {"sha256", hash.hex()}, {"path", *where}});
      }
      if (found || pattern.find_first_of("*?[") != std::string::npos) continue;
      fail(report, kExitAssertion, "artifact", step.place.text() + ": artifacts: found no file '" + pattern + "' in the workspace, expected one");
      return false;
    }
    return true;
  }

  static void fail(StepReport& report, int exit_code, std::string reason, std::string message) {
    report.status = Status::kFailed;
    report.exit_code = exit_code;
    report.reason = std::move(reason);
    report.message = std::move(message);
  }

  void finish() {
    try {
      if (task_.output) {
        report_.output = task_.output->value(scope_);
      } else {
        for (const StepReport& step : report_.steps) {
          if (step.status == Status::kDone) report_.output = step.output;
        }
      }
      scope_["output"] = report_.output;
      scope_["text"] = to_text(report_.output);
      const Files none;
      const auto failures =
          failed_assertions(task_.assertions, {scope_, none, host_, stop_, asks("judge", {}), &report_.verdicts});
      if (failures.empty()) return;
      report_.exit_code = kExitAssertion;
      report_.message = failures.front();
    } catch (const JudgeError& e) {
      report_.exit_code = e.exit_code();
      report_.message = e.what();
    } catch (const Exception& e) {
      report_.exit_code = e.code() == ErrorCode::kUnavailable ? 6 : kExitFailed;
      report_.message = e.what();
    }
  }

  const Task& task_;
  Host& host_;
  std::stop_token stop_;
  const StepSink& sink_;
  const std::string folder_, key_;
  const std::int64_t seed_offset_;
  std::map<std::string, int> n_runs_;  // by step
  Scope scope_;
  TaskReport report_;
  Clock::time_point begin_ = Clock::now();
};

}  // namespace

const char* to_string(Status status) {
  switch (status) {
    case Status::kDone: return "done";
    case Status::kFailed: return "failed";
    case Status::kSkipped: return "skipped";
    case Status::kNotRun: return "not_run";
  }
  return "?";
}

TaskReport run_task(
    const Task& task, const TaskInput& input, Host& host, std::stop_token stop, const StepSink& sink
) {
  return TaskRun(task, input, host, std::move(stop), sink).run();
}

Value to_json(const StepReport& report) {
  Value json = {{"step", report.id},
                {"status", to_string(report.status)},
                {"exit_code", report.exit_code},
                {"reason", report.reason},
                {"message", report.message},
                {"failures", report.failures},
                {"runs", report.runs},
                {"verdicts", report.verdicts},
                {"artifacts", report.artifacts},
                {"attempts", report.attempts},
                {"tokens", report.tokens},
                {"seconds", report.seconds},
                {"output", report.output}};
  return json;
}

Value to_json(const TaskReport& report) {
  Value steps = Value::array();
  for (const StepReport& step : report.steps) steps.push_back(to_json(step));
  return {{"exit_code", report.exit_code}, {"message", report.message}, {"output", report.output}, {"verdicts", report.verdicts},
          {"tokens", report.tokens},       {"seconds", report.seconds}, {"steps", std::move(steps)}};
}

}  // namespace toccata::task
