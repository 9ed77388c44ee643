#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "agent/loop/events.h"

namespace toccata::agent {

// One line of the JSONL stream:
// {"type":"item.completed","item":{"id":"item_0","type":"agent_message","text":"4"}}. As codex
// writes them, with these additions: agent_message has "phase" ("preamble" | "final"); item.updated
// of a text carries only {"id","type","delta"} (codex sends none; readers that know item.completed
// may skip it); turn.failed has "terminal_reason", "exit_code" and "usage"; web_search has
// "result".
nlohmann::ordered_json to_json(const Event& event);
nlohmann::ordered_json to_json(const Item& item);
nlohmann::ordered_json to_json(const TokenUsage& usage);
// [{"type":"url_citation","start_index","end_index","url","title","cursor","lines":[[first, last]],"quote","checked"}]
nlohmann::ordered_json to_json(const std::vector<Citation>& citations);

// to_json(event) as text on one line, without its end; bytes that are no UTF-8 become U+FFFD. Several times as fast as
// dumping the value, for there are four of them to a step.
std::string json_line(const Event& event);

}  // namespace toccata::agent
