#include "agent/task/assertions.h"

#include <algorithm>
#include <cmath>
#include <random>

#include "agent/task/judge.h"
#include "agent/task/number_text.h"
#include "agent/task/schema_check.h"
#include "core/base/json.h"

namespace toccata::task {
namespace {

using Kind = Assertion::Kind;

constexpr const char* kInside = "/mnt/data/";

// A json.py that the model left in its workspace must not be what the check imports.
constexpr const char* kLibraryFirst =
    "import sys as _y\n_y.path[:] = [_p for _p in _y.path if _p not in ('', '/mnt/data')] + ['/mnt/data']\n";

std::string trimmed(const std::string& text) {
  const std::size_t begin = text.find_first_not_of(" \t\r\n");
  if (begin == std::string::npos) return "";
  return text.substr(begin, text.find_last_not_of(" \t\r\n") - begin + 1);
}

std::string shown(const Value& value) {
  constexpr std::size_t kShown = 200;
  std::string text = to_json_text(value);
  if (text.size() <= kShown) return text;
  text.resize(kShown);
  while (!text.empty() && (static_cast<unsigned char>(text.back()) & 0xC0) == 0x80) text.pop_back();
  return text + "...";
}

// A text equals what it is written as: "5" equals 5, and white space around it says nothing.
bool equal(const Value& subject, const Value& expected) {
  if (!subject.is_string()) return same(subject, expected);
  const std::string text = trimmed(subject.get_ref<const std::string&>());
  if (expected.is_string()) return text == trimmed(expected.get_ref<const std::string&>());
  Value parsed;
  return parse_json(text, parsed) && same(parsed, expected);
}

bool holds(const Value& whole, const Value& part) {
  if (whole.is_array()) return std::any_of(whole.begin(), whole.end(), [&](const Value& item) { return same(item, part); });
  return to_text(whole).find(to_text(part)) != std::string::npos;
}

std::string check_number(const Assertion& assertion, const Value& subject, const Value& wanted) {
  const auto expected = last_number(wanted);
  if (!expected) return "expected a number to compare with, found " + shown(wanted);
  const auto found = last_number(subject);
  if (!found) return "found no number in " + shown(subject) + ", expected " + shown(wanted);
  const double tolerance = std::max(assertion.absolute, assertion.relative * std::abs(*expected));
  if (std::abs(*found - *expected) <= tolerance) return "";
  constexpr double kExact = 9007199254740992;  // 2^53
  const bool whole = std::trunc(*found) == *found && std::abs(*found) < kExact;
  const Value number = whole ? Value(static_cast<std::int64_t>(*found)) : Value(*found);
  return "found " + shown(number) + ", expected " + shown(wanted) +
         (tolerance > 0 ? " within " + shown(tolerance) : std::string());
}

// Kinds that look at one value. "" when it holds.
std::string check_value(const Assertion& assertion, const Value& subject, const Scope& scope) {
  const auto expected = [&] { return assertion.expected.value(scope); };
  switch (assertion.kind) {
    case Kind::kEquals: {
      const Value wanted = expected();
      return equal(subject, wanted) ? "" : "found " + shown(subject) + ", expected " + shown(wanted);
    }
    case Kind::kContains: {
      const Value wanted = expected();
      return holds(subject, wanted) ? "" : "found " + shown(subject) + ", expected it to contain " + shown(wanted);
    }
    case Kind::kNotContains: {
      const Value wanted = expected();
      return holds(subject, wanted) ? "found " + shown(subject) + ", expected it not to contain " + shown(wanted) : "";
    }
    case Kind::kRegex:
      return schema_breach(assertion.schema, to_text(subject)).empty()
                 ? ""
                 : "found " + shown(subject) + ", expected a match of '" + assertion.pattern + "'";
    case Kind::kNumber: return check_number(assertion, subject, expected());
    case Kind::kSchema: {
      Value value = subject;
      if (subject.is_string()) {
        Result<Value> parsed = json_answer(subject.get_ref<const std::string&>());
        if (parsed) value = *parsed;
      }
      const std::string breach = schema_breach(assertion.schema, value);
      return breach.empty() ? "" : shown(value) + " " + breach;
    }
    default: return "";
  }
}

std::string check_contents(const Assertion& assertion, const std::string& what, const std::string& text, const Scope& scope) {
  for (const Assertion& inner : assertion.content) {
    const std::string failure = check_value(inner, text, scope);
    if (!failure.empty()) return what + ": " + failure;
  }
  return "";
}

std::string check_file(const Assertion& assertion, const Evidence& evidence) {
  const std::string path = assertion.path->render(evidence.scope);
  Result<std::string> text = Error{ErrorCode::kNotFound, "no such file"};
  if (path.starts_with(kInside)) {
    const auto file = evidence.files.find(path.substr(std::string_view(kInside).size()));
    if (file != evidence.files.end()) text = file->second;
  } else {
    text = evidence.host.read_file(path);
  }
  if (!assertion.exists) return text ? "found the file " + path + ", expected none" : "";
  if (!text) return "found no file " + path + " (" + text.error().message + "), expected one";
  return check_contents(assertion, path, *text, evidence.scope);
}

// The scope as files and variables; the code itself is never a template, so nothing a model wrote becomes code.
CheckOrder order_of(double timeout_s, const Evidence& evidence) {
  CheckOrder order;
  order.timeout_s = timeout_s;
  order.files = evidence.files;
  order.context["output.txt"] = evidence.scope.value("text", "");
  order.context["context.json"] = to_json_text(evidence.scope);
  // A model's folder of one of these names gives way.
  std::erase_if(order.files, [&](const auto& file) { return order.context.contains(file.first.substr(0, file.first.find('/'))); });
  return order;
}

std::string python_code(const std::string& code) {
  return std::string(kLibraryFirst) +
         "import json as _json\nwith open('/mnt/data/context.json', encoding='utf-8') as _f:\n"
         "    globals().update(_json.load(_f))\n" + code;
}

// Prints what the command prints, and behind `mark` its exit code. What the command prints is not trusted to end like this.
std::string command_code(const std::string& command, std::string& mark) {
  std::random_device device;
  mark = "toccata-exit-" + std::to_string(device()) + std::to_string(device()) + ":";
  return std::string(kLibraryFirst) + "import subprocess as _s\n_p = _s.run(['/bin/sh', '-c', " +
         json_text(nlohmann::json(command)) +
         "], stdin=_s.DEVNULL, stdout=_s.PIPE, stderr=_s.STDOUT)\n"
         "print(_p.stdout.decode('utf-8', 'replace'), end='')\nprint('\\n" + mark + "%d' % _p.returncode)";
}

std::string check_python(const Assertion& assertion, const Evidence& evidence) {
  CheckOrder order = order_of(assertion.timeout_s, evidence);
  order.code = python_code(assertion.code);
  const CheckEnd end = evidence.host.run_check(order, evidence.stop);
  return end.ok ? "" : "the code failed: " + trimmed(end.output);
}

std::string check_command(const Assertion& assertion, const Evidence& evidence) {
  CheckOrder order = order_of(assertion.timeout_s, evidence);
  std::string mark;
  order.code = command_code(assertion.code, mark);
  const CheckEnd end = evidence.host.run_check(order, evidence.stop);
  const std::size_t at = end.output.rfind(mark);
  if (!end.ok || at == std::string::npos) return "the command did not end: " + trimmed(end.output);
  const std::int64_t code = std::atoll(end.output.c_str() + at + mark.size());
  const std::string printed = end.output.substr(0, at > 0 ? at - 1 : 0);
  if (code != assertion.exit_code) {
    return "found exit code " + std::to_string(code) + ", expected " + std::to_string(assertion.exit_code) +
           (trimmed(printed).empty() ? "" : "; it printed: " + trimmed(printed).substr(0, 500));
  }
  return check_contents(assertion, "what it printed", printed, evidence.scope);
}

// What was said is kept whatever it was.
void note(const Assertion& assertion, const Evidence& evidence, Value said) {
  if (evidence.verdicts == nullptr) return;
  Value entry = {{"check", assertion.place.text()}};
  entry.update(said);
  evidence.verdicts->push_back(std::move(entry));
}

std::string check_judge(const Assertion& assertion, const Value& subject, const Evidence& evidence) {
  const Verdict verdict = ask_judge(*assertion.judge, to_text(subject), evidence);
  note(assertion, evidence, {{"verdict", verdict.word}, {"reason", verdict.reason}, {"run", verdict.run}});
  if (assertion.judge->passing.contains(verdict.word)) return "";
  return "the verdict is '" + verdict.word + "': " + verdict.reason;
}

std::string check_grade(const Assertion& assertion, const Evidence& evidence) {
  const Value said = assertion.grader(evidence);
  note(assertion, evidence, said);
  if (said.at("verdict") == "correct") return "";
  return to_text(said["verdict"]) + (said.contains("reason") ? ": " + to_text(said["reason"]) : "");
}

std::string check_one(const Assertion& assertion, const Evidence& evidence) {
  switch (assertion.kind) {
    case Kind::kThat:
      return truthy(assertion.that->evaluate(evidence.scope)) ? "" : "expected " + assertion.that->source() + ", which is not so";
    case Kind::kFile: return check_file(assertion, evidence);
    case Kind::kPython: return check_python(assertion, evidence);
    case Kind::kCommand: return check_command(assertion, evidence);
    case Kind::kGrade: return check_grade(assertion, evidence);
    default: {
      const Value subject = assertion.subject ? assertion.subject->value(evidence.scope) : evidence.scope.at("output");
      if (assertion.kind == Kind::kJudge) return check_judge(assertion, subject, evidence);
      return check_value(assertion, subject, evidence.scope);
    }
  }
}

}  // namespace

std::vector<std::string> failed_assertions(const std::vector<Assertion>& assertions, const Evidence& evidence) {
  std::vector<std::string> failures;
  for (const Assertion& assertion : assertions) {
    std::string failure;
    try {
      failure = check_one(assertion, evidence);
    } catch (const Exception& e) {
      if (e.code() != ErrorCode::kInvalidArgument) throw;
      failure = e.what();
    }
    if (failure.empty()) continue;
    if (!assertion.message.empty()) failure = assertion.message + " (" + failure + ")";
    const std::string kind = assertion.kind == Kind::kGrade ? "" : std::string(to_string(assertion.kind)) + ": ";
    failures.push_back(assertion.place.text() + ": " + kind + failure);
  }
  return failures;
}

CheckEnd run_hook(const Hook& hook, const Evidence& evidence, bool keep_files) {
  CheckOrder order = order_of(hook.timeout_s, evidence);
  order.keep_files = keep_files;
  std::string mark;
  order.code = hook.command ? command_code(hook.code, mark) : python_code(hook.code);
  CheckEnd end = evidence.host.run_check(order, evidence.stop);
  for (const auto& [path, bytes] : order.context) end.files.erase(path);
  if (!hook.command) return end;
  const std::size_t at = end.output.rfind(mark);
  const bool ended = end.ok && at != std::string::npos;
  end.ok = ended && std::atoll(end.output.c_str() + at + mark.size()) == 0;
  if (ended) {
    const std::string code = trimmed(end.output.substr(at + mark.size()));
    end.output.resize(at > 0 ? at - 1 : 0);
    if (!end.ok) end.output += "exit code " + code;
  }
  return end;
}

bool looks_at_files(const std::vector<Assertion>& assertions) {
  return std::any_of(assertions.begin(), assertions.end(), [](const Assertion& a) {
    return a.kind == Kind::kFile || a.kind == Kind::kPython || a.kind == Kind::kCommand;
  });
}

}  // namespace toccata::task
