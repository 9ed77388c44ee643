#include "agent/toolfile/tool_script.h"

#include <algorithm>
#include <mutex>

#include "agent/task/parse_fields.h"
#include "core/base/mapped_file.h"

namespace toccata::toolfile {
namespace {

using task::Problem;
using task::Value;
using task::YamlField;
using task::YamlNode;
using tools::ToolResult;
using tools::ToolStatus;
using Kind = YamlNode::Kind;

constexpr std::size_t kFileBytesMax = std::size_t{4} << 20;
constexpr std::size_t kShownBytesMax = 300;
constexpr const char* kCode = "code";  // the argument of a tool whose call is no JSON

class ScriptReader {
 public:
  explicit ScriptReader(const std::string& file) : file_(file) {}

  ParsedToolScript read(std::string_view text) {
    ParsedToolScript result;
    result.script.file = file_;
    const Result<YamlNode> root = task::read_yaml(text, file_, {.bytes = kFileBytesMax});
    if (!root) {
      result.problems.push_back(task::problem_of(root.error(), file_));
      return result;
    }
    if (fields_.mapping(*root, "a script of tools", {"tools", "all_used"})) {
      result.script.all_used = fields_.boolean(*root, "all_used").value_or(false);
      const YamlNode* tools = root->find("tools");
      if (tools == nullptr || tools->kind != Kind::kMap) {
        fields_.problem(root->place, "found no mapping 'tools', expected answers by the name of a tool: {functions.f: [{result: ...}]}");
      } else {
        for (const YamlField& field : tools->fields) result.script.recipients.push_back(read_recipient(field));
      }
    }
    result.problems = fields_.take_problems();
    return result;
  }

 private:
  ScriptedRecipient read_recipient(const YamlField& field) {
    ScriptedRecipient recipient{field.key, field.place};
    const YamlNode* answers = &field.value;
    if (field.value.kind == Kind::kMap) {
      if (!fields_.mapping(field.value, "a scripted tool", {"description", "parameters", "answers"})) return recipient;
      recipient.description = fields_.text(field.value, "description").value_or("");
      if (const YamlNode* parameters = field.value.find("parameters")) {
        if (parameters->kind != Kind::kMap) fields_.problem(parameters->place, "found " + parameters->found() + " for 'parameters', expected a JSON Schema");
        recipient.parameters = task::to_json_text(parameters->value());
      }
      answers = field.value.find("answers");
    }
    if (answers == nullptr || answers->kind != Kind::kList) {
      fields_.problem(field.place, "found " + (answers == nullptr ? std::string("no 'answers'") : answers->found()) + " for '" + field.key + "', expected a list of answers");
      return recipient;
    }
    for (const YamlNode& item : answers->items) recipient.answers.push_back(read_answer(item));
    return recipient;
  }

  ScriptedAnswer read_answer(const YamlNode& node) {
    ScriptedAnswer answer;
    answer.place = node.place;
    if (!fields_.mapping(node, "an answer", {"when", "matches", "result", "error", "times"})) return answer;
    const YamlNode* result = node.find("result");
    const YamlNode* error = node.find("error");
    if ((result == nullptr) == (error == nullptr)) {
      fields_.problem(node.place, std::string("found ") + (result == nullptr ? "neither" : "both") + " of 'result' and 'error', expected one of them");
    } else {
      answer.failed = error != nullptr;
      answer.text = task::to_text((error != nullptr ? error : result)->value());
    }
    if (const YamlNode* when = node.find("when")) {
      if (when->kind != Kind::kMap) fields_.problem(when->place, "found " + when->found() + " for 'when', expected a mapping: argument: value");
      for (const YamlField& field : when->fields) answer.when.emplace_back(field.key, field.value.value());
    }
    if (const YamlNode* matches = node.find("matches")) read_matches(*matches, answer);
    if (const YamlNode* times = node.find("times"); times != nullptr && times->is_text() && times->text == "any") {
      answer.times = -1;
    } else if (times != nullptr) {
      answer.times = static_cast<int>(std::min<std::int64_t>(fields_.integer(node, "times", 1).value_or(1), 1'000'000));
    }
    return answer;
  }

  void read_matches(const YamlNode& node, ScriptedAnswer& answer) {
    if (node.kind != Kind::kMap) fields_.problem(node.place, "found " + node.found() + " for 'matches', expected a mapping: argument: regular expression");
    for (const YamlField& field : node.fields) {
      Result<tools::LinePattern> pattern = tools::LinePattern::parse(field.value.text, {});
      if (pattern) {
        answer.matches.emplace_back(field.key, std::move(*pattern));
      } else {
        fields_.problem(field.value.place, "found " + field.value.found() + " for '" + field.key + "', expected a regular expression: " + pattern.error().message);
      }
    }
  }

