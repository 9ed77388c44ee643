#include <algorithm>
#include <set>

#include "agent/eval/graders.h"
#include "agent/eval/item_reader.h"
#include "agent/eval/preset.h"

namespace toccata::eval {
namespace {

void make_numeric(const ItemReader& row, Value& item) {
  row.only({"question", "answer", "abs", "rel"});
  item["answer"] = row.text_or_number("answer");
  item["abs"] = row.number_or("abs", 0, 0);
  item["rel"] = row.number_or("rel", 0, 0);
  if (!number_of(item["answer"].get<std::string>())) row.wrong("found '" + task::to_text(item["answer"]) + "' for 'answer', expected a number");
  item["prompt"] = row.text("question") + "\n\nEnd with the final answer, a number alone in \\boxed{}.";
}

void make_choice(const ItemReader& row, int sample, std::int64_t seed, Value& item) {
  row.only({"question", "choices", "answer"});
  constexpr std::size_t kMost = 26;
  const Value& choices = row.list("choices", 2, kMost);
  for (const Value& choice : choices) {
    if (!choice.is_string()) row.wrong(std::string("found ") + task::kind_of(choice) + " in 'choices', expected texts");
  }
  const Value* answer = row.find("answer");
  std::size_t right = choices.size();
  if (answer != nullptr && answer->is_number_integer() && answer->get<std::int64_t>() >= 0) right = answer->get<std::size_t>();
  if (answer != nullptr && answer->is_string() && answer->get_ref<const std::string&>().size() == 1) {
    right = static_cast<std::size_t>(answer->get_ref<const std::string&>()[0] - 'A');
  }
  if (right >= choices.size()) {
    row.wrong("found " + (answer == nullptr ? "no 'answer'" : task::to_json_text(*answer) + " for 'answer'") + ", expected a letter up to " +
              std::string(1, static_cast<char>('A' + choices.size() - 1)) + " or an index from 0");
  }
  const std::string question = row.text("question");
  const auto order = permutation(question + "\n" + std::to_string(seed) + "\n" + std::to_string(sample), choices.size());
  std::string prompt = question + "\n";
  item["order"] = order;  // order[i]: which of the row's choices stands at letter i
  item["choices"] = choices;
  for (std::size_t i = 0; i < order.size(); ++i) {
    const std::string letter(1, static_cast<char>('A' + i));
    if (order[i] == right) item["letter"] = letter;
    prompt += "\n" + letter + ") " + choices[order[i]].get<std::string>();
  }
  item["prompt"] = prompt + "\n\nEnd with a line \"Answer: X\", where X is the letter of the right choice.";
}

void make_code(const ItemReader& row, Value& item) {
  row.only({"question", "tests", "time_limit", "memory_limit"});
  constexpr std::size_t kTestsMax = 1000;
  constexpr double kTimeMost = 60, kMemoryMost = 900;  // the sandbox itself has 1 GiB
  for (const Value& test : row.list("tests", 1, kTestsMax)) {
    const bool fits = test.is_object() && test.contains("input") && test.contains("output") && test["input"].is_string() && test["output"].is_string();
    if (!fits) row.wrong("found " + task::to_json_text(test).substr(0, 80) + " in 'tests', expected {\"input\": text, \"output\": text}");
  }
  item["tests"] = *row.find("tests");
  item["time_limit"] = row.number_or("time_limit", 5, 0.1);
  item["memory_limit"] = static_cast<std::int64_t>(row.number_or("memory_limit", 512, 32));
  if (item["time_limit"] > kTimeMost || item["memory_limit"] > kMemoryMost) row.wrong("found limits beyond 60 s or 900 MiB, expected less");
  item["prompt"] = row.text("question") +
                   "\n\nWrite a Python 3 program that reads standard input and writes standard output. It may use " +
                   task::to_text(item["time_limit"]) + " s and " + task::to_text(item["memory_limit"]) +
                   " MiB for each input. End with the whole program in one ```python block.";
}

void make_judged(const ItemReader& row, bool may_abstain, Value& item) {
  row.only({"question", "answer"});
  item["question"] = row.text("question");
  item["answer"] = row.text_or_number("answer");
  item["prompt"] = row.text("question") + (may_abstain ? "\n\nAnswer shortly. If you do not know, say so instead of guessing."
                                                       : "\n\nEnd with the final answer, as short as it can be.");
}

void make_calls(const ItemReader& row, Value& item) {
  row.only({"question", "functions", "expected"});
  constexpr std::size_t kFunctionsMax = 128, kCallsMax = 64;
  std::set<std::string> names;
  for (const Value& f : row.list("functions", 0, kFunctionsMax)) {
    const bool named = f.is_object() && f.contains("name") && f["name"].is_string() && !f["name"].get_ref<const std::string&>().empty();
    if (!named || (f.contains("parameters") && !f["parameters"].is_object())) {
      row.wrong("found " + task::to_json_text(f).substr(0, 80) + " in 'functions', expected {\"name\", \"description\", \"parameters\"}");
    }
    if (!names.insert(f["name"].get<std::string>()).second) row.wrong("found the function '" + task::to_text(f["name"]) + "' twice");
  }
  for (const Value& call : row.list("expected", 0, kCallsMax)) {
    const std::string shown = task::to_json_text(call).substr(0, 80);
    if (!call.is_object() || !call.contains("name") || !call["name"].is_string()) row.wrong("found " + shown + " in 'expected', expected {\"name\", \"arguments\"}");
    if (!names.contains(call["name"].get<std::string>())) row.wrong("found a call of '" + task::to_text(call["name"]) + "' in 'expected', which is none of 'functions'");
    if (!call.contains("arguments")) continue;
    if (!call["arguments"].is_object()) row.wrong("found " + shown + " in 'expected', expected arguments with lists of allowed values");
    for (const auto& [name, allowed] : call["arguments"].items()) {
      if (!allowed.is_array() || allowed.empty()) row.wrong("found " + task::to_json_text(allowed).substr(0, 80) + " for the argument '" + name + "', expected a list of allowed values");
    }
  }
  item["functions"] = *row.find("functions");
  item["expected"] = *row.find("expected");
  item["prompt"] = row.text("question");
}

void make_citations(const ItemReader& row, Value& item) {
  row.only({"question", "documents", "cite", "answer"});
  constexpr std::size_t kDocumentsMax = 100;
  const Value& documents = row.list("documents", 1, kDocumentsMax);
  std::string prompt = "Answer from these documents alone, and cite the lines that say so, as in 【0†L2】 or 【0†L2-L4】.\n";
  Value lines = Value::array();
  for (std::size_t i = 0; i < documents.size(); ++i) {
    if (!documents[i].is_string()) row.wrong(std::string("found ") + task::kind_of(documents[i]) + " in 'documents', expected texts");
    const std::string& text = documents[i].get_ref<const std::string&>();
    prompt += "\n[" + std::to_string(i) + "]\n";
    std::size_t n = 0;
    for (std::size_t at = 0; at < text.size();) {
      const std::size_t end = std::min(text.find('\n', at), text.size());
      prompt += "L" + std::to_string(++n) + ": " + text.substr(at, end - at) + "\n";
      at = end + 1;
    }
    lines.push_back(n);
  }
  Value cite = Value::array();
  for (const Value& c : row.list("cite", 1, kDocumentsMax)) {
    const auto whole = [](const Value& v) { return v.is_number_integer() && v.get<std::int64_t>() >= 0; };
    Value one;
    if (whole(c)) one = {c, 0, 0};
    if (c.is_array() && c.size() == 3 && std::all_of(c.begin(), c.end(), whole) && c[1] >= 1 && c[1] <= c[2]) one = c;
    if (one.is_null() || one[0].get<std::size_t>() >= documents.size() || one[2].get<std::size_t>() > lines[one[0].get<std::size_t>()].get<std::size_t>()) {
      row.wrong("found " + task::to_json_text(c) + " in 'cite', expected the index of a document, or [index, first line, last line] of it");
    }
    cite.push_back(one);
  }
  item["lines"] = lines;
  item["cite"] = cite;
  item["answer"] = row.text_or("answer", "");
  item["prompt"] = prompt + "\n" + row.text("question");
}

}  // namespace

Value make_item(Preset preset, const Value& row, int sample, std::int64_t seed) {
  const ItemReader reader(row);
  Value item = {{"id", row.value("id", Value())}, {"sample", sample}};
  switch (preset) {
    case Preset::kNumeric: make_numeric(reader, item); break;
    case Preset::kChoice: make_choice(reader, sample, seed, item); break;
    case Preset::kCode: make_code(reader, item); break;
    case Preset::kShort: make_judged(reader, false, item); break;
    case Preset::kFacts: make_judged(reader, true, item); break;
    case Preset::kCalls: make_calls(reader, item); break;
    case Preset::kCitations: make_citations(reader, item); break;
  }
  return item;
}

}  // namespace toccata::eval
