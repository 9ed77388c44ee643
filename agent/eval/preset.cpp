#include "agent/eval/preset.h"

#include <algorithm>

#include "agent/eval/graders.h"

namespace toccata::eval {
namespace {

// Written into every key: raise it when prompts or grading change, so that old results are not taken for new ones.
constexpr const char* kVersion = "toccata eval 1 ";

task::Template text(const char* source) { return task::Template::parse(source).value_or_throw(); }

std::shared_ptr<const task::Judge> judge(const char* wording, std::vector<std::string> verdicts) {
  task::Judge judge;
  judge.wording = text(wording);
  judge.own_question = true;
  judge.passing = {verdicts.front()};
  judge.verdicts = std::move(verdicts);
  return std::make_shared<const task::Judge>(std::move(judge));
}

constexpr const char* kShortJudge =
    "Somebody was asked this question:\n\n{{ row.question }}\n\nThe reference answer is:\n\n{{ row.answer }}\n\n"
    "The text below is the answer that was given. Its verdict is \"correct\" when its final answer says the same as the reference "
    "answer (other wording, order or form of numbers do not matter), and \"incorrect\" when it says something else, several "
    "answers that exclude each other, or nothing.";

constexpr const char* kFactsJudge =
    "Somebody was asked this question:\n\n{{ row.question }}\n\nThe reference answer is:\n\n{{ row.answer }}\n\n"
    "The text below is the answer that was given. Its verdict is \"correct\" when it says what the reference answer says and "
    "nothing against it, \"incorrect\" when it says something else, even with doubts, and \"abstained\" when it gives no answer, "
    "for example because it says that it does not know.";

std::vector<ProgramTest> tests_of(const Value& row) {
  std::vector<ProgramTest> tests;
  for (const Value& test : row.at("tests")) tests.push_back({test.at("input").get<std::string>(), test.at("output").get<std::string>()});
  return tests;
}

Value grade_of(Preset preset, const task::Evidence& evidence) {
  const Value& row = evidence.scope.at("row");
  const std::string answer = evidence.scope.at("text").get<std::string>();
  switch (preset) {
    case Preset::kNumeric:
      return grade_number(answer, row.at("answer").get<std::string>(), row.at("abs").get<double>(), row.at("rel").get<double>());
    case Preset::kChoice: {
      const std::string expected = row.at("letter").get<std::string>();
      const auto found = chosen_letter(answer, row.at("choices").size());
      const std::string letter = found ? std::string(1, *found) : "";
      return grade(letter == expected, letter == expected ? "" : found ? "found " + letter + ", expected " + expected : "found no letter",
                   {{"extracted", letter}, {"expected", expected}});
    }
    case Preset::kCode:
      return grade_program(program_of(answer), tests_of(row),
                           {row.at("time_limit").get<double>(), row.at("memory_limit").get<std::int64_t>()}, evidence);
    case Preset::kCalls: return grade_calls(evidence.scope.at("calls"), row.at("expected"));
    case Preset::kCitations: {
      std::vector<std::size_t> n_lines;
      std::vector<Citation> wanted;
      for (const Value& n : row.at("lines")) n_lines.push_back(n.get<std::size_t>());
      for (const Value& c : row.at("cite")) wanted.push_back({c[0].get<std::size_t>(), c[1].get<std::size_t>(), c[2].get<std::size_t>()});
      Value graded = grade_citations(answer, n_lines, wanted);
      const std::string expected = row.value("answer", "");
      if (graded["verdict"] == "correct" && answer.find(expected) == std::string::npos) {
        graded["verdict"] = "incorrect";
        graded["reason"] = "does not say '" + expected + "'";
      }
      return graded;
    }
    case Preset::kShort:
    case Preset::kFacts: break;  // judges
  }
  return grade(false, "no grader");
}

}  // namespace

const std::vector<PresetInfo>& presets() {
  static const std::vector<PresetInfo> all = {
      {Preset::kNumeric, "numeric", "a number, boxed or the last one (as AIME)",
       "question (text), answer (number or text), abs, rel (tolerances, optional)"},
      {Preset::kChoice, "choice", "one of several choices, shuffled (as GPQA)",
       "question (text), choices (2 to 26 texts), answer (letter, or index from 0)"},
      {Preset::kCode, "code", "a Python program, run on hidden inputs in the sandbox (as Codeforces)",
       "question (text), tests (1 to 1000 of {input, output}), time_limit (seconds, optional), memory_limit (MiB, optional)"},
      {Preset::kShort, "short", "a short answer, compared by a judge (as HLE)", "question (text), answer (text or number)"},
      {Preset::kFacts, "facts", "a fact: correct, incorrect or abstained, by a judge (as SimpleQA, PersonQA)",
       "question (text), answer (text or number)"},
      {Preset::kCalls, "calls", "the calls that a model makes of given functions (as BFCL)",
       "question (text), functions (0 to 128 of {name, description, parameters, result}), expected (0 to 64 of {name, arguments: {argument: "
       "[allowed values]}})"},
      {Preset::kCitations, "citations", "an answer from given documents that cites their lines",
       "question (text), documents (1 to 100 texts), cite (1 to 100 of a document's index, or [index, first line, last line]), answer "
       "(text it must say, optional)"},
  };
  return all;
}

Result<PresetInfo> find_preset(const std::string& name) {
  std::vector<std::string> names;
  std::string listed;
  for (const PresetInfo& info : presets()) {
    if (info.name == name) return info;
    names.emplace_back(info.name);
    listed += (listed.empty() ? "" : ", ") + names.back();
  }
  return Error{ErrorCode::kInvalidArgument, "found the preset '" + name + "', expected one of " + listed + task::did_you_mean(name, names)};
}

Result<std::vector<task::Row>> make_items(
    const PresetInfo& preset, const std::vector<task::Row>& rows, const std::string& file, int samples, std::size_t limit, std::int64_t seed
) {
  constexpr std::size_t kToldMax = 20;
  std::vector<task::Row> items;
  std::string problems;
  std::size_t n_problems = 0;
  const std::size_t n = limit > 0 ? std::min(limit, rows.size()) : rows.size();
  for (std::size_t i = 0; i < rows.size(); ++i) {  // those behind the limit are checked too
    try {
      for (int sample = 1; sample <= samples; ++sample) {
        task::Row item{rows[i].number, make_item(preset.preset, rows[i].value, sample, seed), "", sample - 1};
        if (i < n) items.push_back(std::move(item));
      }
    } catch (const Exception& e) {
      if (++n_problems <= kToldMax) problems += file + ":" + std::to_string(rows[i].number) + ": " + e.what() + "\n";
    }
  }
  if (n_problems == 0) return items;
  if (n_problems > kToldMax) problems += "and " + std::to_string(n_problems - kToldMax) + " more\n";
  return Error{ErrorCode::kInvalidArgument, problems + "expected of a row for '" + preset.name + "': " + preset.fields};
}

task::Task make_task(const PresetInfo& preset) {
  task::Task task;
  task.name = std::string("eval-") + preset.name;
  task.content_hash = std::string(kVersion) + preset.name;
  task::Step step;
  step.id = "answer";
  step.prompt = text("{{ row.prompt }}");
  task::Assertion assertion;
  assertion.place.file = preset.name;
  if (preset.preset == Preset::kShort || preset.preset == Preset::kFacts) {
    assertion.kind = task::Assertion::Kind::kJudge;
    assertion.judge = preset.preset == Preset::kShort ? judge(kShortJudge, {"correct", "incorrect"})
                                                      : judge(kFactsJudge, {"correct", "incorrect", "abstained"});
  } else {
    assertion.kind = task::Assertion::Kind::kGrade;
    assertion.grader = [kind = preset.preset](const task::Evidence& evidence) { return grade_of(kind, evidence); };
  }
  if (preset.preset == Preset::kCalls) step.functions = task::ValueTemplate::parse("{{ row.functions }}").value_or_throw();
  step.assertions.push_back(std::move(assertion));
  task.steps.push_back(std::move(step));
  return task;
}

}  // namespace toccata::eval
