// What the results of an eval come to.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "agent/eval/preset.h"
#include "agent/eval/statistics.h"
#include "agent/task/batch.h"

namespace toccata::eval {

struct Summary {
  std::string preset, method;          // of the interval: "wilson", "bootstrap"
  std::size_t n_items = 0;             // rows of the data
  std::size_t n_answers = 0;           // graded: each row as often as it was sampled
  std::size_t n_errors = 0;            // nothing was learned: the model, a tool or a judge failed. Not counted as wrong
  std::size_t n_missing = 0;           // not reached
  double accuracy = 0;                 // the mean over items of the share of right answers
  Interval interval;                   // of that, 95%
  std::map<std::size_t, double> pass_at_k;  // of items with at least k answers
  // correct, incorrect, abstained, no_answer (a limit was reached, or there was no final message; counts as wrong)
  std::map<std::string, std::size_t> verdicts;
  std::map<std::string, double> metrics;    // means
  Spread tokens, seconds;                   // of an answer
};

// "" when nothing was learned.
std::string verdict_of(const task::RowResult& row);

Summary summarize(const PresetInfo& preset, const task::BatchReport& report);
Value to_json(const Summary& summary);
// A few lines for the terminal.
std::string summary_text(const Summary& summary);

}  // namespace toccata::eval
