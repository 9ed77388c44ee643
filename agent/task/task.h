// A task file as values: what is to be done, in which order, with what, and how it is checked. Code owns the order of the
// steps; a model only ever sees one step's prompt. parse.h makes it from YAML, plan.h orders it, runner.h runs it.
//
//   name: sum-report
//   params:
//     a: integer                                     # required
//     style: {type: string, enum: [short, long], default: short}
//   defaults: {model: nano, temperature: 0}
//   steps:
//     - id: sum
//       prompt: "What is {{ params.a }} + 5?"
//       assert: [{number: {equals: "{{ params.a }}", abs: 5}}]
//     - id: report
//       if: params.style == 'long'
//       prompt: "Write about this: {{ steps.sum.output }}"
//       retry: 2
//   output: "{{ steps.sum.output }}"
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "agent/task/expression.h"
#include "agent/task/place.h"
#include "agent/task/value.h"
#include "core/grammar/grammar.h"

namespace toccata::task {

enum class ParamType { kString, kInteger, kNumber, kBoolean, kList, kObject };
const char* to_string(ParamType type);  // "string", ...

struct Param {
  std::string name;
  ParamType type = ParamType::kString;
  std::string description;
  bool required = true;  // there is no default
  Value default_value;
  std::vector<Value> allowed;  // enum; empty: anything of the type
  std::optional<double> minimum, maximum;  // of numbers
  Place place;
};

// How the run of a step is set up; what is not said here comes from the command line.
struct Settings {
  std::optional<Template> model;  // rendered when the step runs
  std::optional<std::string> reasoning;
  std::optional<std::vector<std::string>> tools;
  std::optional<std::vector<std::string>> tool_files;  // that declare further ones; paths found from any folder
  std::optional<double> temperature, timeout_s, max_sandbox_cpu_s;
  std::optional<std::int64_t> seed, max_turns, budget_tokens, max_step_tokens, max_reasoning_tokens;
  std::optional<std::int64_t> subagents, best_of;  // as the options of `run`
  std::optional<std::string> judge;                // of the candidates
  // What `this` leaves open is taken from `other`.
  void fill_from(const Settings& other);
};

// A JSON Schema with the grammar that checks it.
struct Schema {
  Value source;
  std::shared_ptr<const grammar::Grammar> grammar;
};

// A model that is asked whether a text is as it should be.
struct Judge {
  Template wording;              // the rubric, or the author's own question
  bool own_question = false;     // `prompt` instead of `rubric`
  std::optional<Template> model;  // the step's own otherwise
  std::string reasoning = "low";
  std::vector<std::string> verdicts = {"pass", "fail"};  // what it may say
  std::set<std::string> passing = {"pass"};              // of these, what holds
  double timeout_s = 0;          // 0: what the task has left
};

struct Evidence;  // assertions.h

// What code of the program says about an answer: {"verdict": "...", ...}; "correct" holds.
using Grader = std::function<Value(const Evidence&)>;

// One thing that must hold, checked here; only kJudge asks a model.
struct Assertion {
  enum class Kind {
    kEquals,       // subject == expected; texts are compared without the white space around them
    kContains,     // text: a part of it; list: an element
    kNotContains,
    kRegex,        // found anywhere in the text
    kNumber,       // the subject, or the last number in its text, within a tolerance
    kSchema,
    kJudge,        // a model says so
    kThat,         // an expression that is true
    kFile,
    kPython,       // code in a fresh sandbox that must end without raising
    kCommand,      // of a shell in a fresh sandbox
    kGrade,        // code of the program; never in a file
  } kind = Kind::kEquals;
  Place place;
  std::optional<ValueTemplate> subject;  // `value`; the output of the step otherwise
  ValueTemplate expected;                // kEquals, kContains, kNotContains, kNumber
  double absolute = 0, relative = 0;     // kNumber: |x - expected| <= max(absolute, relative * |expected|)
  std::optional<Expression> that;        // kThat
  std::string pattern;                   // kRegex: as written
  Schema schema;                         // kSchema; kRegex: a string with that pattern
  std::string code;                      // kPython, kCommand: never a template
  double timeout_s = 30;                 // kPython, kCommand
  std::optional<Template> path;          // kFile
  bool exists = true;                    // kFile
  std::int64_t exit_code = 0;            // kCommand
  // kFile: of its content; kCommand: of what it printed. Subjects are left empty.
  std::vector<Assertion> content;
  std::shared_ptr<const Judge> judge;    // kJudge
  Grader grader;                         // kGrade
  std::string message;                   // said when it fails
};
const char* to_string(Assertion::Kind kind);  // the key in the file: "equals", ...

struct Retry {
  int times = 0;  // further attempts, each a run of its own
  double delay_s = 0;
  std::set<std::string> on;  // "assertion", "schema", "timeout", "budget", "model", "tool", "run"; empty: all of them
};

// Again until something holds.
struct Until {
  Expression that;  // sees "output" and "text"
  int times = 10;   // runs in all; then the step has failed, exit 3
};

// Code of the author around a step, in a sandbox of its own. It sees context.json, and Python its names as variables.
struct Hook {
  Place place;
  bool command = false;  // of a shell; Python otherwise
  std::string code;      // never a template
  double timeout_s = 30;
};

struct Step {
  std::string id;
  Place place;
  Template prompt;
  std::optional<Template> instructions;
  std::vector<std::string> needs;
  std::optional<Expression> condition;     // `if`
  std::optional<ValueTemplate> foreach;    // gives a list; the output is then the list of outputs
  bool is_matrix = false;                  // `foreach` gives named lists, and the items are their combinations
  std::optional<Until> until;
  Retry retry;
  Settings settings;                       // the task's defaults are filled in
  std::optional<Schema> output_schema;     // the answer is JSON, and the output its value
  std::optional<ValueTemplate> functions;  // as of StepOrder; assertions see what was called as "calls". Never in a file
  std::vector<Assertion> assertions;
  std::optional<Hook> before;  // the files it makes are in the workspace of the step's python tool; what it prints is "before"
  std::optional<Hook> after;   // once the assertions hold; sees the workspace; the files it makes can be artifacts
  std::vector<std::string> artifacts;      // names in the workspace, with * and ?; one without must be there
  bool allow_failure = false;              // the task goes on when this step fails
};

struct Task {
  std::string name, description;
  std::vector<Param> params;
  std::vector<Step> steps;  // in the order of the file
  std::vector<Assertion> assertions;  // of the task's output, after all steps
  std::optional<ValueTemplate> output;  // the output of the last step otherwise
  double timeout_s = 0;             // of all steps together; 0: none
  std::int64_t budget_tokens = 0;   // of all steps together; 0: none
  std::string content_hash;  // of the file's bytes and those of the schemas it names
  const Step* find(const std::string& id) const;
};

}  // namespace toccata::task
