#include "agent/task/parse.h"

#include <algorithm>
#include <set>

#include "agent/task/params.h"
#include "agent/task/parse_fields.h"
#include "agent/task/parse_assertions.h"
#include "agent/task/plan.h"
#include "agent/task/schema_check.h"
#include "agent/task/sha256.h"
#include "core/base/mapped_file.h"

namespace toccata::task {
namespace {

using Kind = YamlNode::Kind;

const std::vector<std::string> kSettingKeys = {"model",    "tools",     "reasoning",     "temperature",     "seed",
                                               "max_turns", "timeout",  "budget_tokens", "max_step_tokens", "max_reasoning_tokens",
                                               "subagents", "best_of",  "judge", "tool_files", "max_sandbox_cpu"};

std::vector<std::string> operator+(std::vector<std::string> a, const std::vector<std::string>& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

bool is_name(const std::string& text) {
  return !text.empty() && text.size() <= 64 && std::isalpha(static_cast<unsigned char>(text[0])) != 0 &&
         std::all_of(text.begin(), text.end(), [](unsigned char c) { return std::isalnum(c) != 0 || c == '_' || c == '-'; });
}

class TaskParser {
 public:
  TaskParser(const std::string& file, const ReadNamed& read_named) : file_(file), read_named_(read_named) {}

  ParsedTask parse(std::string_view text) {
    ParsedTask result;
    hash_.add(text);
    Result<YamlNode> root = read_yaml(text, file_);
    if (!root) {
      result.problems.push_back(problem_of(root.error(), file_));
      return result;
    }
    read_task(*root);
    task_.content_hash = hash_.hex();
    result.problems = fields_.take_problems();
    if (result.problems.empty()) {
      if (auto order = order_steps(task_); !order) result.problems.push_back(problem_of(order.error(), file_));
    }
    std::stable_sort(result.problems.begin(), result.problems.end(), [](const Problem& a, const Problem& b) {
      return std::pair(a.place.line, a.place.column) < std::pair(b.place.line, b.place.column);
    });
    result.task = std::move(task_);
    return result;
  }

 private:
  void read_task(const YamlNode& root) {
    if (!fields_.mapping(root, "a task file", {"name", "description", "params", "defaults", "steps", "output", "assert",
                                               "timeout", "budget_tokens"})) {
      return;
    }
    task_.name = fields_.text(root, "name").value_or("");
    if (task_.name.empty() && root.find("name") == nullptr) fields_.problem(root.place, "found no 'name', expected one");
    task_.description = fields_.text(root, "description").value_or("");
    task_.timeout_s = fields_.duration(root, "timeout").value_or(0);
    task_.budget_tokens = fields_.integer(root, "budget_tokens", 1).value_or(0);
    if (const YamlNode* params = root.find("params")) read_params(*params);
    if (const YamlNode* defaults = root.find("defaults")) {
      if (fields_.mapping(*defaults, "'defaults'", kSettingKeys + std::vector<std::string>{"instructions"})) {
        defaults_ = read_settings(*defaults);
        default_instructions_ = fields_.text_template(*defaults, "instructions");
      }
    }
    read_steps(root);
    if (const YamlNode* output = root.find("output")) {
      task_.output = fields_.value_template(*output);
      if (task_.output) check_references(task_.output->references(), output->place, {"params", "row", "steps"}, nullptr);
    }
    if (const YamlNode* assertions = root.find("assert")) {
      task_.assertions = AssertionReader(fields_, schema_reader()).read(*assertions);
      check_assertions(task_.assertions, {"params", "row", "steps", "output"}, nullptr);
    }
  }

  // --- Parameters ---------------------------------------------------------------------------------------------------

  void read_params(const YamlNode& node) {
    if (node.kind != Kind::kMap) {
      fields_.problem(node.place, "found " + node.found() + " for 'params', expected a mapping: name: type");
      return;
    }
    for (const YamlField& field : node.fields) {
      if (!is_name(field.key)) {
        fields_.problem(field.place, "found the parameter name '" + field.key + "', expected letters, digits, _ and -");
      }
      task_.params.push_back(read_param(field));
    }
  }

  ParamType read_type(const std::string& name, const Place& place) {
    const ParamType all[] = {ParamType::kString, ParamType::kInteger, ParamType::kNumber,
                             ParamType::kBoolean, ParamType::kList,   ParamType::kObject};
    std::vector<std::string> names;
    for (const ParamType type : all) {
      if (name == to_string(type)) return type;
      names.emplace_back(to_string(type));
    }
    fields_.problem(place, "found the type '" + name + "', expected one of " + listed(names) + did_you_mean(name, names));
    return ParamType::kString;
  }

  Param read_param(const YamlField& field) {
    Param param;
    param.name = field.key;
    param.place = field.place;
    const YamlNode& node = field.value;
    if (node.kind == Kind::kScalar && node.is_text()) {
      param.type = read_type(node.text, node.place);
      return param;
    }
    const std::string what = "parameter '" + field.key + "'";
    if (!fields_.mapping(node, what, {"type", "default", "enum", "required", "min", "max", "description"})) return param;
    param.description = fields_.text(node, "description").value_or("");
    if (const auto type = fields_.text(node, "type")) {
      param.type = read_type(*type, node.find("type")->place);
    } else if (node.find("type") == nullptr) {
      fields_.problem(field.place, "found no 'type' of " + what + ", expected string, integer, number, boolean, list or object");
    }
    param.minimum = fields_.number(node, "min", FieldReader::kNoLeast);
    param.maximum = fields_.number(node, "max", FieldReader::kNoLeast);
    if (const YamlNode* allowed = node.find("enum")) read_enum(*allowed, param);
    const YamlNode* default_value = node.find("default");
    param.required = fields_.boolean(node, "required").value_or(default_value == nullptr);
    if (default_value != nullptr && param.required) {
      fields_.problem(default_value->place, "found a default for " + what + ", which is required, expected one or the other");
    }
    if (default_value != nullptr) {
      Result<Value> value = checked_value(param, default_value->value());
      if (value) {
        param.default_value = *value;
      } else {
        fields_.problem(default_value->place, "the default of " + value.error().message);
      }
    }
    return param;
  }

  void read_enum(const YamlNode& node, Param& param) {
    if (node.kind != Kind::kList || node.items.empty()) {
      fields_.problem(node.place, "found " + node.found() + " for 'enum', expected a list of values");
      return;
    }
    Param open = param;
    for (const YamlNode& item : node.items) {
      Result<Value> value = checked_value(open, item.value());
      if (value) {
        param.allowed.push_back(*value);
      } else {
        fields_.problem(item.place, "in the enum of " + value.error().message);
      }
    }
  }

  // --- Steps --------------------------------------------------------------------------------------------------------

  Settings read_settings(const YamlNode& node) {
    Settings settings;
    settings.model = fields_.text_template(node, "model");
    settings.tools = fields_.texts(node, "tools");
    settings.tool_files = fields_.texts(node, "tool_files");
    for (const std::string& name : settings.tool_files.value_or(std::vector<std::string>())) read_tool_file(name, node.find("tool_files")->place);
    settings.reasoning = fields_.one_of(node, "reasoning", {"low", "medium", "high"});
    settings.temperature = fields_.number(node, "temperature", 0);
    settings.seed = fields_.integer(node, "seed", 0);
    settings.max_turns = fields_.integer(node, "max_turns", 1);
    settings.timeout_s = fields_.duration(node, "timeout");
    settings.max_sandbox_cpu_s = fields_.duration(node, "max_sandbox_cpu");
    settings.budget_tokens = fields_.integer(node, "budget_tokens", 1);
    settings.max_step_tokens = fields_.integer(node, "max_step_tokens", 1);
    settings.max_reasoning_tokens = fields_.integer(node, "max_reasoning_tokens", 1);
    settings.subagents = fields_.integer(node, "subagents", 0);
    settings.best_of = fields_.integer(node, "best_of", 1);
    settings.judge = fields_.one_of(node, "judge", {"majority", "first-valid", "model"});
    return settings;
  }

  // What it declares is read when a step runs; here it is part of what the task is.
  void read_tool_file(const std::string& name, const Place& place) {
    Result<std::string> text = Error{ErrorCode::kNotFound, name + ": no file can be named here"};
    if (read_named_) text = read_named_(name);
    if (!text) return fields_.problem(place, "found the name of a tool file that cannot be read: " + text.error().message);
    hash_.add(*text);
  }

  void read_steps(const YamlNode& root) {
    const YamlNode* steps = root.find("steps");
    if (steps == nullptr || steps->kind != Kind::kList || steps->items.empty()) {
      fields_.problem(steps == nullptr ? root.place : steps->place,
                      steps == nullptr ? "found no 'steps', expected a list of steps"
                                       : "found " + steps->found() + " for 'steps', expected a list of at least one step");
      return;
    }
    for (const YamlNode& item : steps->items) read_step(item);
    for (const Step& step : task_.steps) check_step(step);
  }

  void read_step(const YamlNode& node) {
    Step step;
    step.place = node.place;
    if (!fields_.mapping(node, "a step", std::vector<std::string>{"id", "prompt", "instructions", "needs", "if", "foreach", "matrix", "until", "retry",
                                                                  "output_schema", "assert", "before", "after", "artifacts", "allow_failure"} + kSettingKeys)) {
      return;
    }
    step.id = fields_.text(node, "id").value_or("");
    if (const YamlNode* id = node.find("id")) {
      if (!is_name(step.id)) fields_.problem(id->place, "found the id '" + step.id + "', expected letters, digits, _ and -");
      if (task_.find(step.id) != nullptr) fields_.problem(id->place, "found the id '" + step.id + "' twice, expected it once");
    } else {
      step.id = "step" + std::to_string(task_.steps.size() + 1);
      if (task_.find(step.id) != nullptr) fields_.problem(node.place, "found no 'id', expected one: '" + step.id + "' is taken");
    }
    if (auto prompt = fields_.text_template(node, "prompt")) {
      step.prompt = std::move(*prompt);
    } else if (node.find("prompt") == nullptr) {
      fields_.problem(node.place, "found no 'prompt' in step '" + step.id + "', expected one");
    }
    step.instructions = fields_.text_template(node, "instructions");
    if (!step.instructions) step.instructions = default_instructions_;
    step.needs = fields_.texts(node, "needs").value_or(std::vector<std::string>());
    if (const YamlNode* condition = node.find("if")) step.condition = fields_.expression(*condition);
    if (const YamlNode* foreach = node.find("foreach")) step.foreach = fields_.value_template(*foreach);
    if (const YamlNode* matrix = node.find("matrix")) read_matrix(*matrix, step);
    if (const YamlNode* until = node.find("until")) step.until = read_until(*until);
    if (const YamlNode* retry = node.find("retry")) step.retry = read_retry(*retry);
    if (const YamlNode* schema = node.find("output_schema")) step.output_schema = schema_reader()(*schema);
    if (const YamlNode* list = node.find("assert")) step.assertions = AssertionReader(fields_, schema_reader()).read(*list);
    if (const YamlNode* before = node.find("before")) step.before = read_hook(*before, "before");
    if (const YamlNode* after = node.find("after")) step.after = read_hook(*after, "after");
    step.artifacts = fields_.texts(node, "artifacts").value_or(std::vector<std::string>());
    step.allow_failure = fields_.boolean(node, "allow_failure").value_or(false);
    step.settings = read_settings(node);
    step.settings.fill_from(defaults_);
    task_.steps.push_back(std::move(step));
  }

  void read_matrix(const YamlNode& node, Step& step) {
    if (step.foreach) fields_.problem(node.place, "found 'matrix' next to 'foreach', expected one of them");
    if (node.kind != Kind::kMap || node.fields.empty()) {
      fields_.problem(node.place, "found " + node.found() + " for 'matrix', expected a mapping of lists such as {size: [1, 2]}");
      return;
    }
    step.foreach = fields_.value_template(node);
    step.is_matrix = true;
  }

  std::optional<Until> read_until(const YamlNode& node) {
    Until until;
    const YamlNode* that = &node;
    if (node.kind != Kind::kScalar) {
      if (!fields_.mapping(node, "'until'", {"that", "times"})) return std::nullopt;
      until.times = static_cast<int>(std::min<std::int64_t>(fields_.integer(node, "times", 1).value_or(until.times), kRetriesMax));
      that = node.find("that");
    }
    if (that == nullptr) {
      fields_.problem(node.place, "found no 'that' in 'until', expected an expression");
      return std::nullopt;
    }
    auto expression = fields_.expression(*that);
    if (!expression) return std::nullopt;
    until.that = std::move(*expression);
    return until;
  }

  std::optional<Hook> read_hook(const YamlNode& node, const std::string& key) {
    if (!fields_.mapping(node, "'" + key + "'", {"python", "command", "timeout"})) return std::nullopt;
    Hook hook;
    hook.place = node.place;
    hook.command = node.find("command") != nullptr;
    if (hook.command == (node.find("python") != nullptr)) {
      fields_.problem(node.place, std::string("found ") + (hook.command ? "both" : "neither") + " of 'python' and 'command' in '" + key +
                                      "', expected one of them");
    }
    hook.code = fields_.text(node, hook.command ? "command" : "python").value_or("");
    hook.timeout_s = fields_.duration(node, "timeout").value_or(hook.timeout_s);
    return hook;
  }

  Retry read_retry(const YamlNode& node) {
    Retry retry;
    if (node.scalar.is_number()) {
      YamlNode whole;
      whole.kind = Kind::kMap;
      whole.fields.push_back({"retry", node.place, node});
      retry.times = static_cast<int>(std::min<std::int64_t>(fields_.integer(whole, "retry", 0).value_or(0), kRetriesMax));
      return retry;
    }
    if (!fields_.mapping(node, "'retry'", {"times", "delay", "on"})) return retry;
    retry.times = static_cast<int>(std::min<std::int64_t>(fields_.integer(node, "times", 0).value_or(1), kRetriesMax));
    retry.delay_s = fields_.duration(node, "delay").value_or(0);
    const std::vector<std::string> reasons = {"assertion", "schema", "timeout", "budget", "model", "tool", "run"};
    for (const std::string& reason : fields_.texts(node, "on").value_or(std::vector<std::string>())) {
      if (std::find(reasons.begin(), reasons.end(), reason) == reasons.end()) {
        fields_.problem(node.find("on")->place, "found '" + reason + "' for 'on', expected some of " + listed(reasons) +
                                                    did_you_mean(reason, reasons));
      }
      retry.on.insert(reason);
    }
    return retry;
  }

  // A schema stands in the file, or in another one that is named.
  SchemaReader schema_reader() {
    return [this](const YamlNode& node) -> std::optional<Schema> {
      Value source = node.value();
      if (node.is_text()) {
        Result<std::string> text = Error{ErrorCode::kNotFound, node.text + ": no file can be named here"};
        if (read_named_) text = read_named_(node.text);
        if (!text) {
          fields_.problem(node.place, "found the name of a schema that cannot be read: " + text.error().message);
          return std::nullopt;
        }
        hash_.add(*text);
        if (!parse_json(*text, source)) {
          fields_.problem(node.place, "found the schema file '" + node.text + "', which is not JSON, expected a JSON Schema");
          return std::nullopt;
        }
      } else if (node.kind != Kind::kMap && !node.scalar.is_boolean()) {
        fields_.problem(node.place, "found " + node.found() + ", expected a JSON Schema or the name of a file with one");
        return std::nullopt;
      }
      Result<Schema> schema = make_schema(source);
      if (schema) return *schema;
      fields_.problem(node.place, schema.error().message);
      return std::nullopt;
    };
  }

  // --- What expressions read ----------------------------------------------------------------------------------------

  void check_step(const Step& step) {
    for (const std::string& id : step.needs) {
      if (task_.find(id) == nullptr) {
        fields_.problem(step.place, "found the unknown step '" + id + "' in 'needs' of '" + step.id + "', expected one of " +
                                        listed(step_ids()) + did_you_mean(id, step_ids()));
      }
      if (id == step.id) fields_.problem(step.place, "found step '" + id + "' in its own 'needs', expected others");
    }
    Step body = step;
    body.assertions.clear();
    std::vector<std::string> roots = {"params", "row", "steps"};
    if (step.foreach) {
      check_references(step.foreach->references(), step.place, roots, &step);
      body.foreach.reset();
      if (step.condition) check_references(step.condition->references(), step.place, roots, &step);
      body.condition.reset();
      roots.insert(roots.end(), {"item", "index"});
    }
    body.until.reset();
    if (step.until) roots.emplace_back("previous");
    if (step.before) roots.emplace_back("before");
    check_references(references_of(body), step.place, roots, &step);
    roots.insert(roots.end(), {"output", "text"});
    if (step.until) check_references(step.until->that.references(), step.place, roots, &step);
    check_assertions(step.assertions, roots, &step);
  }

  void check_assertions(const std::vector<Assertion>& all, const std::vector<std::string>& roots, const Step* step) {
    for (const Assertion& assertion : all) check_references(references_of(assertion), assertion.place, roots, step);
  }

  void check_references(
      const std::vector<Reference>& references, const Place& place, const std::vector<std::string>& roots, const Step* self
  ) {
    const std::vector<std::string> step_fields = {"output", "text", "status", "run", "error"};
    for (const Reference& reference : references) {
      const std::string where = self == nullptr ? "" : " in step '" + self->id + "'";
      const auto unknown = [&](const std::string& what, const std::string& name, const std::vector<std::string>& known) {
        fields_.problem(place, "found the unknown " + what + " '" + name + "'" + where + ", expected " +
                                   (known.empty() ? "none: there are none" : "one of " + listed(known)) + did_you_mean(name, known));
      };
      const auto has = [](const std::vector<std::string>& all, const std::string& one) {
        return std::find(all.begin(), all.end(), one) != all.end();
      };
      if (!has(roots, reference[0])) {
        unknown("name", reference[0], roots);
      } else if (reference[0] == "params" && reference.size() > 1 && !has(param_names(), reference[1])) {
        unknown("parameter", reference[1], param_names());
      } else if (reference[0] == "steps" && reference.size() > 1) {
        if (!has(step_ids(), reference[1])) {
          unknown("step", reference[1], step_ids());
        } else if (self != nullptr && reference[1] == self->id) {
          fields_.problem(place, "found a step that reads its own result" + where + ", expected another step" +
                                     " (its assertions read it as 'output')");
        } else if (reference.size() > 2 && !has(step_fields, reference[2])) {
          unknown("field of a step", reference[2], step_fields);
        }
      }
    }
  }

  std::vector<std::string> param_names() const {
    std::vector<std::string> names;
    for (const Param& param : task_.params) names.push_back(param.name);
    return names;
  }
  std::vector<std::string> step_ids() const {
    std::vector<std::string> ids;
    for (const Step& step : task_.steps) ids.push_back(step.id);
    return ids;
  }

  static constexpr std::int64_t kRetriesMax = 100;
  const std::string& file_;
  const ReadNamed& read_named_;
  FieldReader fields_;
  Task task_;
  Settings defaults_;
  std::optional<Template> default_instructions_;
  Sha256 hash_;
};

}  // namespace

ParsedTask parse_task(std::string_view text, const std::string& file, const ReadNamed& read_named) {
  return TaskParser(file, read_named).parse(text);
}

ParsedTask load_task(const std::filesystem::path& path) {
  const std::string text = read_text_file(path).value_or_throw();
  ParsedTask parsed = parse_task(text, path.string(), [&](const std::string& named) {
    constexpr std::size_t kSchemaMax = std::size_t{4} << 20;
    return read_text_file(path.parent_path() / named, kSchemaMax);
  });
  for (Step& step : parsed.task.steps) {
    if (!step.settings.tool_files) continue;
    for (std::string& file : *step.settings.tool_files) file = std::filesystem::absolute(path.parent_path() / file).string();
  }
  return parsed;
}

}  // namespace toccata::task
