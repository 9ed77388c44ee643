// Runs as JSON: what `runs show --json`, the export and other readers print.
#pragma once

#include <nlohmann/json.hpp>

#include "agent/store/ledger.h"

namespace toccata::store {

nlohmann::ordered_json to_json(const RunSummary& run);
nlohmann::ordered_json to_json(const MessageRow& message);
nlohmann::ordered_json to_json(const CallRow& call);  // "result": null when it has none
nlohmann::ordered_json to_json(const StepRow& step);
nlohmann::ordered_json to_json(const Segment& segment);
nlohmann::ordered_json to_json(const NoteRow& note);
// The summary's fields and the lists `messages`, `calls`, `segments`, `notes`, and of a run that made others `children`.
nlohmann::ordered_json to_json(const RunRecord& run);
// The summary's fields and `message`, `final`, `sandbox`, `params`, `usage`, without the lists.
nlohmann::ordered_json head_json(const RunRecord& run);

// One line without a newline; bytes that are not UTF-8 become U+FFFD.
// "1.25 s".
std::string seconds_text(std::int64_t microseconds);

std::string dump_line(const nlohmann::ordered_json& value);

}  // namespace toccata::store