  const std::string& file_;
  task::FieldReader fields_;
};

Value arguments_of(const tools::ToolSpec& spec, const std::string& text) {
  Value arguments;
  if (spec.functions.empty()) return {{kCode, text}};
  if (text.find_first_not_of(" \t\r\n") == std::string::npos) return Value::object();
  return task::parse_json(text, arguments) && arguments.is_object() ? arguments : Value{{kCode, text}};
}

bool fits(const ScriptedAnswer& answer, const Value& arguments) {
  const auto same = [&](const auto& wanted) {
    const auto found = arguments.find(wanted.first);
    return found != arguments.end() && task::same(*found, wanted.second);
  };
  const auto matches = [&](const auto& wanted) {
    const auto found = arguments.find(wanted.first);
    return found != arguments.end() && wanted.second.find_in(task::to_text(*found)) == tools::LinePattern::Answer::kYes;
  };
  return std::all_of(answer.when.begin(), answer.when.end(), same) && std::all_of(answer.matches.begin(), answer.matches.end(), matches);
}

// What is left of the script. Shared by the tools of one registry; any thread.
class Answers {
 public:
  explicit Answers(ToolScript script) : script_(std::move(script)) {}

  ToolResult answer(const tools::ToolSpec& spec, const tools::ToolCall& call) {
    const Value arguments = arguments_of(spec, call.arguments);
    const std::lock_guard lock(mutex_);
    std::string expected;
    for (ScriptedRecipient& recipient : script_.recipients) {
      if (recipient.recipient != call.recipient) continue;
      for (ScriptedAnswer& answer : recipient.answers) {
        if (answer.times == 0) continue;
        if (!fits(answer, arguments)) {
          expected += (expected.empty() ? "" : ", ") + answer.place.text();
          continue;
        }
        if (answer.times > 0) --answer.times;
        return {answer.failed ? ToolStatus::kFailed : ToolStatus::kOk, call.recipient, answer.text, R"({"scripted":true})"};
      }
    }
    const std::string said = call.arguments.size() > kShownBytesMax ? call.arguments.substr(0, kShownBytesMax) + "..." : call.arguments;
    return {ToolStatus::kStopsRun, call.recipient,
            "The script of tools " + script_.file + " has no answer for the call to " + call.recipient + " with " + said + "; " +
                (expected.empty() ? "it expects no further call of it." : "it expects other arguments: " + expected + "."),
            R"({"scripted":true,"unexpected":true})"};
  }

  std::vector<std::string> unused() {
    const std::lock_guard lock(mutex_);
    std::vector<std::string> places;
    if (!script_.all_used) return places;
    for (const ScriptedRecipient& recipient : script_.recipients) {
      for (const ScriptedAnswer& answer : recipient.answers) {
        if (answer.times > 0) places.push_back(answer.place.text() + " (" + recipient.recipient + ")");
      }
    }
    return places;
  }

 private:
  std::mutex mutex_;
  ToolScript script_;
};

class ScriptedTool final : public tools::Tool {
 public:
  ScriptedTool(tools::ToolSpec spec, std::shared_ptr<Answers> answers) : spec_(std::move(spec)), answers_(std::move(answers)) {
    spec_.stateful = false;
    spec_.concurrent = false;  // answers are used up in the order of the calls
    spec_.reaches_out = false;
  }
  const tools::ToolSpec& spec() const override { return spec_; }
  ToolResult call(const tools::ToolCall& call, std::stop_token) override { return answers_->answer(spec_, call); }

 private:
  tools::ToolSpec spec_;
  std::shared_ptr<Answers> answers_;
};

tools::ToolSpec own_spec(const ScriptedRecipient& recipient) {
  const std::size_t dot = recipient.recipient.find('.');
  if (dot == std::string::npos || dot == 0 || dot + 1 == recipient.recipient.size() || recipient.description.empty()) {
    throw Exception(
        ErrorCode::kInvalidArgument,
        Problem{recipient.place, "found answers of '" + recipient.recipient + "', which no tool of the run declares, expected one that --tools or --tool-file names, "
                                 "or NAMESPACE.NAME with a 'description'"}.text()
    );
  }
  tools::ToolSpec spec;
  spec.name_space = recipient.recipient.substr(0, dot);
  spec.functions = {{recipient.recipient.substr(dot + 1), recipient.description, recipient.parameters}};
  spec.effect = tools::Effect::kPure;
  return spec;
}

}  // namespace

ParsedToolScript parse_tool_script(std::string_view text, const std::string& file) { return ScriptReader(file).read(text); }

ToolScript load_tool_script(const std::filesystem::path& path) {
  const std::string text = read_text_file(path, kFileBytesMax).value_or_throw();
  ParsedToolScript parsed = parse_tool_script(text, path.string());
  if (!parsed.problems.empty()) throw Exception(ErrorCode::kInvalidArgument, task::text_of(parsed.problems));
  return std::move(parsed.script);
}

ScriptedTools scripted_tools(const tools::Registry& tools, ToolScript script) {
  std::vector<tools::ToolSpec> more;
  for (const ScriptedRecipient& recipient : script.recipients) {
    if (tools.find(recipient.recipient) == nullptr) more.push_back(own_spec(recipient));
  }
  const auto answers = std::make_shared<Answers>(std::move(script));
  ScriptedTools scripted{{}, [answers] { return answers->unused(); }};
  for (const auto& tool : tools.tools()) scripted.registry.add(std::make_unique<ScriptedTool>(tool->spec(), answers));
  for (tools::ToolSpec& spec : more) scripted.registry.add(std::make_unique<ScriptedTool>(std::move(spec), answers));
  return scripted;
}

}  // namespace toccata::toolfile
