// Evaluations as presets of the task runner: a row of data becomes a prompt and what grades the answer, a row of the dataset of
// a one-step task. Resuming, parallel rows, the ledger and reports are those of datasets.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "agent/task/dataset.h"
#include "agent/task/task.h"

namespace toccata::eval {

using task::Value;

enum class Preset { kNumeric, kChoice, kCode, kShort, kFacts, kCalls, kCitations };

struct PresetInfo {
  Preset preset;
  const char* name;
  const char* summary;  // for --help
  const char* fields;   // of a row: what is told when one does not fit
};
const std::vector<PresetInfo>& presets();
// kInvalidArgument with the names there are.
Result<PresetInfo> find_preset(const std::string& name);

// What a row comes to for the `sample`-th time, from 1: {"id", "sample", "prompt", ...}, all the grader needs. Throws
// Exception(kInvalidArgument) saying what does not fit.
Value make_item(Preset preset, const Value& row, int sample, std::int64_t seed);

// All rows of a file, each `samples` times, as rows of the task below; not yet named. `limit`: of the file's rows, 0 = all.
// kInvalidArgument with a line for each row that does not fit, and the fields that are expected.
Result<std::vector<task::Row>> make_items(
    const PresetInfo& preset, const std::vector<task::Row>& rows, const std::string& file, int samples, std::size_t limit, std::int64_t seed
);

// The one step, without a model and other settings.
task::Task make_task(const PresetInfo& preset);

}  // namespace toccata::eval
