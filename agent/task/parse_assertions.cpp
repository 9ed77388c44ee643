#include "agent/task/parse_assertions.h"

#include <algorithm>

#include "agent/task/schema_check.h"

namespace toccata::task {
namespace {

using Kind = Assertion::Kind;

constexpr Kind kKinds[] = {Kind::kEquals, Kind::kContains, Kind::kNotContains, Kind::kRegex,  Kind::kNumber, Kind::kSchema,
                           Kind::kJudge,  Kind::kThat,     Kind::kFile,        Kind::kPython, Kind::kCommand};

std::vector<std::string> kind_names() {
  std::vector<std::string> names;
  for (const Kind kind : kKinds) names.emplace_back(to_string(kind));
  return names;
}

}  // namespace

std::vector<Assertion> AssertionReader::read(const YamlNode& list) {
  std::vector<Assertion> all;
  if (list.kind != YamlNode::Kind::kList) {
    fields_.problem(list.place, "found " + list.found() + " for 'assert', expected a list such as [{contains: \"42\"}]");
    return all;
  }
  for (const YamlNode& item : list.items) read_one(item, all);
  return all;
}

void AssertionReader::read_one(const YamlNode& node, std::vector<Assertion>& all) {
  std::vector<std::string> known = kind_names();
  known.insert(known.end(), {"value", "message"});
  if (!fields_.mapping(node, "an assertion", known)) return;
  int n_kinds = 0;
  Assertion assertion;
  const YamlNode* body = nullptr;
  for (const Kind kind : kKinds) {
    const YamlNode* found = node.find(to_string(kind));
    if (found == nullptr) continue;
    assertion.kind = kind;
    body = found;
    ++n_kinds;
  }
  if (n_kinds != 1) {
    fields_.problem(node.place, "found " + std::to_string(n_kinds) + " kinds in an assertion, expected one of " +
                                    listed(kind_names()) + ", and more in further items of the list");
    return;
  }
  assertion.place = node.place;
  assertion.message = fields_.text(node, "message").value_or("");
  if (const YamlNode* subject = node.find("value")) {
    assertion.subject = fields_.value_template(*subject);
    if (assertion.kind >= Kind::kThat) {
      fields_.problem(subject->place, std::string("found 'value' next to '") + to_string(assertion.kind) +
                                          "', which looks at no value, expected it to be left out");
    }
  }
  switch (assertion.kind) {
    case Kind::kEquals:
    case Kind::kContains:
    case Kind::kNotContains: read_expected(*body, assertion); break;
    case Kind::kRegex: read_regex(*body, assertion); break;
    case Kind::kNumber: read_number(*body, assertion); break;
    case Kind::kSchema:
      if (auto schema = read_schema_(*body)) assertion.schema = std::move(*schema);
      break;
    case Kind::kJudge: read_judge(*body, assertion); break;
    case Kind::kGrade: break;
    case Kind::kThat: assertion.that = fields_.expression(*body); break;
    case Kind::kFile: read_file(*body, assertion); break;
    case Kind::kPython:
    case Kind::kCommand: read_code(*body, assertion); break;
  }
  all.push_back(std::move(assertion));
}

void AssertionReader::read_expected(const YamlNode& node, Assertion& assertion) {
  if (auto expected = fields_.value_template(node)) assertion.expected = std::move(*expected);
}

void AssertionReader::read_number(const YamlNode& node, Assertion& assertion) {
  if (node.kind == YamlNode::Kind::kScalar) {
    if (!node.scalar.is_number() && !node.is_text()) {
      fields_.problem(node.place, "found " + node.found() + " for 'number', expected a number or {equals, abs, rel}");
    }
    read_expected(node, assertion);
    return;
  }
  if (!fields_.mapping(node, "'number'", {"equals", "abs", "rel"})) return;
  assertion.absolute = fields_.number(node, "abs", 0).value_or(0);
  assertion.relative = fields_.number(node, "rel", 0).value_or(0);
  if (const YamlNode* expected = node.find("equals")) {
    read_expected(*expected, assertion);
  } else {
    fields_.problem(node.place, "found no 'equals' in 'number', expected the number to compare with");
  }
}

void AssertionReader::read_regex(const YamlNode& node, Assertion& assertion) {
  if (!node.is_text()) {
    fields_.problem(node.place, "found " + node.found() + " for 'regex', expected a quoted pattern");
    return;
  }
  assertion.pattern = node.text;
  Result<Schema> schema = make_pattern(node.text);
  if (schema) {
    assertion.schema = std::move(*schema);
  } else {
    fields_.problem(node.place, schema.error().message);
  }
}

// The assertions on a file's content or a command's output: contains, not_contains, equals, regex.
void AssertionReader::read_content(const YamlNode& node, Assertion& assertion) {
  for (const Kind kind : {Kind::kEquals, Kind::kContains, Kind::kNotContains, Kind::kRegex}) {
    const YamlNode* body = node.find(to_string(kind));
    if (body == nullptr) continue;
    Assertion inner;
    inner.kind = kind;
    inner.place = body->place;
    if (kind == Kind::kRegex) {
      read_regex(*body, inner);
    } else {
      read_expected(*body, inner);
    }
    assertion.content.push_back(std::move(inner));
  }
}

void AssertionReader::read_file(const YamlNode& node, Assertion& assertion) {
  if (node.kind == YamlNode::Kind::kScalar && node.is_text()) {
    YamlNode whole;
    whole.kind = YamlNode::Kind::kMap;
    whole.place = node.place;
    whole.fields.push_back({"path", node.place, node});
    read_file(whole, assertion);
    return;
  }
  if (!fields_.mapping(node, "'file'", {"path", "exists", "equals", "contains", "not_contains", "regex"})) return;
  assertion.path = fields_.text_template(node, "path");
  if (!assertion.path) fields_.problem(node.place, "found no 'path' in 'file', expected one");
  assertion.exists = fields_.boolean(node, "exists").value_or(true);
  read_content(node, assertion);
  if (!assertion.exists && !assertion.content.empty()) {
    fields_.problem(node.place, "found content for a file that must not exist, expected one or the other");
  }
}

// A text is the rubric.
void AssertionReader::read_judge(const YamlNode& node, Assertion& assertion) {
  Judge judge;
  if (node.kind == YamlNode::Kind::kScalar && node.is_text()) {
    YamlNode whole;
    whole.kind = YamlNode::Kind::kMap;
    whole.place = node.place;
    whole.fields.push_back({"rubric", node.place, node});
    return read_judge(whole, assertion);
  }
  assertion.judge = std::make_shared<const Judge>(judge);
  if (!fields_.mapping(node, "'judge'", {"rubric", "prompt", "model", "reasoning", "verdicts", "pass", "timeout"})) return;
  judge.own_question = node.find("prompt") != nullptr;
  if (judge.own_question == (node.find("rubric") != nullptr)) {
    fields_.problem(node.place, std::string("found ") + (judge.own_question ? "both" : "neither") +
                                    " of 'rubric' and 'prompt' in 'judge', expected one of them");
  }
  if (auto wording = fields_.text_template(node, judge.own_question ? "prompt" : "rubric")) judge.wording = std::move(*wording);
  judge.model = fields_.text_template(node, "model");
  judge.reasoning = fields_.one_of(node, "reasoning", {"low", "medium", "high"}).value_or(judge.reasoning);
  judge.timeout_s = fields_.duration(node, "timeout").value_or(0);
  if (auto verdicts = fields_.texts(node, "verdicts")) {
    const std::set<std::string> distinct(verdicts->begin(), verdicts->end());
    if (distinct.size() < 2 || distinct.size() != verdicts->size()) {
      fields_.problem(node.find("verdicts")->place, "found " + listed(*verdicts) + " for 'verdicts', expected two different words or more");
    }
    judge.verdicts = std::move(*verdicts);
    if (!judge.verdicts.empty()) judge.passing = {judge.verdicts.front()};
  }
  if (const auto pass = fields_.texts(node, "pass")) {
    judge.passing = {pass->begin(), pass->end()};
    for (const std::string& word : *pass) {
      if (std::find(judge.verdicts.begin(), judge.verdicts.end(), word) != judge.verdicts.end()) continue;
      fields_.problem(node.find("pass")->place, "found '" + word + "' for 'pass', expected some of " + listed(judge.verdicts) +
                                                    did_you_mean(word, judge.verdicts));
    }
  }
  assertion.judge = std::make_shared<const Judge>(std::move(judge));
}

void AssertionReader::read_code(const YamlNode& node, Assertion& assertion) {
  const bool command = assertion.kind == Kind::kCommand;
  const char* const code_key = command ? "run" : "code";
  if (node.is_text()) {
    assertion.code = node.text;
    return;
  }
  std::vector<std::string> known = {code_key, "timeout"};
  if (command) known.insert(known.end(), {"exit_code", "equals", "contains", "not_contains", "regex"});
  if (!fields_.mapping(node, std::string("'") + to_string(assertion.kind) + "'", known)) return;
  assertion.code = fields_.text(node, code_key).value_or("");
  if (node.find(code_key) == nullptr) {
    fields_.problem(node.place, std::string("found no '") + code_key + "', expected what is to be run");
  }
  constexpr double kDefaultTimeout = 30;
  assertion.timeout_s = fields_.duration(node, "timeout").value_or(kDefaultTimeout);
  if (!command) return;
  assertion.exit_code = fields_.integer(node, "exit_code", 0).value_or(0);
  read_content(node, assertion);
}

}  // namespace toccata::task
