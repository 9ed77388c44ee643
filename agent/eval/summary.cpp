#include "agent/eval/summary.h"

#include <cstdio>

namespace toccata::eval {
namespace {

struct Tally {
  std::size_t n = 0, right = 0;
};

const Value* grade_in(const task::RowResult& row) {
  if (!row.steps.is_array() || row.steps.empty() || !row.steps[0].is_object()) return nullptr;
  const auto verdicts = row.steps[0].find("verdicts");
  if (verdicts == row.steps[0].end() || !verdicts->is_array() || verdicts->empty() || !verdicts->back().is_object()) return nullptr;
  return &verdicts->back();
}

double share(std::size_t part, std::size_t all) { return all == 0 ? 0 : static_cast<double>(part) / static_cast<double>(all); }

std::size_t count(const Summary& summary, const char* verdict) {
  const auto found = summary.verdicts.find(verdict);
  return found == summary.verdicts.end() ? 0 : found->second;
}

Value to_json(const Spread& s) { return {{"mean", s.mean}, {"median", s.median}, {"p95", s.p95}, {"max", s.max}, {"sum", s.sum}}; }

std::string format(const char* pattern, double a, double b = 0, double c = 0) {
  char text[128];
  std::snprintf(text, sizeof text, pattern, a, b, c);
  return text;
}

}  // namespace

std::string verdict_of(const task::RowResult& row) {
  if (row.status == "passed") return "correct";
  if (row.status == "error") return task::says_nothing(row) ? "" : "no_answer";
  const Value* said = grade_in(row);
  const std::string verdict = said != nullptr && said->contains("verdict") ? task::to_text((*said)["verdict"]) : "";
  return verdict == "abstained" ? verdict : "incorrect";
}

Summary summarize(const PresetInfo& preset, const task::BatchReport& report) {
  Summary summary;
  summary.preset = preset.name;
  summary.n_missing = report.n_missing;
  std::map<std::size_t, Tally> items;  // by line
  std::map<std::string, std::vector<double>> metrics;
  std::vector<double> tokens, seconds;
  std::size_t most = 0;
  for (const task::RowResult& row : report.rows) {
    const std::string verdict = verdict_of(row);
    Tally& tally = items[row.row];
    if (verdict.empty()) {
      ++summary.n_errors;
      continue;
    }
    ++summary.verdicts[verdict];
    ++summary.n_answers;
    most = std::max(most, ++tally.n);
    tally.right += verdict == "correct" ? 1 : 0;
    tokens.push_back(static_cast<double>(row.tokens));
    seconds.push_back(row.seconds);
    const Value* said = grade_in(row);
    if (said == nullptr || !said->contains("metrics")) continue;
    for (const auto& [name, value] : (*said)["metrics"].items()) {
      if (value.is_number()) metrics[name].push_back(value.get<double>());
    }
  }
  summary.n_items = items.size();
  std::vector<double> shares;
  for (const auto& [line, tally] : items) {
    if (tally.n > 0) shares.push_back(share(tally.right, tally.n));
  }
  summary.accuracy = spread(shares).mean;
  summary.method = most <= 1 ? "wilson" : "bootstrap";
  summary.interval = most <= 1 ? wilson(count(summary, "correct"), summary.n_answers) : bootstrap(shares);
  for (std::size_t k = 1; k <= most; k = k < most && 2 * k > most ? most : 2 * k) {  // 1, 2, 4, ... and all
    std::vector<double> passed;
    for (const auto& [line, tally] : items) {
      if (tally.n >= k) passed.push_back(pass_at_k(tally.n, tally.right, k));
    }
    summary.pass_at_k[k] = spread(passed).mean;
  }
  for (auto& [name, values] : metrics) summary.metrics[name] = spread(std::move(values)).mean;
  if (preset.preset == Preset::kFacts && summary.n_answers > 0) {
    const std::size_t tried = count(summary, "correct") + count(summary, "incorrect");
    summary.metrics["abstention_rate"] = share(count(summary, "abstained"), summary.n_answers);
    summary.metrics["hallucination_rate"] = share(count(summary, "incorrect"), summary.n_answers);
    summary.metrics["accuracy_when_answered"] = share(count(summary, "correct"), tried);
  }
  summary.tokens = spread(std::move(tokens));
  summary.seconds = spread(std::move(seconds));
  return summary;
}

Value to_json(const Summary& s) {
  Value passes = Value::object();
  for (const auto& [k, value] : s.pass_at_k) passes[std::to_string(k)] = value;
  return {{"preset", s.preset},
          {"items", s.n_items},
          {"answers", s.n_answers},
          {"errors", s.n_errors},
          {"missing", s.n_missing},
          {"accuracy", {{"value", s.accuracy}, {"low", s.interval.low}, {"high", s.interval.high}, {"method", s.method}}},
          {"pass_at_k", passes},
          {"verdicts", s.verdicts},
          {"metrics", s.metrics},
          {"tokens", to_json(s.tokens)},
          {"seconds", to_json(s.seconds)}};
}

std::string summary_text(const Summary& s) {
  std::string out = s.preset + ": accuracy " + format("%.1f%% (95%%: %.1f to %.1f, ", 100 * s.accuracy, 100 * s.interval.low, 100 * s.interval.high) +
                    s.method + "), " + std::to_string(s.n_items) + " items, " + std::to_string(s.n_answers) + " answers\n";
  for (const auto& [k, value] : s.pass_at_k) {
    if (s.pass_at_k.size() > 1) out += "  pass@" + std::to_string(k) + format(" %.1f%%\n", 100 * value);
  }
  out += " ";
  for (const auto& [verdict, n] : s.verdicts) out += " " + verdict + " " + std::to_string(n);
  out += "\n";
  for (const auto& [name, value] : s.metrics) out += "  " + name + format(" %.1f%%\n", 100 * value);
  out += format("  tokens an answer: mean %.0f, median %.0f, 95%% below %.0f\n", s.tokens.mean, s.tokens.median, s.tokens.p95);
  out += format("  seconds an answer: mean %.2f, median %.2f, 95%% below %.2f\n", s.seconds.mean, s.seconds.median, s.seconds.p95);
  if (s.n_errors > 0) out += "  NOT COUNTED: " + std::to_string(s.n_errors) + " answers whose model, tool or judge failed; the same command tries them again\n";
  if (s.n_missing > 0) out += "  not reached: " + std::to_string(s.n_missing) + "\n";
  return out;
}

}  // namespace toccata::eval
